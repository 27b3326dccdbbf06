# SPDX-FileCopyrightText: The opendatahub.model_registry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Documentation of the attributes that the modules have in common."""

from __future__ import annotations


class ModuleDocFragment:
    """The attributes of every module that changes something."""

    DOCUMENTATION = r"""
attributes:
  check_mode:
    support: full
    description:
      - Can run in C(check_mode) and return changed status prediction without modifying target.
    details:
      - The API server checks each change in a dry run, with its admission webhooks.
  diff_mode:
    support: full
    description:
      - Will return details on what has changed (or possibly needs changing in C(check_mode)), when in diff mode.
    details:
      - Values of Secrets are not shown.
  idempotent:
    support: full
    description:
      - When run twice in a row outside check mode, with the same arguments, the second invocation indicates no change.
    details:
      - A second run sends no write request.
"""

    INFO = r"""
attributes:
  check_mode:
    support: full
    description:
      - Can run in C(check_mode) and return changed status prediction without modifying target.
    details:
      - The module changes nothing in either mode.
  diff_mode:
    support: N/A
    description:
      - Will return details on what has changed (or possibly needs changing in C(check_mode)), when in diff mode.
  idempotent:
    support: full
    description:
      - When run twice in a row outside check mode, with the same arguments, the second invocation indicates no change.
"""

    COMMON = r"""
attributes:
  async:
    support: partial
    description:
      - Supports being used with the C(async) keyword.
    details:
      - Not supported with a O(kubeconfig) that is encrypted with Ansible Vault, nor in check mode, as with all modules.
  platform:
    support: full
    platforms: kubernetes
    description:
      - Target platforms of the module.
    details:
      - It runs on a host that reaches the Kubernetes API, usually the controller.
  action_group:
    support: full
    membership: [opendatahub.model_registry.all]
    description:
      - Use C(group/opendatahub.model_registry.all) in C(module_defaults) to set defaults for this module.
    details:
      - The group extends C(kubernetes.core.k8s). It sets the authentication options for the modules of both collections.
"""

# SPDX-FileCopyrightText: The opendatahub.model_registry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Documentation of the option namespace, shared by modules."""

from __future__ import annotations


class ModuleDocFragment:
    """The registries namespace."""

    DOCUMENTATION = r"""
options:
  namespace:
    description:
      - The registries namespace, the one namespace where registries live.
      - By default it is asked of the platform, from the AIHub object and the DataScienceCluster. If the user may see
        neither, it is that of V(rhoai-model-registries) and V(odh-model-registries) in which registries can be seen, and a
        warning says so. If the platform names several, or both have registries, the task fails and asks for it.
    type: str
"""

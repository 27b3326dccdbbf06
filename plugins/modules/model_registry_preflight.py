#!/usr/bin/python
# SPDX-FileCopyrightText: The opendatahub.model_registry authors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Module model_registry_preflight: which blockers a job would meet in the cluster, before it begins."""

from __future__ import annotations

DOCUMENTATION = r"""
module: model_registry_preflight
short_description: Check the cluster before a model registry is created, edited, shared or deleted
version_added: 0.1.0
author:
  - The opendatahub.model_registry authors (@opendatahub-io)
description:
  - Reports all obstacles to a job at once, before the job begins. It checks whether the model registry component is enabled,
    its API is served and its operator runs; whether the namespace is the platform's; which rights the user lacks; whether the
    name is free in the whole cluster; whether the Secrets and certificates for the database exist and are valid; and how the
    API server itself is trusted.
  - What the user may not read is reported as unchecked, and does not make the task fail.
  - The module M(opendatahub.model_registry.mysql_auth_check) checks the database. The role
    P(opendatahub.model_registry.preflight#role) runs both.
  - Nothing is stored. For the jobs V(create) and V(update), a dry run of the registry is sent to the API server, which asks the
    operator's webhooks about it.
extends_documentation_fragment:
  - kubernetes.core.k8s_auth_options
  - opendatahub.model_registry.attributes.info
  - opendatahub.model_registry.attributes.common
  - opendatahub.model_registry.namespace
  - opendatahub.model_registry.database
  - opendatahub.model_registry.failing
  - opendatahub.model_registry.proxy
options:
  job:
    description:
      - The job to check for. It decides which rights are needed, and whether the registry must exist.
      - V(grant) is what M(opendatahub.model_registry.model_registry_permissions) does.
    type: str
    choices: [create, update, teardown, grant]
    default: create
  name:
    description:
      - The resource name of the registry. By default it is derived from O(display_name). Without both, the name is not checked.
    type: str
    aliases: [registry]
  display_name:
    description:
      - The name that the dashboard shows.
    type: str
  auth_proxy:
    description:
      - The proxy that the registry is to have, as for M(opendatahub.model_registry.model_registry).
    type: str
    choices: [auto, kube_rbac, oauth, istio, none]
  via:
    description:
      - The path on which the database will be checked, as O(opendatahub.model_registry.mysql_auth_check#module:via). It decides
        which rights are needed in addition to those for the job.
    type: str
    choices: [auto, direct, port_forward, relay]
    default: auto
  relay_image:
    description:
      - The image of the relay with which the database will be checked. O(via=relay) without it is the finding C(option_invalid).
    type: str
notes:
  - O(database.password) is sent nowhere. The Secret of O(database.password_secret) is read, to check that it has the key, and
    that the registry server can use the password.
seealso:
  - module: opendatahub.model_registry.mysql_auth_check
  - module: opendatahub.model_registry.model_registry
requirements:
  - python >= 3.9
  - kubernetes >= 24.2.0
"""

EXAMPLES = r"""
- name: Check whether a registry can be created
  opendatahub.model_registry.model_registry_preflight:
    job: create
    name: fraud
    database:
      host: mysql.databases.svc.cluster.local
      name: fraud
      username: fraud
      password_secret:
        name: fraud-db
        key: database-password
      tls:
        ca_bundle: cluster

- name: Check which rights this user lacks to share a registry
  opendatahub.model_registry.model_registry_preflight:
    job: grant
    name: fraud
    fail_on: never
  register: preflight

- name: Show the findings
  opendatahub.model_registry.show:
    lines: "{{ ({'cluster': preflight} | opendatahub.model_registry.preflight_report).lines }}"
"""

RETURN = r"""
findings:
  description: The findings, the most severe first. Also returned if the task fails.
  returned: always
  type: list
  elements: dict
  contains:
    code: {description: The finding as a short code., type: str, returned: always, sample: rights_missing}
    severity:
      description:
        - V(blocker) if the job cannot succeed, V(warning) for a risk, V(info) for what could not be checked or is good to know.
      type: str
      returned: always
      sample: blocker
    what: {description: The object or option that the finding is about., type: str, returned: always, sample: DataScienceCluster default-dsc}
    why: {description: What is wrong with it., type: str, returned: always}
    remedy: {description: What to do., type: str, returned: always}
    rule: {description: Where the rule comes from., type: str, returned: always}
    page:
      description: The section of the collection's documentation that explains it.
      type: str
      returned: always
      sample: https://github.com/opendatahub-io/model_registry/blob/v0.1.0/docs/findings.md#charset
passed:
  description: What was checked without a finding, in a few words each.
  returned: always
  type: list
  elements: str
  sample: [component Managed, permissions for the job, name free]
facts:
  description: The facts that were gathered.
  returned: always
  type: dict
  contains:
    user: {description: "The user, as the API server knows it. Empty before Kubernetes 1.28.", type: str, returned: always}
    api:
      description: How the API server is reached.
      type: dict
      returned: always
      contains:
        host: {description: Its address., type: str, returned: always, sample: "https://api.example.com:6443"}
        verified: {description: Whether its certificate is verified., type: bool, returned: always}
        ca:
          description: V(given) if an option, the environment or a kubeconfig names the authority, else V(default).
          type: str
          returned: always
          sample: given
        ca_file:
          description: The file or folder with the trusted authorities. Empty if a kubeconfig has them as data.
          type: str
          returned: always
    namespace: {description: The registries namespace. Null if it is not known., type: str, returned: always}
    versions: {description: The served versions of ModelRegistry., type: list, elements: str, returned: always}
    component:
      description: C(managementState) of each DataScienceCluster by its name. Null if they may not be read, or the cluster has no such kind.
      type: dict
      returned: always
    name: {description: The resource name., type: str, returned: always}
    registry_exists: {description: Whether the registry exists. Null if it may not be read., type: bool, returned: always}
    database_checkable:
      description: Whether enough is known, and may be read, to check the database with M(opendatahub.model_registry.mysql_auth_check).
      type: bool
      returned: always
    database_changed:
      description:
        - Whether the job would change the database that an existing registry uses, or what its Secrets and ConfigMaps have for it.
          Null if that is not known.
      type: bool
      returned: always
"""

from ansible.module_utils.basic import AnsibleModule

from ..module_utils._argspec import authentication, failing, registry
from ..module_utils._common.failing import failing_from
from ..module_utils._common.finding_lines import check_findings
from ..module_utils._module import Connect, Result, run_module
from ..module_utils._preflight.gather import preflight, wanted_from
from ..module_utils._preflight.rules import JOBS

OPTIONS = ("name", "display_name", "database", "auth_proxy", "auth_proxy_settings")
"""Those of the registry that a job is about."""


def main() -> None:
    """Run the module."""
    spec = {
        **authentication(),
        "job": {"type": "str", "choices": list(JOBS), "default": "create"},
        **{option: registry()[option] for option in OPTIONS},
        "via": {"type": "str", "choices": ["auto", "direct", "port_forward", "relay"], "default": "auto"},
        "relay_image": {"type": "str"},
        **failing(),
    }
    module = AnsibleModule(argument_spec=spec, supports_check_mode=True)
    run_module(module, lambda connect, result: work(module, connect, result))


def work(module: AnsibleModule, connect: Connect, result: Result) -> None:
    """Gather the findings, fill in the result, and fail if they are severe enough."""
    rule = failing_from(module.params["fail_on"], module.params["accept"])
    wanted = wanted_from(module.params)
    result.update(preflight(connect(), wanted))
    check_findings(f"preflight of {wanted.job}", result["findings"], rule)


if __name__ == "__main__":
    main()

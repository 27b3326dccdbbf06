#!/usr/bin/python
# SPDX-FileCopyrightText: The opendatahub.model_registry authors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Module model_registry_info: which registries exist, their status and the findings about them."""

from __future__ import annotations

DOCUMENTATION = r"""
module: model_registry_info
short_description: Show model registries, their status and findings
version_added: 0.1.0
author:
  - The opendatahub.model_registry authors (@opendatahub-io)
description:
  - Shows model registries of OpenShift AI or Open Data Hub with their database, certificates and permissions, without any
    secret.
  - For each registry it reports whether the registry is ready, and if it is not, why, in the words of the database or of
    Kubernetes, and what to do. For that it reads the Deployment, the pods, their logs and the endpoints, not only the
    registry's own status.
  - Changes nothing. What the user may not read is left out, with a warning that names the missing right.
extends_documentation_fragment:
  - kubernetes.core.k8s_auth_options
  - opendatahub.model_registry.attributes.info
  - opendatahub.model_registry.attributes.common
  - opendatahub.model_registry.namespace
options:
  name:
    description:
      - The resource name of the only registry to show. By default, all in the registries namespace are shown.
      - If no registry has the name, the list is empty. That is no error.
    type: str
    aliases: [registry]
  access:
    description:
      - What to report about access to a registry.
      - V(listed) lists the subjects that have access, from RoleBindings, roles and the OpenShift Group of the registry.
      - V(verified) also asks the API server about each, by one LocalSubjectAccessReview each. A project is verified by its
        service account C(default), and members of the Group C(<registry>-users) by the Group.
      - V(none) reports nothing.
    type: str
    choices: [none, listed, verified]
    default: listed
seealso:
  - module: opendatahub.model_registry.model_registry
  - module: opendatahub.model_registry.model_registry_permissions
requirements:
  - python >= 3.9
  - kubernetes >= 24.2.0
"""

EXAMPLES = r"""
- name: Show all registries
  opendatahub.model_registry.model_registry_info:
  register: found

- name: Show those that are not ready, and why
  ansible.builtin.debug:
    msg: "{{ item.name }}: {{ item.status.message }} {{ item.status.next_step | default('') }}"
  loop: "{{ found.registries | rejectattr('status.state', 'equalto', 'ready') }}"
  loop_control:
    label: "{{ item.name }}"

- name: Show who has access to a registry, and ask the API server about each
  opendatahub.model_registry.model_registry_info:
    name: fraud-models
    access: verified
  register: fraud

- name: Grant the same permissions on another registry
  opendatahub.model_registry.model_registry_permissions:
    registry: fraud-models-2
    users: "{{ fraud.registries[0].permissions.users }}"
    groups: "{{ fraud.registries[0].permissions.groups }}"
    projects: "{{ fraud.registries[0].permissions.projects }}"
    service_accounts: "{{ fraud.registries[0].permissions.service_accounts }}"

- name: Fail if a finding is a blocker
  opendatahub.model_registry.model_registry_info:
    name: fraud-models
  register: fraud
  failed_when: fraud.registries | map(attribute='findings') | flatten | selectattr('severity', 'equalto', 'blocker')
"""

RETURN = r"""
namespace:
  description: The registries namespace.
  returned: success
  type: str
  sample: rhoai-model-registries
names:
  description: The names of all registries in the namespace, also of those that O(name) leaves out.
  returned: success
  type: list
  elements: str
  sample: [fraud-models, risk]
registries:
  description: The registries, sorted by name.
  returned: success
  type: list
  elements: dict
  contains:
    name: {description: Resource name., type: str, returned: always, sample: fraud-models}
    namespace: {description: The registries namespace., type: str, returned: always, sample: rhoai-model-registries}
    uid: {description: UID of the object., type: str, returned: always}
    display_name: {description: The name that the dashboard shows., type: str, returned: if set}
    description: {description: What the registry is for., type: str, returned: if set}
    created: {description: Time of its creation., type: str, returned: always, sample: "2026-01-31T12:00:00Z"}
    deleting_since: {description: Time at which its deletion was requested., type: str, returned: while it is being deleted}
    hosts:
      description:
        - Host names of the registry, which serves HTTPS. The host of a gateway has a path, as in
          V(gateway.example.com/model-registry/fraud).
      type: list
      elements: str
      returned: if known
    url:
      description: The URL of the first of them.
      type: str
      returned: if known
      sample: https://fraud-models-rest.apps.example.com
    auth_proxy:
      description:
        - As the option of that name of M(opendatahub.model_registry.model_registry). Null if the registry cannot be read.
      type: str
      returned: always
      sample: kube_rbac
    resources:
      description: As the option of that name of M(opendatahub.model_registry.model_registry).
      type: dict
      returned: if set
    image:
      description: As the option of that name of M(opendatahub.model_registry.model_registry).
      type: str
      returned: if set
    port:
      description: As the option of that name of M(opendatahub.model_registry.model_registry).
      type: int
      returned: if it is not the API's default
    service_route:
      description: As the option of that name of M(opendatahub.model_registry.model_registry).
      type: bool
      returned: if it is not the API's default
    auth_proxy_settings:
      description: As the option of that name of M(opendatahub.model_registry.model_registry), without the API's defaults.
      type: dict
      returned: if set
    database:
      description: As the option of that name of M(opendatahub.model_registry.model_registry), without the password.
      type: dict
      returned: if it has one
    status:
      description: Whether the registry is ready.
      type: dict
      returned: always
      contains:
        state:
          description:
            - V(ready) if its newest pod serves, V(waiting) if it is still becoming ready, V(failed) if it cannot become ready
              by itself, or V(deleting).
            - V(unknown) if one of its fields has a type that the collection does not know. The finding C(registry_unreadable)
              says more.
          type: str
          returned: always
          sample: failed
        reason: {description: "Cause of the state, as a short code.", type: str, returned: always, sample: access_denied}
        message:
          description: The cause in one sentence, in the words of the database or of Kubernetes.
          type: str
          returned: always
          sample: "Error 1045 (28000): Access denied for user 'fraud'@'10.128.2.17' (using password: YES)"
        next_step: {description: What to do., type: str, returned: if there is something to do}
        source: {description: Where the words come from., type: str, returned: if known}
    tls:
      description: How the registry server connects to the database.
      type: dict
      returned: always
      contains:
        encrypted: {description: Whether the connection is always encrypted. Null if the registry cannot be read., type: bool, returned: always}
        verified: {description: Whether the database's certificate is checked. Null if the registry cannot be read., type: bool, returned: always}
        ca:
          description: The object with the certificate authority.
          type: dict
          returned: if one is named
          contains:
            kind: {description: ConfigMap or Secret., type: str, returned: always, sample: ConfigMap}
            name: {description: The object's name., type: str, returned: always, sample: odh-trusted-ca-bundle}
            key: {description: The key in it., type: str, returned: always, sample: ca-bundle.crt}
            certificates:
              description: The authorities' certificates in it that the registry server can read. Empty for a Secret.
              type: list
              elements: dict
              returned: always
              contains:
                subject: {description: Distinguished name., type: str, returned: always, sample: "CN=Example CA,O=Example"}
                expires: {description: End of validity., type: str, returned: always, sample: "2030-01-01T00:00:00Z"}
    access:
      description:
        - The subjects that can use the registry by objects in its namespace, sorted by kind and name, with one entry for each
          object that grants access.
        - ClusterRoleBindings are not read. They grant rights in all namespaces, such as to the cluster's administrators.
      type: list
      elements: dict
      returned: if RoleBindings may be read, unless O(access=none)
      contains:
        kind: {description: "V(User), V(Group), V(Project) or V(ServiceAccount).", type: str, returned: always, sample: Group}
        name: {description: Name of the subject., type: str, returned: always, sample: fraud-team}
        namespace: {description: Project of the service account., type: str, returned: for a ServiceAccount}
        through:
          description: The object that grants access.
          type: dict
          returned: always
          contains:
            kind:
              description: V(RoleBinding), or V(Group) for the members of the Group C(<registry>-users).
              type: str
              returned: always
              sample: RoleBinding
            name: {description: Its name., type: str, returned: always, sample: dashboard-permissions-0b5f1c8d27a94e36c1f0}
            role:
              description:
                - The role that the RoleBinding grants. Roles other than C(registry-user-<registry>) are listed if they allow to
                  get the registry's Service.
              type: str
              returned: for a RoleBinding
              sample: Role registry-user-fraud-models
        dashboard: {description: "Whether the dashboard lists it. It has no list for single service accounts.", type: bool, returned: always}
        verified:
          description: Whether the API server confirms it. Null if it was not asked.
          type: bool
          returned: always
    permissions:
      description:
        - The permissions on the registry, as options of M(opendatahub.model_registry.model_registry_permissions). Give them back
          to it after the registry was created again, for example.
        - Access by other roles is not among them.
      type: dict
      returned: if RoleBindings may be read, unless O(access=none)
      contains:
        users: {description: Users., type: list, elements: str, returned: always}
        groups: {description: Groups., type: list, elements: str, returned: always}
        projects: {description: Projects., type: list, elements: str, returned: always}
        service_accounts:
          description: Single service accounts, with C(namespace) and C(name).
          type: list
          elements: dict
          returned: always
        members:
          description: Members of the Group C(<registry>-users). Null if it may not be read.
          type: list
          elements: str
          returned: if there is such a Group
    findings:
      description: Problems, risks and what is good to know, the most severe first.
      type: list
      elements: dict
      returned: always
      contains:
        code: {description: The finding as a short code., type: str, returned: always, sample: shared_secret}
        severity:
          description: V(blocker) if the registry cannot work, V(warning) for a risk, V(info) for what is good to know.
          type: str
          returned: always
          sample: warning
        what: {description: The object that the finding is about., type: str, returned: always, sample: Secret models-db}
        why: {description: What is wrong with it., type: str, returned: always}
        remedy: {description: What to do., type: str, returned: always}
        rule: {description: Where the rule comes from., type: str, returned: always}
        page:
          description: The section of the collection's documentation that explains it.
          type: str
          returned: always
          sample: https://github.com/opendatahub-io/model_registry/blob/v0.1.0/docs/findings.md#shared_secret
"""

from ansible.module_utils.basic import AnsibleModule

from ..module_utils._argspec import authentication
from ..module_utils._info.gather import gather_registries
from ..module_utils._kubernetes.client import Cluster
from ..module_utils._module import Result, run_module
from ..module_utils._registry.namespace import find_registries_namespace


def main() -> None:
    """Run the module."""
    access = {"type": "str", "choices": ["none", "listed", "verified"], "default": "listed"}
    spec = {**authentication(), "name": {"type": "str", "aliases": ["registry"]}, "access": access}
    module = AnsibleModule(argument_spec=spec, supports_check_mode=True)
    run_module(module, lambda connect, result: work(module, connect(), result))


def work(module: AnsibleModule, cluster: Cluster, result: Result) -> None:
    """Read the registries, and fill in the result."""
    place = find_registries_namespace(cluster, module.params["namespace"])
    found = gather_registries(cluster, place.namespace, module.params["name"], module.params["access"])
    warnings = [*place.warnings, *found.warnings]
    result.update(namespace=place.namespace, names=found.names, registries=found.registries, warnings=warnings)


if __name__ == "__main__":
    main()

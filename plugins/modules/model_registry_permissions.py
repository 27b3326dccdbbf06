#!/usr/bin/python
# SPDX-FileCopyrightText: The opendatahub.model_registry authors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Module model_registry_permissions: who may use a registry."""

from __future__ import annotations

DOCUMENTATION = r"""
module: model_registry_permissions
short_description: Grant access to a model registry, revoke it, and verify it
version_added: 0.1.0
author:
  - The opendatahub.model_registry authors (@opendatahub-io)
description:
  - Grants users, groups, the service accounts of projects, and single service accounts access to a model registry of
    OpenShift AI or Open Data Hub, or revokes it, and asks the API server whether that has the effect.
  - Each permission is the RoleBinding that the dashboard would create, and the dashboard lists it. Only those of single
    service accounts are not listed, since the dashboard has no list for them. Permissions that were granted with the
    dashboard are recognized by their content, and kept.
  - Warnings report RoleBindings to the role of the registry that differ from the dashboard's form, and permissions that exist
    more than once. O(adopt) and O(state=exact) replace them by one RoleBinding in the dashboard's form.
  - RoleBindings that have the registry's label, or refer to C(registry-users-<registry>), and whose role does not exist grant
    no access. Warnings report them. O(adopt) and O(state=absent) remove the named subjects from them, and O(state=exact)
    deletes them.
  - RoleBindings to other existing roles are never changed, although some may grant access, too.
extends_documentation_fragment:
  - kubernetes.core.k8s_auth_options
  - opendatahub.model_registry.attributes
  - opendatahub.model_registry.attributes.common
  - opendatahub.model_registry.namespace
options:
  registry:
    description:
      - The resource name of the registry. Existing registries can have names that are not allowed for new ones.
    type: str
    required: true
    aliases: [name]
  users:
    description:
      - Names of users, exactly as they log in.
      - Names with leading or trailing white space, control characters, line breaks or invisible characters are refused.
        Invisible are zero-width spaces and marks for the direction of text, for example. The joiners U+200C and U+200D are
        letters of some scripts, and allowed. All other names are used as they are.
    type: list
    elements: str
  groups:
    description:
      - Names of groups, exactly as the cluster or its identity provider has them. The rules for O(users) apply.
        V(system:authenticated) is everyone who can log in.
    type: list
    elements: str
  projects:
    description:
      - Names of projects. All their service accounts may use the registry, and with them workbenches, pipelines and other
        workloads of the project.
    type: list
    elements: str
  service_accounts:
    description:
      - Single service accounts.
    type: list
    elements: dict
    suboptions:
      namespace:
        description:
          - The project of the service account.
        type: str
        required: true
      name:
        description:
          - Name of the service account.
        type: str
        required: true
  members:
    description:
      - Names of users in the OpenShift Group C(<registry>-users), which the operator creates for each registry, and whose
        members may use it. The Group is deleted together with the registry.
      - Without this option the Group is left unchanged, also with O(state=exact). An empty list with O(state=exact) removes all
        members.
      - Groups are cluster-scoped. The ClusterRole in C(playbooks/files/registry-admin-cluster.yaml) has the rights for them.
      - A cluster with an external identity provider (OIDC), or without OpenShift, has no such Groups.
    type: list
    elements: str
  state:
    description:
      - V(present) grants access to the named subjects, and revokes none.
      - V(absent) revokes the access of the named subjects. A RoleBinding with several subjects loses only these.
      - V(exact) grants access to the named subjects, and revokes all other access. All lists together are the requested
        state. A list that is not set is empty, except for O(members).
    type: str
    choices: [present, absent, exact]
    default: present
  adopt:
    description:
      - Whether each named subject gets access by exactly one RoleBinding, in the dashboard's form. The subjects are removed
        from RoleBindings with several subjects, from those without the dashboard's labels, and from duplicates. No subject
        loses access meanwhile, not even for a moment.
      - If other subjects were added to a RoleBinding that this module created for one subject, they remain in it, and the
        dashboard does not list it, until they are named, too.
      - O(state=exact) implies it.
    type: bool
    default: false
  verify:
    description:
      - Whether to ask the API server, by an access review for each subject, whether it may use the registry now, and to fail
        with the reason if that is not as requested. It is a LocalSubjectAccessReview, or a SubjectAccessReview if the user may
        only create that.
      - A service account is reviewed with the groups that Kubernetes gives it, C(system:serviceaccounts),
        C(system:serviceaccounts:<project>) and V(system:authenticated). A user or group is reviewed with
        V(system:authenticated) alone.
      - With V(present), all named subjects must have access.
      - With V(absent), no named subject may have access, whether it had a permission or not. It can still have access in
        another way, such as V(system:authenticated) or another role in the namespace.
      - With V(exact), all named subjects must have access, and all subjects whose access this run has revoked must not. Others
        who have access by other roles in the namespace are no error. RV(other_access) returns them each time.
      - O(members) who are to have access are verified by their Group, which must have access and contain them, since reviews
        know no memberships. Members who are to have none are reviewed as users.
      - Only what Kubernetes itself knows counts, not the groups in which an identity provider puts a user.
      - A project is verified by reviewing its service account C(default).
      - In check mode nothing is verified, since nothing is changed.
    type: bool
    default: true
  must_exist:
    description:
      - Whether users, groups and projects that the cluster does not know are an error.
      - By default they are allowed, since users and groups can come from an identity provider. A warning names those that are
        new among the permissions.
    type: bool
    default: false
  wait:
    description:
      - Whether to wait for the role and the Group of a new registry. The operator creates them.
      - An administrator of the cluster can grant a role that does not exist yet. Then only O(verify) waits for it.
    type: bool
    default: true
  wait_timeout:
    description:
      - The longest time to wait for them, in seconds, from 1 to 86400 (one day). To go on without waiting, set O(wait=false).
    type: int
    default: 60
notes:
  - Two simultaneous runs on the same registry end as if one had run after the other. A run that has changed something reads
    the permissions again at the end, and completes what is left to do.
  - In check mode, a registry that does not exist is a warning, since an earlier task would have created it.
seealso:
  - module: opendatahub.model_registry.model_registry
  - module: opendatahub.model_registry.model_registry_info
requirements:
  - python >= 3.9
  - kubernetes >= 24.2.0
"""

EXAMPLES = r"""
- name: Grant access to a team, one more person, and the workloads of a project
  opendatahub.model_registry.model_registry_permissions:
    registry: fraud-models
    groups: [fraud-team]
    users: [alice@example.com]
    projects: [fraud-detection]

- name: Grant access to everyone who can log in
  opendatahub.model_registry.model_registry_permissions:
    registry: fraud-models
    groups: ["system:authenticated"]

- name: Grant access to these subjects, and revoke all other access
  opendatahub.model_registry.model_registry_permissions:
    registry: fraud-models
    state: exact
    groups: [fraud-team]
    service_accounts:
      - namespace: fraud-detection
        name: pipeline-runner

- name: Revoke the access of a person who has left
  opendatahub.model_registry.model_registry_permissions:
    registry: fraud-models
    state: absent
    users: [alice@example.com]
    members: [alice@example.com]

- name: Show permissions in the dashboard that were granted with kubectl
  opendatahub.model_registry.model_registry_permissions:
    registry: fraud-models
    users: [bob@example.com, carol@example.com]
    adopt: true
"""

RETURN = r"""
grants:
  description:
    - The subjects that may use the registry now through its role. In check mode, those that would. The RoleBinding that the
      operator creates for the Group C(<registry>-users) is left out.
  returned: success, and if the verification fails
  type: list
  elements: dict
  contains:
    kind: {description: "V(User), V(Group), V(Project) or V(ServiceAccount).", type: str, returned: always, sample: Group}
    name: {description: Name of the subject., type: str, returned: always, sample: fraud-team}
    namespace: {description: Project of the service account., type: str, returned: for a ServiceAccount}
    bindings:
      description: The RoleBindings that grant it.
      type: list
      elements: str
      returned: always
      sample: [dashboard-permissions-0b5f1c8d27a94e36c1f0]
    dashboard: {description: Whether the dashboard lists it., type: bool, returned: always}
    hidden:
      description: Why the dashboard does not list it. The dashboard has no list for service accounts.
      type: str
      returned: if the dashboard does not list it
      sample: the dashboard lists no single service accounts
    verified:
      description: Whether an access review of this run has confirmed it. Only subjects that the task names are reviewed.
      type: bool
      returned: always
granted:
  description:
    - The subjects that have access now and had none through the role of the registry before, each with C(kind), C(name),
      C(namespace).
  returned: success, and if the verification fails
  type: list
  elements: dict
revoked:
  description:
    - The subjects that had access through the role of the registry before or meanwhile, and have none now, each with C(kind),
      C(name), C(namespace).
  returned: success, and if the verification fails
  type: list
  elements: dict
members:
  description: The members of the Group C(<registry>-users) now. In check mode, the members that it would have.
  returned: if O(members) is given
  type: list
  elements: str
other_access:
  description:
    - The other subjects that may use the registry, by RoleBindings in the namespace to roles that are not a registry's, each with
      C(kind), C(name), C(namespace). V(exact) revokes none of this access.
    - Rights that hold in all namespaces (ClusterRoleBindings) are seen only if these RoleBindings name their subjects.
  returned: if O(verify) succeeds with O(state=exact)
  type: list
  elements: dict
  contains:
    reason: {description: The reason that the API server gives., type: str, returned: always}
verified:
  description:
    - Whether access reviews have confirmed all that O(verify) asks about. It says nothing about RV(other_access).
    - Null if no subject is named and none has lost access, so that there is nothing to ask about.
  returned: always
  type: bool
summary:
  description: What became of the access, and who has it, in lines for people. The task shows them, too.
  returned: success
  type: list
  elements: str
  sample: ["access to fraud is changed, and access reviews confirm it", "  granted: Group fraud-team", "  may use it: Group fraud-team"]
changes:
  description:
    - The changes, in the order in which they were made. In check mode, the same changes that would be made.
    - A failed task returns those that were made up to then.
  returned: always
  type: list
  elements: dict
  contains:
    kind: {description: Kind of the object., type: str, returned: always, sample: RoleBinding}
    name: {description: Name of the object., type: str, returned: always, sample: dashboard-permissions-0b5f1c8d27a94e36c1f0}
    action: {description: "V(create), V(patch) or V(delete).", type: str, returned: always, sample: create}
    fields: {description: The fields that were set or removed., type: list, elements: str, returned: always}
    validated:
      description: V(false) if the API server could not check the change in check mode, since it depends on another one.
      type: bool
      returned: always
"""

from collections.abc import Iterable

from ansible.module_utils.basic import AnsibleModule

from ..module_utils._argspec import authentication, permissions, waiting
from ..module_utils._common.model import Grant, Object
from ..module_utils._common.names import check_object_name
from ..module_utils._kubernetes.changes import change_entry, diffs
from ..module_utils._kubernetes.run import Run
from ..module_utils._module import Connect, Result, run_module
from ..module_utils._permissions.bindings import DesiredGrants
from ..module_utils._permissions.reconcile import DesiredPermissions, PermissionsResult, ensure_permissions
from ..module_utils._permissions.subjects import check_names, grants_from
from ..module_utils._permissions.summary import permissions_summary
from ..module_utils._registry.namespace import find_registries_namespace


def main() -> None:
    """Run the module."""
    spec = {
        **authentication(),
        **permissions(),
        **waiting(),
        "registry": {"type": "str", "required": True, "aliases": ["name"]},
        "state": {"type": "str", "choices": ["present", "absent", "exact"], "default": "present"},
        "adopt": {"type": "bool", "default": False},
        "verify": {"type": "bool", "default": True},
        "must_exist": {"type": "bool", "default": False},
        "wait_timeout": {"type": "int", "default": 60},
    }
    module = AnsibleModule(argument_spec=spec, supports_check_mode=True)
    run_module(module, lambda connect, result: work(module, connect, result))


def work(module: AnsibleModule, connect: Connect, result: Result) -> None:
    """Make the permissions as requested, and fill in the result."""
    params = module.params
    desired = desired_permissions(params)
    cluster = connect()
    outcome, done = PermissionsResult(), False
    try:
        timeout = params["wait_timeout"] if params["wait"] else None
        place = find_registries_namespace(cluster, params["namespace"])
        outcome.warnings += place.warnings
        run = Run(cluster, place.namespace, module.check_mode, timeout)
        ensure_permissions(run, desired, outcome)
        done = True
    finally:
        made = outcome.record.done
        result.update(
            changed=bool(made),
            changes=[change_entry(done.change, done.validated) for done in made],
            diff=diffs(done.change for done in made),
            verified=outcome.verified,
            warnings=outcome.warnings,
        )
        if outcome.is_known:
            result.update(
                grants=outcome.grants,
                granted=listed(outcome.after - outcome.before),
                revoked=listed(outcome.seen - outcome.after),
            )
        if outcome.members is not None:
            result["members"] = outcome.members
        if outcome.other_access is not None:
            others = sorted(outcome.other_access)
            result["other_access"] = [
                {**who, "reason": outcome.other_access[grant].reason} for grant, who in zip(others, listed(others))
            ]
        if done:
            result["summary"] = permissions_summary(params["registry"], result, module.check_mode)


def desired_permissions(params: Result) -> DesiredPermissions:
    """Return what the options request. Raises InvalidInput."""
    check_object_name(params["registry"], "registry")
    members = params["members"]
    check_names("members", members or ())
    wish = DesiredGrants(params["registry"], grants_from(params), params["state"], params["adopt"])
    return DesiredPermissions(wish, None if members is None else tuple(members), params["verify"], params["must_exist"])


def listed(grants: Iterable[Grant]) -> list[Object]:
    """Return the grants in the form of results."""
    names = ("kind", "namespace", "name")
    return [{name: getattr(grant, name) for name in names if getattr(grant, name)} for grant in sorted(grants)]


if __name__ == "__main__":
    main()

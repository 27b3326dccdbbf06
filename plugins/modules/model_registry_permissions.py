#!/usr/bin/python
# SPDX-FileCopyrightText: The opendatahub.model_registry authors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Module model_registry_permissions: who may use a registry."""

from __future__ import annotations

DOCUMENTATION = r"""
module: model_registry_permissions
short_description: Say who may use a model registry, and prove it
version_added: 0.1.0
author:
  - The opendatahub.model_registry authors (@opendatahub-io)
description:
  - Lets users, groups, the service accounts of projects, and single service accounts use a model registry of OpenShift AI
    or Open Data Hub, or takes that away, and asks the API server whether it has the effect.
  - Each permission is the RoleBinding that the dashboard would make, and the dashboard lists it, but for those of single
    service accounts, for which it has no list. Permissions that were granted with the dashboard are recognized by what they
    say, and kept.
  - RoleBindings to the role of the registry that are not as the dashboard makes them, and permissions that are there more
    than once, are reported as warnings. O(adopt) and O(state=exact) put one RoleBinding as the dashboard makes it in their
    place.
  - RoleBindings that are labelled as the registry's, or give C(registry-users-<registry>), and whose role does not exist give
    nobody access. They are reported as warnings. O(adopt) and O(state=absent) take those who are named out of them, and
    O(state=exact) deletes them.
  - RoleBindings to other roles that exist are never changed, though some may give access, too.
extends_documentation_fragment:
  - kubernetes.core.k8s_auth_options
  - opendatahub.model_registry.attributes
  - opendatahub.model_registry.attributes.common
  - opendatahub.model_registry.namespace
options:
  registry:
    description:
      - The resource name of the registry. It can be one with which none could be created today, since such registries exist.
    type: str
    required: true
    aliases: [name]
  users:
    description:
      - Names of users, exactly as they log in.
      - Names are taken as they are, whatever is in them. Refused are those that nobody means, which begin or end with white
        space or have control characters, line breaks or invisible characters in them, such as zero-width spaces and marks
        for the direction of text. The joiners U+200C and U+200D are letters of some scripts, and are let through.
    type: list
    elements: str
  groups:
    description:
      - Names of groups, exactly as the cluster or its identity provider has them, with the same rules as for O(users).
        V(system:authenticated) is everybody who can log in.
    type: list
    elements: str
  projects:
    description:
      - Names of projects. All service accounts in them may use the registry, so that workbenches, pipelines and other
        workloads of the project can.
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
          - Its name.
        type: str
        required: true
  members:
    description:
      - Names of users in the OpenShift Group C(<registry>-users), which the operator makes for each registry and which may
        use it. The Group is deleted together with the registry.
      - Without this option, the Group is left alone, with O(state=exact), too. An empty list with O(state=exact) empties it.
      - Groups are objects of the cluster. The ClusterRole in C(playbooks/files/registry-admin-cluster.yaml) has the rights
        for them.
      - A cluster where people log in with an external identity provider (OIDC), or that is no OpenShift, has no such Groups.
    type: list
    elements: str
  state:
    description:
      - V(present) gives access to all that are named, and takes it from nobody.
      - V(absent) takes it from all that are named. A RoleBinding with several subjects loses only these.
      - V(exact) gives access to all that are named, and takes it from all others. All lists together are the wish, so one that
        is left out is empty, but for O(members).
    type: str
    choices: [present, absent, exact]
    default: present
  adopt:
    description:
      - Whether those who are named get access by one RoleBinding each, as the dashboard makes it, and by no other one. They
        are taken out of RoleBindings for several subjects or without the dashboard's labels, and of those that say the same
        again. Nobody loses access by it, not for a moment.
      - Where somebody has added others to the RoleBinding that this module has made for one, they stay in it, and the
        dashboard does not list it, until they are named, too.
      - O(state=exact) always does so.
    type: bool
    default: false
  verify:
    description:
      - Whether to ask the API server, by an access review for each, whether they may use the registry now, and to fail with
        the reason if that is not as wished. It is a LocalSubjectAccessReview, or a SubjectAccessReview if the user may ask only
        that.
      - A service account is asked about with the groups that Kubernetes gives it, C(system:serviceaccounts),
        C(system:serviceaccounts:<project>) and V(system:authenticated); a user or group with V(system:authenticated) alone.
      - With V(present), all that are named must be allowed to.
      - With V(absent), all that are named must not, whether they had a permission or not. They may by another way, such as
        V(system:authenticated) or another role in the namespace.
      - With V(exact), all that are named must be allowed to, and all who have lost access in this run must not. Who else may
        by other roles in the namespace is no error, and is returned in RV(others) each time.
      - O(members) who are to have access are proven by their Group, that it may and that they are in it, since reviews know no
        memberships. Those who are to have none are asked about as users.
      - Only what Kubernetes itself knows counts, not the groups in which an identity provider puts a user.
      - A project stands the test by its service account C(default).
      - In check mode nothing is verified, since nothing is changed.
    type: bool
    default: true
  must_exist:
    description:
      - Whether users, groups and projects that the cluster does not know are an error.
      - By default a warning names those that are new among the permissions, since users and groups may come from an identity
        provider.
    type: bool
    default: false
  wait:
    description:
      - Whether to wait for the role and the Group of a registry that has only just been created. The operator makes them.
      - An administrator of the cluster can grant a role that is not there, so that only O(verify) waits for it.
    type: bool
    default: true
  wait_timeout:
    description:
      - The longest time to wait for them, in seconds, from 1 to 86400 (a day). To go on without waiting, set O(wait=false).
    type: int
    default: 60
notes:
  - Two runs at the same time on the same registry end as if one had run after the other. A run that has changed something
    looks again at the end, and does what is left to do.
  - In check mode, a registry that is not there yet is a warning, since an earlier task would have created it.
seealso:
  - module: opendatahub.model_registry.model_registry
  - module: opendatahub.model_registry.model_registry_info
requirements:
  - python >= 3.9
  - kubernetes >= 24.2.0
"""

EXAMPLES = r"""
- name: A team, one more person, and the workloads of a project
  opendatahub.model_registry.model_registry_permissions:
    registry: fraud-models
    groups: [fraud-team]
    users: [alice@example.com]
    projects: [fraud-detection]

- name: Everybody who can log in
  opendatahub.model_registry.model_registry_permissions:
    registry: fraud-models
    groups: ["system:authenticated"]

- name: Only these, and nobody else
  opendatahub.model_registry.model_registry_permissions:
    registry: fraud-models
    state: exact
    groups: [fraud-team]
    service_accounts:
      - namespace: fraud-detection
        name: pipeline-runner

- name: Alice has left
  opendatahub.model_registry.model_registry_permissions:
    registry: fraud-models
    state: absent
    users: [alice@example.com]
    members: [alice@example.com]

- name: Show in the dashboard what somebody has granted with kubectl
  opendatahub.model_registry.model_registry_permissions:
    registry: fraud-models
    users: [bob@example.com, carol@example.com]
    adopt: true
"""

RETURN = r"""
grants:
  description:
    - Who may use the registry now through its role, in check mode who would. The RoleBinding that the operator makes for the
      Group C(<registry>-users) is left out.
  returned: success, and where the proof fails
  type: list
  elements: dict
  contains:
    kind: {description: "V(User), V(Group), V(Project) or V(ServiceAccount).", type: str, returned: always, sample: Group}
    name: {description: The name., type: str, returned: always, sample: fraud-team}
    namespace: {description: The project of a service account., type: str, returned: for a ServiceAccount}
    bindings:
      description: The RoleBindings that say so.
      type: list
      elements: str
      returned: always
      sample: [dashboard-permissions-0b5f1c8d27a94e36c1f0]
    dashboard: {description: Whether the dashboard lists it., type: bool, returned: always}
    hidden:
      description: Why the dashboard does not list it. It has no list for service accounts.
      type: str
      returned: where it does not
      sample: the dashboard lists no single service accounts
    verified:
      description: Whether an access review of this run has confirmed it. Only those named by the task are asked about.
      type: bool
      returned: always
granted:
  description: Who has access now and had none through the role of the registry before, each with C(kind), C(name), C(namespace).
  returned: success, and where the proof fails
  type: list
  elements: dict
revoked:
  description:
    - Who had access through the role of the registry before or meanwhile, and has none now, each with C(kind), C(name),
      C(namespace).
  returned: success, and where the proof fails
  type: list
  elements: dict
members:
  description: Who is in the Group C(<registry>-users) now, in check mode who would be.
  returned: where O(members) is given
  type: list
  elements: str
others:
  description:
    - Who else may use the registry, each with C(kind), C(name), C(namespace), by the RoleBindings of the namespace to other
      roles than those of registries. V(exact) takes nothing from them.
    - Rights that hold in all namespaces (ClusterRoleBindings) are seen only where these RoleBindings name their subjects.
  returned: where O(verify) has succeeded with O(state=exact)
  type: list
  elements: dict
  contains:
    why: {description: The API server's words., type: str, returned: always}
verified:
  description:
    - Whether access reviews have confirmed all that O(verify) asks about. It says nothing of RV(others).
  returned: always
  type: bool
changes:
  description:
    - The changes that were made, in their order. In check mode those that would be made, which are the same.
    - Also returned where the task fails, with the changes up to then.
  returned: always
  type: list
  elements: dict
  contains:
    kind: {description: Kind of the object., type: str, returned: always, sample: RoleBinding}
    name: {description: Name of the object., type: str, returned: always, sample: dashboard-permissions-0b5f1c8d27a94e36c1f0}
    action: {description: "V(create), V(patch) or V(delete).", type: str, returned: always, sample: create}
    fields: {description: What was set or removed., type: list, elements: str, returned: always}
    validated:
      description: False where check mode could not ask the API server, since the change builds upon another one.
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
    outcome = PermissionsResult()
    try:
        timeout = params["wait_timeout"] if params["wait"] else None
        place = find_registries_namespace(cluster, params["namespace"])
        outcome.warnings += place.warnings
        run = Run(cluster, place.namespace, module.check_mode, timeout)
        ensure_permissions(run, desired, outcome)
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
            result["others"] = [
                {**who, "why": outcome.other_access[grant].reason} for grant, who in zip(others, listed(others))
            ]


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

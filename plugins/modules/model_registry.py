#!/usr/bin/python
# SPDX-FileCopyrightText: The opendatahub.model_registry authors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Module model_registry: one registry, present or absent."""

from __future__ import annotations

DOCUMENTATION = r"""
module: model_registry
short_description: Create, edit and delete a model registry
version_added: 0.1.0
author:
  - The opendatahub.model_registry authors (@opendatahub-io)
description:
  - Creates, edits and deletes a model registry of OpenShift AI or Open Data Hub, with the Secret of its database password
    and its uploaded certificate authority, and waits until it is ready or gone.
  - A registry that was created with the dashboard is edited in place, with the Secret and the ConfigMap that it has.
  - Options that are not set are left unchanged. Labels, annotations and fields that have no option are never touched.
extends_documentation_fragment:
  - kubernetes.core.k8s_auth_options
  - opendatahub.model_registry.attributes
  - opendatahub.model_registry.attributes.common
  - opendatahub.model_registry.database
  - opendatahub.model_registry.namespace
  - opendatahub.model_registry.proxy
  - opendatahub.model_registry.wait
options:
  name:
    description:
      - The resource name of the registry, which cannot be changed. A new name has at most 48 lowercase letters, digits and
        dashes, and begins with a letter. If the registry has no proxy, 49 are allowed.
      - By default it is derived from O(display_name) as the dashboard does it. A derived name never stands for a registry
        with another display name. If the display name was changed, give the resource name.
    type: str
    aliases: [registry]
  display_name:
    description:
      - The name that the dashboard shows.
    type: str
  description:
    description:
      - What the registry is for. An empty string removes the description.
    type: str
  state:
    description:
      - V(present) creates the registry, or edits it.
      - V(absent) deletes the registry, and with it the Secret, the ConfigMap and the permissions that were created for it
        alone. The database and its content remain, unless the operator runs the database itself.
      - V(absent) with O(wait=false) only requests the deletion of the registry. What else is to be deleted remains as long as
        the registry exists, and a warning names it. Another run deletes it once the registry is gone.
      - With V(absent), options that only describe the registry are ignored.
    type: str
    choices: [present, absent]
    default: present
  create:
    description:
      - Whether O(state=present) creates a registry that does not exist. With V(false), the task fails instead.
    type: bool
    default: true
  auth_proxy:
    description:
      - The proxy in front of the registry server, which authenticates the callers and checks their rights.
      - V(auto) is the default. A new registry on OpenShift gets the newest proxy that the cluster's release knows. On
        Kubernetes without OpenShift it gets none, since nothing there creates the certificate that a proxy needs. An existing
        registry keeps what it has.
      - V(kube_rbac), V(oauth) and V(istio) ask for a certain proxy, also for a registry that has none. If the operator has
        replaced it by a newer one, the newer one stays.
      - On Kubernetes without OpenShift, V(kube_rbac) needs the Secret C(<name>-kube-rbac-proxy) with C(tls.crt) and
        C(tls.key) beforehand.
      - V(none) creates the registry without a proxy, so that nothing authenticates its callers. On OpenShift, operators since
        v0.3.14 add a proxy nevertheless, and a warning says so.
    type: str
    choices: [auto, kube_rbac, oauth, istio, none]
  resources:
    description:
      - Compute resources of the registry server's container.
    type: dict
    suboptions:
      requests:
        description:
          - Reserved amounts, by resource name.
        type: dict
      limits:
        description:
          - Maximum amounts, by resource name.
        type: dict
  image:
    description:
      - Image of the registry server, such as a mirrored or pinned one. An empty string restores the operator's own.
    type: str
  port:
    description:
      - Port on which the registry server listens in its pod. The API's default is 8080.
    type: int
  service_route:
    description:
      - Whether an OpenShift Route leads directly to the registry server, past the proxy. The API's default is V(false).
    type: bool
  ignore_inference_services:
    description:
      - Whether to delete the registry even if InferenceServices refer to it, or if this user may not list InferenceServices.
        Their own deletion can then hang.
    type: bool
    default: false
  delete_generated_data:
    description:
      - Whether to delete a registry whose database the operator runs. That destroys the data.
    type: bool
    default: false
seealso:
  - module: kubernetes.core.k8s_info
requirements:
  - python >= 3.9
  - kubernetes >= 24.2.0
"""

EXAMPLES = r"""
- name: Create a registry on MySQL
  opendatahub.model_registry.model_registry:
    name: fraud-models
    display_name: Fraud models
    description: Models of the fraud team
    database:
      host: mysql.databases.svc.cluster.local
      name: fraud_models
      username: fraud
      password: "{{ vault_fraud_password }}"
      tls:
        ca_bundle: cluster

- name: Store a password that has changed in the database
  opendatahub.model_registry.model_registry:
    name: fraud-models
    database:
      password: "{{ vault_fraud_password }}"

- name: Change the description, and nothing else
  opendatahub.model_registry.model_registry:
    name: fraud-models
    description: Models of the fraud and risk teams

- name: Create a registry with a database that the operator runs
  opendatahub.model_registry.model_registry:
    display_name: Playground
    database:
      type: postgres
      generate: true

- name: Delete a registry, and keep its database
  opendatahub.model_registry.model_registry:
    name: fraud-models
    state: absent
"""

RETURN = r"""
registry:
  description:
    - The registry as it is now, in check mode as it would be, and with O(state=absent) as it was.
    - It has the options of this module that describe it, without any secret, and some facts about it.
  returned: if the registry exists, or existed
  type: dict
  contains:
    name: {description: Resource name., type: str, returned: always, sample: fraud-models}
    namespace: {description: The registries namespace., type: str, returned: always, sample: rhoai-model-registries}
    uid: {description: UID of the object., type: str, returned: if it exists}
    display_name: {description: The name that the dashboard shows., type: str, returned: if set}
    description: {description: What the registry is for., type: str, returned: if set}
    database: {description: As the option O(database) without the password., type: dict, returned: always}
    auth_proxy: {description: As the option O(auth_proxy)., type: str, returned: always, sample: kube_rbac}
    resources: {description: As the option O(resources)., type: dict, returned: if set}
    image: {description: As the option O(image)., type: str, returned: if set}
    port: {description: As the option O(port)., type: int, returned: if it is not the API's default}
    service_route: {description: As the option O(service_route)., type: bool, returned: if it is not the API's default}
    auth_proxy_settings: {description: "As the option O(auth_proxy_settings), without the API's defaults.", type: dict, returned: if set}
    hosts:
      description:
        - Host names of the registry, which serves HTTPS. The host of a gateway has a path, as in
          V(gateway.example.com/model-registry/fraud).
      type: list
      elements: str
      returned: if known
    url: {description: URL of the registry., type: str, returned: if a host is known, sample: "https://fraud-rest.apps.example.com"}
    created: {description: Time of its creation., type: str, returned: if it exists}
    deleting_since: {description: Time at which its deletion was requested., type: str, returned: while it is being deleted}
summary:
  description: What became of the registry, in lines for people. The task shows them, too.
  returned: success
  type: list
  elements: str
  sample: ["fraud is created and ready after 18 s: https://fraud-rest.apps.example.com", "  password: stored in Secret fraud-db-password"]
changes:
  description:
    - The changes, in the order in which they were made. In check mode, the same changes that would be made.
    - A failed task returns those that were made up to then.
  returned: always
  type: list
  elements: dict
  contains:
    kind: {description: Kind of the object., type: str, returned: always, sample: ModelRegistry}
    name: {description: Name of the object., type: str, returned: always, sample: fraud-models}
    action: {description: "V(create), V(patch), V(delete) or V(restart).", type: str, returned: always, sample: patch}
    fields: {description: The fields that were set or removed., type: list, elements: str, returned: always}
    validated:
      description: V(false) if the API server could not check the change in check mode, since it depends on another one.
      type: bool
      returned: always
retained:
  description:
    - What remains after the deletion, each with C(kind), C(name) and C(reason).
    - This includes a database that the operator does not run itself. If the registry was already gone, its database is not known.
  returned: with O(state=absent)
  type: list
  elements: dict
also_deleted:
  description: What is deleted with the registry without being requested, each with C(kind), C(name) and C(reason).
  returned: with O(state=absent)
  type: list
  elements: dict
"""

import time
from dataclasses import replace
from datetime import datetime, timezone

from ansible.module_utils.basic import AnsibleModule

from ..module_utils._argspec import REGISTRY_RULES, authentication, registry, waiting
from ..module_utils._kubernetes.changes import change_entry, diffs
from ..module_utils._kubernetes.run import Run
from ..module_utils._module import Connect, Result, run_module
from ..module_utils._registry.deletion import DeletionOptions
from ..module_utils._registry.namespace import find_registries_namespace
from ..module_utils._registry.options import registry_from, resource_name
from ..module_utils._registry.reconcile import ReconcileResult, ensure_absent, ensure_present
from ..module_utils._registry.summary import Outcome, absent_summary, present_summary


def main() -> None:
    """Run the module."""
    spec = {
        **authentication(),
        **registry(),
        **waiting(),
        "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
        "create": {"type": "bool", "default": True},
        "ignore_inference_services": {"type": "bool", "default": False},
        "delete_generated_data": {"type": "bool", "default": False},
    }
    module = AnsibleModule(argument_spec=spec, supports_check_mode=True, **REGISTRY_RULES)
    run_module(module, lambda connect, result: work(module, connect, result))


def work(module: AnsibleModule, connect: Connect, result: Result) -> None:
    """Make the registry present or absent, and fill in the result."""
    params = module.params
    # A registry that is to be absent needs no more than its name: the other options may be out of date.
    wanted = registry_from(params, datetime.now(timezone.utc)) if params["state"] == "present" else None
    if wanted is not None and not params["create"]:
        wanted = replace(wanted, must_exist=True)
    name = resource_name(params)
    cluster, began = connect(), time.monotonic()
    outcome, notes = ReconcileResult(), list[str]()
    try:
        timeout = params["wait_timeout"] if params["wait"] else None
        place = find_registries_namespace(cluster, params["namespace"])
        notes += place.warnings
        run = Run(cluster, place.namespace, module.check_mode, timeout, place.listed)
        if wanted is not None:
            ensure_present(run, [wanted], {name: outcome})
        else:
            ensure_absent(run, deletion_options(params), {name: outcome})
        if outcome.error is not None:
            raise outcome.error
        result["summary"] = summary(run, name, outcome, time.monotonic() - began)
    finally:
        result.update(warnings=[*notes, *outcome.warnings], **reported(outcome))
    if wanted is None:
        result.update(retained=list(outcome.retained), also_deleted=list(outcome.also_deleted))


def deletion_options(params: Result) -> DeletionOptions:
    """Return what the options confirm about a deletion."""
    derived_from = params["display_name"] if params["name"] is None else None
    return DeletionOptions(params["ignore_inference_services"], params["delete_generated_data"], derived_from)


def summary(run: Run, name: str, outcome: ReconcileResult, seconds: float) -> list[str]:
    """Return what became of the registry, in lines for people."""
    done = Outcome(
        name,
        run.namespace,
        [done.change for done in outcome.record.done],
        None if run.timeout is None else seconds,
        run.check_mode,
        outcome.before,
        outcome.registry,
        outcome.existing,
        outcome.also_deleted,
        outcome.retained,
    )
    return present_summary(done) if outcome.existing is None else absent_summary(done)


def reported(outcome: ReconcileResult) -> Result:
    """Return the registry and the changes up to now, whether or not the run succeeded."""
    made = outcome.record.done
    return {
        "changed": bool(made),
        "changes": [change_entry(done.change, done.validated) for done in made],
        "diff": diffs(done.change for done in made),
        **({"registry": outcome.registry} if outcome.registry else {}),
    }


if __name__ == "__main__":
    main()

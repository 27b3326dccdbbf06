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
  - A registry that was made with the dashboard is edited in place, with the Secret and the ConfigMap that it has.
  - An option that is left out leaves what it is about as it is. Labels, annotations and fields that no option is about
    are never touched.
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
      - The resource name of the registry, which can't be changed. A new one has at most 48 lowercase letters, digits and
        dashes, the first a letter; 49 if no proxy stands before it.
      - By default it is derived from O(display_name) as the dashboard does it. It is then never that of a registry with
        another display name. After the display name has been changed, give the resource name.
    type: str
    aliases: [registry]
  display_name:
    description:
      - The name that the dashboard shows.
    type: str
  description:
    description:
      - What the registry is for. An empty text takes the description away.
    type: str
  state:
    description:
      - V(present) creates the registry, or edits it.
      - V(absent) deletes it, and with it the Secret, the ConfigMap and the permissions that were made for it alone. The
        database and what is in it stay, unless the operator runs the database itself.
      - With V(absent) and O(wait=false), the registry's deletion is only asked for. The rest stays as long as the registry is
        there, and is named in a warning; a further run deletes it once the registry is gone.
      - With V(absent), options that only describe the registry are not looked at.
    type: str
    choices: [present, absent]
    default: present
  auth_proxy:
    description:
      - What authenticates the callers and checks their rights, in front of the registry server.
      - V(auto), the default, is for a new registry on OpenShift the newest that the cluster's release knows. On Kubernetes
        without OpenShift it is none, since nothing there makes the certificate that a proxy needs. A registry that exists
        keeps what it has.
      - V(kube_rbac), V(oauth) and V(istio) ask for a certain one, which a registry that has none gets, too. If the operator
        has put a newer one in its place, that is left there.
      - On Kubernetes without OpenShift, V(kube_rbac) needs the Secret C(<name>-kube-rbac-proxy) with C(tls.crt) and
        C(tls.key) beforehand.
      - V(none) asks for none when the registry is created, so that nothing authenticates its callers. On OpenShift, operators
        since v0.3.14 add one all the same, and a warning says so.
    type: str
    choices: [auto, kube_rbac, oauth, istio, none]
  resources:
    description:
      - Compute resources of the registry server's container.
    type: dict
    suboptions:
      requests:
        description:
          - Amounts that are set aside for it, by resource name.
        type: dict
      limits:
        description:
          - Amounts that it may use at most, by resource name.
        type: dict
  image:
    description:
      - Image of the registry server, such as a mirrored or pinned one. An empty text goes back to the operator's own.
    type: str
  port:
    description:
      - Port on which the registry server listens in its pod. The API's default is 8080.
    type: int
  service_route:
    description:
      - Whether an OpenShift Route leads to the registry server itself, past the proxy. The API's default is V(false).
    type: bool
  ignore_inference_services:
    description:
      - Whether to delete a registry that InferenceServices still refer to, or of which this user may not see whether any
        do. They can hang on their own deletion then.
    type: bool
    default: false
  delete_generated_data:
    description:
      - Whether to delete a registry with a database that the operator runs, which destroys the data.
    type: bool
    default: false
seealso:
  - module: kubernetes.core.k8s_info
requirements:
  - python >= 3.9
  - kubernetes >= 24.2.0
"""

EXAMPLES = r"""
- name: A registry on MySQL
  opendatahub.model_registry.model_registry:
    name: fraud-models
    display_name: Fraud models
    description: Models of the fraud team
    database:
      type: mysql
      host: mysql.databases.svc.cluster.local
      name: fraud_models
      username: fraud
      password: "{{ vault_fraud_password }}"
      tls:
        ca_bundle: cluster

- name: The password has been changed in the database
  opendatahub.model_registry.model_registry:
    name: fraud-models
    database:
      password: "{{ vault_fraud_password }}"

- name: Another description, and nothing else
  opendatahub.model_registry.model_registry:
    name: fraud-models
    description: Models of the fraud and risk teams

- name: A registry with a database that the operator runs
  opendatahub.model_registry.model_registry:
    display_name: Playground
    database:
      type: postgres
      generate: true

- name: No registry any more; its database stays
  opendatahub.model_registry.model_registry:
    name: fraud-models
    state: absent
"""

RETURN = r"""
registry:
  description:
    - The registry as it is now, in check mode as it would be, and with O(state=absent) as it was.
    - The options of this module that describe it, without any secret, and some facts about it.
  returned: where there is or was one
  type: dict
  contains:
    name: {description: Resource name., type: str, returned: always, sample: fraud-models}
    namespace: {description: The registries namespace., type: str, returned: always, sample: rhoai-model-registries}
    uid: {description: The object's identity., type: str, returned: where it exists}
    display_name: {description: The name that the dashboard shows., type: str, returned: where set}
    description: {description: What it is for., type: str, returned: where set}
    database: {description: As the option O(database) without the password., type: dict, returned: always}
    auth_proxy: {description: As the option O(auth_proxy)., type: str, returned: always, sample: kube_rbac}
    resources: {description: As the option O(resources)., type: dict, returned: where set}
    image: {description: As the option O(image)., type: str, returned: where set}
    port: {description: As the option O(port)., type: int, returned: if it is not the API's default}
    service_route: {description: As the option O(service_route)., type: bool, returned: if it is not the API's default}
    auth_proxy_settings: {description: "As the option O(auth_proxy_settings), with what is not the API's default.", type: dict, returned: where set}
    hosts:
      description: Names under which it is reached, by HTTPS. One of a gateway has a path, V(gateway.example.com/model-registry/fraud).
      type: list
      elements: str
      returned: where known
    created: {description: When it was created., type: str, returned: where it exists}
    deleting_since: {description: When its deletion was asked for., type: str, returned: while it is being deleted}
changes:
  description:
    - The changes that were made, in their order. In check mode those that would be made, which are the same.
    - Also returned where the task fails, with the changes up to then.
  returned: always
  type: list
  elements: dict
  contains:
    kind: {description: Kind of the object., type: str, returned: always, sample: ModelRegistry}
    name: {description: Name of the object., type: str, returned: always, sample: fraud-models}
    action: {description: "V(create), V(patch), V(delete) or V(restart).", type: str, returned: always, sample: patch}
    fields: {description: What was set or removed., type: list, elements: str, returned: always}
    validated:
      description: False where check mode could not ask the API server, since the change builds upon another one.
      type: bool
      returned: always
kept:
  description:
    - What the deletion leaves, each with C(kind), C(name) and C(reason).
    - A database that the operator does not run itself is among it. If the registry was gone already, nothing is known of it.
  returned: with O(state=absent)
  type: list
  elements: dict
lost:
  description: What goes with the registry without having been asked for, each with C(kind), C(name) and C(reason).
  returned: with O(state=absent)
  type: list
  elements: dict
"""

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


def main() -> None:
    """Run the module."""
    spec = {
        **authentication(),
        **registry(),
        **waiting(),
        "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
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
    name = resource_name(params)
    cluster = connect()
    outcome, notes = ReconcileResult(), list[str]()
    try:
        timeout = params["wait_timeout"] if params["wait"] else None
        place = find_registries_namespace(cluster, params["namespace"])
        notes += place.warnings
        run = Run(cluster, place.namespace, module.check_mode, timeout, place.listed)
        if wanted is not None:
            ensure_present(run, [wanted], {name: outcome})
        else:
            derived_from = params["display_name"] if params["name"] is None else None
            confirmed = DeletionOptions(
                params["ignore_inference_services"], params["delete_generated_data"], derived_from
            )
            ensure_absent(run, confirmed, {name: outcome})
        if outcome.error is not None:
            raise outcome.error
        if params["state"] == "absent":
            result.update(kept=list(outcome.retained), lost=list(outcome.also_deleted))
    finally:
        made = outcome.record.done
        result.update(
            changed=bool(made),
            changes=[change_entry(done.change, done.validated) for done in made],
            diff=diffs(done.change for done in made),
            warnings=[*notes, *outcome.warnings],
        )
        if outcome.registry:
            result["registry"] = outcome.registry


if __name__ == "__main__":
    main()

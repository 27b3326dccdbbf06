# SPDX-FileCopyrightText: The opendatahub.model_registry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The objects that a cluster of each flavour starts with, read from the folder ``manifests``."""

from __future__ import annotations

import base64
from pathlib import Path

import jinja2
import yaml

from .api import Object
from .flavours import Flavour

__all__ = ["cluster_objects", "custom_resources", "database_check", "load", "webhooks"]

FOLDER = Path(__file__).resolve().parent.parent / "manifests"
RULES = FOLDER.parent.parent.parent / "playbooks" / "files"


def load(path: Path, **values: object) -> list[Object]:
    """Return the objects of a file, which is a Jinja template if values are given."""
    text = path.read_text()
    if values:
        text = jinja2.Template(text, undefined=jinja2.StrictUndefined, keep_trailing_newline=True).render(values)
    return [document for document in yaml.safe_load_all(text) if document]


def custom_resources(flavour: Flavour) -> list[Object]:
    """Return the CustomResourceDefinitions that a flavour serves."""
    files = [
        "platform.yaml",
        *(["openshift.yaml"] if flavour.openshift else []),
        *(["aihub.yaml"] if flavour.aihub else []),
    ]
    found = [document for name in files for document in load(FOLDER / name)]
    (registry,) = load(FOLDER / "modelregistry" / "crd.yaml")
    registry["spec"]["versions"] = [
        {**_version(flavour, version), "served": True, "storage": version == flavour.stored}
        for version in flavour.served
    ]
    return [*found, registry]


def _version(flavour: Flavour, version: str) -> Object:
    """Return a version of the registries' schema as the flavour serves it."""
    (schema,) = load(FOLDER / "modelregistry" / f"{version}.yaml")
    if flavour.name == "transition" and version == "v1beta1":
        (patch,) = load(FOLDER / "modelregistry" / "transition.yaml")
        return _merged(schema, patch)
    return schema


def _merged(target: Object, patch: Object) -> Object:
    """Apply a JSON merge patch (RFC 7386)."""
    result = {key: value for key, value in target.items() if patch.get(key, value) is not None}
    for key, value in patch.items():
        if isinstance(value, dict):
            result[key] = _merged(result.get(key, {}), value)
        elif value is not None:
            result[key] = value
    return result


def webhooks(flavour: Flavour, authority: bytes, operator_namespace: str | None = None) -> list[Object]:
    """Return the operator's webhooks, if the flavour has them; ``authority`` signs their certificate (PEM).

    They are reached by the operator's Service in its namespace; without one, at the embedded testbed's own address.
    """
    if not flavour.openshift:
        return []
    ca_bundle = base64.b64encode(authority).decode()
    return load(FOLDER / "webhooks.yaml.j2", ca_bundle=ca_bundle, operator_namespace=operator_namespace)


def cluster_objects(flavour: Flavour, authority: bytes, volumes: Path | None) -> list[Object]:
    """Return namespaces, platform objects, volumes (in a folder of the node, if given), people and their permissions."""
    objects = load(
        FOLDER / "cluster.yaml.j2",
        flavour=flavour.name,
        registries_namespace=flavour.registries_namespace,
        ca_bundle_pem=authority.decode(),
        volumes_dir=str(volumes) if volumes else None,
    )
    (role,) = load(RULES / "registry-admin.yaml")
    role["metadata"]["namespace"] = flavour.registries_namespace
    (cluster_role,) = load(RULES / "registry-admin-cluster.yaml")
    bindings = [_binding(role, "registry-admin", "platform-admin"), _binding(cluster_role, "platform-admin")]
    return [*objects, role, cluster_role, *bindings, DELETION, _binding(DELETION, "registry-admin")]


def database_check(namespace: str, *users: str) -> list[Object]:
    """Return the permissions to check databases in a namespace through the Kubernetes API."""
    (role,) = load(RULES / "database-check.yaml")
    role["metadata"]["namespace"] = namespace
    return [role, _binding(role, *users)]


DELETION: Object = {
    "apiVersion": "rbac.authorization.k8s.io/v1",
    "kind": "ClusterRole",
    "metadata": {"name": "model-registry-deletion"},
    "rules": [{"apiGroups": ["serving.kserve.io"], "resources": ["inferenceservices"], "verbs": ["list"]}],
}
"""The permissions to delete registries beside registry-admin.yaml, as in docs/teardown.md."""


def _binding(rule: Object, *users: str) -> Object:
    """Return the binding of a Role or ClusterRole to users."""
    return {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": f"{rule['kind']}Binding",
        "metadata": {key: value for key, value in rule["metadata"].items() if key in ("name", "namespace")},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": rule["kind"], "name": rule["metadata"]["name"]},
        "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": user} for user in users],
    }

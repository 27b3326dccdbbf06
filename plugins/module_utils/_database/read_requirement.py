# SPDX-FileCopyrightText: The opendatahub.model_registry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a cluster's registries run: whether ML Metadata, which needs mysql_native_password, and which registry server."""

from __future__ import annotations

from .._common.errors import Forbidden, NotFound, RegistryError
from .._kubernetes.client import Cluster
from .password_rules import Version, server_version
from .plugin_requirement import Requirement, required

__all__ = ["find_requirement", "find_server_version"]

LABELS = "component=model-registry"
"""Selects all that the operator creates for registries."""


def find_requirement(cluster: Cluster, namespace: str) -> Requirement:
    """Return the plugin that accounts need, according to the cluster's API and its registries."""
    try:
        served = cluster.served_versions()
    except NotFound:
        return required(None, frozenset(), None)
    fields = cluster.spec_fields() if "v1beta1" in served else frozenset()
    found = required(served, fields, None)
    if found.is_known:
        return found
    try:
        deployments = cluster.list("Deployment", namespace, label_selector=LABELS)[0]
    except (Forbidden, NotFound):
        return found
    return required(served, fields, deployments)


def find_server_version(cluster: Cluster, namespace: str, name: str = "") -> Version:
    """Return the version of that registry's server, or else of any in the namespace; None if none is readable or known."""
    try:
        deployments = cluster.list("Deployment", namespace, label_selector=LABELS)[0]
    except RegistryError:
        return None
    own = [item for item in deployments if item["metadata"]["name"] == name]
    return server_version(own) or server_version(deployments)

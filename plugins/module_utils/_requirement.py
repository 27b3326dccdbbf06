# SPDX-FileCopyrightText: The opendatahub.model_registry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether the registries of a cluster need mysql_native_password: older ones bring ML Metadata, which knows no other."""

from __future__ import annotations

from ._cluster import Cluster
from ._core.errors import Forbidden, Missing
from ._core.requirement import Requirement, required

__all__ = ["find_requirement"]


def find_requirement(cluster: Cluster, namespace: str) -> Requirement:
    """What the cluster's API and its registries tell about the plugin that accounts need."""
    try:
        served = cluster.served_versions()
    except Missing:
        return required(None, frozenset(), None)
    fields = cluster.spec_fields() if "v1beta1" in served else frozenset()
    found = required(served, fields, None)
    if found.is_known:
        return found
    try:
        deployments = cluster.list("Deployment", namespace, label_selector="component=model-registry")[0]
    except (Forbidden, Missing):
        return found
    return required(served, fields, deployments)

# SPDX-FileCopyrightText: The opendatahub.model_registry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the platform's objects, AIHub and DataScienceCluster, say about model registries, in each of their versions."""

from __future__ import annotations

import json
from collections.abc import Iterable

from .._common.errors import RegistryError
from .._common.model import Object

__all__ = ["component", "declared_namespace", "enabling_patch"]

OLD, NEW = "modelregistry", "aiHub"
"""The component's key in a DataScienceCluster: in v1 and v2, and since v3."""


def component_key(cluster: Object) -> str:
    """Return the key of the component in spec.components of that DataScienceCluster."""
    version = str(cluster.get("apiVersion", "")).partition("/")[2]
    components = (cluster.get("spec") or {}).get("components") or {}
    is_old = version in ("v1", "v2") or version.startswith(("v1alpha", "v1beta", "v2alpha", "v2beta"))
    return NEW if NEW in components or (version and not is_old) else OLD


def component(cluster: Object, part: str = "spec") -> Object:
    """Return the component's spec in a DataScienceCluster, or its status if part is status."""
    found: Object = ((cluster.get(part) or {}).get("components") or {}).get(component_key(cluster)) or {}
    return found


def enabling_patch(cluster: Object) -> str:
    """Return the merge patch that enables the component in that DataScienceCluster, as JSON."""
    return json.dumps({"spec": {"components": {component_key(cluster): {"managementState": "Managed"}}}})


def declared_namespace(hubs: Iterable[Object], clusters: Iterable[Object]) -> str | None:
    """Return the registries namespace that AIHubs and DataScienceClusters name; None if none does.

    A component that is not enabled counts only if nothing else names one. Raises RegistryError if they name several.
    """
    namespaces = {f"AIHub {hub['metadata']['name']}": _of_hub(hub) for hub in hubs}
    resting: dict[str, str | None] = {}
    for cluster in clusters:
        is_removed = component(cluster).get("managementState") == "Removed"
        (resting if is_removed else namespaces)[f"DataScienceCluster {cluster['metadata']['name']}"] = _of_cluster(
            cluster
        )
    named = {who: namespace for who, namespace in namespaces.items() if namespace}
    named = named or {who: namespace for who, namespace in resting.items() if namespace}
    if len(set(named.values())) > 1:
        why = "; ".join(f"{who} says {namespace}" for who, namespace in sorted(named.items()))
        raise RegistryError("namespace", f"the platform names several registries namespaces: {why}", "Give namespace.")
    return next(iter(named.values()), None)


def _of_hub(hub: Object) -> str | None:
    parts = (hub.get("spec") or {}, hub.get("status") or {})
    return next((part["instancesNamespace"] for part in parts if part.get("instancesNamespace")), None)


def _of_cluster(cluster: Object) -> str | None:
    """Return the namespace in effect, from the status; older releases have it only in the spec."""
    field = "instancesNamespace" if component_key(cluster) == NEW else "registriesNamespace"
    parts = (component(cluster, "status"), component(cluster))
    return next((part[field] for part in parts if part.get(field)), None)

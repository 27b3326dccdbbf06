# SPDX-FileCopyrightText: The opendatahub.model_registry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Finds the registries namespace."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass

from .._common.errors import Forbidden, NotFound, RegistryError
from .._common.model import Object
from .._kubernetes.client import Cluster, Listed
from .platform import declared_namespace

__all__ = [
    "WELL_KNOWN",
    "RegistriesNamespace",
    "find_registries_namespace",
    "platform_namespace",
    "registries_namespace_name",
]

WELL_KNOWN = ("rhoai-model-registries", "odh-model-registries")
"""The registries namespaces of OpenShift AI and of Open Data Hub, by default."""


@dataclass(frozen=True)
class RegistriesNamespace:
    """The registries namespace, and what was read to find it."""

    namespace: str
    listed: Listed | None = None
    """Its registries, if they were listed to find it."""
    warnings: tuple[str, ...] = ()


def find_registries_namespace(cluster: Cluster, given: str | None) -> RegistriesNamespace:
    """Find the registries namespace: the given one, else the platform's, else a well-known one that exists."""
    namespace = given if given is not None else platform_namespace(cluster)
    if namespace is not None:
        return RegistriesNamespace(namespace)
    return _well_known_namespace(cluster)


def _well_known_namespace(cluster: Cluster) -> RegistriesNamespace:
    """Return the well-known namespace that has registries, or else exists. Raises RegistryError unless it is only one."""
    visible: dict[str, Listed] = {}
    for name in WELL_KNOWN:
        with suppress(Forbidden):
            visible[name] = cluster.list("ModelRegistry", name)
    populated = {name: listed for name, listed in visible.items() if listed[0]}
    possible = populated or _existing(cluster, visible)
    if len(possible) == 1:
        ((namespace, listed),) = possible.items()
        why = f"The registries namespace is assumed to be {namespace}: the user may not read the platform's settings (AIHub, DataScienceCluster)."
        return RegistriesNamespace(namespace, listed, (f"{why} To be sure, give namespace.",))
    which = " and ".join(possible or WELL_KNOWN)
    why = f"the user may read neither the platform's settings nor {which}"
    if possible:
        why = f"both {which} {'have registries' if populated else 'can be there'}, and the platform's settings do not tell"
    raise RegistryError("namespace", why, "Give namespace.")


def _existing(cluster: Cluster, visible: dict[str, Listed]) -> dict[str, Listed]:
    """Keep those whose namespace exists: to a user who may list registries anywhere, a missing one looks empty."""
    if len(visible) < 2:
        return visible
    with suppress(Forbidden):
        return {name: listed for name, listed in visible.items() if cluster.get("Namespace", None, name)}
    return visible


def registries_namespace_name(cluster: Cluster, given: str | None) -> str:
    """Return only the name of the registries namespace."""
    return find_registries_namespace(cluster, given).namespace


def platform_namespace(cluster: Cluster) -> str | None:
    """Return the registries namespace that the platform names; None if it names none or the user may not read it.

    Raises RegistryError if its objects name several.
    """
    return declared_namespace(_visible_objects(cluster, "AIHub"), _visible_objects(cluster, "DataScienceCluster"))


def _visible_objects(cluster: Cluster, kind: str) -> Sequence[Object]:
    """Return the objects of a cluster-wide kind; none if the user may not list it. Their names differ by release."""
    try:
        return cluster.list(kind)[0]
    except (Forbidden, NotFound):
        return ()

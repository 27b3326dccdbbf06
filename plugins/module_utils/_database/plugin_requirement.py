# SPDX-FileCopyrightText: The opendatahub.model_registry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which authentication plugin a cluster's registries require of a MySQL account."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from .._common.model import Object

__all__ = ["ANY", "NATIVE", "Requirement", "required"]

NATIVE, ANY = "native", "any"
METADATA_CONTAINER = "grpc-container"
"""ML Metadata's server. It supports mysql_native_password only; registry servers without it support the others, too."""


@dataclass(frozen=True)
class Requirement:
    """The required plugin, and the evidence for it."""

    plugin: str
    """native or any."""
    why: str
    is_known: bool = True
    """Whether the cluster tells. If it does not, any is assumed."""


def required(
    served: tuple[str, ...] | None, fields: frozenset[str], deployments: Iterable[Object] | None
) -> Requirement:
    """Decide by the product's release, as far as its API reveals it.

    served: versions of ModelRegistry; None if there are none. fields: of its spec in the newest. deployments: of the
    registries; None if they were not read.
    """
    if served is None:
        return Requirement(ANY, "the cluster does not serve ModelRegistry, so its release is not known", False)
    if "v1beta1" not in served:
        return Requirement(NATIVE, "the cluster serves ModelRegistry in v1alpha1 only: its registries use ML Metadata")
    if "kubeRBACProxy" in fields:
        return Requirement(ANY, "the cluster's ModelRegistry has kubeRBACProxy: its registries use no ML Metadata")
    found = list(deployments or ())
    users = sorted(item["metadata"]["name"] for item in found if METADATA_CONTAINER in _containers(item))
    if users:
        return Requirement(NATIVE, f"registry {users[0]} runs ML Metadata (container {METADATA_CONTAINER})")
    if found:
        return Requirement(ANY, f"none of the cluster's registries has the container {METADATA_CONTAINER}")
    why = "no registry exists yet, so it is not known whether ML Metadata is used"
    return Requirement(ANY, why, False)


def _containers(deployment: Object) -> list[str]:
    pod = deployment["spec"]["template"]["spec"]
    return [container["name"] for container in pod.get("containers") or ()]

# SPDX-FileCopyrightText: The opendatahub.model_registry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The kinds of cluster that a testbed can be: which APIs a release of the product serves, and where registries live."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["FLAVOURS", "Flavour"]


@dataclass(frozen=True)
class Flavour:
    """One kind of cluster."""

    name: str
    served: tuple[str, ...]
    """Versions of modelregistry.opendatahub.io that are served, oldest first."""
    stored: str
    """The version that the API server stores."""
    registries_namespace: str
    openshift: bool = True
    """Whether OpenShift's Group, User, Project and Route are there, and the operator's webhooks with them."""
    aihub: bool = False
    """Whether the object AIHub names the registries namespace, as in the newest releases."""


FLAVOURS = {
    flavour.name: flavour
    for flavour in (
        Flavour("2.19", ("v1alpha1",), "v1alpha1", "rhoai-model-registries"),
        Flavour("transition", ("v1alpha1", "v1beta1"), "v1beta1", "rhoai-model-registries"),
        Flavour("earlier", ("v1alpha1", "v1beta1"), "v1beta1", "rhoai-model-registries"),
        Flavour("current", ("v1alpha1", "v1beta1"), "v1beta1", "rhoai-model-registries", aihub=True),
        Flavour("plain", ("v1alpha1", "v1beta1"), "v1beta1", "odh-model-registries", openshift=False),
    )
}

# SPDX-FileCopyrightText: The opendatahub.model_registry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The kinds of object that the collection reads or writes, and their paths. There is no discovery."""

from __future__ import annotations

import re
from dataclasses import dataclass

from .._common.errors import InvalidInput

__all__ = ["GROUP", "KINDS", "VERSIONS", "Kind", "can_be_name", "can_be_namespace", "collection_path", "newest"]

GROUP = "modelregistry.opendatahub.io"
"""The API group of ModelRegistry."""
VERSIONS = ("v1beta1", "v1alpha1")
"""The versions of ModelRegistry that the collection can write, newest first."""


@dataclass(frozen=True)
class Kind:
    """A kind and its place in the API."""

    group: str
    """Empty for the core group."""
    version: str
    plural: str
    namespaced: bool = True

    @property
    def api_version(self) -> str:
        """As in an object's apiVersion."""
        return f"{self.group}/{self.version}" if self.group else self.version


KINDS = {
    "ModelRegistry": Kind(GROUP, VERSIONS[0], "modelregistries"),
    "Secret": Kind("", "v1", "secrets"),
    "ConfigMap": Kind("", "v1", "configmaps"),
    "Deployment": Kind("apps", "v1", "deployments"),
    "Pod": Kind("", "v1", "pods"),
    "Job": Kind("batch", "v1", "jobs"),
    "Service": Kind("", "v1", "services"),
    "Endpoints": Kind("", "v1", "endpoints"),
    "Event": Kind("", "v1", "events"),
    "Namespace": Kind("", "v1", "namespaces", namespaced=False),
    "Role": Kind("rbac.authorization.k8s.io", "v1", "roles"),
    "RoleBinding": Kind("rbac.authorization.k8s.io", "v1", "rolebindings"),
    "ClusterRole": Kind("rbac.authorization.k8s.io", "v1", "clusterroles", namespaced=False),
    "LocalSubjectAccessReview": Kind("authorization.k8s.io", "v1", "localsubjectaccessreviews"),
    "SubjectAccessReview": Kind("authorization.k8s.io", "v1", "subjectaccessreviews", namespaced=False),
    "SelfSubjectAccessReview": Kind("authorization.k8s.io", "v1", "selfsubjectaccessreviews", namespaced=False),
    "SelfSubjectReview": Kind("authentication.k8s.io", "v1", "selfsubjectreviews", namespaced=False),
    "SelfSubjectRulesReview": Kind("authorization.k8s.io", "v1", "selfsubjectrulesreviews", namespaced=False),
    "Group": Kind("user.openshift.io", "v1", "groups", namespaced=False),
    "User": Kind("user.openshift.io", "v1", "users", namespaced=False),
    "Route": Kind("route.openshift.io", "v1", "routes"),
    "AIHub": Kind("components.platform.opendatahub.io", "v1alpha1", "aihubs", namespaced=False),
    "DataScienceCluster": Kind("datasciencecluster.opendatahub.io", "v1", "datascienceclusters", namespaced=False),
    "InferenceService": Kind("serving.kserve.io", "v1beta1", "inferenceservices"),
}
"""By name. ModelRegistry is used in the newest served version, which need not be the one given here."""


def collection_path(kind: Kind, namespace: str | None) -> str:
    """Return the URL path of a kind's objects in a namespace, or in all of them if it is None.

    Raises InvalidInput if no namespace can have the name. A slash would lead to other paths, and so would an encoded one:
    the API server decodes the path before it splits it.
    """
    if kind.namespaced and not can_be_namespace(namespace):
        step = "Give the name of a namespace: at most 63 lowercase letters, digits and dashes."
        raise InvalidInput("namespace", f"{namespace!r} is not the name of a namespace", step)
    root = f"/apis/{kind.group}/{kind.version}" if kind.group else f"/api/{kind.version}"
    middle = f"/namespaces/{namespace}" if kind.namespaced and namespace else ""
    return f"{root}{middle}/{kind.plural}"


def can_be_namespace(namespace: str | None) -> bool:
    """Return whether a namespace can have this name; None stands for all."""
    return namespace is None or _NAMESPACE.fullmatch(namespace) is not None


def can_be_name(name: str) -> bool:
    """Return whether an object can have this name as a segment of a path (Kubernetes' own rule)."""
    return name not in ("", ".", "..") and not any(character in name for character in "/%")


_NAMESPACE = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")


def newest(served: tuple[str, ...]) -> str | None:
    """Return the newest served version of ModelRegistry that the collection can write; None if there is none.

    Writing an older one would lose fields that only the newer has: the API server stores what it can convert.
    """
    return next((version for version in VERSIONS if version in served), None)

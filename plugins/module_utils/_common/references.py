# SPDX-FileCopyrightText: The opendatahub.model_registry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where messages refer to: the documentation and the manifests of this release."""

from __future__ import annotations

__all__ = ["CLUSTER_ROLE", "DATABASE_ROLE", "REGISTRY_ROLE", "RELEASE", "findings_page", "reference"]

RELEASE = "https://github.com/opendatahub-io/model_registry/blob/v0.1.0"
"""The files of this release: repository and version of galaxy.yml."""


def reference(path: str) -> str:
    """Return the address of a file of the collection."""
    return f"{RELEASE}/{path}"


def findings_page(code: str = "") -> str:
    """Return the address of the page about findings, or of its section about one."""
    return reference("docs/findings.md") + (f"#{code}" if code else "")


REGISTRY_ROLE = reference("playbooks/files/registry-admin.yaml")
CLUSTER_ROLE = reference("playbooks/files/registry-admin-cluster.yaml")
DATABASE_ROLE = reference("playbooks/files/database-check.yaml")

# SPDX-FileCopyrightText: The opendatahub.model_registry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where messages refer to: the documentation and the manifests of this release."""

from __future__ import annotations

__all__ = ["CLUSTER_ROLE", "DATABASE_ROLE", "PAGES", "RAW", "REGISTRY_ROLE", "findings_page"]

PAGES = "https://github.com/opendatahub-io/model_registry/blob/v0.1.0"
"""The files of this release to read: repository and version of galaxy.yml."""
RAW = "https://github.com/opendatahub-io/model_registry/raw/v0.1.0"
"""The same files as kubectl takes them."""
REGISTRY_ROLE = f"{RAW}/playbooks/files/registry-admin.yaml"
CLUSTER_ROLE = f"{RAW}/playbooks/files/registry-admin-cluster.yaml"
DATABASE_ROLE = f"{RAW}/playbooks/files/database-check.yaml"


def findings_page(code: str = "") -> str:
    """Return the address of the page about findings, or of its section about one."""
    return f"{PAGES}/docs/findings.md" + (f"#{code}" if code else "")

# SPDX-FileCopyrightText: The opendatahub.model_registry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Programs that tests start ask the API server for their own identity before they do anything else.

A test of permissions that runs as another user proves nothing, and the mistake would go unnoticed.
"""

from __future__ import annotations

from ansible_collections.opendatahub.model_registry.plugins.module_utils._kubernetes.client import Cluster

__all__ = ["expect_user"]


def expect_user(cluster: Cluster, user: str) -> None:
    """Raise AssertionError if the API server takes this process for a user other than ``user``."""
    found = cluster.self_review("SelfSubjectReview", {})["userInfo"].get("username")
    assert found == user, f"this process is to act as {user}, and is {found}"

# SPDX-FileCopyrightText: The opendatahub.model_registry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The Go modules of ``tests/kind``, which a kind cluster is built from."""

from __future__ import annotations

from testbed.programs import KUBERNETES, SOURCE, GoModule

__all__ = ["COREDNS", "FOLDER", "KIND", "NODE", "SMALL"]

FOLDER = SOURCE.parent / "kind"

NODE = GoModule(
    "kind-kube",
    FOLDER / "programs" / "node",
    f"the node's programs, Kubernetes {KUBERNETES} and etcd (about 5 minutes on 2 cores the first time)",
)
COREDNS = GoModule("kind-coredns", FOLDER / "programs" / "coredns", "CoreDNS (about a minute the first time)")
SMALL = GoModule("kind-small", FOLDER / "programs" / "small", "pause and runc-fit", ("pause", "runc-fit"))
KIND = GoModule("kind-cli", FOLDER / "programs" / "kind", "kind")

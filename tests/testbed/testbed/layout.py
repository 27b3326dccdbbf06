# SPDX-FileCopyrightText: The opendatahub.model_registry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where everything of one testbed is: files below its state directory, addresses inside its network namespace."""

from __future__ import annotations

import os
import shlex
from dataclasses import dataclass
from pathlib import Path

from .cache import cache_root

__all__ = [
    "ADDRESS",
    "API_SERVER",
    "BRIDGE",
    "OPERATOR_HEALTH",
    "PARTS_USER",
    "POD_NETWORK",
    "USERS",
    "WEBHOOK_PORT",
    "Layout",
    "User",
    "command_for",
    "default_state",
]

ADDRESS = "10.88.0.1"
"""Of the cluster's machine: API server, node and DNS. All testbeds use the same, each in a network namespace of its own."""
API_SERVER = f"https://{ADDRESS}:6443"
BRIDGE = "tb0"
POD_NETWORK = "10.88.0.0/16"
WEBHOOK_PORT = 9443
OPERATOR_HEALTH = "127.0.0.1:9081"
"""The address of the operator's readiness check."""


@dataclass(frozen=True)
class User:
    """A user who can log in."""

    name: str
    groups: tuple[str, ...] = ()


USERS = {
    "admin": User("admin", ("system:masters",)),
    "registry-admin": User("registry-admin"),
    "platform-admin": User("platform-admin"),
    "nobody": User("nobody"),
    "colleague": User("colleague", ("fraud team",)),
}
"""By the name of their kubeconfig. admin logs in with a client certificate, the others with a token.

registry-admin has the Role of playbooks/files/registry-admin.yaml and may list InferenceServices, platform-admin has
the ClusterRole beside it as well, nobody has no permissions, and colleague has those granted to the group.
"""

PARTS_USER = "system:testbed"
"""The user of the cluster's own parts (kubeconfig "parts"): an administrator whose requests are not audited."""


@dataclass(frozen=True)
class Layout:
    """The files of one testbed."""

    state: Path

    @property
    def control(self) -> Path:
        """The socket at which the supervisor answers."""
        return self.state / "control"

    @property
    def logs(self) -> Path:
        return self.state / "logs"

    @property
    def certificates(self) -> Path:
        return self.state / "certificates"

    @property
    def database_certificate(self) -> tuple[Path, Path]:
        """The certificate that servers with TLS have, and its key: of the cluster's authority, for every Service."""
        return self.certificates / "database.crt", self.certificates / "database.key"

    @property
    def settings(self) -> Path:
        """The testbed's settings, as JSON."""
        return self.state / "settings.json"

    @property
    def audit(self) -> Path:
        """The API server's audit log: a line of JSON for each finished request of a person."""
        return self.logs / "audit.log"

    @property
    def data(self) -> Path:
        """The data directories of databases: they outlive their pods."""
        return self.state / "data"

    def kubeconfig(self, user: str) -> Path:
        """Return the kubeconfig of one of USERS, or of the cluster's own "parts"."""
        return self.state / "kubeconfig" / user

    def log(self, part: str) -> Path:
        """Return the file of a part's standard output and error, over all its starts."""
        return self.logs / f"{part}.log"


def default_state() -> Path:
    """Return the directory of the testbed that is meant if the command line does not name one."""
    return Path(os.environ.get("TESTBED_STATE") or cache_root() / "run" / "default")


def command_for(state: Path) -> str:
    """Return the beginning of commands for the testbed in this directory."""
    return "testbed" if state == default_state() else f"testbed --state {shlex.quote(str(state))}"

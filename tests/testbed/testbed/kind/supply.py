# SPDX-FileCopyrightText: The opendatahub.model_registry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where a cluster's images come from: released ones, or ones that are built here if none can be pulled."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import yaml

from testbed.cache import Say
from testbed.flavours import FLAVOURS, Flavour
from testbed.servers import SERVERS

from .engine import Engine
from .images import DATABASES, RELAY_IMAGE, testbed_images
from .node import SHELL_IMAGE, node_image

__all__ = ["Choice", "Supply", "built", "choose", "released"]

Choice = Literal["auto", "released", "built"]
PULLING = 20.0
"""Seconds in which a registry must confirm that it has an image, or it counts as out of reach."""


@dataclass(frozen=True)
class Supply:
    """The images of a cluster, and the kind of cluster that they make."""

    name: Literal["released", "built"]
    flavour: Flavour
    node: str
    databases: dict[str, str]
    """By the servers' names in SERVERS."""
    relay: str
    """An image that can carry connections on to a database."""
    relay_command: tuple[str, ...] | None
    """What runs it; None for the default of mysql_auth_check."""
    shell: str
    """An image with sh and curl."""
    archive: Path | None = None
    """Images that are loaded into the node, in one file; without it the node pulls them."""
    operator: dict[str, Any] | None = None
    """Of released.yaml; None for the double."""


def choose(choice: Choice, engine: Engine, say: Say) -> Supply:
    """Return the requested images, or released ones if they can be pulled. Report which, and why."""
    if choice == "built":
        say("images: built here, as asked for")
        return built(engine, say)
    obstacle = _obstacle(engine) if choice == "auto" else None
    if obstacle is None:
        say("images: released")
        return released()
    say(f"images: built here, because {obstacle}")
    return built(engine, say)


def released() -> Supply:
    """Return the images of released.yaml, and the real operator.

    They are not tested yet: where this was written, no image can be pulled. The operator of plain Kubernetes is used,
    since one that saw OpenShift's kinds would ask for the rest of OpenShift.
    """
    data = yaml.safe_load(Path(__file__).with_name("released.yaml").read_text())
    flavour = replace(FLAVOURS["plain"], registries_namespace=FLAVOURS["current"].registries_namespace)
    images = {key: data[key] for key in ("node", "databases", "relay", "shell")}
    return Supply("released", flavour, **images, relay_command=None, operator=data["operator"])


def built(engine: Engine, say: Say) -> Supply:
    """Build images from sources and Debian packages, with the operator's double. Raises BuildError."""
    archive = testbed_images(say)
    node = node_image(engine, say)
    relay_command = ("/relay", "--listen", ":{listen}", "--to", "{host}:{port}")
    return Supply(
        "built",
        FLAVOURS["current"],
        node,
        {name: SERVERS[name].image for name in DATABASES},
        RELAY_IMAGE,
        relay_command,
        SHELL_IMAGE,
        archive=archive,
    )


def _obstacle(engine: Engine) -> str | None:
    """Return why released images cannot be used; None if all of them are at hand or in a registry's reach."""
    supply = released()
    assert supply.operator is not None
    theirs = (supply.operator["image"], *supply.operator["environment"].values())
    for image in (supply.node, *theirs, *supply.databases.values(), supply.relay, supply.shell):
        if engine.has_image(image):
            continue
        try:
            done = subprocess.run(
                ["docker", "manifest", "inspect", image],
                env=engine.environment,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                check=False,
                timeout=PULLING,
            )
        except subprocess.TimeoutExpired:
            return f"{image} cannot be pulled: no answer within {PULLING:.0f} s"
        if done.returncode:
            words = done.stderr.strip().splitlines()
            return f"{image} cannot be pulled: {words[-1] if words else 'no reason given'}"
    return None

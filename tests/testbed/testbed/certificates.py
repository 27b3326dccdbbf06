# SPDX-FileCopyrightText: The opendatahub.model_registry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The cluster's certificates, tokens and kubeconfigs."""

from __future__ import annotations

import base64
import secrets
from pathlib import Path
from typing import Any

import trustme
import yaml

from .layout import ADDRESS, API_SERVER, PARTS_USER, USERS, Layout

__all__ = ["login", "write_certificates", "write_kubeconfig", "write_private"]

ADMINISTRATORS = "system:masters"
"""The group that may do everything."""


def write_certificates(layout: Layout) -> trustme.CA:
    """Write all that the parts and the users log in with; return the authority that signed it."""
    authority = trustme.CA(organization_name="model registry testbed")
    folder = layout.certificates
    folder.mkdir(mode=0o700)
    ca = authority.cert_pem.bytes()
    (folder / "ca.crt").write_bytes(ca)
    _write(authority.issue_cert(ADDRESS, "127.0.0.1", "10.96.0.1", "kubernetes.default.svc"), folder, "serving")
    _write(authority.issue_cert("*.databases.svc.cluster.local"), folder, "database")
    _write(_login(authority, "kube-apiserver"), folder, "kubelet-client")
    _write(_login(authority, "service-accounts"), folder, "service-accounts")
    tokens = {name: secrets.token_urlsafe(24) for name in USERS if name != "admin"}
    lines = [
        f'{token},{USERS[name].name},{USERS[name].name},"{",".join(USERS[name].groups)}"'
        for name, token in tokens.items()
    ]
    write_private(folder / "tokens.csv", "\n".join(lines) + "\n")
    layout.kubeconfig("admin").parent.mkdir(mode=0o700)
    for name, user in (("admin", "admin"), ("parts", PARTS_USER)):
        write_kubeconfig(layout.kubeconfig(name), API_SERVER, ca, login(authority, user))
    for name, token in tokens.items():
        write_kubeconfig(layout.kubeconfig(name), API_SERVER, ca, {"token": token})
    return authority


def login(authority: trustme.CA, user: str, group: str = ADMINISTRATORS) -> dict[str, str]:
    """Return a certificate to log in with as a member of a group, in a kubeconfig's form."""
    leaf = _login(authority, user, group)
    return {
        "client-certificate-data": _base64(leaf.cert_chain_pems[0].bytes()),
        "client-key-data": _base64(leaf.private_key_pem.bytes()),
    }


def _login(authority: trustme.CA, user: str, group: str = ADMINISTRATORS) -> trustme.LeafCert:
    """Issue it with an alternative name, since trustme marks an empty list of them as critical, which Go refuses."""
    return authority.issue_cert(f"{user.replace(':', '-')}.testbed", common_name=user, organization_name=group)


def _write(leaf: trustme.LeafCert, folder: Path, name: str) -> None:
    write_private(folder / f"{name}.key", leaf.private_key_pem.bytes().decode())
    (folder / f"{name}.crt").write_bytes(b"".join(pem.bytes() for pem in leaf.cert_chain_pems))


def write_kubeconfig(path: Path, server: str, authority: bytes, credentials: dict[str, Any]) -> None:
    """Write the kubeconfig of the user that names the file; ``authority`` signs the server's certificate (PEM)."""
    user = path.name
    cluster = {"server": server, "certificate-authority-data": _base64(authority)}
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": user,
        "clusters": [{"name": "testbed", "cluster": cluster}],
        "users": [{"name": user, "user": credentials}],
        "contexts": [{"name": user, "context": {"cluster": "testbed", "user": user}}],
    }
    write_private(path, yaml.safe_dump(config))


def write_private(path: Path, text: str) -> None:
    """Write a file that only its owner can read."""
    path.touch(mode=0o600)
    path.write_text(text)


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode()

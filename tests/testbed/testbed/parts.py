# SPDX-FileCopyrightText: The opendatahub.model_registry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The programs that make up a cluster, and how each is started."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from .flavours import Flavour
from .layout import ADDRESS, BRIDGE, OPERATOR_HEALTH, POD_NETWORK, WEBHOOK_PORT, Layout

__all__ = ["PARTS", "Part", "parts"]

PARTS = ("etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler", "operator", "node")


@dataclass(frozen=True)
class Part:
    """A program that the supervisor keeps running."""

    name: str
    command: tuple[str, ...]


def parts(binary: Path, layout: Layout, flavour: Flavour, time_factor: float) -> list[Part]:
    """Return the parts of a cluster, in the order in which they are started."""
    certificates = layout.certificates
    kubeconfig = f"--kubeconfig={layout.kubeconfig('parts')}"

    def part(name: str, *arguments: str, wrap: tuple[str, ...] = ()) -> Part:
        return Part(name, (*wrap, str(binary), name, *arguments))

    # The node is the first process of its own PID namespace: when it goes, its containers go, as on a machine that loses power.
    own_pids = ("unshare", "--pid", "--fork", "--kill-child", "--mount-proc")
    serving = (f"--tls-cert={certificates}/serving.crt", f"--tls-key={certificates}/serving.key")
    return [
        part(
            "etcd",
            f"--data-dir={layout.state}/etcd",
            "--listen-client-urls=http://127.0.0.1:2379",
            "--advertise-client-urls=http://127.0.0.1:2379",
            "--listen-peer-urls=http://127.0.0.1:2380",
            "--unsafe-no-fsync",
            "--log-level=warn",
        ),
        part("kube-apiserver", *_api_server(layout)),
        part(
            "kube-controller-manager",
            kubeconfig,
            "--leader-elect=false",
            f"--service-account-private-key-file={certificates}/service-accounts.key",
            f"--root-ca-file={certificates}/ca.crt",
            "--bind-address=127.0.0.1",
        ),
        part("kube-scheduler", kubeconfig, "--leader-elect=false", "--bind-address=127.0.0.1"),
        part(
            "operator",
            kubeconfig,
            f"--flavour={flavour.name}",
            f"--registries-namespace={flavour.registries_namespace}",
            f"--webhook-address={ADDRESS}:{WEBHOOK_PORT}",
            f"--health-probe-address={OPERATOR_HEALTH}",
            f"--time-factor={time_factor}",
            *serving,
        ),
        part(
            "node",
            kubeconfig,
            f"--address={ADDRESS}",
            f"--bridge={BRIDGE}",
            f"--pod-network={POD_NETWORK}",
            f"--images={layout.state}/images.yaml",
            f"--state={layout.state}/pods",
            f"--client-ca={certificates}/ca.crt",
            f"--time-factor={time_factor}",
            *serving,
            wrap=own_pids,
        ),
    ]


def _api_server(layout: Layout) -> list[str]:
    certificates = layout.certificates
    return [
        "--etcd-servers=http://127.0.0.1:2379",
        f"--bind-address={ADDRESS}",
        f"--advertise-address={ADDRESS}",
        f"--tls-cert-file={certificates}/serving.crt",
        f"--tls-private-key-file={certificates}/serving.key",
        f"--client-ca-file={certificates}/ca.crt",
        f"--token-auth-file={certificates}/tokens.csv",
        "--authorization-mode=RBAC",
        # The same as OpenShift.
        "--enable-admission-plugins=OwnerReferencesPermissionEnforcement",
        "--service-account-issuer=https://kubernetes.default.svc",
        f"--service-account-key-file={certificates}/service-accounts.key",
        f"--service-account-signing-key-file={certificates}/service-accounts.key",
        "--service-cluster-ip-range=10.96.0.0/16",
        f"--kubelet-client-certificate={certificates}/kubelet-client.crt",
        f"--kubelet-client-key={certificates}/kubelet-client.key",
        f"--kubelet-certificate-authority={certificates}/ca.crt",
        "--kubelet-preferred-address-types=InternalIP",
        f"--audit-policy-file={layout.state}/audit-policy.yaml",
        f"--audit-log-path={layout.audit}",
        "--profiling=false",
    ]

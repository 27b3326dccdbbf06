# SPDX-FileCopyrightText: The opendatahub.model_registry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""One kind cluster: create it with all that a registry needs, tell how to use it, delete it."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

import trustme
import yaml

from testbed.api import Api, ApiError, Object
from testbed.cache import Say, cache_root, locked
from testbed.certificates import login, write_kubeconfig, write_private
from testbed.databases import NAMESPACE as DATABASES_NAMESPACE
from testbed.databases import database, service_name
from testbed.install import apply, define, has, until
from testbed.layout import PARTS_USER, USERS, Layout
from testbed.manifests import FOLDER as MANIFESTS
from testbed.manifests import cluster_objects, custom_resources, load, webhooks

from .engine import OWN_BRIDGES, Engine, EngineError, find
from .images import DATABASES, OPERATOR_IMAGE
from .node import kind
from .progress import step
from .supply import Choice, Supply, choose

__all__ = ["Cluster", "ClusterError"]

OPERATOR = "model-registry-operator-controller-manager"
OPERATOR_NAMESPACE = "redhat-ods-applications"
OPERATOR_SERVICE = "model-registry-operator-webhook-service"
NODE_DATA = Path("/var/lib/model-registry-testbed")
"""The databases' data in the node: there it outlives pods, and goes with the cluster."""
PATIENCE = 240.0
"""Seconds for pods to become ready, pulling their images included."""
PEOPLE = "testbed:people"
"""The group of users who are in no other: a certificate must name one."""
TLS_SERVICE = "mysql-tls"
"""The MySQL server that requires encrypted connections, with a certificate of the platform's authority."""
TLS_OPTIONS = (
    "--ssl-ca=/etc/testbed/ca.crt",
    "--ssl-cert=/etc/testbed/tls.crt",
    "--ssl-key=/etc/testbed/tls.key",
    "--require-secure-transport=ON",
)


SECURITY = {
    "feature-gates": "MutatingAdmissionPolicy=true",
    "runtime-config": "admissionregistration.k8s.io/v1beta1=true",
}
"""What Kubernetes 1.34 must be told before it accepts manifests/security.yaml."""


class ClusterError(EngineError):
    """A cluster could not be created or deleted; the text says why and what to do."""


class Cluster:
    """One kind cluster, known by its state directory."""

    def __init__(self, state: Path, name: str | None = None) -> None:
        self.layout = Layout(state.resolve())
        self.name = name or self._settings().get("name") or _default_name(self.layout.state)

    def up(self, images: Choice, say: Say) -> None:
        """Create it and wait until all in it is ready; the remains of a run that was cut off are deleted first.

        Raises ClusterError, EngineError, BuildError, TimeoutError; then only the logs are left, beside the state.
        """
        engine = find()
        say(f"Docker engine: {engine.place}")
        program = kind(say)
        supply = choose(images, engine, say)
        with locked(cache_root() / ".kind-up.lock", lambda: say("another run is creating a cluster, waiting")):
            self._make(engine, program, supply, say)

    def _make(self, engine: Engine, program: Path, supply: Supply, say: Say) -> None:
        self._claim(engine)
        _delete(engine, self.name)
        try:
            self._settle(engine, supply)
            with step("cluster created", say):
                self._create(engine, program, supply)
            with step("users", say):
                authority = self._log_in(engine)
            if supply.archive:
                with step("images loaded", say):
                    self._kind(engine, program, "load", "image-archive", str(supply.archive), f"--name={self.name}")
            self._install(supply, authority, say)
        except ApiError as error:
            self._give_up()
            raise ClusterError(f"the cluster refuses what belongs in it: {error}") from error
        except BaseException:
            self._give_up()
            raise

    def down(self, say: Say) -> None:
        """Delete the cluster, its network and its state directory; a missing one is no error."""
        host = self._settings().get("engine")
        try:
            engine = Engine(host) if host else find()
            engine.docker("version")
        except EngineError:
            # Without its engine no container runs; the project's own takes all with it when it is stopped.
            say(f"no Docker engine answers: only the files of {self.name} are removed")
        else:
            _delete(engine, self.name)
        if self._file.exists():
            self._remove()
            say(f"{self.name} is deleted")

    def status(self) -> Object:
        """Return its settings, and whether its node runs."""
        settings = self._settings()
        if not settings:
            return {"running": False}
        try:
            running = bool(Engine(settings["engine"]).docker("ps", "--quiet", *_of(self.name)))
        except EngineError:
            running = False
        return {"running": running, **settings}

    def environment(self, user: str) -> dict[str, str]:
        """Return the variables that let a command act as one of USERS. Raises ClusterError if there is no cluster."""
        path = self.layout.kubeconfig(user)
        if not path.exists():
            raise ClusterError(f"no kind cluster is in {self.layout.state}: create one with `testbed kind up`")
        return {"KUBECONFIG": str(path), "K8S_AUTH_KUBECONFIG": str(path)}

    @property
    def _file(self) -> Path:
        return self.layout.state / "kind.json"

    def _settings(self) -> dict[str, Any]:
        try:
            found: dict[str, Any] = json.loads(self._file.read_text())
        except FileNotFoundError:
            return {}
        return found

    def _write(self, settings: dict[str, Any]) -> None:
        """Write the settings whole or not at all: a run can be cut off."""
        unfinished = self._file.with_suffix(".unfinished")
        unfinished.write_text(json.dumps(settings))
        unfinished.replace(self._file)

    def _remove(self) -> None:
        """Remove the state directory; the file that names its cluster goes last."""
        for path in self.layout.state.iterdir():
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            elif path != self._file:
                path.unlink()
        shutil.rmtree(self.layout.state)

    def _claim(self, engine: Engine) -> None:
        """Take the state directory, and delete what an earlier cluster left in it."""
        state = self.layout.state
        if state.exists() and not self._file.exists() and any(state.iterdir()):
            raise ClusterError(f"{state} is not empty and no kind cluster's: choose another --state")
        if (earlier := self._settings()) and earlier["name"] != self.name:
            _delete(engine, earlier["name"])
        if state.exists():
            self._remove()
        state.mkdir(parents=True, mode=0o700)
        # From here on, any process that finds the directory knows what to delete.
        self._write({"name": self.name, "engine": engine.host})

    def _settle(self, engine: Engine, supply: Supply) -> None:
        """Write what the cluster is made of, for its users."""
        settings = {
            "name": self.name,
            "engine": engine.host,
            "images": supply.name,
            "flavour": supply.flavour.name,
            "registries_namespace": supply.flavour.registries_namespace,
            "database": service_name(DATABASES[0]),
            "tls_database": TLS_SERVICE,
            "relay_image": supply.relay,
            "relay_command": supply.relay_command,
            "shell_image": supply.shell,
        }
        self._write(settings)
        for folder in (self.layout.logs, self.layout.certificates, self.layout.kubeconfig("admin").parent):
            folder.mkdir(mode=0o700)
        shutil.copy(MANIFESTS / "audit-policy.yaml", self.layout.state)

    def _create(self, engine: Engine, program: Path, supply: Supply) -> None:
        config = self.layout.state / "config.yaml"
        config.write_text(yaml.safe_dump(_configuration(self.layout, supply)))
        bridge = f"{OWN_BRIDGES}{hashlib.sha256(self.name.encode()).hexdigest()[:8]}"
        option = f"--opt=com.docker.network.bridge.name={bridge}"
        engine.docker("network", "create", "--driver=bridge", option, *_label(self.name), self.name)
        kubeconfig = f"--kubeconfig={self.layout.kubeconfig('kind')}"
        self._kind(engine, program, "create", "cluster", f"--name={self.name}", f"--config={config}", kubeconfig)

    def _kind(self, engine: Engine, program: Path, *arguments: str) -> None:
        """Run kind, with its output in the logs. The cluster has a network of its own, to be deleted with it."""
        environment = {
            **engine.environment,
            "KIND_EXPERIMENTAL_PROVIDER": "docker",
            "KIND_EXPERIMENTAL_DOCKER_NETWORK": self.name,
        }
        log = self.layout.log("kind")
        # It ends with this process, even with a killed one, and does not meet the next run.
        bound = ["setpriv", "--pdeathsig=KILL", "--"] if shutil.which("setpriv") else []
        with log.open("ab") as output:
            done = subprocess.run(
                [*bound, program, *arguments],
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                check=False,
            )
        if done.returncode:
            last = log.read_text(errors="replace")[-3000:]
            raise ClusterError(f"kind {' '.join(arguments[:2])} failed with exit status {done.returncode}:\n{last}")

    def _log_in(self, engine: Engine) -> trustme.CA:
        """Write the kubeconfigs of all users, signed by the cluster's authority; return that of the platform.

        The platform's is the one that databases and webhooks are trusted by.
        """
        config = yaml.safe_load(self.layout.kubeconfig("kind").read_text())
        server = config["clusters"][0]["cluster"]["server"]
        node = f"{self.name}-control-plane"
        certificate, key = (
            engine.docker("exec", node, "cat", f"/etc/kubernetes/pki/ca.{end}").encode() for end in ("crt", "key")
        )
        cluster = trustme.CA.from_pem(certificate, key)
        for name, user in USERS.items():
            group = user.groups[0] if user.groups else PEOPLE
            write_kubeconfig(self.layout.kubeconfig(name), server, certificate, login(cluster, user.name, group))
        write_kubeconfig(self.layout.kubeconfig("parts"), server, certificate, login(cluster, PARTS_USER))
        platform = trustme.CA(organization_name="model registry testbed")
        write_private(self.layout.certificates / "ca.key", platform.private_key_pem.bytes().decode())
        (self.layout.certificates / "ca.crt").write_bytes(platform.cert_pem.bytes())
        return platform

    def _install(self, supply: Supply, authority: trustme.CA, say: Say) -> None:
        api = Api(self.layout.kubeconfig("parts"))
        flavour, ca = supply.flavour, authority.cert_pem.bytes()
        with step("kinds and objects of the platform", say):
            definitions = custom_resources(flavour)
            # The real operator brings those of its own group.
            define(api, [d for d in definitions if not (supply.operator and _is_registry(d))])
            security = load(MANIFESTS / "security.yaml") if flavour.openshift else []
            for body in (*security, *cluster_objects(flavour, ca, None)):
                apply(api, body)
            for body in _databases(authority, supply):
                apply(api, body)
            namespace = self._operator(api, supply, authority)
        waiting = (
            ("network and DNS", "Deployment", "coredns", "kube-system", "Available"),
            ("operator", "Deployment", OPERATOR, namespace, "Available"),
            *((f"database {name}", "Deployment", name, DATABASES_NAMESPACE, "Available") for name in _services()),
        )
        for what, *wanted in waiting:
            with step(f"{what} ready", say):
                _until(
                    api,
                    what,
                    partial(has, api, "apps/v1", *wanted),
                    namespaces=("kube-system", namespace, DATABASES_NAMESPACE),
                )
        if not supply.operator:
            for body in webhooks(flavour, ca, OPERATOR_NAMESPACE):
                apply(api, body)

    def _operator(self, api: Api, supply: Supply, authority: trustme.CA) -> str:
        """Install the operator, and return its namespace."""
        if supply.operator:
            namespace: str = supply.operator["namespace"]
            apply(api, {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}})
            self._released_operator(supply.operator)
            return namespace
        service = f"{OPERATOR_SERVICE}.{OPERATOR_NAMESPACE}.svc"
        leaf = authority.issue_cert(service, f"{service}.cluster.local")
        objects = load(
            MANIFESTS / "operator.yaml.j2",
            operator_namespace=OPERATOR_NAMESPACE,
            image=OPERATOR_IMAGE,
            flavour=supply.flavour.name,
            registries_namespace=supply.flavour.registries_namespace,
            certificate=leaf.cert_chain_pems[0].bytes().decode(),
            key=leaf.private_key_pem.bytes().decode(),
        )
        for body in objects:
            apply(api, body)
        return OPERATOR_NAMESPACE

    def _released_operator(self, operator: dict[str, Any]) -> None:
        """Apply the real operator's own manifests, with the images of released.yaml."""
        deployment = (f"deployment/{OPERATOR}", f"--namespace={operator['namespace']}")
        images = [f"{name}={image}" for name, image in operator["environment"].items()]
        self._kubectl("apply", "--server-side", "--kustomize", operator["manifests"])
        self._kubectl("set", "image", *deployment, f"manager={operator['image']}")
        self._kubectl("set", "env", *deployment, *images)

    def _kubectl(self, *arguments: str) -> None:
        program = Path(sys.executable).with_name("kubectl")
        environment = {**os.environ, "KUBECONFIG": str(self.layout.kubeconfig("parts"))}
        done = subprocess.run([program, *arguments], env=environment, capture_output=True, text=True, check=False)
        if done.returncode:
            raise ClusterError(f"kubectl {' '.join(arguments)} failed:\n{done.stderr[-2000:]}")

    def _give_up(self) -> None:
        """Delete everything, and keep the logs beside the state directory."""
        if self.layout.logs.is_dir():
            kept = self.layout.state.with_name(self.layout.state.name + ".failed")
            shutil.rmtree(kept, ignore_errors=True)
            # The audit log belongs to root, who may be another user.
            with suppress(shutil.Error):
                shutil.copytree(self.layout.logs, kept)
        self.down(lambda _: None)


def _default_name(state: Path) -> str:
    """Return a name of its own for each state directory, so that clusters do not meet on one engine."""
    return f"model-registry-{hashlib.sha256(str(state).encode()).hexdigest()[:8]}"


def _delete(engine: Engine, name: str) -> None:
    """Remove every container of a cluster with its volumes, and its network."""
    if containers := engine.docker("ps", "--all", "--quiet", *_of(name)).split():
        engine.docker("rm", "--force", "--volumes", *containers)
    if networks := engine.docker("network", "ls", "--quiet", f"--filter=name=^{name}$").split():
        engine.docker("network", "rm", *networks)


def _of(name: str) -> tuple[str]:
    """Return the filter for the containers of a cluster, as kind labels them."""
    return (f"--filter=label=io.x-k8s.kind.cluster={name}",)


def _label(name: str) -> tuple[str]:
    return (f"--label=io.x-k8s.kind.cluster={name}",)


def _configuration(layout: Layout, supply: Supply) -> Object:
    """Return kind's configuration: one node, whose API server has OpenShift's admission and writes an audit log."""
    policy, log = "/etc/kubernetes/audit-policy.yaml", "/var/log/kubernetes"
    arguments = {
        "enable-admission-plugins": "NodeRestriction,OwnerReferencesPermissionEnforcement",
        "audit-policy-file": policy,
        "audit-log-path": f"{log}/audit.log",
        **(SECURITY if supply.flavour.openshift else {}),
    }
    volumes = [
        {"name": "audit-policy", "hostPath": policy, "mountPath": policy, "readOnly": True, "pathType": "File"},
        {"name": "audit-log", "hostPath": log, "mountPath": log, "pathType": "DirectoryOrCreate"},
    ]
    # kubeadm's older format has arguments as a mapping, its newer one as a list; kind takes the patch that fits.
    formats = {"v1beta3": arguments, "v1beta4": [{"name": name, "value": value} for name, value in arguments.items()]}
    patches = [
        {
            "apiVersion": f"kubeadm.k8s.io/{version}",
            "kind": "ClusterConfiguration",
            "apiServer": {"extraArgs": values, "extraVolumes": volumes},
        }
        for version, values in formats.items()
    ]
    mounts = [
        {"hostPath": str(layout.state / "audit-policy.yaml"), "containerPath": policy, "readOnly": True},
        {"hostPath": str(layout.logs), "containerPath": log},
    ]
    return {
        "kind": "Cluster",
        "apiVersion": "kind.x-k8s.io/v1alpha4",
        "networking": {"ipFamily": "ipv4", "apiServerAddress": "127.0.0.1"},
        "nodes": [
            {
                "role": "control-plane",
                "image": supply.node,
                "extraMounts": mounts,
                "kubeadmConfigPatches": [yaml.safe_dump(patch) for patch in patches],
            }
        ],
    }


def _is_registry(definition: Object) -> bool:
    return bool(definition["spec"]["group"] == "modelregistry.opendatahub.io")


def _services() -> tuple[str, str]:
    """Return the Services of the two database servers."""
    return service_name(DATABASES[0]), TLS_SERVICE


def _databases(authority: trustme.CA, supply: Supply) -> list[Object]:
    """Return a default MySQL server, and one with a certificate that is valid for all names of its Service."""
    names = [
        TLS_SERVICE,
        *(f"{TLS_SERVICE}.{DATABASES_NAMESPACE}{rest}" for rest in ("", ".svc", ".svc.cluster.local")),
    ]
    leaf = authority.issue_cert(*names, "localhost", "127.0.0.1")
    files = {
        "ca.crt": authority.cert_pem.bytes(),
        "tls.crt": b"".join(pem.bytes() for pem in leaf.cert_chain_pems),
        "tls.key": leaf.private_key_pem.bytes(),
    }
    plain, secure = DATABASES
    layout = Layout(NODE_DATA)
    objects = []
    for server, made in (
        (plain, database(plain, layout)),
        (secure, database(secure, layout, name=TLS_SERVICE, options=TLS_OPTIONS, files=files)),
    ):
        for body in made:
            if body["kind"] == "Deployment":
                body["spec"]["template"]["spec"]["containers"][0]["image"] = supply.databases[server]
            objects.append(body)
    return objects


def _until(api: Api, what: str, done: Callable[[], bool], namespaces: tuple[str, ...]) -> None:
    """Wait, and report the pods' states if it takes too long. Raises ClusterError."""
    try:
        until(what, done, PATIENCE)
    except TimeoutError as error:
        pods = [pod for namespace in namespaces for pod in api.list("v1", "Pod", namespace)]
        lines = [f"  {pod['metadata']['name']}: {_state(pod)}" for pod in pods]
        raise ClusterError("\n".join([str(error), *lines])) from error


def _state(pod: Object) -> str:
    """Return one line about a pod."""
    waiting = [
        f"{c['name']} waits: {c['state']['waiting'].get('reason')} {c['state']['waiting'].get('message', '')}".strip()
        for c in pod["status"].get("containerStatuses", ())
        if "waiting" in c["state"]
    ]
    return "; ".join([pod["status"].get("phase", "?"), *waiting])

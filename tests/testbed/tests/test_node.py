# SPDX-FileCopyrightText: The opendatahub.model_registry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The process node: pods as a kubelet runs and reports them."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from typing import Any

import pytest
from testbed.api import Api, ApiError, Object
from testbed.bed import Testbed

NAMESPACE = "pods"
SHELL = {"name": "main", "image": "testbed/shell"}


class Pods:
    """Makes pods in a namespace of their own."""

    def __init__(self, bed: Testbed) -> None:
        self.bed = bed
        self.api: Api = bed.api()
        self.api.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}})
        self.bed.until("default service account", lambda: self.api.get("v1", "ServiceAccount", "default", NAMESPACE))
        self.names: list[str] = []

    def run(self, name: str, script: str, *, spec: Object | None = None, **container: Any) -> None:
        """Make a pod whose container runs a shell script."""
        self.names.append(name)
        body = {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": name, "namespace": NAMESPACE, "labels": {"app": name}},
            "spec": {
                "terminationGracePeriodSeconds": 2,
                "containers": [{**SHELL, "command": ["sh", "-c", script], **container}],
                **(spec or {}),
            },
        }
        self.api.create(body)

    def apply(self, kind: str, name: str, **fields: Any) -> None:
        """Apply any other object of core/v1."""
        self.api.apply({"apiVersion": "v1", "kind": kind, "metadata": {"name": name, "namespace": NAMESPACE}, **fields})

    def get(self, name: str) -> Object:
        found = self.api.get("v1", "Pod", name, NAMESPACE)
        assert found, f"no pod {name}"
        return found

    def status(self, name: str) -> Object:
        """Return the status of the first container, empty while there is none."""
        statuses = self.get(name)["status"].get("containerStatuses") or [{}]
        first: Object = statuses[0]
        return first

    def phase(self, name: str, wanted: str) -> Object:
        """Wait for a phase, and return the pod."""
        self.bed.until(f"{name} {wanted}", lambda: self.get(name)["status"].get("phase") == wanted, 30)
        return self.get(name)

    def ready(self, name: str) -> Object:
        self.bed.until(f"{name} ready", lambda: self.status(name).get("ready"), 30)
        return self.get(name)

    def waiting(self, name: str, reason: str) -> str:
        """Wait for a waiting reason, and return its message."""

        def message() -> tuple[str] | None:
            waiting = self.status(name).get("state", {}).get("waiting", {})
            return (waiting.get("message", ""),) if waiting.get("reason") == reason else None

        text: str = self.bed.until(f"{name} {reason}", message, 60)[0]
        return text

    def output(self, name: str) -> str:
        return self.api.log(NAMESPACE, name, "main")

    def events(self, name: str) -> set[tuple[str, str]]:
        found = self.api.list("v1", "Event", NAMESPACE, fieldSelector=f"involvedObject.name={name}")
        return {(event["reason"], event["message"]) for event in found}

    def try_kubectl(self, *arguments: str) -> str:
        """Return kubectl's output, whether it succeeds or not."""
        return str(self.bed.run(["kubectl", "-n", NAMESPACE, *arguments], capture_output=True).stdout).strip()

    def kubectl(self, *arguments: str, **options: Any) -> str:
        result = self.bed.run(["kubectl", "-n", NAMESPACE, *arguments], capture_output=True, **options)
        assert result.returncode == 0, result.stderr
        return str(result.stdout)


@pytest.fixture
def pods(bed: Testbed) -> Iterator[Pods]:
    """Make pods. No two tests use the same name, so no test waits until they are gone."""
    made = Pods(bed)
    yield made
    for name in made.names:
        made.api.delete("v1", "Pod", name, NAMESPACE)


def test_environment(pods: Pods) -> None:
    """Values, Secrets, ConfigMaps, the pod's own fields, and expansion of $(VAR) as the kubelet does it."""
    pods.apply("Secret", "env", stringData={"password": "p$(A)?@:/", "EXTRA": "from secret"})
    pods.apply("ConfigMap", "env", data={"key": "from config map"})
    env = [
        {"name": "A", "value": "a"},
        {"name": "B", "value": "$(A)-$(MISSING)-$$(A)"},
        {"name": "SECRET", "valueFrom": {"secretKeyRef": {"name": "env", "key": "password"}}},
        {"name": "CONFIG", "valueFrom": {"configMapKeyRef": {"name": "env", "key": "key"}}},
        {"name": "OPTIONAL", "valueFrom": {"secretKeyRef": {"name": "none", "key": "none", "optional": True}}},
        {"name": "NAME", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}},
        {"name": "IP", "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}},
    ]
    script = (
        'for v in "$A" "$B" "$SECRET" "$CONFIG" "${OPTIONAL-unset}" "$NAME" "$IP" "$EXTRA" "$0"; do echo "$v"; done'
    )
    container = {"env": env, "envFrom": [{"secretRef": {"name": "env"}}], "args": ["$(SECRET)"]}
    pods.run("env", script, spec={"restartPolicy": "Never"}, **container)
    pod = pods.phase("env", "Succeeded")
    expected = [
        "a",
        "a-$(MISSING)-$(A)",
        "p$(A)?@:/",
        "from config map",
        "unset",
        "env",
        pod["status"]["podIP"],
        "from secret",
        "p$(A)?@:/",
    ]
    assert pods.output("env").splitlines() == expected


@pytest.mark.parametrize(
    ("name", "key", "message"),
    [
        ("absent", "k", 'secret "absent" not found'),
        ("partial", "nothing", f"couldn't find key nothing in Secret {NAMESPACE}/partial"),
    ],
)
def test_missing_secret(pods: Pods, name: str, key: str, message: str) -> None:
    """The container waits, reports why, and starts once the Secret exists."""
    if name == "partial":
        pods.apply("Secret", "partial", stringData={"other": "x"})
    env = [{"name": "A", "valueFrom": {"secretKeyRef": {"name": name, "key": key}}}]
    pods.run(f"needs-{name}", "sleep 1000", env=env)
    assert pods.waiting(f"needs-{name}", "CreateContainerConfigError") == message
    pods.apply("Secret", name, stringData={key: "now"})
    pods.ready(f"needs-{name}")
    pods.api.delete("v1", "Secret", name, NAMESPACE)


def test_missing_volume(pods: Pods) -> None:
    volumes = [{"name": "v", "secret": {"secretName": "no-such"}}]
    pods.run("mounts", "sleep 1000", spec={"volumes": volumes}, volumeMounts=[{"name": "v", "mountPath": "/v"}])
    assert pods.waiting("mounts", "ContainerCreating") == ""
    words = ("FailedMount", 'MountVolume.SetUp failed for volume "v" : secret "no-such" not found')
    pods.bed.until("event", lambda: words in pods.events("mounts"), 30)


def test_unknown_image(pods: Pods) -> None:
    pods.run("unknown", "true", image="example/nothing:1")
    assert "example/nothing:1" in pods.waiting("unknown", "ErrImagePull")
    assert pods.waiting("unknown", "ImagePullBackOff").startswith('Back-off pulling image "example/nothing:1"')


def test_no_such_program(pods: Pods) -> None:
    pods.run("no-program", "", command=["/nothing"])
    pods.bed.until("start error", lambda: "/nothing" in json.dumps(pods.status("no-program")), 30)


def test_crash_loop(pods: Pods) -> None:
    """Restart, back-off, the container's logs of now and before."""
    pods.run("crashes", "echo run of $(date +%s%N); exit 3")
    message = pods.waiting("crashes", "CrashLoopBackOff")
    uid = pods.get("crashes")["metadata"]["uid"]
    assert message.startswith("back-off ") and message.endswith(
        f"restarting failed container=main pod=crashes_{NAMESPACE}({uid})"
    )
    terminated = pods.status("crashes")["lastState"]["terminated"]
    assert (terminated["exitCode"], terminated["reason"]) == (3, "Error")
    pods.bed.until("restarted twice", lambda: pods.status("crashes")["restartCount"] >= 2, 60)
    assert pods.api.log(NAMESPACE, "crashes", "main", previous=True).startswith("run of ")
    condition = {c["type"]: c for c in pods.get("crashes")["status"]["conditions"]}["Ready"]
    assert (condition["reason"], condition["message"]) == (
        "ContainersNotReady",
        "containers with unready status: [main]",
    )
    assert "BackOff" in {reason for reason, _ in pods.events("crashes")}


def test_volumes(pods: Pods) -> None:
    """Files where they belong, with keys renamed, read-only, and renewed when their object changes."""
    pods.apply("ConfigMap", "files", data={"a.txt": "first", "b.txt": "b"})
    pods.apply("Secret", "files", stringData={"s": "secret"})
    volumes = [
        {"name": "config", "configMap": {"name": "files", "items": [{"key": "a.txt", "path": "sub/renamed"}]}},
        {"name": "secret", "secret": {"secretName": "files"}},
        {"name": "empty", "emptyDir": {}},
    ]
    mounts = [
        {"name": "config", "mountPath": "/etc/config"},
        {"name": "secret", "mountPath": "/etc/secret/deep", "readOnly": True},
        {"name": "empty", "mountPath": "/scratch"},
    ]
    token = "/var/run/secrets/kubernetes.io/serviceaccount"
    script = (
        f"echo kept >> /scratch/log; touch /etc/secret/deep/x && echo writable; cat {token}/namespace; echo; sleep 1000"
    )
    pods.run("volumes", script, spec={"volumes": volumes}, volumeMounts=mounts)
    pods.ready("volumes")

    def read(path: str) -> str:
        return pods.kubectl("exec", "volumes", "--", "cat", path)

    assert read("/etc/config/sub/renamed") == "first"
    assert read("/etc/secret/deep/s") == "secret"
    pods.bed.until("written", lambda: len(pods.output("volumes").splitlines()) == 2)
    assert NAMESPACE in pods.output("volumes").splitlines()
    assert "Read-only file system" in pods.output("volumes")
    pods.apply("ConfigMap", "files", data={"a.txt": "second", "b.txt": "b"})
    pods.bed.until("renewed", lambda: read("/etc/config/sub/renamed") == "second", 60)
    # This shell dies with the container, or just outlives the signal: how it ends proves nothing.
    pods.try_kubectl("exec", "volumes", "--", "sh", "-c", "kill -9 -1; true")
    pods.bed.until(
        "restarted", lambda: pods.status("volumes").get("restartCount") == 1 and pods.status("volumes")["ready"], 30
    )
    assert read("/scratch/log").split() == ["kept", "kept"], "an emptyDir outlives its containers"


SERVE = "python3 -m http.server 8080 --bind 0.0.0.0"


def test_every_pod_has_its_own_ports_and_name(pods: Pods) -> None:
    """Two servers on the same port of all addresses; a Service's name leads to them, from any namespace and by any form."""
    for name in ("one", "two"):
        pods.run(
            name,
            f"mkdir /tmp/www; cd /tmp/www; echo {name} > who; {SERVE}",
            ports=[{"containerPort": 8080, "name": "http"}],
        )
        pods.apply("Service", name, spec={"selector": {"app": name}, "ports": [{"port": 8080, "targetPort": "http"}]})
    pods.ready("one"), pods.ready("two")
    fetch = "import urllib.request,sys; print(urllib.request.urlopen(sys.argv[1], timeout=5).read().decode().strip())"
    pods.run("asks", "sleep 1000")
    pods.ready("asks")
    for host in ("one", f"two.{NAMESPACE}", f"two.{NAMESPACE}.svc", f"one.{NAMESPACE}.svc.cluster.local"):
        expected = host.partition(".")[0]
        command = ["exec", "asks", "--", "python3", "-c", fetch, f"http://{host}:8080/who"]
        pods.bed.until(f"{host} answers", lambda: pods.try_kubectl(*command) == expected)
    lookup = "import socket,sys\ntry: print(socket.gethostbyname(sys.argv[1]))\nexcept OSError as e: print(e)"
    started = time.monotonic()
    assert "not known" in pods.kubectl("exec", "asks", "--", "python3", "-c", lookup, "three")
    assert time.monotonic() - started < 5, "a name that is not there is answered, not timed out"


def test_port_forward(pods: Pods) -> None:
    pods.run("forwards", f"cd /tmp; echo hello > f; {SERVE}")
    pods.ready("forwards")

    def answer() -> bytes:
        with pods.bed.forward("pod/forwards", 8080, NAMESPACE) as port, pods.bed.connect("127.0.0.1", port) as client:
            client.sendall(b"GET /f HTTP/1.0\r\n\r\n")
            client.settimeout(5)
            data = b""
            while chunk := client.recv(4096):
                data += chunk
            return data

    assert pods.bed.until("served", lambda: b"hello" in answer())


def test_exec(pods: Pods) -> None:
    pods.run("execs", "sleep 1000")
    pods.ready("execs")
    assert pods.kubectl("exec", "-i", "execs", "--", "cat", input="through stdin") == "through stdin"
    failed = pods.bed.run(
        ["kubectl", "-n", NAMESPACE, "exec", "execs", "--", "sh", "-c", "echo wrong >&2; exit 5"], capture_output=True
    )
    assert failed.returncode == 5
    assert "wrong" in failed.stderr
    assert pods.kubectl("exec", "execs", "--", "hostname").strip() == "execs"


def test_logs(pods: Pods) -> None:
    pods.run("talks", "for i in 1 2 3 4 5; do echo line $i; done; sleep 0.2; echo err >&2; sleep 1000")
    pods.ready("talks")
    pods.bed.until("written", lambda: "err" in pods.output("talks"))
    assert pods.kubectl("logs", "talks", "--tail=2").splitlines() == ["line 5", "err"]
    stamp, _, text = pods.kubectl("logs", "talks", "--timestamps", "--tail=1").strip().partition(" ")
    assert text == "err" and stamp.startswith("20") and "T" in stamp
    assert pods.kubectl("logs", "talks", "--limit-bytes=4") == "line"
    with pytest.raises(ApiError, match="previous terminated container .* not found"):
        pods.api.log(NAMESPACE, "talks", "main", previous=True)


def test_log_of_a_container_that_has_not_started(pods: Pods) -> None:
    env = [{"name": "A", "valueFrom": {"secretKeyRef": {"name": "absent", "key": "k"}}}]
    pods.run("silent", "true", env=env)
    pods.waiting("silent", "CreateContainerConfigError")
    with pytest.raises(
        ApiError, match='container "main" in pod "silent" is waiting to start: CreateContainerConfigError'
    ):
        pods.output("silent")


def test_startup_probe_kills(pods: Pods) -> None:
    probe = {"exec": {"command": ["false"]}, "periodSeconds": 1, "failureThreshold": 2}
    pods.run("never-up", "sleep 1000", startupProbe=probe)
    pods.bed.until("restarted", lambda: pods.status("never-up").get("restartCount"), 30)
    last = pods.status("never-up")["lastState"]["terminated"]
    assert last["exitCode"] == 137, "the first process of a container ends by SIGKILL alone if it does not listen"
    assert ("Killing", "Container main failed startup probe, will be restarted") in pods.events("never-up")
    assert any(
        reason == "Unhealthy" and text.startswith("Startup probe failed") for reason, text in pods.events("never-up")
    )


def test_readiness_comes_and_goes(pods: Pods) -> None:
    probe = {"exec": {"command": ["test", "-e", "/tmp/ready"]}, "periodSeconds": 1, "failureThreshold": 1}
    pods.run("moody", "sleep 1000", readinessProbe=probe)
    pods.bed.until("running", lambda: pods.status("moody").get("started"))
    assert pods.status("moody")["ready"] is False
    pods.kubectl("exec", "moody", "--", "touch", "/tmp/ready")
    pods.ready("moody")
    pods.kubectl("exec", "moody", "--", "rm", "/tmp/ready")
    pods.bed.until("not ready", lambda: pods.status("moody")["ready"] is False)
    assert pods.status("moody")["restartCount"] == 0


def test_init_containers(pods: Pods) -> None:
    shared = [{"name": "shared", "mountPath": "/shared"}]
    init = {**SHELL, "name": "first", "command": ["sh", "-c", "echo prepared > /shared/f"], "volumeMounts": shared}
    pods.run(
        "prepared",
        "cat /shared/f; sleep 1000",
        spec={"initContainers": [init], "volumes": [{"name": "shared", "emptyDir": {}}]},
        volumeMounts=shared,
    )
    pods.ready("prepared")
    pods.bed.until("written", lambda: pods.output("prepared") == "prepared\n")


@pytest.mark.timed
def test_deletion_gives_time_to_end(pods: Pods) -> None:
    """SIGTERM first; a container that ignores it is killed after the grace period."""
    pods.run("polite", "trap 'echo bye > /dev/stderr; exit 0' TERM; while :; do sleep 0.1; done")
    pods.run("deaf", "trap '' TERM; while :; do sleep 0.1; done")
    pods.ready("polite"), pods.ready("deaf")
    started = time.monotonic()
    for name in ("polite", "deaf"):
        pods.api.delete("v1", "Pod", name, NAMESPACE)
    pods.bed.until("polite gone", lambda: pods.api.get("v1", "Pod", "polite", NAMESPACE) is None)
    assert time.monotonic() - started < 2
    pods.bed.until("deaf gone", lambda: pods.api.get("v1", "Pod", "deaf", NAMESPACE) is None)
    assert time.monotonic() - started > 1.5


def test_relay(pods: Pods) -> None:
    """The relay image: a way into a network that only pods can reach."""
    pods.run("target", f"cd /tmp; echo relayed > f; {SERVE}")
    address = pods.ready("target")["status"]["podIP"]
    pods.run("relay", "", image="testbed/relay", command=["/relay"], args=["--listen=:9000", f"--to={address}:8080"])
    pods.ready("relay")
    fetch = "import urllib.request; print(urllib.request.urlopen('http://127.0.0.1:9000/f', timeout=5).read().decode())"
    command = ["exec", "relay", "--", "python3", "-c", fetch]
    pods.bed.until("relayed", lambda: "relayed" in pods.try_kubectl(*command))

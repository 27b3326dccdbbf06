# SPDX-FileCopyrightText: The opendatahub.model_registry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The paths to a database: data arrives, obstacles are reported, and nothing stays behind."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
import websocket
from ansible_collections.opendatahub.model_registry.plugins.module_utils._common.errors import (
    Forbidden,
    NotReady,
    OutcomeUnknown,
    Refused,
    RegistryError,
    Unreachable,
)
from ansible_collections.opendatahub.model_registry.plugins.module_utils._database import connection
from ansible_collections.opendatahub.model_registry.plugins.module_utils._database.host import PodPort
from ansible_collections.opendatahub.model_registry.plugins.module_utils._database.relay import SOCAT, Relay, relay_job
from ansible_collections.opendatahub.model_registry.plugins.module_utils._kubernetes import port_forward
from ansible_collections.opendatahub.model_registry.plugins.module_utils._kubernetes.changes import Change
from ansible_collections.opendatahub.model_registry.plugins.module_utils._kubernetes.client import Cluster
from ansible_collections.opendatahub.model_registry.plugins.module_utils._kubernetes.port_forward import Forward, within

PORT = (3306).to_bytes(2, "little")
POD = PodPort("databases", "mysql-0", 3306)
RELAY = Relay("images/socat", SOCAT, "db.example.com", 3306, 1)


class FakeWebSocket:
    """A WebSocket whose other end a test holds: each message there begins with its length."""

    def __init__(self) -> None:
        self.sock, self.server = socket.socketpair()
        self.frame_buffer = SimpleNamespace(recv=self.sock.recv)

    def recv_data_frame(self, _control: bool) -> tuple[int, Any]:
        size = int.from_bytes(self._exactly(4), "big")
        return websocket.ABNF.OPCODE_BINARY, SimpleNamespace(data=self._exactly(size))

    def _exactly(self, size: int) -> bytes:
        data = b""
        while len(data) < size:
            more = self.sock.recv(size - len(data))
            if not more:
                raise websocket.WebSocketConnectionClosedException("gone")
            data += more
        return data

    def send_binary(self, data: bytes) -> None:
        self.sock.sendall(data)

    def send_close(self) -> None:
        """Ignore it: no test reads it."""

    def shutdown(self) -> None:
        self.sock.close()
        self.server.close()

    def say(self, channel: int, data: bytes) -> None:
        """Send data as the server."""
        self.server.sendall((len(data) + 1).to_bytes(4, "big") + bytes([channel]) + data)


def forward(*said: tuple[int, bytes]) -> tuple[Forward, FakeWebSocket]:
    fake = FakeWebSocket()
    for channel in (0, 1):
        fake.say(channel, PORT)
    for channel, data in said:
        fake.say(channel, data)
    return Forward(fake), fake


@contextmanager
def nothing_left() -> Iterator[None]:
    """Check that there are as many threads and open files as before."""

    def counts() -> tuple[int, int]:
        return threading.active_count(), len(list(Path("/proc/self/fd").iterdir()))

    before = counts()
    yield
    deadline = time.monotonic() + 5
    while counts() != before and time.monotonic() < deadline:
        time.sleep(0.01)
    assert counts() == before


def test_what_is_said_arrives() -> None:
    with nothing_left():
        through, fake = forward((0, b"greeting"))
        assert through.refusal(5) == ""
        assert through.socket.recv(100) == b"greeting"
        through.socket.sendall(b"answer")
        assert fake.server.recv(100) == b"\0answer"
        through.close()


def test_a_refusal_is_told_in_its_words() -> None:
    with nothing_left():
        through, _fake = forward((1, b"dial tcp: connection refused"))
        assert through.refusal(5) == "dial tcp: connection refused"
        assert through.socket.recv(100) == b""
        through.close()


def test_a_server_that_speaks_second() -> None:
    with nothing_left():
        through, _fake = forward()
        assert through.refusal(0.01) == ""
        through.close()


def test_an_end_is_passed_on() -> None:
    with nothing_left():
        through, fake = forward((0, b"last"))
        fake.server.close()
        assert through.socket.recv(100) == b"last"
        assert through.socket.recv(100) == b""
        through.close()


def test_a_server_that_talks_without_end_is_not_listened_to_without_end() -> None:
    """Nothing reads here, so after the kernel's buffers are full the server has to wait."""
    with nothing_left():
        through, fake = forward()
        fake.server.settimeout(0.5)
        sent = 0
        try:
            while sent < 5_000_000:
                fake.say(0, b"x" * 10_000)
                sent += 10_000
        except TimeoutError:
            pass
        assert sent < 5_000_000
        through.socket.close()
        through.close()


def test_within() -> None:
    with nothing_left():
        assert within(5, lambda: 7) == 7
        with pytest.raises(ValueError, match="invalid literal"):
            within(5, lambda: int("x"))
        ready = threading.Event()
        with pytest.raises(TimeoutError, match="no answer within 0 s"):
            within(0.05, ready.wait)
        ready.set()


def test_direct() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        with connection.direct("127.0.0.1", port) as path:
            path.open_socket(5).close()
    with connection.direct("127.0.0.1", port) as path, pytest.raises(ConnectionRefusedError):
        path.open_socket(5)
    for name in ("no-such-host.invalid", "x" * 64 + ".example"):
        with connection.direct(name, 3306) as path, pytest.raises(socket.gaierror):
            path.open_socket(5)


class FakeCluster:
    """Provides forwards, and has Jobs whose pod is in a given state while they exist."""

    def __init__(self, state: dict[str, Any] | None = None, **refused: RegistryError) -> None:
        self.state = {"running": {}} if state is None else state
        self.refused = refused
        self.jobs: dict[str, Any] = {}
        self.deleted: list[str] = []
        self.fakes: list[FakeWebSocket] = []
        self.timeouts: list[float | None] = []
        self.said: tuple[tuple[int, bytes], ...] = ((0, b"greeting"),)

    def port_forward(self, *target: Any) -> Forward:
        self.timeouts.append(target[-1])
        self._may("forward")
        through, fake = forward(*self.said)
        self.fakes.append(fake)
        return through

    def write(self, change: Change, dry_run: bool) -> dict[str, Any]:
        assert change.kind == "Job" and not dry_run
        if change.action == "create":
            self.jobs[change.name] = change.body
        self._may(change.action)
        if change.action == "create":
            return {}
        self.deleted.append(change.name)
        assert change.body == {"propagationPolicy": "Background"}
        del self.jobs[change.name]
        return {}

    def list(self, kind: str, _namespace: str, **_query: str) -> tuple[list[Any], str]:
        if kind == "Event":
            return [{"message": "exceeded quota"}], "1"
        status = {"containerStatuses": [{"state": self.state}]}
        has_pod = self.state != {"none": {}}
        return [{"metadata": {"name": name}, "status": status} for name in self.jobs if has_pod], "1"

    def log(self, *_place: str) -> str:
        return "first\nsocat: Connection refused\n"

    def _may(self, verb: str) -> None:
        if verb in self.refused:
            raise self.refused[verb]


def cluster(fake: FakeCluster) -> Cluster:
    return cast("Cluster", fake)


def test_port_forward_opens_anew_for_each_connection() -> None:
    fake = FakeCluster()
    with nothing_left():
        with connection.port_forward(cluster(fake), POD) as path:
            assert len(fake.fakes) == 1, "the path is known to be there before anybody connects"
            first, second = path.open_socket(5), path.open_socket(5)
            assert first is not second and len(fake.fakes) == 2
        fake.fakes.clear()


def test_port_forward_keeps_to_the_time_that_is_left() -> None:
    fake = FakeCluster()
    with connection.port_forward(cluster(fake), POD) as path:
        path.open_socket(5)
        path.open_socket(0.2)
        fake.refused["forward"] = Unreachable("Pod mysql-0", "no answer within 0 s", "Look.")
        with pytest.raises(ConnectionError, match="no answer within 0 s"):
            path.open_socket(0.1)
    assert fake.timeouts == [None, 0.2, 0.1]


@pytest.mark.parametrize(
    ("words", "kind"),
    [(b"dial tcp 127.0.0.1:3306: connect: connection refused", ConnectionRefusedError), (b"no route", ConnectionError)],
)
def test_port_forward_to_a_port_where_nobody_listens(words: bytes, kind: type[Exception]) -> None:
    fake = FakeCluster()
    fake.said = ((1, words),)
    with connection.port_forward(cluster(fake), POD) as path, pytest.raises(kind, match=words.decode()):
        path.open_socket(5)


@pytest.mark.parametrize("error", [Forbidden("Pod", "no", "rule"), Refused("port-forward", "impersonation", "")])
def test_port_forward_that_is_refused(error: RegistryError) -> None:
    fake = FakeCluster(forward=error)
    with pytest.raises(type(error)), connection.port_forward(cluster(fake), POD):
        pass


def use(fake: FakeCluster, warnings: list[str], work: Callable[[connection.Path], object] = lambda path: path) -> None:
    with connection.relay(cluster(fake), "registries", RELAY, warnings.append) as path:
        work(path)


def test_relay_is_removed() -> None:
    fake, warnings = FakeCluster(), list[str]()
    use(fake, warnings, lambda path: path.open_socket(5).recv(10))
    assert not fake.jobs and not warnings


def test_relay_tells_why_it_cannot_connect() -> None:
    words = list[str]()
    use(FakeCluster(), [], lambda path: words.append(path.words()))
    assert words == ["socat: Connection refused"]


def test_relay_is_removed_when_the_check_fails() -> None:
    fake = FakeCluster()
    with pytest.raises(ZeroDivisionError):
        use(fake, [], lambda _path: 1 // 0)
    assert not fake.jobs


@pytest.mark.parametrize(
    ("state", "words"),
    [
        ({"waiting": {"reason": "ImagePullBackOff", "message": "no such image"}}, "ImagePullBackOff: no such image"),
        ({"waiting": {"reason": "ErrImagePull", "message": "slow"}}, "ErrImagePull: slow"),
        ({"terminated": {"exitCode": 127}}, "exit code 127"),
        ({"none": {}}, "is not running after 1 s. exceeded quota"),
    ],
)
def test_relay_that_does_not_run(state: dict[str, Any], words: str) -> None:
    fake = FakeCluster(state)
    with pytest.raises(NotReady, match=words):
        use(fake, [])
    assert not fake.jobs


def test_relay_that_may_not_be_made() -> None:
    warnings = list[str]()
    with pytest.raises(Forbidden):
        use(FakeCluster(create=Forbidden("Job", "no", "rule")), warnings)
    assert not warnings


def test_relay_that_was_perhaps_made() -> None:
    """The answer to the creation is lost, and the Job exists."""
    fake = FakeCluster(create=OutcomeUnknown("Job", "lost", ""))
    with pytest.raises(OutcomeUnknown):
        use(fake, [])
    assert not fake.jobs and fake.deleted


def test_relay_that_cannot_be_removed() -> None:
    warnings = list[str]()
    use(FakeCluster(delete=Unreachable("Job", "no answer", "")), warnings)
    assert "could not be deleted. The cluster removes it within minutes" in warnings[0]


def test_relay_waits_until_it_is_listened_to() -> None:
    fake = FakeCluster()
    fake.said = ((1, b"connection refused"),)

    def connect(path: connection.Path) -> None:
        threading.Timer(0.1, lambda: setattr(fake, "said", ((0, b"greeting"),))).start()
        assert path.open_socket(5).recv(10) == b"greeting"

    use(fake, [], connect)


def test_the_job_ends_without_anybody() -> None:
    job = relay_job("name", Relay("image", ["relay", "{listen}", "{host}:{port}", "{other}"], "fd00::7", 3307, 60))
    (container,) = job["spec"]["template"]["spec"]["containers"]
    assert container["command"] == ["relay", "13306", "[fd00::7]:3307", "{other}"]
    assert job["spec"]["template"]["spec"]["securityContext"] == {
        "runAsNonRoot": True,
        "seccompProfile": {"type": "RuntimeDefault"},
    }
    assert container["securityContext"] == {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}
    assert (job["spec"]["activeDeadlineSeconds"], job["spec"]["ttlSecondsAfterFinished"]) == (180, 0)


def test_a_message_without_an_end_is_not_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever length a frame claims, and however slowly it comes. The next message begins anew."""
    buffer = SimpleNamespace(recv=lambda size: b"x" * size)
    message = port_forward._Message(buffer)  # noqa: SLF001
    for _ in range(2):
        message.begin()
        assert len(buffer.recv(port_forward.MOST_BYTES)) == port_forward.MOST_BYTES
        with pytest.raises(OSError, match="without an end"):
            buffer.recv(1)
    monkeypatch.setattr(port_forward, "FRAME_TIMEOUT", -1.0)
    message.begin()
    with pytest.raises(OSError, match="without an end"):
        buffer.recv(1)


def test_whatever_goes_wrong_in_a_thread_is_raised_here() -> None:
    """Otherwise it would count as no answer in time, and its traceback would go to the standard error."""

    def work() -> None:
        raise KeyError("x")

    with pytest.raises(KeyError):
        port_forward.within(5, work)

# SPDX-FileCopyrightText: The opendatahub.model_registry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Waiting, on a cluster that a test controls: watches that break, missing rights, logs that change."""

from __future__ import annotations

import copy
import json
import queue
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta, timezone
from functools import partial
from pathlib import Path
from typing import Any, cast

import pytest
from ansible_collections.opendatahub.model_registry.plugins.module_utils._common.errors import (
    Forbidden,
    NotFound,
    RegistryError,
    Unreachable,
)
from ansible_collections.opendatahub.model_registry.plugins.module_utils._kubernetes.client import Cluster
from ansible_collections.opendatahub.model_registry.plugins.module_utils._registry import wait as wait_module
from ansible_collections.opendatahub.model_registry.plugins.module_utils._registry.status_reader import (
    Clock,
    Snapshot,
    StatusReader,
)
from ansible_collections.opendatahub.model_registry.plugins.module_utils._registry.verdict import Verdict

SAMPLES: dict[str, Any] = json.loads(Path(__file__).parents[1].joinpath("samples", "registries.json").read_text())
NAMESPACE = "rhoai-model-registries"
WRONG_PASSWORD = (
    "I1123 08:36:07.072722       1 service.go:53] Connecting to EmbedMD service...\n"
    "W1123 08:36:07.079033       1 connect.go:83] Retrying connection to MySQL (attempt 1/25): "
    "Error 1045 (28000): Access denied for user 'wrong'@'10.88.1.4' (using password: YES)\n"
)
DROP: Any = None
"""Ends a watch."""
Objects = dict[str, dict[str, Any]]


class FakeCluster:
    """Holds objects by kind and name, sends events to watches, and refuses what it is configured to refuse."""

    def __init__(self, *names: str) -> None:
        self.objects: Objects = {kind: {} for kind in ("ModelRegistry", "Deployment", "Pod", "Endpoints", "Event")}
        for name in names:
            self.put(name, SAMPLES[name])
        self.logs: dict[str, str] = {}
        self.previous_logs: dict[str, str] = {}
        self.refused: dict[str, RegistryError] = {}
        self.clock_skew: timedelta | None = None
        """By verb and kind, such as "list Pod"."""
        self.asked: Counter[str] = Counter()
        self.watches: dict[str, queue.Queue[Any]] = {}

    def put(self, name: str, sample: Any) -> None:
        """Put all objects of a sampled registry there."""
        sample = copy.deepcopy(sample)
        found = {
            "ModelRegistry": sample["registry"],
            "Deployment": sample["deployment"],
            "Endpoints": sample["endpoints"],
        }
        for kind, item in found.items():
            if item:
                self.objects[kind][name] = item
        self.objects["Pod"].update({pod["metadata"]["name"]: pod for pod in sample["pods"]})
        found["ModelRegistry"]["metadata"].setdefault("uid", f"uid-{name}")

    def tell(self, kind: str, what: str, item: Any) -> None:
        """Send an event with the object to the watch of that kind."""
        self.objects[kind][item["metadata"]["name"]] = item
        if what == "DELETED":
            del self.objects[kind][item["metadata"]["name"]]
        self._watch(kind).put((what, copy.deepcopy(item)))

    def drop(self, kind: str) -> None:
        """Break the watch of that kind."""
        self._watch(kind).put(DROP)

    def garble(self, kind: str) -> None:
        """Send the watch of that kind half a line."""
        self._watch(kind).put(json.JSONDecodeError("Unterminated string", "{", 1))

    def _watch(self, kind: str) -> queue.Queue[Any]:
        return self.watches.setdefault(kind, queue.Queue())

    def _ask(self, verb: str, kind: str) -> None:
        self.asked[f"{verb} {kind}"] += 1
        if error := self.refused.get(f"{verb} {kind}"):
            raise error

    def list(self, kind: str, _namespace: str, **_query: str) -> tuple[list[Any], str]:
        self._ask("list", kind)
        return [copy.deepcopy(item) for item in self.objects[kind].values()], "1"

    def watch(self, kind: str, _namespace: str, _version: str, _timeout: float) -> Iterator[tuple[str, Any]]:
        self._ask("watch", kind)
        while (event := self._watch(kind).get()) is not DROP:
            if isinstance(event, Exception):
                raise event
            yield event

    def log(self, _namespace: str, pod: str, _container: str, previous: bool = False) -> str:
        self._ask("get", "log")
        return (self.previous_logs if previous else self.logs).get(pod, "")

    def get(self, kind: str, _namespace: str, _name: str) -> Any:
        self._ask("get", kind)
        return {}


@pytest.fixture(autouse=True)
def hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    """Shorten pauses to the tests' own length."""
    for pause in ("PAUSE", "POLL", "LOOK", "RETRY"):
        monkeypatch.setattr(wait_module, pause, 0.02)


def forbidden(kind: str) -> Forbidden:
    return Forbidden(kind, "no", f"The user needs this rule: {{resources: [{kind}]}}.")


def wait(cluster: FakeCluster, *names: str, seconds: float = 5) -> dict[str, Verdict]:
    return wait_module.wait_until_ready(cast("Cluster", cluster), NAMESPACE, names, time.monotonic() + seconds)


def gone(cluster: FakeCluster, *names: str, seconds: float = 5) -> dict[str, Verdict]:
    return wait_module.wait_until_gone(cast("Cluster", cluster), NAMESPACE, names, time.monotonic() + seconds)


def soon(action: Callable[[], object], seconds: float = 0.2) -> None:
    """Run the action while the test waits."""
    timer = threading.Timer(seconds, action)
    timer.daemon = True
    timer.start()


def pod_of(name: str) -> str:
    pod: str = SAMPLES[name]["pods"][0]["metadata"]["name"]
    return pod


def test_ready_at_once_takes_one_list_of_each_kind() -> None:
    cluster = FakeCluster("good")
    assert wait(cluster, "good")["good"].state == "ready"
    assert {kind: count for kind, count in cluster.asked.items() if kind.startswith(("list", "get"))} == {
        "list ModelRegistry": 1,
        "list Deployment": 1,
        "list Pod": 1,
        "list Endpoints": 1,
    }


def test_registries_that_were_listed_just_now_are_not_listed_again() -> None:
    cluster = FakeCluster("good", "wrong")
    cluster.logs[pod_of("wrong")] = WRONG_PASSWORD
    known = cluster.list("ModelRegistry", NAMESPACE)
    cluster.asked.clear()
    hooks = wait_module.Hooks(registries=known)
    found = wait_module.wait_until_ready(
        cast("Cluster", cluster), NAMESPACE, ["good", "wrong"], time.monotonic() + 5, hooks
    )
    assert {name: verdict.state for name, verdict in found.items()} == {"good": "ready", "wrong": "failed"}
    assert cluster.asked["list ModelRegistry"] == 0 and cluster.asked["list Pod"] == 1


def test_an_edit_of_long_ago_is_not_waited_for() -> None:
    """The newest timestamp is of the edit itself; without a change of this run, the other clocks say that it is old."""
    true = datetime(2027, 1, 1, 9, 1, 0, tzinfo=timezone.utc)
    cluster = FakeCluster("good")
    cluster.clock_skew = timedelta(0)
    edit = {"manager": "kubectl", "operation": "Update", "time": "2027-01-01T09:00:00Z"}
    cluster.objects["ModelRegistry"]["good"]["metadata"]["managedFields"].append(edit)
    for listed, expected in ((cluster.list("ModelRegistry", NAMESPACE), "ready"), (None, "waiting")):
        hooks = wait_module.Hooks(Clock(wall=lambda: true), registries=listed)
        found = wait_module.wait_until_ready(
            cast("Cluster", cluster), NAMESPACE, ["good"], time.monotonic() + 0.3, hooks
        )
        assert found["good"].state == expected


def test_each_registry_ends_by_itself() -> None:
    cluster = FakeCluster("good", "wrong", "missing-secret")
    cluster.logs[pod_of("wrong")] = WRONG_PASSWORD
    found = wait(cluster, "good", "wrong", "missing-secret")
    assert {name: (verdict.state, verdict.reason) for name, verdict in found.items()} == {
        "good": ("ready", "ready"),
        "wrong": ("failed", "access_denied"),
        "missing-secret": ("failed", "secret_missing"),
    }


ALERT = "Error: {{ALERT}} error connecting to datastore: "


def test_a_container_that_was_started_again_since_its_status_was_written() -> None:
    """Only the previous run, which the status does not know yet, has the reason."""
    cluster = FakeCluster("wrong")
    begun = "I1123 08:36:40.838114       1 connect.go:92] Successfully connected to MySQL database\n"
    cluster.previous_logs[pod_of("wrong")] = f"{begun}{ALERT}Error 1267 (HY000): Illegal mix of collations\n"
    cluster.logs[pod_of("wrong")] = f"{begun}{ALERT}Dirty database version 16. Fix and force version.\n"
    assert wait(cluster, "wrong")["wrong"].reason == "charset"


SECOND = WRONG_PASSWORD + WRONG_PASSWORD.splitlines(keepends=True)[1].replace("attempt 1/", "attempt 2/")
CONNECTED = WRONG_PASSWORD + "I1123 08:36:40.838114       1 connect.go:92] Successfully connected to MySQL database\n"


def test_words_from_before_count_once_they_are_said_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """Their cause may have been fixed before the wait began."""
    monkeypatch.setattr(wait_module, "RETRY", 60)
    cluster = FakeCluster("wrong")
    cluster.logs[pod_of("wrong")] = WRONG_PASSWORD
    verdict = wait(cluster, "wrong", seconds=0.3)["wrong"]
    assert (verdict.state, verdict.reason) == ("waiting", "access_denied")
    assert verdict.message.startswith("It failed and is retried: Error 1045") and verdict.next_step

    def say_again(_name: str, verdict: Verdict) -> None:
        if verdict.state == "waiting":
            cluster.logs[pod_of("wrong")] = SECOND

    hooks = wait_module.Hooks(report=say_again)
    deadline = time.monotonic() + 5
    found = wait_module.wait_until_ready(cast("Cluster", cluster), NAMESPACE, ["wrong"], deadline, hooks)
    assert found["wrong"].state == "failed"


def test_words_from_before_that_are_overcome_never_count(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wait_module, "RETRY", 60)
    cluster = FakeCluster("wrong")
    cluster.logs[pod_of("wrong")] = WRONG_PASSWORD
    soon(lambda: cluster.logs.update({pod_of("wrong"): CONNECTED}))
    soon(lambda: cluster.put("wrong", renamed(SAMPLES["good"], "wrong")), 0.4)
    for kind in ("ModelRegistry", "Deployment", "Pod", "Endpoints"):
        soon(partial(cluster.drop, kind), 0.5)
    told: list[str] = []
    hooks = wait_module.Hooks(report=lambda _name, verdict: told.append(verdict.state))
    wait_module.wait_until_ready(cast("Cluster", cluster), NAMESPACE, ["wrong"], time.monotonic() + 9, hooks)
    assert told[-1] == "ready" and "failed" not in told


def renamed(sample: Any, name: str) -> Any:
    """Return the objects of a sampled registry under another name."""
    text = json.dumps(sample)
    return json.loads(text.replace("good", name))


def test_a_watch_brings_what_was_missing() -> None:
    cluster = FakeCluster("good")
    endpoints = cluster.objects["Endpoints"].pop("good")
    soon(lambda: cluster.tell("Endpoints", "ADDED", endpoints))
    assert wait(cluster, "good")["good"].state == "ready"
    assert cluster.asked["list Endpoints"] == 1


def test_words_are_read_when_they_come() -> None:
    cluster = FakeCluster("wrong")
    soon(lambda: cluster.logs.update({pod_of("wrong"): WRONG_PASSWORD}))
    assert wait(cluster, "wrong")["wrong"].reason == "access_denied"
    assert cluster.asked["get log"] <= 4, "a log is not read again and again while nothing changes"


def test_a_broken_watch_is_mended_by_a_list() -> None:
    """The list has what happened without a watch: a 410 and a restart of the API server are no more than that."""
    cluster = FakeCluster("good")
    endpoints = cluster.objects["Endpoints"].pop("good")

    def miss() -> None:
        cluster.objects["Endpoints"]["good"] = endpoints
        cluster.drop("Endpoints")

    soon(miss)
    assert wait(cluster, "good")["good"].state == "ready"
    assert cluster.asked["list Endpoints"] == 2


def test_an_api_server_that_is_away_for_a_while() -> None:
    cluster = FakeCluster("good")
    for kind in ("ModelRegistry", "Pod"):
        cluster.refused[f"list {kind}"] = Unreachable(kind, "connection refused", "Wait.")
    soon(cluster.refused.clear)
    assert wait(cluster, "good")["good"].state == "ready"


def test_an_api_server_that_stays_away(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wait_module, "FIRST", 0.2)
    cluster = FakeCluster("good")
    cluster.refused["list ModelRegistry"] = Unreachable("ModelRegistry", "connection refused", "Look at it.")
    verdict = wait(cluster, "good", seconds=0.3)["good"]
    assert (verdict.state, verdict.reason) == ("waiting", "unknown")
    assert "connection refused" in verdict.message


@pytest.mark.parametrize(
    "error", [forbidden("modelregistries"), NotFound("ModelRegistry", "no such kind", "Install it.")]
)
def test_registries_that_cannot_be_seen_cannot_be_waited_for(error: RegistryError) -> None:
    cluster = FakeCluster("good")
    cluster.refused["list ModelRegistry"] = error
    with pytest.raises(type(error)):
        wait(cluster, "good")


@pytest.mark.parametrize("kind", ["ModelRegistry", "Pod"])
def test_an_api_server_that_has_not_loaded_its_rules_yet(kind: str) -> None:
    """Right after its start it refuses what it allowed before."""
    cluster = FakeCluster("good")
    endpoints = cluster.objects["Endpoints"].pop("good")

    def restart() -> None:
        cluster.refused[f"list {kind}"] = forbidden(kind)
        cluster.drop(kind)

    soon(restart)
    soon(cluster.refused.clear, 0.5)
    soon(lambda: cluster.tell("Endpoints", "ADDED", endpoints), 0.6)
    verdict = wait(cluster, "good")["good"]
    assert (verdict.state, verdict.notes) == ("ready", ())


def test_who_may_not_watch_lists_again() -> None:
    cluster = FakeCluster("good")
    endpoints = cluster.objects["Endpoints"].pop("good")
    cluster.refused["watch Endpoints"] = forbidden("endpoints")
    soon(lambda: cluster.objects["Endpoints"].update(good=endpoints))
    assert wait(cluster, "good")["good"].state == "ready"
    assert cluster.asked["list Endpoints"] > 1


@pytest.mark.parametrize("kind", ["Deployment", "Pod", "Endpoints"])
def test_a_missing_right_is_named_and_the_rest_is_judged(kind: str) -> None:
    cluster = FakeCluster("good")
    cluster.refused[f"list {kind}"] = forbidden(kind.lower())
    verdict = wait(cluster, "good")["good"]
    assert verdict.state == "ready"
    assert len(verdict.notes) == 1 and f"{{resources: [{kind.lower()}]}}" in verdict.notes[0]


def test_without_logs_there_are_no_words_and_no_failure_is_made_up() -> None:
    cluster = FakeCluster("wrong")
    cluster.refused["get log"] = forbidden("pods/log")
    verdict = wait(cluster, "wrong", seconds=0.5)["wrong"]
    assert verdict.state == "waiting"
    assert verdict.message == "Rollout of Deployment wrong: 0 of 1 pods are available."
    assert "{resources: [pods/log]}" in verdict.notes[0]


def test_a_log_that_cannot_be_had_for_a_moment() -> None:
    cluster = FakeCluster("wrong")
    cluster.logs[pod_of("wrong")] = WRONG_PASSWORD
    cluster.refused["get log"] = Unreachable("log", "connection refused", "Wait.")
    soon(cluster.refused.clear)
    assert wait(cluster, "wrong")["wrong"].reason == "access_denied"


def test_time_is_up() -> None:
    cluster = FakeCluster("wrong")
    started = time.monotonic()
    verdict = wait(cluster, "wrong", seconds=0.4)["wrong"]
    assert time.monotonic() - started < 1
    assert (verdict.state, verdict.reason) == ("waiting", "rollout")


def test_a_registry_that_is_not_there_is_not_waited_for() -> None:
    assert wait(FakeCluster("good"), "nobody")["nobody"].state == "gone"


def test_gone() -> None:
    cluster = FakeCluster("hanging", "good")
    registry = cluster.objects["ModelRegistry"]["hanging"]
    soon(lambda: cluster.tell("ModelRegistry", "DELETED", registry))
    assert gone(cluster, "hanging", "nobody") == {
        "hanging": Verdict("gone", "registry_missing", "The registry does not exist."),
        "nobody": Verdict("gone", "registry_missing", "The registry does not exist."),
    }


def test_an_answer_that_nobody_can_read_does_not_end_the_watching() -> None:
    """What disappeared meanwhile is missing from the next list."""
    cluster = FakeCluster("hanging")

    def cut() -> None:
        del cluster.objects["ModelRegistry"]["hanging"]
        cluster.garble("ModelRegistry")

    soon(cut)
    assert gone(cluster, "hanging")["hanging"].state == "gone"
    assert cluster.asked["list ModelRegistry"] == 2


def test_another_registry_of_the_same_name_is_not_the_one_that_was_deleted() -> None:
    cluster = FakeCluster("hanging")
    other = copy.deepcopy(SAMPLES["good"]["registry"])
    other["metadata"].update(name="hanging", uid="another")
    soon(lambda: cluster.tell("ModelRegistry", "MODIFIED", other))
    assert gone(cluster, "hanging")["hanging"].state == "gone"


def test_a_finalizer_that_hangs_is_named_with_its_time() -> None:
    verdict = gone(FakeCluster("hanging"), "hanging", seconds=0.3)["hanging"]
    assert verdict.state == "deleting"
    assert "since 2026-11-23T08:58:58Z" in verdict.message
    assert "modelregistry.opendatahub.io/finalizer" in verdict.message
    assert "log of the model registry operator" in verdict.next_step


def test_a_registry_that_is_deleted_while_it_is_waited_for() -> None:
    """By its finalizer or without one, and even if another comes under its name: that is reported at once."""
    for kind in ("MODIFIED", "DELETED", "again"):
        cluster = FakeCluster("wrong")
        registry = copy.deepcopy(cluster.objects["ModelRegistry"]["wrong"])
        if kind == "MODIFIED":
            registry["metadata"]["deletionTimestamp"] = "2026-11-23T09:00:00Z"
        if kind == "again":
            registry["metadata"]["uid"] = "another"
        soon(partial(cluster.tell, "ModelRegistry", kind.replace("again", "MODIFIED"), registry))
        started = time.monotonic()
        verdict = wait(cluster, "wrong", seconds=30)["wrong"]
        assert (verdict.state, verdict.reason) == ("failed", "deleted"), kind
        assert "deleted it while this task waited" in verdict.message and verdict.next_step
        assert ("2026-11-23T09:00:00Z" in verdict.message) == (kind == "MODIFIED")
        assert time.monotonic() - started < 10


@pytest.mark.parametrize("seconds", [-5, 0, 0.1])
def test_what_is_ready_is_seen_however_short_the_time_is(monkeypatch: pytest.MonkeyPatch, seconds: float) -> None:
    """Even if the API server takes longer for its first answer."""
    cluster = FakeCluster("good", "wrong")
    answer = cluster.list

    def slowly(kind: str, namespace: str, **query: str) -> tuple[list[Any], str]:
        time.sleep(0.3)
        return answer(kind, namespace, **query)

    monkeypatch.setattr(cluster, "list", slowly)
    found = wait(cluster, "good", "wrong", seconds=seconds)
    assert (found["good"].state, found["wrong"].state) == ("ready", "waiting")
    assert found["wrong"].reason == "rollout"


HOUR = timedelta(hours=1)


def fresh(name: str, made: datetime) -> Any:
    """Return a sampled registry made at that time, which the operator has not touched yet."""
    sample = copy.deepcopy(SAMPLES[name])
    text = f"{made:%Y-%m-%dT%H:%M:%SZ}"
    entry = {"manager": "opendatahub.model_registry", "operation": "Update", "time": text}
    sample["registry"]["metadata"].update(creationTimestamp=text, managedFields=[entry])
    sample["registry"]["status"] = {}
    return {**sample, "deployment": None, "pods": [], "endpoints": None}


@pytest.mark.parametrize("ahead", [None, HOUR, -HOUR, 1000 * HOUR])
@pytest.mark.parametrize("here", [timedelta(0), HOUR, -HOUR])
def test_no_clock_but_the_api_servers_makes_an_operator_silent(ahead: timedelta | None, here: timedelta) -> None:
    """Neither a proxy's Date nor this machine's clock, both an hour off or more: the registry is one second old."""
    true = datetime(2026, 11, 23, 9, 0, 0, tzinfo=timezone.utc)
    cluster = FakeCluster()
    cluster.clock_skew = ahead
    cluster.put("good", fresh("good", true - timedelta(seconds=1)))
    hooks = wait_module.Hooks(Clock(wall=lambda: true + here))
    found = wait_module.wait_until_ready(cast("Cluster", cluster), NAMESPACE, ["good"], time.monotonic() + 0.3, hooks)
    assert (found["good"].state, found["good"].reason) == ("waiting", "operator")


LOOKS = [
    (None, timedelta(0), timedelta(minutes=-1)),
    (timedelta(0), timedelta(0), timedelta(0)),
    (HOUR, timedelta(0), timedelta(0)),
    (timedelta(0), HOUR, HOUR),
    (-HOUR, HOUR, timedelta(0)),
    (HOUR, -HOUR, timedelta(0)),
    (-1000 * HOUR, timedelta(0), timedelta(0)),
]


@pytest.mark.parametrize(("ahead", "here", "expected"), LOOKS)
def test_the_time_of_a_single_look(ahead: timedelta | None, here: timedelta, expected: timedelta) -> None:
    """The earlier of the possible clocks counts; one before a timestamp is wrong. ahead: of the Date, ahead of here."""
    true = datetime(2026, 11, 23, 9, 0, 0, tzinfo=timezone.utc)
    cluster = FakeCluster()
    cluster.clock_skew = ahead
    cluster.put("good", fresh("good", true - timedelta(minutes=10)))
    looking = StatusReader(cast("Cluster", cluster), NAMESPACE, Clock(wall=lambda: true + here))
    looking.statuses(Snapshot({kind: dict(items) for kind, items in cluster.objects.items()}), ["good"])
    assert abs(looking.now() - true - expected) < timedelta(seconds=1)


def test_an_old_registry_of_an_operator_that_does_not_run_is_seen_at_a_single_look() -> None:
    true = datetime(2026, 11, 23, 9, 0, 0, tzinfo=timezone.utc)
    cluster = FakeCluster()
    cluster.put("good", fresh("good", true - HOUR))
    cluster.clock_skew = timedelta(0)
    looking = StatusReader(cast("Cluster", cluster), NAMESPACE, Clock(wall=lambda: true))
    found = looking.statuses(Snapshot({kind: dict(items) for kind, items in cluster.objects.items()}), ["good"])
    assert found["good"].reason == "operator_silent"


def test_one_of_many_registries_waits_for_its_turn() -> None:
    """The operator has just acted on another one, so it runs."""
    true = datetime(2026, 11, 23, 9, 0, 0, tzinfo=timezone.utc)
    cluster = FakeCluster()
    cluster.clock_skew = timedelta(0)
    cluster.put("good", fresh("good", true - timedelta(seconds=37)))
    looking = StatusReader(cast("Cluster", cluster), NAMESPACE, Clock(wall=lambda: true))

    def seen() -> Verdict:
        snapshot = Snapshot({kind: dict(items) for kind, items in cluster.objects.items()})
        return looking.statuses(snapshot, ["good"])["good"]

    assert seen().reason == "operator_silent"
    other = fresh("wrong", true - timedelta(seconds=38))
    entry = {"manager": "manager", "operation": "Update", "subresource": "status", "time": "2026-11-23T08:59:58Z"}
    other["registry"]["metadata"]["managedFields"].append(entry)
    cluster.put("wrong", other)
    assert (seen().state, seen().reason) == ("waiting", "operator") and "is in its queue" in seen().message


def test_the_logs_and_events_of_a_generated_database_are_read() -> None:
    cluster = FakeCluster("wrong")
    cluster.objects["ModelRegistry"]["wrong"]["spec"] = {"rest": {}, "postgres": {"generateDeployment": True}}
    pod = copy.deepcopy(SAMPLES["wrong"]["pods"][0])
    labels = {"app": "wrong", "component": "model-registry", "app.kubernetes.io/name": "wrong-postgres"}
    pod["metadata"].update(name="wrong-postgres-1", labels=labels, ownerReferences=[{"name": "wrong-postgres-1"}])
    crash = {"waiting": {"reason": "CrashLoopBackOff", "message": "back-off 10s x"}}
    pod["status"]["containerStatuses"] = [{"name": "postgres", "ready": False, "restartCount": 3, "state": crash}]
    cluster.objects["Pod"]["wrong-postgres-1"] = pod
    cluster.logs["wrong-postgres-1"] = "FATAL:  data directory has wrong ownership\n"
    verdict = wait(cluster, "wrong", seconds=2)["wrong"]
    assert (verdict.state, verdict.reason) == ("failed", "container_ends")
    assert "data directory has wrong ownership" in verdict.message and "wrong-postgres-1" in verdict.next_step


def test_what_changes_is_reported_as_it_changes() -> None:
    cluster = FakeCluster("good", "wrong")
    endpoints = cluster.objects["Endpoints"].pop("good")
    soon(lambda: cluster.tell("Endpoints", "ADDED", endpoints))
    soon(lambda: cluster.logs.update({pod_of("wrong"): WRONG_PASSWORD}), 0.4)
    told: list[tuple[str, str]] = []
    hooks = wait_module.Hooks(report=lambda name, verdict: told.append((name, verdict.reason)))
    wait_module.wait_until_ready(cast("Cluster", cluster), NAMESPACE, ["good", "wrong"], time.monotonic() + 5, hooks)
    assert [one for one in told if one[1] != "unknown"] == [
        ("good", "endpoints"),
        ("wrong", "rollout"),
        ("good", "ready"),
        ("wrong", "access_denied"),
    ]


def test_the_clock_is_the_callers() -> None:
    """Time that passes only as the caller says it does."""
    ticks = iter(range(0, 1000, 10))
    clock = Clock(monotonic=lambda: float(next(ticks)))
    found = wait_module.wait_until_ready(
        cast("Cluster", FakeCluster("wrong")), NAMESPACE, ["wrong"], 100, wait_module.Hooks(clock)
    )
    assert found["wrong"].state == "waiting"

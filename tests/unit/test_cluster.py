# SPDX-FileCopyrightText: The opendatahub.model_registry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Requests, retries and errors of the one door to the API server, with a fake of the client behind it."""

from __future__ import annotations

import json
from datetime import datetime, timedelta, timezone
from email.utils import format_datetime
from types import SimpleNamespace
from typing import Any

import pytest
from ansible_collections.opendatahub.model_registry.plugins.module_utils._cluster import LOG_BYTES, TRIES, Cluster
from ansible_collections.opendatahub.model_registry.plugins.module_utils._core.errors import (
    AlreadyThere,
    Conflict,
    Forbidden,
    Missing,
    OutcomeUnknown,
    RegistryError,
    Rejected,
    Unauthorized,
    Unreachable,
)
from ansible_collections.opendatahub.model_registry.plugins.module_utils._core.plan import Change
from kubernetes.client.exceptions import ApiException
from urllib3 import HTTPConnectionPool
from urllib3.connection import HTTPConnection
from urllib3.exceptions import NewConnectionError, ProtocolError, ReadTimeoutError

Answer = Any
GROUP = {"versions": [{"version": "v1beta1"}, {"version": "v1alpha1"}]}
SECRET = {
    "kind": "Secret",
    "metadata": {"name": "s", "annotations": {"kubectl.kubernetes.io/last-applied-configuration": "canary", "a": "b"}},
    "data": {"password": "Y2FuYXJ5"},
}


class FakeResponse:
    """An answer that has to be read before its connection is free."""

    def __init__(self, data: bytes, date: str = "") -> None:
        self._unread = data
        self.headers = {"Date": date} if date else {}
        self.data: bytes | None = None

    def read(self, cache_content: bool) -> bytes:
        self.data = self._unread if cache_content else None
        return self._unread


class FakeClient:
    """Gives prepared answers in turn, and keeps what it was asked."""

    def __init__(self, *answers: Answer) -> None:
        self.answers = list(answers)
        self.asked: list[tuple[str, str, dict[str, Any]]] = []
        pool = SimpleNamespace(connection_pool_kw={})
        self.client = SimpleNamespace(rest_client=SimpleNamespace(pool_manager=pool))

    def request(self, method: str, path: str, **options: Any) -> Any:
        self.asked.append((method, path, options))
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer if isinstance(answer, FakeResponse) else FakeResponse(json.dumps(answer).encode())


def refused(status: int, message: str = "no", reason: str = "", retry_after: str | None = None) -> ApiException:
    error = ApiException(status=status, reason=reason)
    error.body = json.dumps({"kind": "Status", "message": message, "reason": reason})
    error.headers = {} if retry_after is None else {"Retry-After": retry_after}
    return error


def cluster(*answers: Answer) -> tuple[Cluster, FakeClient, list[float]]:
    fake, pauses = FakeClient(*answers), list[float]()
    return Cluster(SimpleNamespace(client=fake), sleep=pauses.append), fake, pauses


def change(action: str = "patch", kind: str = "ConfigMap", **body: Any) -> Change:
    return Change(kind, "ns", "c", action, body)


OBJECT = {"kind": "ConfigMap", "metadata": {"name": "c"}}
RESET = ProtocolError("Connection aborted.", ConnectionResetError(104, "reset"))
REFUSED = NewConnectionError(HTTPConnection("api"), "refused")
SLOW = ReadTimeoutError(HTTPConnectionPool("api"), "/", "slow")


def test_the_newest_version_is_asked_for_once() -> None:
    door, fake, _ = cluster(GROUP, OBJECT, OBJECT)
    door.get("ModelRegistry", "ns", "a")
    door.get("ModelRegistry", "ns", "b")
    assert [path for _, path, _ in fake.asked] == [
        "/apis/modelregistry.opendatahub.io",
        "/apis/modelregistry.opendatahub.io/v1beta1/namespaces/ns/modelregistries/a",
        "/apis/modelregistry.opendatahub.io/v1beta1/namespaces/ns/modelregistries/b",
    ]


def test_a_version_that_is_not_served_any_more() -> None:
    """Of the platform's objects, whose newest release may serve v3 alone. An old one costs no more than its list."""
    items = {"apiVersion": "datasciencecluster.opendatahub.io/v3", "metadata": {"resourceVersion": "1"}, "items": [{}]}
    door, fake, _ = cluster(refused(404), {"versions": [{"version": "v3"}]}, items, items)
    for _turn in range(2):
        ((found,), _revision) = door.list("DataScienceCluster")
        assert found["apiVersion"] == "datasciencecluster.opendatahub.io/v3"
    group = "/apis/datasciencecluster.opendatahub.io"
    plural = "datascienceclusters"
    assert [path for _, path, _ in fake.asked] == [f"{group}/v1/{plural}", group, *[f"{group}/v3/{plural}"] * 2]
    door, fake, _ = cluster(refused(404), refused(404))
    with pytest.raises(Missing):
        door.list("DataScienceCluster")


def test_fields_of_the_schema() -> None:
    """One level deep, whatever else the document has in it."""
    spec: dict[str, Any] = {
        "rest": {"properties": {"image": {}, "resources": {"properties": {"limits": {}}}}},
        "flag": {},
    }
    schema = {"properties": {"spec": {"properties": spec}}}
    document = {"components": {"schemas": {"io.k8s.Status": {}, "io.opendatahub.v1beta1.ModelRegistry": schema}}}
    assert cluster(GROUP, document)[0].spec_fields() == {"rest", "rest.image", "rest.resources", "flag"}


def test_unknown_versions_are_said() -> None:
    door, _, _ = cluster({"versions": [{"version": "v7"}]})
    with pytest.raises(Missing, match="serves v7 .* knows v1beta1, v1alpha1"):
        door.version()


def test_secrets_are_sealed() -> None:
    door, _, _ = cluster(SECRET)
    found = door.get("Secret", "ns", "s")
    assert found and "canary" not in repr(found) and "Y2FuYXJ5" not in repr(found)
    with pytest.raises(TypeError):
        json.dumps(found)


def test_no_object() -> None:
    door, _, _ = cluster(refused(404))
    assert door.get("ConfigMap", "ns", "c") is None


@pytest.mark.parametrize("failure", [RESET, REFUSED, SLOW, refused(503), refused(429)])
def test_reads_are_repeated(failure: Exception) -> None:
    door, fake, pauses = cluster(failure, OBJECT)
    assert door.get("ConfigMap", "ns", "c") == OBJECT
    assert len(fake.asked) == 2 and len(pauses) == 1


def test_reads_are_given_up() -> None:
    door, fake, pauses = cluster(*[RESET] * TRIES)
    with pytest.raises(Unreachable, match="no answer from the API server"):
        door.get("ConfigMap", "ns", "c")
    assert len(fake.asked) == TRIES and sum(pauses) < 10


@pytest.mark.parametrize("failure", [REFUSED, refused(429, retry_after="1")])
def test_writes_that_were_not_looked_at_are_repeated(failure: Exception) -> None:
    door, fake, _ = cluster(failure, OBJECT)
    door.write(change(), dry_run=False)
    assert len(fake.asked) == 2


@pytest.mark.parametrize("failure", [RESET, SLOW, refused(503), refused(500), refused(504)])
def test_other_writes_are_not_repeated(failure: Exception) -> None:
    door, fake, _ = cluster(failure)
    with pytest.raises(OutcomeUnknown, match="Run the task again: it looks first"):
        door.write(change(), dry_run=False)
    assert len(fake.asked) == 1


@pytest.mark.parametrize(("asked", "pause"), [("3", 3.0), ("86400", 10.0), (None, 1.0), ("soon", 1.0)])
def test_retry_after_is_capped(asked: str | None, pause: float) -> None:
    door, _, pauses = cluster(refused(429, retry_after=asked), OBJECT)
    door.get("ConfigMap", "ns", "c")
    assert pauses == [pause]


@pytest.mark.parametrize(("asked", "pause"), [("3", [3.0]), ("86400", [10.0]), (None, [])])
def test_retry_after_is_obeyed_by_writes_that_are_not_repeated(asked: str | None, pause: list[float]) -> None:
    """Whoever looks then at what was stored does so no earlier than the server asks for."""
    door, fake, pauses = cluster(refused(503, retry_after=asked))
    with pytest.raises(OutcomeUnknown):
        door.write(change(), dry_run=False)
    assert pauses == pause and len(fake.asked) == 1


def test_a_dry_run_of_a_deletion_is_in_its_body() -> None:
    """With a body, the server ignores the query of a DELETE."""
    door, fake, _ = cluster(OBJECT)
    door.write(change("delete", preconditions={"uid": "u"}), dry_run=True)
    ((method, path, options),) = fake.asked
    assert (method, path, options["query_params"]) == ("delete", "/api/v1/namespaces/ns/configmaps/c", [])
    assert options["body"] == {"preconditions": {"uid": "u"}, "dryRun": ["All"]}


@pytest.mark.parametrize(
    ("action", "method", "path"), [("create", "post", ""), ("patch", "patch", "/c"), ("restart", "patch", "/c")]
)
@pytest.mark.parametrize("dry_run", [True, False])
def test_writes_are_strict(action: str, method: str, path: str, dry_run: bool) -> None:
    door, fake, _ = cluster(OBJECT)
    door.write(change(action), dry_run)
    ((asked, where, options),) = fake.asked
    assert (asked, where) == (method, f"/api/v1/namespaces/ns/configmaps{path}")
    query = dict(options["query_params"])
    assert query["fieldValidation"] == "Strict" and query.get("dryRun") == ("All" if dry_run else None)


WEBHOOK = 'Internal error occurred: failed calling webhook "m.kb.io": connection refused'


@pytest.mark.parametrize(
    ("error", "kind", "words"),
    [
        (refused(401, "Unauthorized"), Unauthorized, "Give credentials that are valid for this cluster"),
        (
            refused(403, 'configmaps "c" is forbidden: User "u" cannot patch resource "configmaps"'),
            Forbidden,
            'rule in a Role in namespace ns: {apiGroups: [""], resources: [configmaps], verbs: [patch]}.',
        ),
        (refused(403, 'admission webhook "m.kb.io" denied the request: name'), Rejected, "denied the request: name"),
        (refused(404, "not found"), Missing, "operator is installed"),
        (refused(409, "exists", "AlreadyExists"), AlreadyThere, "exists"),
        (refused(409, "the object has been modified", "Conflict"), Conflict, "Somebody else has changed the object"),
        (refused(422, "spec.x: Invalid value"), Rejected, "spec.x: Invalid value"),
        (refused(400, 'unknown field "spec.x"'), Rejected, 'unknown field "spec.x"'),
        (refused(500, WEBHOOK), Unreachable, "Check that the pods of the model registry operator are ready"),
        (refused(418), Unreachable, "API server's health"),
        (ApiException(status=0, reason="SSLError\nself-signed certificate"), Unreachable, "ca_cert"),
    ],
)
def test_refusals(error: ApiException, kind: type[RegistryError], words: str) -> None:
    door, _, _ = cluster(error)
    with pytest.raises(kind) as caught:
        door.write(change(), dry_run=False)
    assert type(caught.value) is kind
    assert str(caught.value).startswith("ConfigMap c in namespace ns: ")
    assert words in str(caught.value)


def test_a_lost_answer_quotes_nothing() -> None:
    """The client's errors can have in them what was sent."""
    door, _, _ = cluster(ProtocolError("Connection broken: canary"))
    with pytest.raises(OutcomeUnknown, match=r"\(ProtocolError\)") as caught:
        door.write(change(), dry_run=False)
    assert "canary" not in str(caught.value)


def test_the_last_words_of_a_log_are_kept() -> None:
    """The server's limit would keep the first bytes of its last lines."""
    door, fake, _ = cluster("x" * 100_000 + " Error 1045")
    text = door.log("ns", "pod", "rest-container")
    assert text.endswith('Error 1045"') and len(text) == LOG_BYTES
    assert dict(fake.asked[0][2]["query_params"]) == {"container": "rest-container", "tailLines": "200"}


def test_the_servers_clock_is_learnt_from_its_answers() -> None:
    """The largest difference counts, since a Date has no fractions; what is no date tells nothing."""
    now = datetime.now(timezone.utc)
    dates = [format_datetime(now + timedelta(seconds=seconds), usegmt=True) for seconds in (90, 100, 95)]
    door, _, _ = cluster(*(FakeResponse(b"{}", date) for date in ("soon", *dates)))
    door.get("Pod", "ns", "p")
    assert door.ahead is None
    for _ in dates:
        door.get("Pod", "ns", "p")
    assert door.ahead is not None
    assert timedelta(seconds=95) < door.ahead <= timedelta(seconds=100)

# SPDX-FileCopyrightText: The opendatahub.model_registry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Requests, retries and errors of the one door to the API server, with a fake of the client behind it."""

from __future__ import annotations

import base64
import html
import json
import time
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from email.utils import format_datetime
from types import SimpleNamespace
from typing import Any
from urllib.parse import quote, quote_plus

import pytest
from ansible_collections.opendatahub.model_registry.plugins.module_utils._common.errors import (
    AlreadyExists,
    Conflict,
    Forbidden,
    InvalidInput,
    InvalidObject,
    NoApiServer,
    NotFound,
    OutcomeUnknown,
    RegistryError,
    Unauthorized,
    Unreachable,
)
from ansible_collections.opendatahub.model_registry.plugins.module_utils._kubernetes.changes import Change
from ansible_collections.opendatahub.model_registry.plugins.module_utils._kubernetes.client import (
    LOG_BYTES,
    TRIES,
    Cluster,
)
from ansible_collections.opendatahub.model_registry.plugins.module_utils._kubernetes.login import connected
from ansible_collections.opendatahub.model_registry.plugins.module_utils._kubernetes.sealed import Sealed
from ansible_collections.opendatahub.model_registry.plugins.module_utils._kubernetes.transport import TooMuch
from kubernetes.client.exceptions import ApiException
from urllib3 import HTTPConnectionPool, PoolManager
from urllib3.connection import HTTPConnection
from urllib3.exceptions import LocationParseError, NewConnectionError, ProtocolError, ReadTimeoutError

Answer = Any
GROUP = {"versions": [{"version": "v1beta1"}, {"version": "v1alpha1"}]}
SECRET = {
    "kind": "Secret",
    "metadata": {"name": "s", "annotations": {"kubectl.kubernetes.io/last-applied-configuration": "canary", "a": "b"}},
    "data": {"password": "Y2FuYXJ5"},
}


class FakeResponse:
    """An answer that is already read."""

    def __init__(self, data: bytes, date: str = "") -> None:
        self.headers = {"Date": date} if date else {}
        self.data = data


class FakeClient:
    """Returns prepared answers in turn, and records the requests."""

    def __init__(self, *answers: Answer) -> None:
        self.answers = list(answers)
        self.asked: list[tuple[str, str, dict[str, Any]]] = []
        rest = SimpleNamespace(pool_manager=PoolManager())
        self.client = SimpleNamespace(rest_client=rest, configuration=SimpleNamespace(host="https://u:canary@api:6443"))

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
REGISTRY = {"kind": "ModelRegistry", "metadata": {"name": "a"}}
POD = {"kind": "Pod", "metadata": {"name": "p"}}
RESET = ProtocolError("Connection aborted.", ConnectionResetError(104, "reset"))
REFUSED = NewConnectionError(HTTPConnection("api"), "refused")
SLOW = ReadTimeoutError(HTTPConnectionPool("api"), "/", "slow")


def test_the_newest_version_is_asked_for_once() -> None:
    door, fake, _ = cluster(GROUP, REGISTRY, REGISTRY)
    door.get("ModelRegistry", "ns", "a")
    door.get("ModelRegistry", "ns", "b")
    assert [path for _, path, _ in fake.asked] == [
        "/apis/modelregistry.opendatahub.io",
        "/apis/modelregistry.opendatahub.io/v1beta1/namespaces/ns/modelregistries/a",
        "/apis/modelregistry.opendatahub.io/v1beta1/namespaces/ns/modelregistries/b",
    ]


def test_a_version_that_is_not_served_any_more() -> None:
    """Of the platform's objects, whose newest release may serve v3 alone. An old one costs no more than its list."""
    items = {
        "apiVersion": "datasciencecluster.opendatahub.io/v3",
        "kind": "DataScienceClusterList",
        "metadata": {"resourceVersion": "1"},
        "items": [{"metadata": {"name": "default-dsc"}}],
    }
    door, fake, _ = cluster(refused(404), {"versions": [{"version": "v3"}]}, items, items)
    for _turn in range(2):
        ((found,), _revision) = door.list("DataScienceCluster")
        assert found["apiVersion"] == "datasciencecluster.opendatahub.io/v3"
    group = "/apis/datasciencecluster.opendatahub.io"
    plural = "datascienceclusters"
    assert [path for _, path, _ in fake.asked] == [f"{group}/v1/{plural}", group, *[f"{group}/v3/{plural}"] * 2]
    door, fake, _ = cluster(refused(404), refused(404))
    with pytest.raises(NotFound):
        door.list("DataScienceCluster")


def test_fields_of_the_schema() -> None:
    """One level deep, whatever else the document contains."""
    spec: dict[str, Any] = {
        "rest": {"properties": {"image": {}, "resources": {"properties": {"limits": {}}}}},
        "flag": {},
    }
    schema = {"properties": {"spec": {"properties": spec}}}
    document = {"components": {"schemas": {"io.k8s.Status": {}, "io.opendatahub.v1beta1.ModelRegistry": schema}}}
    assert cluster(GROUP, document)[0].spec_fields() == {"rest", "rest.image", "rest.resources", "flag"}


def test_unknown_versions_are_said() -> None:
    door, _, _ = cluster({"versions": [{"version": "v7"}]})
    with pytest.raises(NotFound, match="serves v7 .* knows v1beta1, v1alpha1"):
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
    with pytest.raises(OutcomeUnknown, match="Run the task again: it checks first"):
        door.write(change(), dry_run=False)
    assert len(fake.asked) == 1


@pytest.mark.parametrize(("asked", "pause"), [("3", 3.0), ("86400", 10.0), (None, 1.0), ("soon", 1.0)])
def test_retry_after_is_capped(asked: str | None, pause: float) -> None:
    door, _, pauses = cluster(refused(429, retry_after=asked), OBJECT)
    door.get("ConfigMap", "ns", "c")
    assert pauses == [pause]


@pytest.mark.parametrize(("asked", "pause"), [("3", [3.0]), ("86400", [10.0]), (None, [])])
def test_retry_after_is_obeyed_by_writes_that_are_not_repeated(asked: str | None, pause: list[float]) -> None:
    """A caller that then checks what was stored waits as long as the server asks for."""
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
        (
            refused(403, 'admission webhook "m.kb.io" denied the request: name'),
            InvalidObject,
            "denied the request: name",
        ),
        (refused(404, "not found"), NotFound, "operator is installed"),
        (refused(409, "exists", "AlreadyExists"), AlreadyExists, "exists"),
        (refused(409, "the object has been modified", "Conflict"), Conflict, "Another client changed the object"),
        (refused(422, "spec.x: Invalid value"), InvalidObject, "spec.x: Invalid value"),
        (refused(400, 'unknown field "spec.x"'), InvalidObject, 'unknown field "spec.x"'),
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
    """The client's errors can contain the request."""
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


def test_a_secret_at_the_cut_of_a_log_is_hidden() -> None:
    canary = "canary" * 20
    log = f"{canary}{'x' * (LOG_BYTES - 60)}"
    door, _, _ = cluster(SECRET, FakeResponse(log.encode()))
    door.write(change("create", "Secret", data={"password": Sealed.of(canary)}), dry_run=False)
    assert "canary" not in door.log("ns", "pod", "rest-container")


def test_the_servers_clock_is_learnt_from_its_answers() -> None:
    """The largest difference counts, since a Date has no fractions; an invalid date tells nothing."""
    now = datetime.now(timezone.utc)
    dates = [format_datetime(now + timedelta(seconds=seconds), usegmt=True) for seconds in (90, 100, 95)]
    door, _, _ = cluster(*(FakeResponse(json.dumps(POD).encode(), date) for date in ("soon", *dates)))
    door.get("Pod", "ns", "p")
    assert door.clock_skew is None
    for _ in dates:
        door.get("Pod", "ns", "p")
    assert door.clock_skew is not None
    assert timedelta(seconds=95) < door.clock_skew <= timedelta(seconds=100)


@pytest.mark.parametrize(
    "namespace", ["", ".", "..", "a/b", "a%2fb", "a?watch=true", "a#b", "../kube-system", "A", "a b", "a\n", "x" * 64]
)
def test_no_namespace_leads_elsewhere(namespace: str) -> None:
    """An invalid namespace is refused before anything is sent, and none does not mean all of them."""
    door, fake, _ = cluster()
    assert door.get("Secret", namespace, "s") is None
    for ask in (
        lambda: door.list("Secret", namespace),
        lambda: door.log(namespace, "p", "c"),
        lambda: door.write(Change("Secret", namespace, "s", "create", {}), dry_run=True),
        lambda: door.review("LocalSubjectAccessReview", namespace, {}),
        lambda: list(door.watch("Secret", namespace, "1", 1)),
    ):
        with pytest.raises(InvalidInput, match="^namespace: "):
            ask()
    assert not fake.asked


@pytest.mark.parametrize("name", ["", ".", "..", "a/b", "a%2fb"])
def test_no_name_leads_elsewhere(name: str) -> None:
    """No object has such a name, so none is read, and none is written."""
    door, fake, _ = cluster()
    assert door.get("User", None, name) is None
    if name:
        with pytest.raises(InvalidInput):
            door.write(Change("ConfigMap", "ns", name, "delete", {}), dry_run=False)
    assert not fake.asked


def test_other_names_are_one_segment() -> None:
    """User names can be nearly anything."""
    door, fake, _ = cluster({"kind": "User", "metadata": {"name": "a?b#c d"}})
    assert door.get("User", None, "a?b#c d")
    assert fake.asked[0][1] == "/apis/user.openshift.io/v1/users/a%3Fb%23c%20d"


PASSWORD = 'pa"ss<w>ö/+?d&1'


@pytest.mark.parametrize(
    "echo",
    [
        PASSWORD,
        base64.b64encode(PASSWORD.encode()).decode(),
        base64.b64encode(PASSWORD.encode()).decode().rstrip("="),
        base64.urlsafe_b64encode(PASSWORD.encode()).decode(),
        base64.b64encode(f"user:{PASSWORD}".encode()).decode(),
        base64.b64encode(f"u:{PASSWORD}@host".encode()).decode(),
        json.dumps(PASSWORD),
        json.dumps(PASSWORD).replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026"),
        json.dumps(PASSWORD, ensure_ascii=False),
        quote(PASSWORD, safe=""),
        quote_plus(PASSWORD).lower(),
        html.escape(PASSWORD),
        PASSWORD.encode().hex(),
    ],
)
def test_what_was_sent_sealed_does_not_come_back(echo: str) -> None:
    """In no error of any later request, however a webhook writes it."""
    secret = {"kind": "Secret", "metadata": {"name": "s"}}
    door, _, _ = cluster(secret, refused(400, f"denied: {echo} is too weak"))
    door.write(Change("Secret", "ns", "s", "create", {"data": {"password": Sealed.of(PASSWORD)}}), dry_run=True)
    with pytest.raises(InvalidObject) as caught:
        door.write(change(), dry_run=False)
    told = str(caught.value)
    assert told.startswith("ConfigMap c in namespace ns: denied: ") and "(hidden)" in told
    whole = "ConfigMap c in namespace ns: denied: (hidden) is too weak. Correct the value that the message names."
    assert len(told) <= len(whole) + 12, told


@pytest.mark.parametrize("value", ["a", "kind", "reason", "User", "is forbidden", "AlreadyExists"])
@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (refused(409, "exists", "AlreadyExists"), AlreadyExists),
        (refused(403, 'configmaps "c" is forbidden: User "u" cannot patch resource "configmaps"'), Forbidden),
        (refused(404, "no such thing"), NotFound),
    ],
)
def test_a_secret_that_is_an_ordinary_word_changes_no_meaning(
    value: str, error: ApiException, kind: type[RegistryError]
) -> None:
    """The name of a database is stored in a Secret, too, and can be a single letter."""
    door, _, _ = cluster({"kind": "Secret", "metadata": {"name": "s"}}, error)
    door.write(Change("Secret", "ns", "s", "create", {"data": {"database-name": Sealed.of(value)}}), dry_run=True)
    with pytest.raises(kind):
        door.write(change(), dry_run=False)


@pytest.mark.parametrize(
    "failure", [LocationParseError("https://u:canary@h"), ApiException(status=0, reason="https://u:canary@h failed")]
)
def test_no_user_info_is_told(failure: Exception) -> None:
    """Neither that of the address nor what the client quotes."""
    door, _, _ = cluster(*[failure] * TRIES)
    with pytest.raises(Unreachable, match="at https://api:6443 ") as caught:
        door.get("ConfigMap", "ns", "c")
    assert "canary" not in str(caught.value)


def test_a_token_that_cannot_be_sent() -> None:
    """http.client quotes it."""
    door, _, _ = cluster(ValueError("Invalid header value b'Bearer canary\\n'"))
    with pytest.raises(InvalidInput, match="line breaks") as caught:
        door.get("ConfigMap", "ns", "c")
    assert "canary" not in str(caught.value)


@pytest.mark.parametrize("asked", ["\u00b2", "-1", "1e9", "soon", "", "9" * 400])
def test_odd_pauses(asked: str) -> None:
    """A value that is no number of seconds counts as none."""
    door, _, pauses = cluster(refused(429, retry_after=asked), OBJECT)
    door.get("ConfigMap", "ns", "c")
    assert pauses == [1.0]


@pytest.mark.parametrize("failure", [RESET, SLOW, refused(429, retry_after="5"), refused(503, retry_after="5")])
def test_nothing_is_repeated_beyond_the_run(failure: Exception) -> None:
    """A pause that would end too late is skipped."""
    fake, pauses = FakeClient(failure), list[float]()
    door = Cluster(SimpleNamespace(client=fake), pauses.append, time.monotonic() + 0.1)
    with pytest.raises(RegistryError):
        door.get("ConfigMap", "ns", "c")
    assert len(fake.asked) == 1 and not pauses


def test_a_run_that_is_over_says_so() -> None:
    """Host and proxy are not to blame."""
    fake = FakeClient(SLOW)
    door = Cluster(SimpleNamespace(client=fake), until=time.monotonic() - 1)
    with pytest.raises(Unreachable, match="the run's time was over .* longer wait_timeout"):
        door.get("ConfigMap", "ns", "c")


def watched(*pieces: bytes | Exception) -> SimpleNamespace:
    def stream(**_options: Any) -> Iterator[bytes]:
        for piece in pieces:
            if isinstance(piece, Exception):
                raise piece
            yield piece

    return SimpleNamespace(headers={}, stream=stream, close=lambda: None)


def test_a_watch_ends_before_it_has_too_many_bytes() -> None:
    """So many changes are no sign of another server. Lines come in any pieces."""
    event = json.dumps({"type": "ADDED", "object": POD}).encode()
    pieces: list[bytes | Exception] = [
        event[:5],
        event[5:] + b"\n\n" + event,
        b"\n" + event[:9],
        TooMuch("more than may come"),
    ]
    fake = FakeClient()
    fake.request = lambda *_args, **_options: watched(*pieces)  # type: ignore[method-assign]
    door = Cluster(SimpleNamespace(client=fake))
    assert [what for what, _pod in door.watch("Pod", "ns", "1", 1)] == ["ADDED", "ADDED"]


def test_a_refused_port_forward_whose_words_are_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    """Older releases of websocket-client keep the status alone."""
    error = ApiException(status=403)
    monkeypatch.setattr(f"{Cluster.__module__}.open_websocket", lambda *_args: (_ for _ in ()).throw(error))
    door, fake, _ = cluster()
    fake.client.default_headers = {}
    with pytest.raises(InvalidObject, match="the API server answered 403 without a reason"):
        door.port_forward("ns", "p", 3306)


def test_a_list_with_too_many_bytes() -> None:
    """A namespace can have that many."""
    door, _, _ = cluster(TooMuch("its answer has more than 64 MiB"))
    with pytest.raises(NoApiServer, match="If it is an API server, delete what is not needed of its secrets"):
        door.list("Secret", "ns")


@pytest.mark.parametrize("proxy", ["proxy.example:3128", "u:canary@proxy", "ftp://u:canary@proxy"])
def test_a_proxy_that_is_no_url(proxy: str) -> None:
    """The kubeconfig is not at fault, and the password in the URL is not shown."""
    with pytest.raises(RegistryError, match="^proxy: .*http://") as caught:
        connected({"host": "https://api:6443", "api_key": "x", "proxy": proxy})
    assert "canary" not in str(caught.value)


@pytest.mark.parametrize("kind", ["Secret", "ModelRegistry"])
def test_an_unreadable_answer_to_a_write_can_have_been_stored(kind: str) -> None:
    """So the engine observes again; a dry run has stored nothing."""
    page = FakeResponse(b"<html>")
    door, _, _ = cluster(GROUP, page, page) if kind == "ModelRegistry" else cluster(page, page)
    with pytest.raises(OutcomeUnknown, match="is no Kubernetes API server"):
        door.write(change(kind=kind), dry_run=False)
    with pytest.raises(NoApiServer):
        door.write(change(kind=kind), dry_run=True)


def test_a_cluster_of_other_versions_is_no_cluster_without_the_registry() -> None:
    """The error names what it serves."""
    door, _, _ = cluster({"versions": [{"version": "v7"}]})
    with pytest.raises(NotFound, match="serves v7"):
        door.get("ModelRegistry", "ns", "a")


@pytest.mark.parametrize("body", ["<html>no</html>", "", "no", "[]", '{"error": 1}', '{"kind": "Pod"}'])
@pytest.mark.parametrize("status", [400, 401, 403, 404, 405, 407, 409, 418, 422, 999])
def test_refusals_of_others(status: int, body: str) -> None:
    """An API server refuses with a Status object."""
    error = ApiException(status=status)
    error.body = body
    door, _, _ = cluster(error)
    with pytest.raises(NoApiServer, match=f"is no Kubernetes API server: .* with status {status}"):
        door.write(change(), dry_run=True)


def test_a_page_of_a_load_balancer() -> None:
    """It comes and goes, and is not quoted."""
    error = ApiException(status=503)
    error.body = "<html>Application is not available</html>"
    door, fake, _ = cluster(*[error] * TRIES)
    with pytest.raises(Unreachable, match="answered 503 with a page in HTML. Check host and proxy"):
        door.get("ConfigMap", "ns", "c")
    assert len(fake.asked) == TRIES


LISTED = {"kind": "SecretList", "apiVersion": "v1", "metadata": {"resourceVersion": "1"}, "items": [SECRET]}
NONE, DENIED = refused(404), refused(403, 'secrets is forbidden: User "u" cannot list resource', "Forbidden")


@pytest.mark.parametrize(
    ("names", "answers", "asked"),
    [
        ("", [], []),
        ("abs", [NONE, NONE, SECRET], ["/a", "/b", "/s"]),
        ("abcs", [LISTED], [""]),
        ("abcs", [DENIED, NONE, NONE, NONE, SECRET], ["", "/a", "/b", "/c", "/s"]),
        ("abcs", [NONE], [""]),
    ],
    ids=["none", "few", "many", "many that may not be listed", "many of no known kind"],
)
def test_few_are_read_one_by_one_and_many_by_a_list(names: str, answers: list[Answer], asked: list[str]) -> None:
    door, fake, _ = cluster(*answers)
    found = door.get_many("Secret", "ns", set(names), one_by_one=True)
    assert [item["metadata"]["name"] for item in found] == (["s"] if SECRET in answers or LISTED in answers else [])
    assert [path.partition("/secrets")[2] for _method, path, *_ in fake.asked] == asked


def test_many_that_may_not_be_listed_cost_one_request() -> None:
    """Permissions can name thousands of users."""
    door, fake, _ = cluster(DENIED)
    with pytest.raises(Forbidden, match=r"verbs: \[list\]"):
        door.get_many("Secret", "ns", set("abcd"))
    assert len(fake.asked) == 1

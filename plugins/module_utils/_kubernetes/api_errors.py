# SPDX-FileCopyrightText: The opendatahub.model_registry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The meaning of the API server's refusals, and what to do about each."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from .._common.errors import (
    AlreadyExists,
    Conflict,
    Forbidden,
    InvalidObject,
    NotFound,
    OutcomeUnknown,
    RegistryError,
    Unauthorized,
    Unreachable,
)
from .api_shape import NotAnApi, preview
from .resources import KINDS

__all__ = ["Operation", "error_from_response"]


@dataclass(frozen=True)
class Operation:
    """A request to the API server, in the words of its access rules."""

    verb: str
    """get, list, watch, create, patch, delete."""
    kind: str
    namespace: str | None = None
    name: str = ""
    subresource: str = ""

    @property
    def resource(self) -> str:
        """The plural name, with the subresource."""
        plural = KINDS[self.kind].plural
        return f"{plural}/{self.subresource}" if self.subresource else plural

    @property
    def writes(self) -> bool:
        """Whether it changes what is stored."""
        return self.verb in ("create", "patch", "delete")

    def __str__(self) -> str:
        name = f" {self.name}" if self.name else ""
        place = f" in namespace {self.namespace}" if self.namespace else ""
        return f"{self.kind}{name}{place}"


def error_from_response(
    operation: Operation, status: int, body: str, hide: Callable[[str], str] = lambda text: text
) -> RegistryError:
    """Return the error that an answer with this status and text stands for.

    hide: removes secrets from a text before a part is cut off. Text that is not cut is returned as received.

    Raises NotAnApi if no API server answers like this. An API server also sends plain text, for paths that it does not
    serve and when it is overloaded, and so do load balancers in front of it.
    """
    answer = _status_object(body)
    plain_text = status >= 500 or status == 429 or (status == 404 and body.strip() == "404 page not found")
    if not 400 <= status <= 599 or not (answer or plain_text):
        raise NotAnApi(f"it sent {preview(hide(body)) or 'nothing'} with status {status}")
    if not answer and body.lstrip()[:1] == "<":
        step = "Check host and proxy, and look at the API server's health, then run the task again."
        why = f"a proxy before the API server answered {status} with {preview(hide(body))}"
        return (OutcomeUnknown if operation.writes else Unreachable)(str(operation), why, step)
    message = answer.get("message") or preview(hide(body)) or f"the API server answered {status} without a reason"
    if status == 403 and "admission webhook" not in message and "is forbidden: User" in message:
        return forbidden(operation, message)
    if status == 403 and _ESCALATION in message:
        return _escalation(operation, message)
    if status == 409 and answer.get("reason") == "AlreadyExists":
        return AlreadyExists(str(operation), message, "Look at the object, then run the task again.")
    if "failed calling webhook" in message:
        step = "Check that the pods of the model registry operator are ready, then run the task again."
        return Unreachable(str(operation), message, step)
    if status >= 500 and operation.writes:
        return OutcomeUnknown(str(operation), message, "Run the task again: it checks first what is stored.")
    kind, step = _BY_STATUS.get(status, (Unreachable, "Look at the API server's health, then run the task again."))
    if kind is InvalidObject and _NO_GATEWAY_CERTIFICATE.search(message):
        step = (
            "The operator has no certificate for the gateway of Istio, which auth_proxy asks for by default on this release: "
            "set auth_proxy to oauth, or give the operator one by its variable DEFAULT_CERT."
        )
    return kind(str(operation), message, step)


_NO_GATEWAY_CERTIFICATE = re.compile(r"credentialName: Required value|DEFAULT_CERT")
"""The admission webhook's words about a v1alpha1 registry with Istio's proxy."""


_BY_STATUS: dict[int, tuple[type[RegistryError], str]] = {
    400: (InvalidObject, "Correct the value that the message names."),
    401: (
        Unauthorized,
        "Give credentials that are valid for this cluster: kubeconfig and context, or host and api_key; in AWX, the job's credential.",
    ),
    403: (InvalidObject, "Correct what the message names, or ask the cluster's administrator about the policy."),
    404: (NotFound, "Check the name and the namespace, and that the product's operator is installed on this cluster."),
    409: (Conflict, "Another client changed the object at the same time: run the task again."),
    410: (Conflict, "The list is outdated: run the task again."),
    422: (InvalidObject, "Correct the value that the message names."),
}


def forbidden(operation: Operation, message: str) -> Forbidden:
    """Return the error about a missing permission, with the rule that grants it."""
    group = KINDS[operation.kind].group
    role = f"a Role in namespace {operation.namespace}" if operation.namespace else "a ClusterRole"
    rule = f'{{apiGroups: ["{group}"], resources: [{operation.resource}], verbs: [{operation.verb}]}}'
    return Forbidden(str(operation), message, f"The user needs this rule in {role}: {rule}.")


_ESCALATION = "attempting to grant RBAC permissions not currently held"


def _escalation(operation: Operation, message: str) -> Forbidden:
    """Return the error about granting rules that the user lacks: they must be the user's own, too."""
    rules = []
    for groups, resources, names, verbs in re.findall(
        r"{APIGroups:\[(%s)\], Resources:\[(%s)\](?:, ResourceNames:\[(%s)\])?, Verbs:\[(%s)\]}"
        % (("[^]{]*",) * 4),  # Never beyond the next rule, so that each character is read once.
        message,
    ):
        named = f", resourceNames: [{_listed(names)}]" if names else ""
        rules.append(f"{{apiGroups: [{groups}], resources: [{_listed(resources)}]{named}, verbs: [{_listed(verbs)}]}}")
    where = f"a Role in namespace {operation.namespace}" if operation.namespace else "a ClusterRole"
    step = (
        f"The user must have the rights that the task grants. These rules in {where} are missing, best without resourceNames, so that "
        f"they hold for all registries: {' and '.join(rules)}."
    )
    return Forbidden(str(operation), " ".join(message.split()), step)


def _listed(message: str) -> str:
    """Convert a list in the API server's words to YAML."""
    return re.sub(r'"\s+"', ", ", message).replace('"', "")


def _status_object(body: str) -> dict[str, Any]:
    """Return the Status object of a refusal; empty if the answer is not one."""
    try:
        answer = json.loads(body)
    except (ValueError, RecursionError):
        return {}
    if not isinstance(answer, dict) or answer.get("kind") != "Status":
        return {}
    return {name: value for name, value in answer.items() if isinstance(value, str)}

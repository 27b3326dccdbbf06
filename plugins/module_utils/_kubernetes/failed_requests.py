# SPDX-FileCopyrightText: The opendatahub.model_registry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether a request that failed is worth another try, and what its failure means."""

from __future__ import annotations

import re
from http.client import HTTPException, IncompleteRead

from .._common.errors import OutcomeUnknown
from .api_errors import Operation

try:
    import urllib3
    from kubernetes.client.exceptions import ApiException
except ImportError:
    # They come with the client library; the login module reports its absence.
    pass

__all__ = ["asked_pause", "is_no_http", "not_sent", "outcome_unknown", "pause_after", "plain_words"]

LONGEST_PAUSE = 10.0
"""Seconds."""


def pause_after(error: ApiException, operation: Operation) -> float | None:
    """Return the seconds until a refused request is worth another try; None if it is not.

    429 means that the request was not processed; after 503 and 504 a write may be stored.
    """
    if error.status != 429 and (operation.writes or error.status not in (503, 504)):
        return None
    asked = asked_pause(error)
    return 1.0 if asked is None else asked


def asked_pause(error: ApiException) -> float | None:
    """Return the seconds that the server asks to wait for, capped; None if it does not ask."""
    asked = str((error.headers or {}).get("Retry-After", ""))
    return min(float(asked), LONGEST_PAUSE) if re.fullmatch("[0-9]{1,9}", asked) else None


def plain_words(error: object) -> str:
    """Describe a connection's error without the client's own objects and timeouts, which are not the bounds."""
    if isinstance(error, urllib3.exceptions.ReadTimeoutError):
        return "it did not answer in time"
    if isinstance(error, urllib3.exceptions.NewConnectionError):
        return str(error).rpartition(": ")[2]
    return str(error)


def is_no_http(cause: object) -> bool:
    """Return whether http.client could not parse the answer, other than because it ended too early."""
    early = (ConnectionError, IncompleteRead, urllib3.exceptions.HTTPError)
    return isinstance(cause, HTTPException) and not isinstance(cause, early)


def not_sent(error: Exception) -> bool:
    """Return whether nothing has reached the server, so that a write can be repeated."""
    return isinstance(error, (urllib3.exceptions.NewConnectionError, urllib3.exceptions.ConnectTimeoutError))


def outcome_unknown(operation: Operation, error: Exception) -> OutcomeUnknown:
    # The error's own text can quote the request.
    why = f"the connection broke before the API server answered ({type(error).__name__})"
    return OutcomeUnknown(str(operation), why, "Run the task again: it checks first what is stored.")

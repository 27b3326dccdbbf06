# SPDX-FileCopyrightText: The opendatahub.model_registry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Authentication options as they may be shown: all that is not known to be harmless is hidden from results and logs.

Ansible shows a module's options in its result (``invocation``) and in the system log, even when it refuses them. Options
that can hold secrets are therefore converted to values that show a safe text and keep the given one.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from .sealed import url_without_user

__all__ = ["HIDDEN", "conceal_config", "conceal_file", "conceal_url", "given", "secrets_in", "user_info"]

HIDDEN = "VALUE_SPECIFIED_IN_NO_LOG_PARAMETER"
"""What Ansible itself shows in place of a secret option."""
LONGEST_WORD = 3
"""Characters of a text that is not searched for in messages: it can be part of any word."""
_SECRET = frozenset(
    (
        "access-token",
        "api_key",
        "client-certificate-data",
        "client-key-data",
        "client-secret",
        "id-token",
        "password",
        "refresh-token",
        "secret",
        "token",
    )
)
"""Fields of a kubeconfig that are secret whatever their value is."""
_URLS = ("server", "proxy-url")
_HARMLESS = frozenset(
    (
        "apiVersion",
        "as",
        "as-groups",
        "as-uid",
        "certificate-authority",
        "client-certificate",
        "client-key",
        "cluster",
        "command",
        "current-context",
        "disable-compression",
        "insecure-skip-tls-verify",
        "interactiveMode",
        "kind",
        "name",
        "namespace",
        "provideClusterInfo",
        "tls-server-name",
        "tokenFile",
        "user",
        "username",
    )
)
"""Fields of a kubeconfig whose text or list of texts may be shown (client-go's API, clientcmd/v1)."""
_MAPS = frozenset(("auth-provider", "cluster", "clusters", "context", "contexts", "env", "exec", "user", "users"))
"""Fields of a kubeconfig whose fields are checked one by one."""


class _ShownText(str):
    """A text that shows a different one from the given one."""

    given: str


class _ShownMap(dict[str, Any]):
    """A dict that shows different values from the given ones."""

    given: Mapping[str, Any]


def conceal_url(value: Any) -> Any:
    """Convert the URL of a server or a proxy, so that its user info is not shown."""
    return _concealed(value, url_without_user) if isinstance(value, str) else value


def conceal_file(value: Any) -> Any:
    """Convert the path of a file. Content that is given in place of a path is not shown."""
    return _concealed(value, lambda text: HIDDEN if _is_content(text) else text) if isinstance(value, str) else value


def conceal_config(value: Any) -> Any:
    """Convert a kubeconfig, which is a file's path or a dict. Only what is known to be harmless is shown."""
    if isinstance(value, dict):
        shown = _ShownMap(_shown_map(value))
        shown.given = value
        return shown
    return conceal_file(value) if isinstance(value, str) else _shown(value, "")


def given(value: Any) -> Any:
    """Return the given value of a converted one."""
    return value.given if isinstance(value, (_ShownText, _ShownMap)) else value


def secrets_in(config: Any) -> Iterator[tuple[str, bool]]:
    """Yield the texts of a kubeconfig that are not shown, each with whether its field is always a secret.

    The others can be any words. They are hidden where they may be quoted, but not in all results.
    """
    if isinstance(config, Mapping):
        for name, value in config.items():
            if isinstance(value, str):
                if _shown(value, name) != value:
                    yield from ((part, True) for part in user_info(value))
                    if name not in _URLS:
                        yield value, name in _SECRET
            elif name in _MAPS or not _all_shown(value, name):
                yield from secrets_in(value)
    elif isinstance(config, (list, tuple)):
        for one in config:
            yield from [(one, False)] if isinstance(one, str) else secrets_in(one)


def user_info(url: str) -> list[str]:
    """Return the secret parts of a URL's user info: the password, and both parts together."""
    before, at, _address = url.rpartition("@")
    info = before.rpartition("://")[2] if at else ""
    return [part for part in (info, info.partition(":")[2]) if len(part) > LONGEST_WORD]


def _concealed(value: str, show: Any) -> str:
    shown = show(value)
    if shown == value:
        return value
    text = _ShownText(shown)
    text.given = value
    return text


def _is_content(text: str) -> bool:
    return "\n" in text.strip() or "PRIVATE KEY" in text or text.lstrip()[:1] in ("{", "[")


def _shown_map(config: Mapping[str, Any]) -> dict[str, Any]:
    return {name: _shown(value, name) for name, value in config.items()}


def _shown(value: Any, name: str) -> Any:
    """Return how the value of a field is shown."""
    if value is None or isinstance(value, bool):
        return value
    if name in _MAPS and isinstance(value, Mapping):
        return _shown_map(value)
    if name in _MAPS and isinstance(value, list):
        return [_shown(one, name) for one in value]
    if name in _URLS and isinstance(value, str):
        return url_without_user(value)
    return value if _all_shown(value, name) and not isinstance(value, Mapping) else HIDDEN


def _all_shown(value: Any, name: str) -> bool:
    """Return whether the whole value of a field may be shown."""
    texts = value if isinstance(value, list) else [value]
    return name in _HARMLESS and all(isinstance(one, str) and not _is_content(one) for one in texts)

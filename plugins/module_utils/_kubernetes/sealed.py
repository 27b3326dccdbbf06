# SPDX-FileCopyrightText: The opendatahub.model_registry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What may be shown: values of Secrets are sealed where they are read, and stay so wherever they go."""

from __future__ import annotations

import base64
import html
import json
import re
from collections.abc import Iterable
from functools import lru_cache
from typing import Any
from urllib.parse import quote, quote_plus

from .._common.model import Object

__all__ = ["Sealed", "forms", "hidden", "seal", "sealed_in", "shown", "unsealed", "url_without_user", "without_user"]


class Sealed:
    """A value of a Secret, as base64. It can be compared and sent; its text and repr do not show it."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    @classmethod
    def of(cls, plain: str) -> Sealed:
        """Of a value as the user gave it."""
        return cls(base64.b64encode(plain.encode()).decode())

    def plain(self) -> bytes:
        """Return the value itself, to be found where it must not be shown. What is no base64 stands for itself."""
        try:
            return base64.b64decode(self._value, validate=True)
        except ValueError:
            return self._value.encode()

    def reveal(self) -> str:
        """The base64 text, for the request body that carries it, and for nothing else."""
        return self._value

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Sealed) and self._value == other._value

    def __hash__(self) -> int:
        return hash(self._value)

    def __repr__(self) -> str:
        return "(hidden)"


def seal(secret: Object) -> Object:
    """Return the Secret with its values sealed, and with only those annotations that hold none.

    Tools copy what they have applied into annotations of their own (``kubectl apply``, and the operator with the account
    of the database that it runs), values included, and old values stay there. So only known annotations are kept. Of
    managedFields, what tells who has written the values and when is kept.
    """
    meta = dict(secret.get("metadata", {}))
    if "annotations" in meta:
        kept = (meta["annotations"] or {}).items()
        meta["annotations"] = {name: text for name, text in kept if name.startswith(HARMLESS)}
    if "managedFields" in meta:
        meta["managedFields"] = [_written(entry) for entry in meta["managedFields"]]
    data = {key: Sealed(value) for key, value in (secret.get("data") or {}).items()}
    return {**secret, "metadata": meta, "data": data}


HARMLESS = ("ansible.opendatahub.io/", "template.openshift.io/expose-")
"""How the annotations of a Secret begin that this collection writes and reads: marks, and names of keys."""


def _written(entry: Object) -> Object:
    """An entry of managedFields without the names of single fields, which can hold values in general."""
    known: Object = {name: entry[name] for name in ("manager", "operation", "time") if name in entry}
    return {**known, "fieldsV1": {name: {} for name in entry.get("fieldsV1") or {}}}


def unsealed(value: Any) -> Any:
    """The value with all that is sealed in it revealed: what a request carries."""
    if isinstance(value, Sealed):
        return value.reveal()
    if isinstance(value, dict):
        return {key: unsealed(item) for key, item in value.items()}
    if isinstance(value, list):
        return [unsealed(item) for item in value]
    return value


def shown(value: Any, label: str = "(hidden)") -> Any:
    """The value with ``label`` in place of all that is sealed: what results and diffs carry."""
    if isinstance(value, Sealed):
        return label
    if isinstance(value, dict):
        return {key: shown(item, label) for key, item in value.items()}
    if isinstance(value, list):
        return [shown(item, label) for item in value]
    return value


NO_SECRETS = ("database-name", "database-user")
"""Keys of a registry's Secret whose values stand in its spec, too, where everyone who sees it can read them."""


def sealed_in(value: Any) -> set[Sealed]:
    """Return what is sealed in the value and is to be hidden in any text that comes back.

    Names of databases and users are not: an error that names the user is of no use without the name.
    """
    if isinstance(value, Sealed):
        return {value}
    if isinstance(value, dict):
        return set().union(*(sealed_in(one) for key, one in value.items() if key not in NO_SECRETS))
    if isinstance(value, list):
        return set().union(*map(sealed_in, value))
    return set()


SHORTEST_CORE = 6
"""Characters of base64 that tell enough of a secret to be hidden inside a longer text in base64."""


SHORTEST_ENCODED = 3
"""Bytes: what is shorter has encoded forms, such as ``31`` for ``1``, that are parts of any number or name."""


@lru_cache(maxsize=4096)
def forms(plain: bytes) -> tuple[str, ...]:
    """Return the ways in which a text may come back, the longest first: as it is, encoded or escaped as others do it."""
    text = plain.decode(errors="replace")
    if len(plain) < SHORTEST_ENCODED:
        return (text,) if text else ()
    standard = base64.b64encode(plain).decode()
    encoded = {standard, base64.urlsafe_b64encode(plain).decode()}
    encoded |= {one.rstrip("=") for one in encoded} | {plain.hex(), plain.hex().upper()}
    # In base64 can be a text with the secret in it, as JSON and in base64, too, as a whole Secret has it.
    inner = (plain, standard.encode(), json.dumps(text)[1:-1].encode())
    cores = {core for one in inner for skip in (0, 1, 2) if len(core := _core_of(one, skip)) >= SHORTEST_CORE}
    cores |= {core.replace("+", "-").replace("/", "_") for core in cores}
    escaped = {json.dumps(text)[1:-1], json.dumps(text, ensure_ascii=False)[1:-1], html.escape(text), repr(text)[1:-1]}
    # Bytes as Python shows them; and text between quotes in SQL, in YAML and in the shell.
    escaped |= {repr(plain)[2:-1], text.replace("'", "''")}
    escaped |= {text.replace("'", quote) for quote in ("'\"'\"'", "'\\''")}
    escaped |= {text.replace("\\", "\\\\").replace("'", "\\'"), _sql(text)}
    # JSON in JSON, as in annotations that tools keep what they have applied in.
    escaped |= {json.dumps(one)[1:-1] for one in tuple(escaped)}
    # Go's JSON escapes these three, too, and its HTML the quotes in another way than Python's.
    escaped.add("".join(f"\\u{ord(one):04x}" if one in "<>&" else json.dumps(one)[1:-1] for one in text))
    escaped.add(html.escape(text).replace("&quot;", "&#34;").replace("&#x27;", "&#39;"))
    percent = {quote(plain, safe=""), quote(plain), quote_plus(plain)}
    percent |= {re.sub("%..", lambda code: code.group().lower(), one) for one in percent}
    percent |= {quote(one, safe="") for one in percent}
    return tuple(sorted({text, *encoded, *cores, *escaped, *percent} - {""}, key=len, reverse=True))


def _sql(text: str) -> str:
    """Return the text as a MySQL client escapes it (MySQL's documentation, mysql_real_escape_string)."""
    return re.sub(r"[\\'\"]", r"\\\g<0>", text).translate({0: "\\0", 10: "\\n", 13: "\\r", 26: "\\Z"})


def _core_of(plain: bytes, skip: int) -> str:
    """Return what is always there of a secret in the base64 of a longer text, in which it begins at such a place."""
    encoded = base64.b64encode(bytes(skip) + plain).decode()
    return encoded[(skip * 8 + 5) // 6 : (skip + len(plain)) * 8 // 6]


def hidden(text: str, secrets: Iterable[bytes]) -> str:
    """Return the text without the secrets in any of their forms, and without user info in URLs.

    The longest form goes first, whichever secret it is of: one secret can be a part of another.
    """
    for form in sorted({form for plain in secrets for form in forms(plain)}, key=len, reverse=True):
        text = text.replace(form, _HOLE)
    return without_user(text.replace(_HOLE, "(hidden)"))


_HOLE = "\ue000"
"""A character without a meaning, in which no secret is found again, as a short one would be in the word ``hidden``."""


def without_user(text: str) -> str:
    """Return the text with the user info of all URLs in it left out: ``https://user:password@host`` has such."""
    return "".join(map(_word_without_user, re.split(r"([\s\"'<>]+)", text)))


def _word_without_user(word: str) -> str:
    # A password with an unescaped slash in it goes, too, if need be with more than it.
    begin, end = word.find("://"), word.rfind("@")
    return word[: begin + 3] + word[end + 1 :] if -1 < begin < end else word


def url_without_user(url: str) -> str:
    """Return a URL without user info, also one without a scheme, as proxies may be given."""
    return without_user(url) if "://" in url else url.rpartition("@")[2]

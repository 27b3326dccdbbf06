# SPDX-FileCopyrightText: The opendatahub.model_registry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Values of Secrets: sealed as soon as they are read, so that they are never shown."""

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

__all__ = ["Sealed", "forms", "hidden", "redacted", "seal", "sealed_in", "unsealed", "url_without_user", "without_user"]


class Sealed:
    """A value of a Secret, in base64. It can be compared and sent; its text and repr do not show it."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    @classmethod
    def of(cls, plain: str) -> Sealed:
        """Seal a value as the user gave it."""
        return cls(base64.b64encode(plain.encode()).decode())

    def plain(self) -> bytes:
        """Return the value itself, to find it where it must not be shown. Text that is not base64 stands for itself."""
        try:
            return base64.b64decode(self._value, validate=True)
        except ValueError:
            return self._value.encode()

    def reveal(self) -> str:
        """Return the base64 text, only for the request body that carries it."""
        return self._value

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Sealed) and self._value == other._value

    def __hash__(self) -> int:
        return hash(self._value)

    def __repr__(self) -> str:
        return "(hidden)"


def seal(secret: Object) -> Object:
    """Return the Secret with its values sealed, and with only those annotations that hold none.

    Tools copy what they apply into annotations, values included (``kubectl apply``, and the operator with the account of
    the database that it runs), and old values stay there. So only known annotations are kept. Of managedFields, only who
    wrote the values and when is kept.
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
"""Prefixes of the annotations that this collection writes and reads on Secrets: marks, and names of keys."""


def _written(entry: Object) -> Object:
    """Return an entry of managedFields without the names of single fields, which in general can hold values."""
    known: Object = {name: entry[name] for name in ("manager", "operation", "time") if name in entry}
    return {**known, "fieldsV1": {name: {} for name in entry.get("fieldsV1") or {}}}


def unsealed(value: Any) -> Any:
    """Reveal all that is sealed in the value, for a request."""
    if isinstance(value, Sealed):
        return value.reveal()
    if isinstance(value, dict):
        return {key: unsealed(item) for key, item in value.items()}
    if isinstance(value, list):
        return [unsealed(item) for item in value]
    return value


def redacted(value: Any, label: str = "(hidden)") -> Any:
    """Replace all that is sealed in the value with ``label``, for results and diffs."""
    if isinstance(value, Sealed):
        return label
    if isinstance(value, dict):
        return {key: redacted(item, label) for key, item in value.items()}
    if isinstance(value, list):
        return [redacted(item, label) for item in value]
    return value


NO_SECRETS = ("database-name", "database-user")
"""Keys of a registry's Secret whose values are also in its spec, readable by everyone who sees it."""


def sealed_in(value: Any) -> set[Sealed]:
    """Return the sealed values to hide in any text that comes back.

    Names of databases and users are not hidden: an error about a user is useless without the name.
    """
    if isinstance(value, Sealed):
        return {value}
    if isinstance(value, dict):
        return set().union(*(sealed_in(one) for key, one in value.items() if key not in NO_SECRETS))
    if isinstance(value, list):
        return set().union(*map(sealed_in, value))
    return set()


SHORTEST_CORE = 6
"""Characters of base64 that reveal enough of a secret to be hidden inside a longer base64 text."""


SHORTEST_ENCODED = 3
"""Bytes: shorter secrets have encoded forms, such as ``31`` for ``1``, that are parts of any number or name."""


@lru_cache(maxsize=4096)
def forms(plain: bytes) -> tuple[str, ...]:
    """Return the forms in which a text may come back, the longest first: unchanged, encoded or escaped."""
    text = plain.decode(errors="replace")
    if len(plain) < SHORTEST_ENCODED:
        return (text,) if text else ()
    standard = base64.b64encode(plain).decode()
    encoded = {standard, base64.urlsafe_b64encode(plain).decode()}
    encoded |= {one.rstrip("=") for one in encoded} | {plain.hex(), plain.hex().upper()}
    # A base64 text can contain the secret, plain, as JSON or in base64 again, as in a whole Secret.
    inner = (plain, standard.encode(), json.dumps(text)[1:-1].encode())
    cores = {core for one in inner for skip in (0, 1, 2) if len(core := _core_of(one, skip)) >= SHORTEST_CORE}
    cores |= {core.replace("+", "-").replace("/", "_") for core in cores}
    escaped = {json.dumps(text)[1:-1], json.dumps(text, ensure_ascii=False)[1:-1], html.escape(text), repr(text)[1:-1]}
    # Bytes as Python shows them; and text between quotes in SQL, in YAML and in the shell.
    escaped |= {repr(plain)[2:-1], text.replace("'", "''")}
    escaped |= {text.replace("'", quote) for quote in ("'\"'\"'", "'\\''")}
    escaped |= {text.replace("\\", "\\\\").replace("'", "\\'"), _sql(text)}
    # JSON in JSON, as in the annotations in which tools keep what they apply.
    escaped |= {json.dumps(one)[1:-1] for one in tuple(escaped)}
    # Go's JSON also escapes these three, and its HTML escapes quotes differently from Python's.
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
    """Return the part of a secret's base64 that is the same in any longer text, for one alignment of its start."""
    encoded = base64.b64encode(bytes(skip) + plain).decode()
    return encoded[(skip * 8 + 5) // 6 : (skip + len(plain)) * 8 // 6]


def hidden(text: str, secrets: Iterable[bytes]) -> str:
    """Return the text without the secrets in any of their forms, and without user info in URLs.

    The longest form of all secrets is replaced first: one secret can be part of another.
    """
    for form in sorted({form for plain in secrets for form in forms(plain)}, key=len, reverse=True):
        text = text.replace(form, _HOLE)
    return without_user(text.replace(_HOLE, "(hidden)"))


_HOLE = "\ue000"
"""A private-use character: no secret can be found in it, while a short one could be in the word ``hidden``."""


def without_user(text: str) -> str:
    """Return the text without the user info of its URLs, as in ``https://user:password@host``."""
    return "".join(map(_word_without_user, re.split(r"([\s\"'<>]+)", text)))


def _word_without_user(word: str) -> str:
    # A password with an unescaped slash is removed, too, even if that removes more.
    begin, end = word.find("://"), word.rfind("@")
    return word[: begin + 3] + word[end + 1 :] if -1 < begin < end else word


def url_without_user(url: str) -> str:
    """Return a URL without user info, even if it has no scheme, as proxies may be given."""
    return without_user(url) if "://" in url else url.rpartition("@")[2]

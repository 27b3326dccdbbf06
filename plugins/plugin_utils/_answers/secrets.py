# SPDX-FileCopyrightText: The opendatahub.model_registry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Values of variables: evaluated, and secrets among them unchanged, or an error that shows nothing of them."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Any

from ansible import errors
from ansible_collections.opendatahub.model_registry.plugins.module_utils._common.errors import InvalidInput

__all__ = ["concealed", "decrypted", "evaluated", "secret_text"]

COMMENT = "{#"
"""A template with this returns its text without what follows, and no error."""
OMITTED: Any = getattr(errors, "AnsibleValueOmittedError", ())
"""What ansible-core from 2.19 on raises if nothing but ``omit`` is left of a template."""
SHORT = 4
"""Characters. A shorter secret may be a part of any word, and counts only as one by itself."""
CONCEALED = "its value is wrong, and not shown, since a secret has the same text"


def evaluated(raw: Any, templar: Any) -> Any:
    """Return a variable's value, which may be a template, and None if it is omitted. Raises whatever a template does."""
    try:
        value = decrypted(templar.template(raw))
    except OMITTED:
        return None
    # Before ansible-core 2.19, a text stands for what is omitted.
    omitted = templar.available_variables.get("omit")
    return _without(value, omitted) if isinstance(omitted, str) else value


def _without(value: Any, omitted: str) -> Any:
    """Return a value without what is omitted, at any depth."""
    if isinstance(value, dict):
        return {key: _without(part, omitted) for key, part in value.items() if part != omitted}
    if isinstance(value, list):
        return [_without(part, omitted) for part in value if part != omitted]
    if value == omitted:
        return None
    return value.replace(omitted, "") if isinstance(value, str) and omitted in value else value


def secret_text(name: str, raw: Any, templar: Any, environment: str) -> str | None:
    """Return the text of a variable's value, which may be a template. Raises InvalidInput."""
    step = f"Give it in the environment variable {environment}, or tag its value with !unsafe."
    if isinstance(raw, str) and COMMENT in raw and templar.is_template(raw) and not hasattr(raw, "__UNSAFE__"):
        raise InvalidInput(name, "it contains the beginning of a template comment", step)
    try:
        value = evaluated(raw, templar)
    except Exception:
        # From 2.19 on, ansible-core raises AnsibleError for all that a template does. Older releases pass on whatever an
        # expression or filter in it raises, such as ZeroDivisionError. Any of them shows the value in its traceback.
        why = "its value looks like a template that cannot be evaluated"
        more = "If it is a template, check that all variables in it are defined."
        raise InvalidInput(name, why, f"{step} {more}") from None
    if value is not None and not isinstance(value, str):
        why = "it is not a text, but for example a number"
        raise InvalidInput(name, why, f"Give it in the environment variable {environment}, or quote it.")
    return value


def concealed(error: InvalidInput, secrets: Collection[str], value: Any) -> InvalidInput:
    """Return an error about a value, or one that does not show it if it has a secret's text in it."""
    texts = list(_texts(value))
    if any(secret in text if len(secret) >= SHORT else secret == text for secret in secrets for text in texts):
        return InvalidInput(error.what, CONCEALED, error.next_step)
    return error


def _texts(value: Any) -> Iterator[str]:
    """Yield all texts in a value."""
    if isinstance(value, (dict, list, tuple)):
        for part in (*value, *value.values()) if isinstance(value, dict) else value:
            yield from _texts(part)
    else:
        yield str(value)


def decrypted(value: Any) -> Any:
    """Return decrypted values as strings, at any depth. Before ansible-core 2.19 each is an object of its own."""
    if isinstance(value, dict):
        return {key: decrypted(part) for key, part in value.items()}
    if isinstance(value, list):
        return [decrypted(part) for part in value]
    return str(value) if hasattr(value, "__ENCRYPTED__") else value

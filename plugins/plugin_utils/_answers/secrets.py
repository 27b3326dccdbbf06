# SPDX-FileCopyrightText: The opendatahub.model_registry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Secrets in variables: their text unchanged, or an error that shows nothing of it."""

from __future__ import annotations

from typing import Any

from ansible_collections.opendatahub.model_registry.plugins.module_utils._common.errors import InvalidInput

__all__ = ["decrypted", "secret_text"]

COMMENT = "{#"
"""A template with this returns its text without what follows, and no error."""


def secret_text(name: str, raw: Any, templar: Any, environment: str) -> str | None:
    """Return the text of a variable's value, which may be a template. Raises InvalidInput."""
    step = f"Give it in the environment variable {environment}, or tag its value with !unsafe."
    if isinstance(raw, str) and COMMENT in raw and templar.is_template(raw) and not hasattr(raw, "__UNSAFE__"):
        raise InvalidInput(name, "it contains the beginning of a template comment", step)
    try:
        value = templar.template(raw)
        value = value if value is None else decrypted(value)
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


def decrypted(value: Any) -> Any:
    """Return decrypted values as strings, at any depth. Before ansible-core 2.19 each is an object of its own."""
    if isinstance(value, dict):
        return {key: decrypted(part) for key, part in value.items()}
    if isinstance(value, list):
        return [decrypted(part) for part in value]
    return str(value) if hasattr(value, "__ENCRYPTED__") else value

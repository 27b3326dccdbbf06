# SPDX-FileCopyrightText: The opendatahub.model_registry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Pick from results with a JMESPath expression."""

from __future__ import annotations

import sys
from typing import Any

from ansible_collections.opendatahub.model_registry.plugins.module_utils._common.errors import InvalidInput
from ansible_collections.opendatahub.model_registry.plugins.module_utils._common.text import printable_name

from ._answers.values import listed
from ._written import plain

try:
    import jmespath
    from jmespath import exceptions
except ImportError:
    jmespath = None

__all__ = ["picked"]

SHOWN = 40
"""Characters of an expression that are shown from the place of an error on."""
TUTORIAL = "https://jmespath.org/tutorial.html explains such expressions."
QUOTES = "On the command line, one with spaces needs quotes of its own: --extra-vars 'info_query=\"…\"'."


def picked(data: Any, expression: str) -> Any:
    """Return what the expression picks from the data. Raises InvalidInput."""
    if jmespath is None:
        why = f"it needs the Python library jmespath, and {sys.executable}, the Python that runs Ansible, does not have it"
        step = f"Install it: {sys.executable} -m pip install jmespath. In a controller, add it to the execution environment."
        raise InvalidInput("info_query", why, step)
    text = str.__str__(expression)
    try:
        return plain(jmespath.search(text, plain(data)))
    except exceptions.IncompleteExpressionError:
        why = f"'{printable_name(text)}' ends too early, after character {len(text)}"
        raise InvalidInput("info_query", why, f"{QUOTES} {TUTORIAL}") from None
    except (ValueError, TypeError, RecursionError) as error:
        raise InvalidInput("info_query", f"'{printable_name(text)}': {_reason(text, error)}", TUTORIAL) from None


def _reason(text: str, error: Exception) -> str:
    """Return what is wrong with an expression on one line, and at which place."""
    if isinstance(error, TypeError):
        return "it picks an expression (&), which is no value"
    if isinstance(error, exceptions.JMESPathTypeError):
        expected = listed([str(name) for name in error.expected_types])
        return f"function {error.function_name}() takes {expected}, and was given {error.actual_type}"
    if isinstance(error, exceptions.ArityError) or not isinstance(error, exceptions.ParseError):
        return printable_name(str(error))
    why = error.message if isinstance(error, exceptions.LexerError) else error.msg
    rest = text[error.lex_position :]
    shown = printable_name(rest[:SHOWN]) + ("…" if len(rest) > SHOWN else "")
    return f"{printable_name(why)}, at character {error.lex_position + 1}: {shown}"

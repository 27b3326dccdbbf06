# SPDX-FileCopyrightText: The opendatahub.model_registry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The advice that a refusal of the API server leads to."""

from __future__ import annotations

import json

from ansible_collections.opendatahub.model_registry.plugins.module_utils._common.errors import InvalidObject
from ansible_collections.opendatahub.model_registry.plugins.module_utils._kubernetes.api_errors import (
    Operation,
    error_from_response,
)


def test_a_gateway_without_a_certificate() -> None:
    """The webhook of the release with Istio's proxy: its own words, and the option that avoids it."""
    words = (
        'admission webhook "vmodelregistry.opendatahub.io" denied the request: ModelRegistry.modelregistry.opendatahub.io '
        '"demo" is invalid: spec.istio.gateway.rest.tls.credentialName: Required value: must be set when DEFAULT_CERT is not'
    )
    body = json.dumps({"kind": "Status", "message": words, "reason": "Invalid", "code": 422})
    error = error_from_response(Operation("create", "ModelRegistry", "ns", "demo"), 422, body)
    assert isinstance(error, InvalidObject) and words in str(error) and "set auth_proxy to oauth" in error.next_step

# SPDX-FileCopyrightText: The opendatahub.model_registry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""From kubernetes.core's authentication options to a cluster."""

from __future__ import annotations

import math
import time
import traceback
from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any

from ansible.module_utils.compat.version import LooseVersion

from .._common.errors import RegistryError
from .client import Cluster
from .port_forward import within
from .sealed import without_user

try:
    import kubernetes
    import urllib3

    # The parts of get_api_client(). As a whole it would also run discovery, without any time-out.
    from ansible_collections.kubernetes.core.plugins.module_utils.k8s.client import (
        _create_auth_spec,
        _create_configuration,
        _create_headers,
        _set_header,
    )
    from ansible_collections.kubernetes.core.plugins.module_utils.k8s.exceptions import CoreException
except ImportError:
    MISSING: str | None = traceback.format_exc()
    """Why there can be no Cluster: the client library is not installed. _module reports it."""
else:
    MISSING = None

__all__ = ["MISSING", "OLDEST_CLIENT", "client_version", "connected"]

OLDEST_CLIENT = "24.2.0"
"""The version of the Python package kubernetes that is needed, as in meta/ee-requirements.txt."""
LOGIN_TIMEOUT = 60.0
"""Seconds for reading a kubeconfig, which can run a credential plugin or ask an identity provider."""


def client_version() -> str | None:
    """Return the version of the client library if it is too old."""
    version: str = kubernetes.__version__
    return version if LooseVersion(version) < LooseVersion(OLDEST_CLIENT) else None


def connected(authentication: Mapping[str, Any], until: float = math.inf) -> Cluster:
    """Return the cluster for kubernetes.core's authentication options. Nothing is sent to it yet.

    until: as for a Cluster.
    """
    limit = max(0.0, min(LOGIN_TIMEOUT, until - time.monotonic()))
    step = "Check kubeconfig and context, or give host and api_key."
    try:
        client = within(limit, lambda: _client(authentication))
    except TimeoutError:
        why = f"no credentials within {limit:.0f} s: a credential plugin or an identity provider does not answer"
        raise RegistryError("kubeconfig", why, step) from None
    except (CoreException, kubernetes.config.ConfigException) as error:
        raise RegistryError("kubeconfig", without_user(str(error)), step) from None
    except (urllib3.exceptions.ProxySchemeUnknown, urllib3.exceptions.LocationParseError):
        # Their own texts can quote the URL, which may contain a password.
        raise RegistryError("proxy", "it is no URL that begins with http:// or https://", "Correct proxy.") from None
    except OSError as error:
        raise RegistryError("kubeconfig", f"{error.filename or 'a file'}: {error.strerror}", step) from None
    except Exception as error:
        # Libraries of credential plugins and identity providers raise any. Its own text can quote the file.
        raise RegistryError("kubeconfig", f"it cannot be read ({type(error).__name__})", step) from None
    return Cluster(SimpleNamespace(client=client), until=until)


def _client(authentication: Mapping[str, Any]) -> Any:
    """Return what kubernetes.core's get_api_client() wraps, without discovery, which would ask for /version and /apis."""
    options = _create_auth_spec(**authentication)
    client = kubernetes.client.ApiClient(_create_configuration(options))
    for header, value in _create_headers(**authentication).items():
        _set_header(client, header, value)
    return kubernetes.dynamic.DynamicClient(client, discoverer=lambda _client, _cache: None)

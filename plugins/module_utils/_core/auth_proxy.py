# SPDX-FileCopyrightText: The opendatahub.model_registry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The proxy in front of a registry server, which authenticates its callers: which one is asked for, and when it is missing."""

from __future__ import annotations

from .export import proxy_of
from .finding import PRODUCT, Finding
from .manifests import PROXIES
from .model import Object

__all__ = ["changed_proxy", "new_proxy", "no_auth_proxy", "overridden"]


def new_proxy(asked: str | None, known: frozenset[str], openshift: bool) -> str | None:
    """Return the key of PROXIES to ask for with a new registry, or None for no proxy.

    asked: the option auth_proxy. known: the keys that the API version has.

    By default it is what the dashboard of that release writes. It is written and not left to the operator, which adds one
    by itself only since v0.3.14. Without OpenShift nothing makes the certificate that a proxy needs, so there is none.
    """
    if asked not in (None, "auto"):
        return None if asked == "none" else asked
    if not openshift:
        return None
    # Releases that know Istio's have no other by default, and the newest knows kube-rbac-proxy.
    return next((proxy for proxy in ("kube_rbac", "istio", "oauth") if proxy in known), None)


def changed_proxy(asked: str | None, spec: Object) -> str | None:
    """Return the proxy to ask for with a registry that exists.

    None if it has that one, or a newer one, to which the operator migrates by itself.
    """
    if asked in (None, "auto", "none"):
        return None
    age, current = list(PROXIES), proxy_of(spec)
    if current is not None and age.index(current) >= age.index(str(asked)):
        return None
    return asked


def overridden(asked: str | None, registry: Object | None) -> str | None:
    """Return a warning if a registry was asked for without a proxy and has one.

    registry: as options of model_registry, after the operator's admission webhook.
    """
    current = (registry or {}).get("auth_proxy", "none")
    if asked != "none" or current == "none":
        return None
    why = f"auth_proxy: none was asked for, and the registry has {current}"
    return f"{why}. On OpenShift the operator adds it by itself. Set auth_proxy to {current} or leave it out."


def no_auth_proxy(name: str, spec: Object, openshift: bool | None) -> Finding | None:
    """Return the finding about a registry without any proxy; None if it has one.

    openshift: None if it is not known; then it is a warning, as on OpenShift, where a proxy is to be had for the asking.
    """
    if proxy_of(spec) is not None:
        return None
    port = (spec.get("rest") or {}).get("port") or 8080
    why = f"no proxy authenticates its callers: whoever reaches its Service on port {port} can read and change every model"
    if openshift is False:
        step = (
            f"Restrict who reaches it with a NetworkPolicy, or create the Secret {name}-kube-rbac-proxy (tls.crt, tls.key) "
            "and set auth_proxy to kube_rbac."
        )
        return Finding("no_auth_proxy", "info", f"ModelRegistry {name}", why, step, PRODUCT)
    step = "Set auth_proxy of model_registry to kube_rbac, or to oauth if the cluster's release does not know that."
    return Finding("no_auth_proxy", "warning", f"ModelRegistry {name}", why, step, PRODUCT)

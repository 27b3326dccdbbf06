# SPDX-FileCopyrightText: The opendatahub.model_registry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The proxy in front of a registry server, which authenticates its callers: which one to request, and when it is missing."""

from __future__ import annotations

from .._common.errors import InvalidInput, Refused
from .._common.finding import PRODUCT, Finding
from .._common.model import Object, Registry
from .._common.names import check_length
from .._kubernetes.merge_patch import present_fields
from .export import proxy_of
from .manifests import ISTIO, PROXIES, proxy_fields

__all__ = [
    "certificate_missing",
    "changed_proxy",
    "lacks_certificate",
    "name_too_long",
    "new_proxy",
    "no_auth_proxy",
    "overridden",
    "proxy_secret",
    "wanted_proxy",
]

WITH_SETTINGS = ("kube_rbac", "oauth")


def new_proxy(asked: str | None, known: frozenset[str], openshift: bool) -> str | None:
    """Return the key of PROXIES to request for a new registry, or None for no proxy.

    asked: the option auth_proxy. known: the keys that the API version has.

    The default is what the dashboard of that release writes. It is not left to the operator, which adds a proxy by itself
    only since v0.3.14. Without OpenShift nothing creates the certificate that a proxy needs, so there is no proxy.
    """
    if asked not in (None, "auto"):
        return None if asked == "none" else asked
    if not openshift:
        return None
    # Releases with Istio's proxy have no other default, and the newest has kube-rbac-proxy.
    return next((proxy for proxy in ("kube_rbac", "istio", "oauth") if proxy in known), None)


def name_too_long(name: str, asked: str | None, openshift: bool) -> InvalidInput | None:
    """Return the error about a new registry's name if it is too long for the proxy that it will get; else None.

    asked: the option auth_proxy.
    """
    try:
        check_length(name, new_proxy(asked, frozenset(PROXIES), openshift) is not None)
    except InvalidInput as error:
        return error
    return None


def changed_proxy(asked: str | None, spec: Object) -> str | None:
    """Return the proxy to request for an existing registry.

    None if it already has that one, or a newer one, to which the operator migrates by itself.
    """
    if asked in (None, "auto", "none"):
        return None
    age, current = list(PROXIES), proxy_of(spec)
    if current is not None and age.index(current) >= age.index(str(asked)):
        return None
    return asked


def wanted_proxy(registry: Registry, asked: str | None, spec: Object) -> Object:
    """Return what is wanted of the proxies in the spec.

    asked: the proxy to request; None keeps that of the stored spec. Raises InvalidInput if auth_proxy_settings is given and
    no proxy takes settings.
    """
    target = asked or proxy_of(spec)
    if registry.proxy is not None and target not in WITH_SETTINGS:
        has = f"the proxy is {target}, which takes no settings" if target else "the registry has no proxy"
        raise InvalidInput("auth_proxy_settings", has, "Leave it out, or set auth_proxy to kube_rbac or oauth.")
    wanted: Object = dict.fromkeys(PROXIES.values()) if asked else {}
    settings = proxy_fields(registry.proxy) if registry.proxy else {}
    if asked == "istio":
        wanted["istio"] = ISTIO
    elif target is not None and (asked or settings):
        field = PROXIES[target]
        # Resetting a field of a proxy that does not exist yet would reset the whole proxy.
        wanted[field] = settings if spec.get(field) else present_fields({**_moved(spec, target), **settings})
    return wanted


def _moved(spec: Object, target: str) -> Object:
    """Return the OAuth proxy's settings that kube-rbac-proxy takes over, as in the operator's migration: not the image."""
    before = spec.get(PROXIES["oauth"]) or {}
    return {key: value for key, value in before.items() if target == "kube_rbac" and key != "image"}


def proxy_secret(name: str) -> str:
    """Return the name of the Secret with the certificate of a registry's kube-rbac-proxy."""
    return f"{name}-kube-rbac-proxy"


def lacks_certificate(registry: Registry, spec: Object | None) -> bool:
    """Return whether the options request a new kube-rbac-proxy without a certificate of its own.

    spec: the stored registry's, None if it is new.
    """
    asked = registry.auth_proxy == "kube_rbac" and changed_proxy("kube_rbac", spec or {}) is not None
    moved = _moved(spec or {}, "kube_rbac").get("tlsCertificateSecret")
    return asked and not (registry.proxy and registry.proxy.certificate) and not moved


def certificate_missing(name: str) -> Refused:
    """Return the error about a missing proxy certificate on a cluster that creates none."""
    why = "it does not exist, and auth_proxy kube_rbac needs it: only OpenShift creates the proxy's certificate"
    step = (
        "Create it with the keys tls.crt and tls.key, or give certificate_secret and key_secret of auth_proxy_settings."
    )
    return Refused(f"Secret {proxy_secret(name)}", why, step)


def overridden(asked: str | None, registry: Object | None) -> str | None:
    """Return a warning if a registry has a proxy although none was requested.

    registry: as options of model_registry, after the operator's admission webhook.
    """
    current = (registry or {}).get("auth_proxy", "none")
    if asked != "none" or current == "none":
        return None
    why = f"auth_proxy is none, and the registry has {current}"
    return f"{why}. On OpenShift the operator adds it. Set auth_proxy to {current} or leave it out."


def no_auth_proxy(name: str, spec: Object, openshift: bool | None) -> Finding | None:
    """Return the finding about a registry without any proxy; None if it has one.

    openshift: None if unknown; then it is a warning, as on OpenShift, where a proxy needs only to be requested.
    """
    if proxy_of(spec) is not None:
        return None
    port = (spec.get("rest") or {}).get("port") or 8080
    why = f"no proxy authenticates its callers: any client that reaches its Service on port {port} can read and change every model"
    if openshift is False:
        step = (
            f"Restrict access to it with a NetworkPolicy, or create the Secret {name}-kube-rbac-proxy (tls.crt, tls.key) "
            "and set auth_proxy to kube_rbac."
        )
        return Finding("no_auth_proxy", "info", f"ModelRegistry {name}", why, step, PRODUCT)
    step = (
        "Set auth_proxy of model_registry to kube_rbac, or to oauth if the cluster's release does not have kube_rbac."
    )
    return Finding("no_auth_proxy", "warning", f"ModelRegistry {name}", why, step, PRODUCT)

# SPDX-FileCopyrightText: The opendatahub.model_registry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The rights that a job needs in the registries namespace and at its database, and which of them a user's rules give."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from .._common.model import Database, Object
from .._common.names import password_secret
from .._common.rbac import rule_has
from .._database.host import DIRECT, PORT_FORWARD, RELAY
from .._kubernetes.dns import SERVICE, host_of, service_of
from .._kubernetes.resources import GROUP

__all__ = ["Right", "path_rights", "rights_for", "ruled", "yaml_rules"]

RBAC_GROUP = "rbac.authorization.k8s.io"
STORE = ("get", "create", "patch")


@dataclass(frozen=True)
class Right:
    """A verb on a resource of a namespace."""

    group: str
    resource: str
    """The plural, with the subresource."""
    verb: str
    purpose: str
    """What requires it."""
    needed: bool = True
    """Whether the job fails without it; otherwise it reports and checks less."""
    name: str = ""
    """Of the only object that it concerns, if known."""
    namespace: str = ""
    """Empty for the registries namespace."""

    @property
    def attributes(self) -> Object:
        """The resourceAttributes of an access review, without the namespace."""
        resource, _slash, subresource = self.resource.partition("/")
        found = {"group": self.group, "resource": resource, "verb": self.verb}
        return {
            **found,
            **({"subresource": subresource} if subresource else {}),
            **({"name": self.name} if self.name else {}),
        }


def rights_for(job: str, name: str | None, database: Database | None) -> list[Right]:
    """Return the rights for a job: create, update, teardown or grant. The collection's Role registry-admin has them all."""
    registry = name or ""
    found = [Right(GROUP, "modelregistries", "list", "see which registries there are")]
    if job == "grant":
        found.append(Right(GROUP, "modelregistries", "get", "see whether the registry is there", name=registry))
        return [*found, *_granting(registry)]
    found.append(Right(GROUP, "modelregistries", "watch", "wait until the registry is ready, or gone"))
    if job == "teardown":
        found.append(Right(GROUP, "modelregistries", "delete", "delete the registry", name=registry))
        for resource, verbs in (("secrets", ("list", "delete")), ("configmaps", ("get", "delete"))):
            found += [Right("", resource, verb, "take away what was made for the registry alone") for verb in verbs]
        binding = "take away permissions on the registry"
        return [*found, *(Right(RBAC_GROUP, "rolebindings", verb, binding) for verb in ("list", "delete"))]
    found.append(Right(GROUP, "modelregistries", "get", "say what has become of the registry", name=registry))
    if job == "create":
        found.append(Right(GROUP, "modelregistries", "create", "create the registry"))
    found.append(Right(GROUP, "modelregistries", "patch", "edit the registry", job == "update", registry))
    return [*found, *_storing(job, registry, database), *_looking()]


def _storing(job: str, registry: str, database: Database | None) -> list[Right]:
    """Return the rights to store the password and the certificate authority."""
    found: list[Right] = []
    if database is not None and database.password is not None:
        # RBAC cannot restrict the right to create to a name.
        secret = password_secret(registry) if registry else ""
        names = {"get": secret, "patch": secret, "create": ""}
        found += [Right("", "secrets", verb, "store the database's password", name=names[verb]) for verb in STORE]
    if database is not None and database.tls is not None and database.tls.ca_pem is not None:
        found += [Right("", "configmaps", verb, "store the certificate authority") for verb in STORE]
    if job == "update" and database is not None:
        # A reference to another Secret also requires pods that are newer than that change.
        why = "restart the registry after a new password, and see that it is in use"
        found += [Right("apps", "deployments", verb, why, name=registry) for verb in ("get", "patch")]
    return found


def _looking() -> list[Right]:
    """Return the rights that help to explain why a registry is not ready, and to check its database."""
    why = "say why the registry does not become ready"
    found = [Right("apps", "deployments", verb, why, False) for verb in ("list", "watch")]
    found += [Right("", "pods", verb, why, False) for verb in ("list", "watch")]
    found += [Right("", "pods/log", "get", why, False), Right("", "events", "list", why, False)]
    return [*found, Right("", "endpoints", "list", why, False)]


def path_rights(via: str, host: str, namespace: str) -> list[Right]:
    """Return the rights for a check of the database on its path, from a registries namespace of that name.

    The job continues without them, and the check is then reported as not made. The cluster creates and deletes the pod
    of a relay with its Job.
    """
    forward = [("", "pods/portforward", "get"), ("", "pods/portforward", "create")]
    if via == RELAY:
        relay = [("batch", "jobs", "create"), ("batch", "jobs", "delete"), ("", "pods", "list"), *forward]
        return [Right(*one, "check the database through a relay", False) for one in relay]
    # A name of two parts may also be a DNS name.
    found = (service_of(host) if via == PORT_FORWARD else None) or host_of(host, namespace)
    if via == DIRECT or found.kind != SERVICE:
        return []
    place = "" if found.namespace == namespace else found.namespace
    wanted = [("", "services", "get"), ("", "endpoints", "get"), *forward]
    why = "check the database through the Kubernetes API"
    return [Right(*one, why, False, namespace=place) for one in wanted]


def _granting(registry: str) -> list[Right]:
    binding, own = "change who may use the registry", "pass on what users of the registry get"
    found = [Right(RBAC_GROUP, "rolebindings", verb, binding) for verb in ("list", "create", "patch", "delete")]
    found.append(Right(RBAC_GROUP, "roles", "get", "see whether the operator has made the registry's Role"))
    found += [Right("", resource, "get", own, name=registry) for resource in ("services", "endpoints")]
    review = "localsubjectaccessreviews"
    return [*found, Right("authorization.k8s.io", review, "create", "verify that a permission is effective", False)]


def ruled(right: Right, rules: Iterable[Object]) -> bool:
    """Return whether one of the rules, as a SelfSubjectRulesReview lists them, gives the right."""
    return any(
        rule_has(rule, "apiGroups", right.group)
        and rule_has(rule, "resources", right.resource)
        and rule_has(rule, "verbs", right.verb)
        and (not rule.get("resourceNames") or right.name in rule["resourceNames"])
        for rule in rules
    )


def yaml_rules(rights: Iterable[Right]) -> str:
    """Return the rules of a Role that give these rights, one per line, as YAML."""
    verbs: dict[tuple[str, str], list[str]] = {}
    for right in rights:
        known = verbs.setdefault((right.group, right.resource), [])
        known += [] if right.verb in known else [right.verb]
    return "\n".join(
        f'- {{apiGroups: ["{group}"], resources: [{resource}], verbs: [{", ".join(found)}]}}'
        for (group, resource), found in verbs.items()
    )

# SPDX-FileCopyrightText: The opendatahub.model_registry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The rights that a job needs in the registries namespace and at its database, and which of them a user's rules give."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from .._common.model import Database, Object
from .._common.names import password_secret
from .._common.rbac import allows
from .._database.host import DIRECT, PORT_FORWARD, RELAY
from .._kubernetes.dns import SERVICE, host_of, service_of
from .._kubernetes.resources import GROUP

__all__ = ["AccessRule", "allowed_by", "path_rights", "rights_for", "yaml_rules"]

RBAC_GROUP = "rbac.authorization.k8s.io"
STORE = ("get", "create", "patch")


@dataclass(frozen=True)
class AccessRule:
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
        resource_attributes = {"group": self.group, "resource": resource, "verb": self.verb}
        return {
            **resource_attributes,
            **({"subresource": subresource} if subresource else {}),
            **({"name": self.name} if self.name else {}),
        }


def rights_for(job: str, name: str | None, database: Database | None) -> list[AccessRule]:
    """Return the rights for a job: create, update, teardown or grant. The collection's Role registry-admin has them all."""
    registry = name or ""
    rules = [AccessRule(GROUP, "modelregistries", "list", "list the registries")]
    if job == "grant":
        rules.append(AccessRule(GROUP, "modelregistries", "get", "read the registry", name=registry))
        return [*rules, *_granting(registry)]
    rules.append(AccessRule(GROUP, "modelregistries", "watch", "wait until the registry is ready, or gone"))
    if job == "teardown":
        rules.append(AccessRule(GROUP, "modelregistries", "delete", "delete the registry", name=registry))
        for resource, verbs in (("secrets", ("list", "delete")), ("configmaps", ("get", "delete"))):
            rules += [
                AccessRule("", resource, verb, "delete the registry's own Secrets and ConfigMaps") for verb in verbs
            ]
        binding = "remove permissions on the registry"
        return [*rules, *(AccessRule(RBAC_GROUP, "rolebindings", verb, binding) for verb in ("list", "delete"))]
    rules.append(AccessRule(GROUP, "modelregistries", "get", "report the registry's status", name=registry))
    if job == "create":
        rules.append(AccessRule(GROUP, "modelregistries", "create", "create the registry"))
    rules.append(AccessRule(GROUP, "modelregistries", "patch", "edit the registry", job == "update", registry))
    return [*rules, *_storing(job, registry, database), *_diagnosing()]


def _storing(job: str, registry: str, database: Database | None) -> list[AccessRule]:
    """Return the rights to store the password and the certificate authority."""
    rules: list[AccessRule] = []
    if database is not None and database.password is not None:
        # RBAC cannot restrict the right to create to a name.
        secret = password_secret(registry) if registry else ""
        names = {"get": secret, "patch": secret, "create": ""}
        rules += [AccessRule("", "secrets", verb, "store the database's password", name=names[verb]) for verb in STORE]
    if database is not None and database.tls is not None and database.tls.ca_pem is not None:
        rules += [AccessRule("", "configmaps", verb, "store the certificate authority") for verb in STORE]
    if job == "update" and database is not None:
        # A reference to another Secret also requires pods that are newer than that change.
        why = "restart the registry after a new password, and check that it uses it"
        rules += [AccessRule("apps", "deployments", verb, why, name=registry) for verb in ("get", "patch")]
    return rules


def _diagnosing() -> list[AccessRule]:
    """Return the rights that help to explain why a registry is not ready, and to check its database."""
    why = "report why the registry does not become ready"
    rules = [AccessRule("apps", "deployments", verb, why, False) for verb in ("list", "watch")]
    rules += [AccessRule("", "pods", verb, why, False) for verb in ("list", "watch")]
    rules += [AccessRule("", "pods/log", "get", why, False), AccessRule("", "events", "list", why, False)]
    return [*rules, AccessRule("", "endpoints", "list", why, False)]


def path_rights(via: str, host: str, namespace: str) -> list[AccessRule]:
    """Return the rights for a check of the database on its path, from a registries namespace of that name.

    The job continues without them, and the check is then reported as not made. The cluster creates and deletes the pod
    of a relay with its Job.
    """
    forward = [("", "pods/portforward", "get"), ("", "pods/portforward", "create")]
    if via == RELAY:
        relay = [("batch", "jobs", "create"), ("batch", "jobs", "delete"), ("", "pods", "list"), *forward]
        return [AccessRule(*one, "check the database through a relay", False) for one in relay]
    # A name of two parts may also be a DNS name.
    found = (service_of(host) if via == PORT_FORWARD else None) or host_of(host, namespace)
    if via == DIRECT or found.kind != SERVICE:
        return []
    place = "" if found.namespace == namespace else found.namespace
    wanted = [("", "services", "get"), ("", "endpoints", "get"), *forward]
    why = "check the database through the Kubernetes API"
    return [AccessRule(*one, why, False, namespace=place) for one in wanted]


def _granting(registry: str) -> list[AccessRule]:
    binding, own = "change who may use the registry", "grant the rights that the registry's users get"
    rules = [AccessRule(RBAC_GROUP, "rolebindings", verb, binding) for verb in ("list", "create", "patch", "delete")]
    rules.append(AccessRule(RBAC_GROUP, "roles", "get", "check that the operator has created the registry's Role"))
    rules += [AccessRule("", resource, "get", own, name=registry) for resource in ("services", "endpoints")]
    review = "localsubjectaccessreviews"
    return [
        *rules,
        AccessRule("authorization.k8s.io", review, "create", "verify that a permission is effective", False),
    ]


def allowed_by(right: AccessRule, rules: Iterable[Object]) -> bool:
    """Return whether one of the rules, as a SelfSubjectRulesReview lists them, gives the right."""
    return allows(rules, right.group, right.resource, right.verb, right.name)


def yaml_rules(rights: Iterable[AccessRule]) -> str:
    """Return the rules of a Role that give these rights, one per line, as YAML."""
    verbs: dict[tuple[str, str], list[str]] = {}
    for right in rights:
        known = verbs.setdefault((right.group, right.resource), [])
        known += [] if right.verb in known else [right.verb]
    return "\n".join(
        f'- {{apiGroups: ["{group}"], resources: [{resource}], verbs: [{", ".join(rule_verbs)}]}}'
        for (group, resource), rule_verbs in verbs.items()
    )

#!/usr/bin/python
# SPDX-FileCopyrightText: The opendatahub.model_registry authors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Module mysql_auth_check: whether a registry will be able to use a database, before anything is created."""

from __future__ import annotations

DOCUMENTATION = r"""
module: mysql_auth_check
short_description: Check whether a model registry can use a database
version_added: 0.1.0
author:
  - The opendatahub.model_registry authors (@opendatahub-io)
description:
  - Logs in to a MySQL, MariaDB or PostgreSQL database as the registry server will, and reports whether a registry will work
    with it. Each problem comes with the statement or server option that fixes it.
  - Checks the host, the certificate and the versions of TLS, the account, its authentication plugin and its privileges,
    the database's character set, the state of the registry's tables, and limits of the server.
  - Never writes to the database.
  - Fails if a blocker is found, see O(fail_on) and O(accept).
extends_documentation_fragment:
  - kubernetes.core.k8s_auth_options
  - opendatahub.model_registry.attributes.info
  - opendatahub.model_registry.attributes.common
  - opendatahub.model_registry.namespace
  - opendatahub.model_registry.database
  - opendatahub.model_registry.failing
attributes:
  check_mode:
    details:
      - The module changes nothing in either mode. No relay is created in check mode, so O(via=relay) checks nothing then and
        says so.
options:
  registry:
    description:
      - The resource name of a registry whose database is to be checked. Its password and certificates are read from where the
        registry server gets them.
      - Either O(registry) or O(database) is required. Together, they check the database as an edit of the registry would leave
        it.
    type: str
    aliases: [name]
  via:
    description:
      - The path to the database.
      - V(direct) connects from the host that runs the module.
      - V(port_forward) connects through the Kubernetes API to a pod behind the Service that the host names. It works outside
        the cluster, where such names do not resolve. A user who impersonates another cannot use it.
      - V(relay) connects through a short-lived pod in the registries namespace, so that the connection comes from where the
        registry's connections will come from. The pod is created as a Job, which requires the right to create and delete Jobs,
        and removed afterwards.
      - V(auto) chooses V(port_forward) if the host names a Service with pods, and V(direct) otherwise. If the user may not use
        that path, the finding C(not_checked) says so.
      - If O(relay_image) is given, and the database refuses the check on that path in a way that need not apply to the pods'
        addresses, such as a login, V(auto) goes on to V(relay), and its result counts.
    type: str
    choices: [auto, direct, port_forward, relay]
    default: auto
  relay_image:
    description:
      - The image of the relay. Any image with C(socat) will do, unless O(relay_command) needs something else.
      - The image must run as an ordinary user, and the cluster must be able to pull it.
      - It is required with O(via=relay). With O(via=auto), it is used if a relay proves more than the chosen path.
    type: str
  relay_command:
    description:
      - The command of the relay's container. It must listen on TCP port V({listen}) and pass each connection on to V({host})
        and V({port}). These three are filled in.
    type: list
    elements: str
    default: [socat, "TCP-LISTEN:{listen},fork,reuseaddr", "TCP:{host}:{port}"]
  relay_timeout:
    description:
      - The longest time until the relay's pod runs, in seconds, from 1 to 3600.
    type: int
    default: 60
  required_plugin:
    description:
      - The authentication plugin that the registry server needs of a MySQL account.
      - V(native) is C(mysql_native_password), which registries of OpenShift AI up to 2.22 need. V(any) stands for all plugins
        that newer ones support.
      - V(auto) decides by the versions and the schema that the cluster serves, and by its registries.
    type: str
    choices: [auto, native, any]
    default: auto
  connect_timeout:
    description:
      - The longest time for the whole check of the server, in seconds, from 1 to 600. It begins once the path is open. A
        port-forward may take 5 seconds to open, a relay O(relay_timeout).
    type: int
    default: 10
notes:
  - The Secret of O(database.password_secret) is read for the check.
  - A password from a Secret that a registry uses is sent only to the host and port, and for the account, of that registry. If
    O(database) has others, set O(database.password). Otherwise there is no login, and the finding C(not_checked) says so. To
    find out which registries use a Secret, the registries of the namespace are listed. A password from a Secret that no registry
    uses is sent to the given host, as a registry with these options would send it.
  - The module connects to the Kubernetes API only if it needs to. It does not with O(via=direct), a host outside the cluster,
    O(database.password), certificates given in full, and O(required_plugin) other than V(auto). A host name of two parts can be
    that of a Service, C(<service>.<namespace>), so the cluster is asked about it.
  - A verdict holds for the account that the server has matched with the address that the connection came from. Through a
    port-forward that is the database's own loopback address, and the server can match a registry's pod with another account.
    A finding about the account is then a warning that recommends V(relay). With V(direct), so is a finding about the way to the
    server.
seealso:
  - module: opendatahub.model_registry.model_registry
requirements:
  - python >= 3.9
  - kubernetes >= 24.2.0
  - PyMySQL >= 1.2.0, < 2; with C(rsa), which is the package cryptography, for accounts with C(caching_sha2_password) or
    C(sha256_password) without TLS; with C(ed25519), which is PyNaCl, for those with C(client_ed25519)
  - psycopg >= 3, for PostgreSQL
"""

EXAMPLES = r"""
- name: Check whether a registry will work with a database
  opendatahub.model_registry.mysql_auth_check:
    database:
      host: mysql.databases.svc.cluster.local
      name: fraud
      username: fraud
      password: "{{ vault_fraud_password }}"
      tls:
        ca_bundle: openshift_ai

- name: Check the database of a registry, and go on whatever is found
  opendatahub.model_registry.mysql_auth_check:
    registry: fraud-models
    fail_on: never
  register: checked

- name: Show what passed, what is wrong, and how to fix it
  opendatahub.model_registry.show:
    lines: "{{ ({'database': checked} | opendatahub.model_registry.preflight_report).lines }}"

- name: Check a database, and fail if its password is refused, even if that is not proven for the pods
  opendatahub.model_registry.mysql_auth_check:
    registry: fraud-models
    fail_on: [access_denied]
    accept: [charset]

- name: Check a database that only the cluster reaches
  opendatahub.model_registry.mysql_auth_check:
    database:
      host: mysql.internal.example.com
      name: fraud
      username: fraud
      password_secret:
        name: fraud-db
        key: database-password
    via: relay
    relay_image: registry.example.com/tools/socat:1.8
"""

RETURN = r"""
findings:
  description: The findings, the most severe first. Also returned if the task fails.
  returned: always
  type: list
  elements: dict
  contains:
    code: {description: The finding as a short code., type: str, returned: always, sample: charset}
    severity:
      description:
        - V(blocker) if a registry cannot work, V(warning) for a risk or for what could not be checked, V(info) for
          what is good to know.
      type: str
      returned: always
      sample: blocker
    what: {description: The object that the finding is about., type: str, returned: always, sample: database fraud}
    why: {description: What is wrong with it., type: str, returned: always}
    remedy:
      description: What to do, with statements or server options ready to paste. There is no password in it.
      type: str
      returned: always
    rule: {description: Where the rule comes from., type: str, returned: always}
    page:
      description: The section of the collection's documentation that explains it.
      type: str
      returned: always
      sample: https://github.com/opendatahub-io/model_registry/blob/v0.1.0/docs/findings.md#charset
    checked_as:
      description: The account that the server has matched. Empty if no login succeeded.
      type: str
      returned: always
      sample: "'fraud'@'%'"
    path: {description: The path to the database that was used. Empty if there was none., type: str, returned: always, sample: port_forward}
passed:
  description: What was checked without a finding, in a few words each.
  returned: always
  type: list
  elements: str
  sample: [logged in to MySQL 8.0.12 as fraud@%, TLS 1.3, utf8mb4, privileges complete]
facts:
  description: What is known about the server, the account and the database. Empty if the server could not be asked.
  returned: always
  type: dict
database:
  description: The database that was checked, with C(type), C(host), C(port), C(name) and C(username).
  returned: always
  type: dict
connection:
  description: The path to the database that was used. Empty if there was none.
  returned: always
  type: dict
  contains:
    path: {description: "V(direct), V(port_forward) or V(relay).", type: str, returned: always, sample: port_forward}
    reason: {description: Why this path was chosen., type: str, returned: always}
plugin_requirement:
  description: The authentication plugin that the account needs.
  returned: always
  type: dict
  contains:
    plugin: {description: V(native) or V(any)., type: str, returned: always, sample: any}
    reason: {description: How that is known., type: str, returned: always}
"""

from datetime import datetime, timezone

from ansible.module_utils.basic import AnsibleModule

from ..module_utils._argspec import CHECK_RULES, DATABASE_RULES, authentication, checking, database
from ..module_utils._common.failing import NEVER, failing_from
from ..module_utils._common.finding import severest_first
from ..module_utils._common.finding_lines import check_findings
from ..module_utils._database.check import Check, LazyCluster, check
from ..module_utils._database.relay import Relay
from ..module_utils._module import Connect, Result, run_module
from ..module_utils._registry.options import database_from


def main() -> None:
    """Run the module."""
    spec = {
        **authentication(),
        **checking(),
        "database": {"type": "dict", "options": database(), **DATABASE_RULES},
        "registry": {"type": "str", "aliases": ["name"]},
    }
    rules = {**CHECK_RULES, "required_one_of": [("database", "registry")]}
    module = AnsibleModule(argument_spec=spec, supports_check_mode=True, **rules)
    run_module(module, lambda connect, result: work(module, connect, result))


def work(module: AnsibleModule, connect: Connect, result: Result) -> None:
    """Check the database, fill in the result, and fail if the findings are severe enough."""
    params = module.params
    rule = failing_from(params["fail_on"], params["accept"])
    given = params["database"]
    is_relayed = params["relay_image"] and not module.check_mode
    wanted = Check(
        given=None if given is None else database_from(given, datetime.now(timezone.utc)),
        registry=params["registry"],
        via=params["via"],
        required_plugin=params["required_plugin"],
        timeout=params["connect_timeout"],
        relay=(lambda host, port: _relay(module, host, port)) if is_relayed else None,
    )
    outcome = check(wanted, LazyCluster(connect, params["namespace"]), module.no_log_values.add)
    result.update(
        findings=severest_first(outcome.findings),
        facts=outcome.facts,
        database=outcome.database,
        connection=outcome.connection,
        plugin_requirement=outcome.requirement,
        passed=outcome.passed,
        # A caller that lets nothing fail goes through the findings, so they need not be repeated.
        warnings=[*outcome.warnings, *(() if NEVER in params["fail_on"] else outcome.unchecked)],
    )
    if outcome.error is not None:
        raise outcome.error
    what = "database {name} of {username} on {host}:{port}".format_map(outcome.database)
    check_findings(what, outcome.findings, rule)


def _relay(module: AnsibleModule, host: str, port: int) -> Relay:
    params = module.params
    return Relay(params["relay_image"], params["relay_command"], host, port, params["relay_timeout"])


if __name__ == "__main__":
    main()

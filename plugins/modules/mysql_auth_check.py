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
  - Logs in to a MySQL, MariaDB or PostgreSQL database as the registry server will, and says whether a registry will work
    with it. What is wrong comes with the statement or server option that mends it.
  - Looks at the host, the certificate and the versions of TLS, the account, its authentication plugin and its privileges,
    the database's character set, the state of the registry's tables, and limits of the server.
  - Writes nothing to the database, ever.
  - Fails where a blocker is found, see O(fail_on).
extends_documentation_fragment:
  - kubernetes.core.k8s_auth_options
  - opendatahub.model_registry.attributes.info
  - opendatahub.model_registry.attributes.common
  - opendatahub.model_registry.namespace
  - opendatahub.model_registry.database
attributes:
  check_mode:
    details:
      - It changes nothing in either mode. No relay is made in check mode, so O(via=relay) checks nothing there and says so.
options:
  registry:
    description:
      - The name of a registry whose database is checked. Its password and certificates are read from where the registry
        server gets them.
      - One of O(registry) and O(database) is needed. Together, they stand for what an edit of the registry would give.
    type: str
    aliases: [name]
  via:
    description:
      - The path to the database.
      - V(direct) connects from where the module runs.
      - V(port_forward) goes through the Kubernetes API to a pod behind the Service that the host names. It works outside
        the cluster, where such names do not resolve. It cannot be used by a user who impersonates another.
      - V(relay) goes through a short-lived pod in the registries namespace, so that the connection comes from where the
        registry's connections will come from. It is made as a Job, needs the right to create and delete Jobs, and is
        removed afterwards.
      - V(auto) takes V(port_forward) where the host names a Service with pods, and V(direct) otherwise. Where that path
        is not open to the user, the finding C(not_checked) says so. If the database refuses the check there in a way that need
        not hold for the pods' addresses, such as a login, and O(relay_image) is given, V(auto) goes on to V(relay), and its result
        counts.
    type: str
    choices: [auto, direct, port_forward, relay]
    default: auto
  relay_image:
    description:
      - The image of the relay. Any that has C(socat) will do, unless O(relay_command) says otherwise.
      - It must run as an ordinary user, and be there for the cluster to pull.
      - Needed with O(via=relay), and used with O(via=auto) if a relay proves more than the path that was taken.
    type: str
  relay_command:
    description:
      - What the relay's container runs. It must listen on TCP port V({listen}) and pass each connection on to V({host}) and
        V({port}), which are filled in.
    type: list
    elements: str
    default: [socat, "TCP-LISTEN:{listen},fork,reuseaddr", "TCP:{host}:{port}"]
  relay_timeout:
    description:
      - Seconds in which the relay's pod must run, from 1 to 3600.
    type: int
    default: 60
  required_plugin:
    description:
      - The authentication plugin that the registry server needs of a MySQL account.
      - V(native) is C(mysql_native_password), which registries of OpenShift AI up to 2.22 need. V(any) stands for all that
        newer ones know.
      - V(auto) finds it out from the versions and the schema that the cluster serves, and from its registries.
    type: str
    choices: [auto, native, any]
    default: auto
  connect_timeout:
    description:
      - Seconds for the whole check of the server, once the path is there, from 1 to 600. Setting a port-forward up has a limit of 5
        seconds of its own, a relay O(relay_timeout).
    type: int
    default: 10
  fail_on:
    description:
      - The findings that make the task fail. All findings are returned either way.
      - V(warning) stands for warnings and blockers.
    type: str
    choices: [blocker, warning, never]
    default: blocker
notes:
  - The Secret of O(database.password_secret) is read for the check.
  - A password out of a Secret that a registry uses is sent only to the host, port and account that the registry itself has. With
    others in O(database), give O(database.password); without it nobody logs in, and the finding C(not_checked) says so. To know
    whose a Secret is, the registries of the namespace are listed. A Secret that no registry uses is sent to the host that is given,
    as a registry made so would send it.
  - No connection to the Kubernetes API is made where nothing has to be asked of it. That is so with O(via=direct), a host
    outside the cluster, O(database.password), certificates given in full, and O(required_plugin) other than V(auto).
    A host of two parts may be a Service's, C(<service>.<namespace>), so the cluster is asked for one.
  - A verdict holds for the account that the server has matched with the address that the connection came from. Through a
    port-forward that is the database's own loopback address, and a registry's pod may be matched with another account.
    Then a finding about the account is a warning that advises V(relay), and so is one about the way to the server with
    V(direct).
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
- name: Will a registry work with this database?
  opendatahub.model_registry.mysql_auth_check:
    database:
      host: mysql.databases.svc.cluster.local
      name: fraud
      username: fraud
      password: "{{ vault_fraud_password }}"
      tls:
        ca_bundle: openshift_ai

- name: Look at the database of a registry, whatever is found
  opendatahub.model_registry.mysql_auth_check:
    registry: fraud-models
    fail_on: never
  register: looked

- name: Show what to do
  ansible.builtin.debug:
    msg: "{{ item.severity }}: {{ item.what }}: {{ item.why }} {{ item.remedy }}"
  loop: "{{ looked.findings }}"
  loop_control:
    label: "{{ item.code }}"

- name: A database that only the cluster reaches
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
  description: What was found, the most severe first. Also returned where the task fails.
  returned: always
  type: list
  elements: dict
  contains:
    code: {description: The finding as a short code., type: str, returned: always, sample: charset}
    severity:
      description:
        - V(blocker) where a registry cannot work so, V(warning) for a risk or for what could not be checked, V(info) for
          what is good to know.
      type: str
      returned: always
      sample: blocker
    what: {description: What it is about., type: str, returned: always, sample: database fraud}
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
      sample: docs/findings.md#charset
    checked_as:
      description: The account that the server has matched. Empty where nobody could log in.
      type: str
      returned: always
      sample: "'fraud'@'%'"
    path: {description: The path that was used. Empty where none was., type: str, returned: always, sample: port_forward}
facts:
  description: What is known of the server, the account and the database. Empty where the server could not be asked.
  returned: always
  type: dict
database:
  description: What was checked, with C(type), C(host), C(port), C(name) and C(username).
  returned: always
  type: dict
connection:
  description: The path that was used. Empty where none was.
  returned: always
  type: dict
  contains:
    path: {description: "V(direct), V(port_forward) or V(relay).", type: str, returned: always, sample: port_forward}
    why: {description: Why it is that one., type: str, returned: always}
plugin_requirement:
  description: The authentication plugin that was taken to be needed.
  returned: always
  type: dict
  contains:
    plugin: {description: V(native) or V(any)., type: str, returned: always, sample: any}
    why: {description: How that is known., type: str, returned: always}
"""

from datetime import datetime, timezone

from ansible.module_utils.basic import AnsibleModule

from ..module_utils._argspec import CHECK_RULES, DATABASE_RULES, authentication, checking, database
from ..module_utils._common.errors import BlockerFound
from ..module_utils._common.findings_table import failing, ordered
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
        findings=ordered(outcome.findings),
        facts=outcome.facts,
        database=outcome.database,
        connection=outcome.connection,
        plugin_requirement=outcome.requirement,
        warnings=[*outcome.warnings, *outcome.unchecked],
    )
    if outcome.error is not None:
        raise outcome.error
    bad = failing(outcome.findings, params["fail_on"])
    if bad:
        raise BlockerFound(*outcome.summary(bad))


def _relay(module: AnsibleModule, host: str, port: int) -> Relay:
    params = module.params
    return Relay(params["relay_image"], params["relay_command"], host, port, params["relay_timeout"])


if __name__ == "__main__":
    main()

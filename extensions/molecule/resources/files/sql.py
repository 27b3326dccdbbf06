# SPDX-FileCopyrightText: The opendatahub.model_registry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run SQL statements, a JSON list on standard input, as root of a MySQL server in the cluster, through a port-forward.

Arguments: namespace and name of the server's Service. The password of root is in MYSQL_ROOT_PASSWORD.
"""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pymysql


def main() -> None:
    """Connect, run all statements, and print the rows of the last as JSON."""
    namespace, service = sys.argv[1:]
    kubectl = str(Path(sys.executable).with_name("kubectl"))
    command = [kubectl, f"--namespace={namespace}", "port-forward", f"service/{service}", ":3306"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as forward:
        try:
            first_line = forward.stdout.readline() if forward.stdout else ""
            found = re.match(r"Forwarding from 127\.0\.0\.1:(\d+) ", first_line)
            if found is None:
                sys.exit(f"no port-forward to the Service {service} in {namespace}")
            password = os.environ["MYSQL_ROOT_PASSWORD"]
            with (
                pymysql.connect(
                    host="127.0.0.1", port=int(found[1]), user="root", password=password, autocommit=True
                ) as connection,
                connection.cursor() as cursor,
            ):
                for statement in json.load(sys.stdin):
                    cursor.execute(statement)
                print(json.dumps(cursor.fetchall()))
        finally:
            forward.kill()


if __name__ == "__main__":
    main()

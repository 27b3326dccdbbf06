# SPDX-FileCopyrightText: The opendatahub.model_registry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Print the number of the nearest process above this one that runs the given program."""

import os
import sys
from pathlib import Path


def main() -> None:
    """Walk up from here; exit with a message if there is none."""
    program, pid = sys.argv[1], os.getpid()
    while pid > 1:
        command = Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace").split("\0")[:2]
        if any(Path(word).name == program for word in command):
            print(pid)
            return
        pid = int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
    sys.exit(f"This was not started by {program}.")


if __name__ == "__main__":
    main()

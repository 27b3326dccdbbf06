# SPDX-FileCopyrightText: The opendatahub.model_registry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Install pip with what Python itself carries.

ansible-test runs the get-pip script, which it downloads from a site of its own unless it finds it in its cache. This
stands in for it there, so that a package index is all that is needed.
"""

import runpy
import subprocess
import sys

if __name__ == "__main__":
    # In a process of its own, since it switches pip's configuration off for the process that it runs in.
    subprocess.run([sys.executable, "-m", "ensurepip"], check=True)
    # These two are get-pip's own: it would install setuptools and wheel without them.
    arguments = [argument for argument in sys.argv[1:] if argument not in ("--no-setuptools", "--no-wheel")]
    sys.argv = ["pip", "install", *arguments]
    runpy.run_module("pip", run_name="__main__", alter_sys=True)

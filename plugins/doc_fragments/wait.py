# SPDX-FileCopyrightText: The opendatahub.model_registry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Documentation of the options for waiting, shared by modules."""

from __future__ import annotations


class ModuleDocFragment:
    """Whether and how long to wait."""

    DOCUMENTATION = r"""
options:
  wait:
    description:
      - Whether to wait until the registry is ready, or gone.
      - A registry is ready once its rollout is complete and its server answers. If it cannot become ready, the task fails as
        soon as that is known, with the reason, and does not wait for the timeout.
    type: bool
    default: true
  wait_timeout:
    description:
      - The longest time to wait, in seconds, from 1 to 86400 (one day). To go on without waiting, set O(wait=false).
      - A registry that is already ready counts as ready, however short the time is.
      - A registry whose database the operator runs (O(database.generate)) takes about a minute.
      - The whole task ends 10 seconds later at the latest, whatever the API server does. A single request takes at most 60
        seconds.
    type: int
    default: 300
"""

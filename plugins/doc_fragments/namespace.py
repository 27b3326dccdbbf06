# SPDX-FileCopyrightText: The opendatahub.model_registry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Documentation of the option namespace, shared by modules."""

from __future__ import annotations


class ModuleDocFragment:
    """The registries namespace."""

    DOCUMENTATION = r"""
options:
  namespace:
    description:
      - The registries namespace, the one namespace in which registries live.
      - By default it is the one that the platform names, in the AIHub object or the DataScienceCluster. If the user may read
        neither, it is the one of V(rhoai-model-registries) and V(odh-model-registries) that has registries, and a warning says
        so. If the platform names several, or if both have registries, the task fails and asks for this option.
    type: str
"""

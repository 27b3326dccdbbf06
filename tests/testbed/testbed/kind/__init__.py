# SPDX-FileCopyrightText: The opendatahub.model_registry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The testbed as a kind cluster: real pods, in place of the embedded node's processes."""

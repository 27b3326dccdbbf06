# SPDX-FileCopyrightText: The opendatahub.model_registry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Start, use and stop a testbed: a Kubernetes cluster of real parts, as plain processes, without root."""

# SPDX-FileCopyrightText: The opendatahub.model_registry authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What all tests have in common: fixtures for those that run against a testbed."""

pytest_plugins = ["testbed_fixtures"]

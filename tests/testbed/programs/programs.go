// SPDX-FileCopyrightText: The opendatahub.model_registry authors
// SPDX-License-Identifier: GPL-3.0-or-later

// Package programs holds what the testbed runs inside containers beside the registry server:
// entry points of the database images, and small doubles of the other containers.
package programs

// SPDX-FileCopyrightText: The opendatahub.model_registry authors
// SPDX-License-Identifier: GPL-3.0-or-later

// kind itself, at the version that go.mod pins.
package main

import "sigs.k8s.io/kind/cmd/kind/app"

func main() { app.Main() }

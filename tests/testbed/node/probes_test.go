// SPDX-FileCopyrightText: The opendatahub.model_registry authors
// SPDX-License-Identifier: GPL-3.0-or-later

package node

import (
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
)

func TestFirstProbe(t *testing.T) {
	for _, test := range []struct{ delay, period, want int32 }{
		{0, 10, 1}, {0, 1, 1}, {1, 10, 10}, {5, 10, 10}, {10, 5, 10}, {15, 5, 15}, {30, 10, 30}, {3, 5, 5}, {1, 0, 1},
	} {
		spec := &corev1.Probe{InitialDelaySeconds: test.delay, PeriodSeconds: test.period}
		if got := firstProbe(spec); got != time.Duration(test.want)*time.Second {
			t.Errorf("after %d s every %d s: first at %s, want %d s", test.delay, test.period, got, test.want)
		}
	}
}

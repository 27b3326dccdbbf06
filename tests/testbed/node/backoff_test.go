// SPDX-FileCopyrightText: The opendatahub.model_registry authors
// SPDX-License-Identifier: GPL-3.0-or-later

// These tests hold the kubelet's back-off: 10 s, doubled up to 300 s, forgotten after 10 minutes.

package node

import (
	"testing"
	"time"
)

func TestBackOffGrows(t *testing.T) {
	const factor = 0.5
	now := time.Unix(1000, 0)
	var b backOff
	if b.until(now, factor) != now {
		t.Error("the first crash must restart at once")
	}
	for i, seconds := range []time.Duration{10, 20, 40, 80, 160, 300, 300} {
		b.next(now, now, factor)
		now = now.Add(time.Second)
		if b.delay != seconds*time.Second {
			t.Errorf("try %d: delay %s, want %d s", i, b.delay, seconds)
		}
		if want := now.Add(seconds * time.Second / 2); b.until(now, factor) != want {
			t.Errorf("try %d: until %s, want %s", i, b.until(now, factor), want)
		}
		now = b.until(now, factor)
	}
}

func TestBackOffIsForgotten(t *testing.T) {
	start := time.Unix(1000, 0)
	for name, test := range map[string]struct {
		ran  time.Duration
		want time.Duration
	}{
		"short run":    {9 * time.Minute, 20 * time.Second},
		"ten minutes":  {10 * time.Minute, 20 * time.Second},
		"a longer run": {10*time.Minute + time.Second, 10 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			b := backOff{delay: 10 * time.Second, updated: start}
			crash := start.Add(test.ran)
			b.next(crash, crash, 1)
			if b.delay != test.want {
				t.Errorf("delay %s, want %s", b.delay, test.want)
			}
		})
	}
}

func TestStreak(t *testing.T) {
	for name, test := range map[string]struct {
		success, failure int32
		results          []bool
		want             []bool
	}{
		"at once":               {1, 1, []bool{true, false}, []bool{true, true}},
		"third failure":         {1, 3, []bool{false, false, false, false}, []bool{false, false, true, true}},
		"a success interrupts":  {1, 2, []bool{false, true, false, false}, []bool{false, true, false, true}},
		"second success counts": {2, 1, []bool{true, true, false, true}, []bool{false, true, true, false}},
	} {
		t.Run(name, func(t *testing.T) {
			s := streak{success: test.success, failure: test.failure}
			for i, result := range test.results {
				if got := s.add(result); got != test.want[i] {
					t.Errorf("result %d: %v, want %v", i, got, test.want[i])
				}
			}
		})
	}
}

// SPDX-FileCopyrightText: The opendatahub.model_registry authors
// SPDX-License-Identifier: GPL-3.0-or-later

// This file holds the kubelet's back-off for restarts and image pulls.

package node

import "time"

const (
	backOffInitial = 10 * time.Second
	backOffMax     = 300 * time.Second
	// backOffReset is how long an instance must have lasted for its crash to count as the first one.
	backOffReset = 2 * backOffMax
)

// backOff is the waiting time of one container; the zero value waits for nothing.
// Times are those of the kubelet: whoever waits multiplies them by the time factor.
type backOff struct {
	delay   time.Duration
	updated time.Time
}

// current is the delay that holds at an event, 0 when the last one is long past.
func (b backOff) current(event time.Time, factor float64) time.Duration {
	if b.delay == 0 || event.Sub(b.updated) > scale(backOffReset, factor) {
		return 0
	}
	return b.delay
}

// until is the time before which there must be no new try after an event (a crash, a failed pull).
func (b backOff) until(event time.Time, factor float64) time.Time {
	return event.Add(scale(b.current(event, factor), factor))
}

// next records a new try, made now because of an event: the delay after the next event doubles.
func (b *backOff) next(event, now time.Time, factor float64) {
	if delay := b.current(event, factor); delay == 0 {
		b.delay = backOffInitial
	} else {
		b.delay = min(2*delay, backOffMax)
	}
	b.updated = now
}

func scale(d time.Duration, factor float64) time.Duration {
	return time.Duration(float64(d) * factor)
}

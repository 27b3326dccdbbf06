// SPDX-FileCopyrightText: The opendatahub.model_registry authors
// SPDX-License-Identifier: GPL-3.0-or-later

// These tests hold how output becomes log entries and how log options select them.

package node

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
)

func TestReadLog(t *testing.T) {
	path := filepath.Join(t.TempDir(), "0.log")
	entries := "2026-01-01T00:00:01Z stdout F one\n" +
		"2026-01-01T00:00:02Z stderr F two words\n" +
		"2026-01-01T00:00:03Z stdout P half\n" +
		"2026-01-01T00:00:04Z stdout F  line\n" +
		"2026-01-01T00:00:05Z stdout F \n"
	if err := os.WriteFile(path, []byte(entries), 0o600); err != nil {
		t.Fatal(err)
	}
	now := time.Date(2026, 1, 1, 0, 0, 6, 0, time.UTC)
	for name, test := range map[string]struct {
		options corev1.PodLogOptions
		want    string
	}{
		"all":          {corev1.PodLogOptions{}, "one\ntwo words\nhalf line\n\n"},
		"tail":         {corev1.PodLogOptions{TailLines: ptr.To(int64(2))}, " line\n\n"},
		"tail 0":       {corev1.PodLogOptions{TailLines: ptr.To(int64(0))}, ""},
		"tail of more": {corev1.PodLogOptions{TailLines: ptr.To(int64(99))}, "one\ntwo words\nhalf line\n\n"},
		"timestamps":   {corev1.PodLogOptions{Timestamps: true, TailLines: ptr.To(int64(1))}, "2026-01-01T00:00:05Z \n"},
		"seconds":      {corev1.PodLogOptions{SinceSeconds: ptr.To(int64(2))}, " line\n\n"},
		"time":         {corev1.PodLogOptions{SinceTime: &metav1.Time{Time: now.Add(-time.Second)}}, "\n"},
		"bytes":        {corev1.PodLogOptions{LimitBytes: ptr.To(int64(6))}, "one\ntw"},
		"stream":       {corev1.PodLogOptions{Stream: ptr.To(corev1.LogStreamStderr)}, "two words\n"},
		"all streams":  {corev1.PodLogOptions{Stream: ptr.To(corev1.LogStreamAll), LimitBytes: ptr.To(int64(4))}, "one\n"},
		"tail, since":  {corev1.PodLogOptions{TailLines: ptr.To(int64(4)), SinceSeconds: ptr.To(int64(4))}, "two words\nhalf line\n\n"},
	} {
		t.Run(name, func(t *testing.T) {
			var out strings.Builder
			ended := make(chan struct{})
			close(ended)
			if err := readLog(context.Background(), path, ended, newLogQuery(&test.options, now), &out); err != nil {
				t.Fatal(err)
			}
			if out.String() != test.want {
				t.Errorf("got %q, want %q", out.String(), test.want)
			}
		})
	}
}

func TestLogCopyAndFollow(t *testing.T) {
	log, err := createLog(filepath.Join(t.TempDir(), "0.log"))
	if err != nil {
		t.Fatal(err)
	}
	long := strings.Repeat("x", maxLine+10)
	go func() {
		defer log.close()
		for _, text := range []string{"a\n", long + "\n", "no newline"} {
			if err := log.copy("stdout", strings.NewReader(text)); err != nil {
				t.Error(err)
			}
		}
	}()
	var out bytes.Buffer
	if err := readLog(context.Background(), log.path, log.closed, logQuery{follow: true}, &out); err != nil {
		t.Fatal(err)
	}
	if want := "a\n" + long + "\nno newline"; out.String() != want {
		t.Errorf("got %d bytes, want %d", out.Len(), len(want))
	}
}

func TestLogInstance(t *testing.T) {
	last := &corev1.ContainerStateTerminated{ContainerID: "process://last"}
	again := runningStatus("c", true)
	again.ContainerID = "process://now"
	again.LastTerminationState.Terminated = last
	for name, test := range map[string]struct {
		status   corev1.ContainerStatus
		previous bool
		id, err  string
	}{
		"running":             {status: again, id: "now"},
		"previous":            {status: again, previous: true, id: "last"},
		"ended":               {status: endedStatus("c", 1), id: "1"},
		"backing off":         {status: waitingStatus("c", reasonCrashLoop, last), id: "last"},
		"backing off, before": {status: waitingStatus("c", reasonCrashLoop, last), previous: true, id: "last"},
		"no previous":         {status: runningStatus("c", true), previous: true, err: `previous terminated container "c" in pod "p" not found`},
		"creating":            {status: waitingStatus("c", reasonCreating, nil), err: `container "c" in pod "p" is waiting to start: ContainerCreating`},
		"no image":            {status: waitingStatus("c", reasonImagePull, nil), err: `container "c" in pod "p" is waiting to start: image can't be pulled`},
		"still no image":      {status: waitingStatus("c", reasonImagePullBackOff, nil), err: `container "c" in pod "p" is waiting to start: trying and failing to pull image`},
	} {
		t.Run(name, func(t *testing.T) {
			id, err := logInstance("p", test.status, test.previous)
			if id != test.id || test.err != "" && (err == nil || err.Error() != test.err) || test.err == "" && err != nil {
				t.Errorf("got %q, %v", id, err)
			}
		})
	}
}

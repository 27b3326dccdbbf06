// SPDX-FileCopyrightText: The opendatahub.model_registry authors
// SPDX-License-Identifier: GPL-3.0-or-later

// This file stores containers' output line by line with its time and answers the API's log options.

package node

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	corev1 "k8s.io/api/core/v1"
)

// maxLine is the longest piece of a line in one entry, bytes, as in container runtimes.
const maxLine = 16 * 1024

// followInterval is how often a followed log is looked at.
const followInterval = 200 * time.Millisecond

// logFile is the log of one container instance. An entry is a line
// "TIME STREAM TAG TEXT" as CRI defines it; tag P is a piece of a line, F its end.
type logFile struct {
	path   string
	file   *os.File
	closed chan struct{}
}

func createLog(path string) (*logFile, error) {
	file, err := os.OpenFile(path, os.O_CREATE|os.O_TRUNC|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, err
	}
	return &logFile{path: path, file: file, closed: make(chan struct{})}, nil
}

// copy writes entries until the reader ends. Several streams may be copied at once: each entry is
// one append.
func (l *logFile) copy(stream string, r io.Reader) error {
	reader := bufio.NewReaderSize(r, maxLine)
	for {
		text, err := reader.ReadSlice('\n')
		if len(text) > 0 {
			if _, err := l.file.Write(logEntry(time.Now(), stream, text)); err != nil {
				return err
			}
		}
		switch {
		case err == nil || errors.Is(err, bufio.ErrBufferFull):
		case errors.Is(err, io.EOF):
			return nil
		default:
			return err
		}
	}
}

func (l *logFile) close() {
	l.file.Close()
	close(l.closed)
}

func logEntry(now time.Time, stream string, text []byte) []byte {
	tag := "P"
	if trimmed, whole := bytes.CutSuffix(text, []byte("\n")); whole {
		text, tag = trimmed, "F"
	}
	return fmt.Appendf(nil, "%s %s %s %s\n", now.UTC().Format(time.RFC3339Nano), stream, tag, text)
}

// logQuery selects entries, as PodLogOptions mean it.
type logQuery struct {
	since      time.Time
	tail       *int64
	limit      *int64
	stream     string // empty: all
	timestamps bool
	follow     bool
}

func newLogQuery(o *corev1.PodLogOptions, now time.Time) logQuery {
	q := logQuery{tail: o.TailLines, limit: o.LimitBytes, timestamps: o.Timestamps, follow: o.Follow}
	switch {
	case o.SinceSeconds != nil:
		q.since = now.Add(-time.Duration(*o.SinceSeconds) * time.Second)
	case o.SinceTime != nil:
		q.since = o.SinceTime.Time
	}
	if o.Stream != nil && *o.Stream != corev1.LogStreamAll {
		q.stream = map[string]string{corev1.LogStreamStdout: "stdout", corev1.LogStreamStderr: "stderr"}[*o.Stream]
	}
	return q
}

// errLimit ends a log that reached its limit.
var errLimit = errors.New("limit reached")

// readLog writes the selected entries of a file. A followed log ends with the instance (closed)
// or the client (ctx).
func readLog(ctx context.Context, path string, closed <-chan struct{}, q logQuery, out io.Writer) error {
	file, err := os.Open(path)
	if err != nil {
		return err
	}
	defer file.Close()
	if q.tail != nil {
		if err := seekTail(file, *q.tail); err != nil {
			return err
		}
	}
	reader := bufio.NewReader(file)
	var pending []byte
	for {
		ended := isClosed(closed)
		for {
			part, err := reader.ReadBytes('\n')
			pending = append(pending, part...)
			if err == io.EOF {
				break
			}
			if err != nil {
				return err
			}
			if err := q.emit(pending, out); err != nil {
				if errors.Is(err, errLimit) {
					return nil
				}
				return err
			}
			pending = pending[:0]
		}
		if ended || !q.follow {
			return nil
		}
		select {
		case <-ctx.Done():
			return nil
		case <-closed:
		case <-time.After(followInterval):
		}
	}
}

func isClosed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}

// emit writes one entry if it is selected. Errors: errLimit, or the writer's.
func (q *logQuery) emit(entry []byte, out io.Writer) error {
	fields := bytes.SplitN(entry, []byte(" "), 4)
	if len(fields) < 4 {
		return nil
	}
	when, err := time.Parse(time.RFC3339Nano, string(fields[0]))
	if err != nil || when.Before(q.since) || q.stream != "" && q.stream != string(fields[1]) {
		return nil
	}
	text := fields[3]
	if string(fields[2]) == "P" {
		text = bytes.TrimSuffix(text, []byte("\n"))
	}
	if q.timestamps {
		text = bytes.Join([][]byte{fields[0], text}, []byte(" "))
	}
	if q.limit == nil {
		_, err = out.Write(text)
		return err
	}
	if int64(len(text)) > *q.limit {
		text = text[:*q.limit]
	}
	rest := *q.limit - int64(len(text))
	q.limit = &rest
	if _, err := out.Write(text); err != nil {
		return err
	}
	if rest == 0 {
		return errLimit
	}
	return nil
}

// seekTail places the file at its last n lines.
func seekTail(file io.ReadSeeker, n int64) error {
	position, err := file.Seek(0, io.SeekEnd)
	if err != nil {
		return err
	}
	var block [4096]byte
	// The newline that ends the last line does not begin another one.
	newlines := int64(-1)
	for position > 0 {
		size := min(position, int64(len(block)))
		position -= size
		if _, err := file.Seek(position, io.SeekStart); err != nil {
			return err
		}
		if _, err := io.ReadFull(file, block[:size]); err != nil {
			return err
		}
		for i := size - 1; i >= 0; i-- {
			if block[i] != '\n' {
				continue
			}
			if newlines++; newlines == n {
				_, err := file.Seek(position+i+1, io.SeekStart)
				return err
			}
		}
	}
	_, err = file.Seek(0, io.SeekStart)
	return err
}

// SPDX-FileCopyrightText: The opendatahub.model_registry authors
// SPDX-License-Identifier: GPL-3.0-or-later

// This file probes containers with a kubelet's probers and a kubelet's meaning of thresholds.

package node

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/kubernetes/pkg/probe"
	grpcprobe "k8s.io/kubernetes/pkg/probe/grpc"
	httpprobe "k8s.io/kubernetes/pkg/probe/http"
	tcpprobe "k8s.io/kubernetes/pkg/probe/tcp"
	utilexec "k8s.io/utils/exec"
)

type probeKind string

const (
	startupProbe   probeKind = "Startup"
	readinessProbe probeKind = "Readiness"
	livenessProbe  probeKind = "Liveness"
)

// prober runs one probe of one container instance.
type prober struct {
	kind      probeKind
	spec      *corev1.Probe
	container *corev1.Container
	image     image
	process   *process
	podIP     string
	factor    float64
	warn      func(reason, message string)
	verdict   func(success bool)
}

// soonest is the age of an instance at which a kubelet has seen that it runs.
const soonest = time.Second

// firstProbe is the age of an instance at its first probe. A kubelet comes round once in a period from the start on, and
// passes over an instance that is younger than the delay: after 5 s every 10 s means after 10 s.
func firstProbe(spec *corev1.Probe) time.Duration {
	period := max(spec.PeriodSeconds, 1)
	rounds := (spec.InitialDelaySeconds + period - 1) / period
	return max(time.Duration(rounds*period)*time.Second, soonest)
}

// run probes until ctx ends; a startup probe ends with its verdict, a liveness probe with a failure.
func (p *prober) run(ctx context.Context) {
	threshold := streak{success: p.spec.SuccessThreshold, failure: p.spec.FailureThreshold}
	period := scale(time.Duration(p.spec.PeriodSeconds)*time.Second, p.factor)
	// A factor near zero must not make a busy loop.
	period = max(period, 100*time.Millisecond)
	timer := time.NewTimer(max(scale(firstProbe(p.spec), p.factor)-time.Since(p.process.started), 0))
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-p.process.ended:
			return
		case <-timer.C:
		}
		timer.Reset(period)
		success, known := p.once(ctx)
		if !known || ctx.Err() != nil || !threshold.add(success) {
			continue
		}
		p.verdict(success)
		if p.kind == startupProbe || p.kind == livenessProbe && !success {
			return
		}
	}
}

// once probes and tells of a failure; known is false when the probe itself could not be made.
func (p *prober) once(ctx context.Context) (success, known bool) {
	result, output, err := p.probe(ctx)
	if ctx.Err() != nil {
		return false, false
	}
	switch {
	case err != nil:
		p.warn("Unhealthy", fmt.Sprintf("%s probe errored and resulted in %s state: %s", p.kind, result, err))
		return false, false
	case result == probe.Success:
		return true, true
	case result == probe.Warning:
		p.warn("ProbeWarning", fmt.Sprintf("%s probe warning: %s", p.kind, output))
		return true, true
	case result == probe.Failure:
		p.warn("Unhealthy", fmt.Sprintf("%s probe failed: %s", p.kind, output))
	}
	return false, true
}

func (p *prober) probe(ctx context.Context) (probe.Result, string, error) {
	timeout := time.Duration(p.spec.TimeoutSeconds) * time.Second
	switch {
	case p.spec.HTTPGet != nil:
		request, err := httpprobe.NewRequestForHTTPGetAction(p.spec.HTTPGet, p.container, p.podIP, "probe")
		if err != nil {
			return probe.Unknown, "", err
		}
		return httpProber.Probe(request, timeout)
	case p.spec.TCPSocket != nil:
		port, err := probe.ResolveContainerPort(p.spec.TCPSocket.Port, p.container)
		if err != nil {
			return probe.Unknown, "", err
		}
		host := p.spec.TCPSocket.Host
		if host == "" {
			host = p.podIP
		}
		return tcpProber.Probe(host, port, timeout)
	case p.spec.GRPC != nil:
		var service string
		if p.spec.GRPC.Service != nil {
			service = *p.spec.GRPC.Service
		}
		return grpcProber.Probe(p.podIP, service, int(p.spec.GRPC.Port), timeout)
	case p.spec.Exec != nil:
		return p.exec(ctx, timeout)
	}
	return probe.Unknown, "", fmt.Errorf("no handler for this kind of probe")
}

// httpProber does not verify certificates and follows redirects to the same host only.
var (
	httpProber = httpprobe.New(false)
	tcpProber  = tcpprobe.New()
	grpcProber = grpcprobe.New()
)

// maxProbeOutput is how much of a command's output a message shows, bytes.
const maxProbeOutput = 10 * 1024

func (p *prober) exec(ctx context.Context, timeout time.Duration) (probe.Result, string, error) {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	var output limitedBuffer
	err := p.process.run(p.image.onHost(p.spec.Exec.Command), nil, &output, &output, ctx.Done())
	switch {
	case ctx.Err() == context.DeadlineExceeded:
		return probe.Failure, fmt.Sprintf("command timed out: %q timed out after %s", p.spec.Exec.Command, timeout), nil
	case err == nil:
		return probe.Success, output.kept.String(), nil
	case errors.As(err, &utilexec.CodeExitError{}):
		return probe.Failure, output.kept.String(), nil
	}
	return probe.Unknown, "", err
}

// limitedBuffer keeps the beginning of what is written. The command's two streams share one
// writer, which os/exec copies from one goroutine.
type limitedBuffer struct{ kept bytes.Buffer }

func (b *limitedBuffer) Write(data []byte) (int, error) {
	if room := maxProbeOutput - b.kept.Len(); room > 0 {
		b.kept.Write(data[:min(room, len(data))])
	}
	return len(data), nil
}

// streak counts equal results in a row.
type streak struct {
	success, failure int32
	last             bool
	count            int32
}

// add tells whether the results since the last change reached their threshold.
func (s *streak) add(result bool) bool {
	if s.count == 0 || s.last != result {
		s.last, s.count = result, 0
	}
	s.count++
	if result {
		return s.count >= s.success
	}
	return s.count >= s.failure
}

// SPDX-FileCopyrightText: The opendatahub.model_registry authors
// SPDX-License-Identifier: GPL-3.0-or-later

// This file is the kubelet API: logs, exec and port-forward, over TLS for holders of a client
// certificate.

package node

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strconv"
	"strings"
	"time"

	vkapi "github.com/virtual-kubelet/virtual-kubelet/node/api"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/httpstream"
	"k8s.io/kubelet/pkg/cri/streaming/portforward"
	"k8s.io/kubernetes/pkg/api/legacyscheme"
	_ "k8s.io/kubernetes/pkg/apis/core/install" // how PodLogOptions stand in a URL
)

// streamIdle is the kubelet's default limit for a stream on which nothing happens.
const streamIdle = 4 * time.Hour

func serverTLS(o options) (*tls.Config, error) {
	certificate, err := tls.LoadX509KeyPair(o.tlsCert, o.tlsKey)
	if err != nil {
		return nil, err
	}
	pem, err := os.ReadFile(o.clientCA)
	if err != nil {
		return nil, err
	}
	clients := x509.NewCertPool()
	if !clients.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("%s holds no certificate", o.clientCA)
	}
	return &tls.Config{Certificates: []tls.Certificate{certificate}, ClientCAs: clients,
		ClientAuth: tls.RequireAndVerifyClientCert, MinVersion: tls.VersionTLS12}, nil
}

// handler serves logs itself, since they need the kubelet's own status codes and messages, and
// port-forward, since virtual-kubelet's gives a WebSocket client no port at all.
func (a *agent) handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /containerLogs/{namespace}/{pod}/{container}", a.serveLogs)
	mux.HandleFunc("/portForward/{namespace}/{pod}", a.servePortForward)
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "ok") })
	mux.Handle("/", vkapi.PodHandler(vkapi.PodHandlerConfig{
		RunInContainer:        a.exec,
		GetPodsFromKubernetes: func(context.Context) ([]*corev1.Pod, error) { return nil, nil },
		StreamIdleTimeout:     streamIdle,
		StreamCreationTimeout: streamIdle,
	}, false))
	return mux
}

func (a *agent) serveLogs(w http.ResponseWriter, r *http.Request) {
	var options corev1.PodLogOptions
	if err := legacyscheme.ParameterCodec.DecodeParameters(r.URL.Query(), corev1.SchemeGroupVersion, &options); err != nil {
		http.Error(w, `{"message": "Unable to decode query."}`, http.StatusBadRequest)
		return
	}
	pod, name := r.PathValue("pod"), r.PathValue("container")
	worker := a.pods.find(r.PathValue("namespace"), pod)
	if worker == nil {
		writeError(w, http.StatusNotFound, fmt.Errorf("pod %q does not exist", pod))
		return
	}
	var path string
	var ended <-chan struct{}
	status, problem := http.StatusOK, error(nil)
	err := worker.ask(r.Context(), func() {
		c := worker.container(name)
		if c == nil {
			status, problem = http.StatusNotFound, fmt.Errorf("container %q not found in pod %q", name, pod)
			return
		}
		var id string
		if id, problem = logInstance(pod, c.status, options.Previous); problem != nil {
			status = http.StatusBadRequest
			return
		}
		path, ended = worker.logPath(name, id), c.logEnd(id)
	})
	if err != nil {
		status, problem = http.StatusNotFound, err
	}
	if problem != nil {
		writeError(w, status, problem)
		return
	}
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	out := flushed{w}
	if err := readLog(r.Context(), path, ended, newLogQuery(&options, time.Now()), out); err != nil {
		fmt.Fprintf(out, "unable to retrieve container logs for %s%s\n", containerIDPrefix, strings.TrimSuffix(path[strings.LastIndex(path, "/")+1:], ".log"))
	}
}

// writeError answers as the kubelet does, with the bare message.
func writeError(w http.ResponseWriter, status int, err error) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.WriteHeader(status)
	fmt.Fprint(w, err)
}

// logInstance is the container instance whose log is asked for. Errors are the kubelet's.
func logInstance(pod string, status corev1.ContainerStatus, previous bool) (string, error) {
	last := status.LastTerminationState.Terminated
	var id string
	switch {
	case previous:
		if last == nil || last.ContainerID == "" {
			return "", fmt.Errorf("previous terminated container %q in pod %q not found", status.Name, pod)
		}
		id = last.ContainerID
	case status.State.Running != nil:
		id = status.ContainerID
	case status.State.Terminated != nil:
		id = status.State.Terminated.ContainerID
	case last != nil:
		id = last.ContainerID
	default:
		reason := status.State.Waiting.Reason
		switch reason {
		case reasonImagePull:
			reason = "image can't be pulled"
		case reasonImagePullBackOff:
			reason = "trying and failing to pull image"
		}
		return "", fmt.Errorf("container %q in pod %q is waiting to start: %v", status.Name, pod, reason)
	}
	return strings.TrimPrefix(id, containerIDPrefix), nil
}

// logEnd is closed when nothing more will be written to the instance's log.
func (c *container) logEnd(id string) <-chan struct{} {
	if c.process != nil && c.process.id == id {
		return c.process.log.closed
	}
	ended := make(chan struct{})
	close(ended)
	return ended
}

func (w *podWorker) container(name string) *container {
	for _, c := range w.containers {
		if c.spec.Name == name {
			return c
		}
	}
	return nil
}

// flushed sends each write at once, for logs that are followed.
type flushed struct{ w http.ResponseWriter }

func (f flushed) Write(data []byte) (int, error) {
	n, err := f.w.Write(data)
	if flusher, ok := f.w.(http.Flusher); ok {
		flusher.Flush()
	}
	return n, err
}

// exec runs a command in a container. There are no terminals: a TTY is plain pipes.
func (a *agent) exec(ctx context.Context, namespace, pod, name string, command []string, streams vkapi.AttachIO) error {
	worker := a.pods.find(namespace, pod)
	if worker == nil {
		return fmt.Errorf("pod %q does not exist", pod)
	}
	var instance *process
	var argv []string
	if err := worker.ask(ctx, func() {
		if c := worker.container(name); c != nil && c.process != nil {
			instance, argv = c.process, c.image.onHost(command)
		}
	}); err != nil {
		return err
	}
	if instance == nil {
		return fmt.Errorf("container not found (%q)", name)
	}
	out, errs := streams.Stdout(), streams.Stderr()
	defer closeAll(out, errs)
	return instance.run(argv, streams.Stdin(), writerOrNil(out), writerOrNil(errs), ctx.Done())
}

// writerOrNil keeps a missing stream from becoming a non-nil interface.
func writerOrNil(w io.WriteCloser) io.Writer {
	if w == nil {
		return nil
	}
	return w
}

func closeAll(closers ...io.Closer) {
	for _, c := range closers {
		if c != nil {
			c.Close()
		}
	}
}

func (a *agent) servePortForward(w http.ResponseWriter, r *http.Request) {
	ports, err := portforward.NewV4Options(r)
	if err != nil {
		writeError(w, http.StatusBadRequest, err)
		return
	}
	protocols := strings.Split(r.Header.Get("X-Stream-Protocol-Version"), ",")
	portforward.ServePortForward(w, r, forwarder{a, r.PathValue("namespace")}, r.PathValue("pod"), "", ports,
		streamIdle, streamIdle, protocols)
}

// forwarder reaches the pods of one namespace.
type forwarder struct {
	agent     *agent
	namespace string
}

// PortForward connects a stream with localhost of the pod's network, IPv4 first as container
// runtimes do.
func (f forwarder) PortForward(ctx context.Context, pod string, _ types.UID, port int32, stream io.ReadWriteCloser) error {
	worker := f.agent.pods.find(f.namespace, pod)
	if worker == nil {
		return fmt.Errorf("pod %q does not exist", pod)
	}
	var target *sandbox
	var problem error
	if err := worker.ask(ctx, func() { target, problem = worker.sandbox.share() }); err != nil {
		return err
	}
	if problem != nil {
		return problem
	}
	defer target.close()
	number := strconv.Itoa(int(port))
	conn, err4 := target.dial(net.JoinHostPort("127.0.0.1", number))
	if err4 != nil {
		var err6 error
		if conn, err6 = target.dial(net.JoinHostPort("::1", number)); err6 != nil {
			return fmt.Errorf("failed to connect to localhost:%d inside namespace %q, IPv4: %v IPv6 %v ", port, worker.uid, err4, err6)
		}
	}
	defer conn.Close()
	return relay(conn, stream)
}

// relay copies both ways. The end of the client's input is passed on; the end of the server's
// output ends the connection.
func relay(conn net.Conn, stream io.ReadWriteCloser) error {
	go func() {
		_, _ = io.Copy(conn, stream)
		if half, ok := conn.(*net.TCPConn); ok {
			_ = half.CloseWrite()
		}
	}()
	_, err := io.Copy(stream, conn)
	// SPDY streams half-close, which tells the client that no more comes.
	if s, ok := stream.(httpstream.Stream); ok {
		return errors.Join(err, s.Close())
	}
	return err
}

// SPDX-FileCopyrightText: The opendatahub.model_registry authors
// SPDX-License-Identifier: GPL-3.0-or-later

// This file starts, signals, joins and reaps the processes that stand for containers.

package node

import (
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
	utilexec "k8s.io/utils/exec"

	"k8s.io/klog/v2"
)

// process is one instance of a container.
type process struct {
	id      string
	spec    containSpec
	started time.Time
	log     *logFile
	cmd     *exec.Cmd
	// pidfd stands for the namespaces; pidfdUse keeps it from being closed, and its number reused, in use.
	pidfd    int
	pidfdUse sync.RWMutex

	// ended is closed when the program has ended and its output is in the log; then exitCode
	// (128 + number for a signal) and finished hold.
	ended    chan struct{}
	exitCode int32
	finished time.Time
}

// startError is a program that could not be started, in runc's words.
type startError struct{ message string }

func (e *startError) Error() string {
	return "failed to create containerd task: failed to create shim task: OCI runtime create failed: " +
		"runc create failed: unable to start container process: " + e.message + ": unknown"
}

// starter is the thread that starts all containers: the kernel kills a child by its Pdeathsig
// when the thread ends that started it, and this one ends only with the node.
var starter = sync.OnceValue(func() chan<- func() {
	work := make(chan func())
	go func() {
		runtime.LockOSThread()
		for f := range work {
			f()
		}
	}()
	return work
})

func newContainerID() string {
	var id [32]byte
	_, _ = rand.Read(id[:])
	return hex.EncodeToString(id[:])
}

// startProcess starts a container and waits until its program runs. It owns the log unless it
// returns no process. Errors: *startError, or what the machine refuses.
func startProcess(id string, spec containSpec, network *sandbox, log *logFile) (*process, error) {
	spec.OwnNetwork = !network.hostNetwork()
	p := &process{id: id, spec: spec, log: log, pidfd: -1, ended: make(chan struct{})}
	pipes, err := newPipes(4)
	if err != nil {
		return nil, err
	}
	defer pipes.close()
	specPipe, resultPipe, stdout, stderr := pipes[0], pipes[1], pipes[2], pipes[3]

	p.cmd = &exec.Cmd{
		Path:       "/proc/self/exe",
		Args:       []string{os.Args[0], "contain"},
		Env:        []string{},
		Stdout:     stdout.w,
		Stderr:     stderr.w,
		ExtraFiles: []*os.File{specPipe.r, resultPipe.w},
		SysProcAttr: &unix.SysProcAttr{
			Cloneflags: unix.CLONE_NEWNS | unix.CLONE_NEWPID | unix.CLONE_NEWIPC | unix.CLONE_NEWUTS,
			Setsid:     true,
			Pdeathsig:  unix.SIGKILL,
			PidFD:      &p.pidfd,
		},
	}
	if spec.OwnNetwork {
		// An os.File closes its descriptor, so it must not be the sandbox's own.
		shared, err := network.share()
		if err != nil {
			return nil, err
		}
		file := os.NewFile(uintptr(shared.ns), "netns")
		defer file.Close()
		p.cmd.ExtraFiles = append(p.cmd.ExtraFiles, file)
	}
	started := make(chan error)
	starter() <- func() { started <- p.cmd.Start() }
	if err := <-started; err != nil {
		return nil, fmt.Errorf("start: %w", err)
	}
	p.started = time.Now()
	outputs := p.copyOutput(pipes)
	specPipe.r.Close()
	resultPipe.w.Close()
	go p.reap(outputs)
	return p, p.handshake(specPipe.w, resultPipe.r)
}

// handshake hands the helper its task and reads what went wrong; its end of the pipe closes
// when it becomes the program.
func (p *process) handshake(task io.WriteCloser, result io.Reader) error {
	err := json.NewEncoder(task).Encode(p.spec)
	task.Close()
	answer, readErr := io.ReadAll(result)
	if err = errors.Join(err, readErr); err == nil && len(answer) == 0 {
		return nil
	}
	p.kill()
	<-p.ended
	var refusal containError
	if json.Unmarshal(answer, &refusal) == nil && refusal.Program {
		return &startError{refusal.Message}
	}
	return errors.Join(errors.New(refusal.Message), err)
}

// copyOutput starts the copies of stdout and stderr into the log and gives the end of both.
func (p *process) copyOutput(pipes pipes) *sync.WaitGroup {
	var outputs sync.WaitGroup
	for i, stream := range []string{"stdout", "stderr"} {
		pipes[2+i].w.Close()
		reader := pipes[2+i].take()
		outputs.Add(1)
		go func() {
			defer outputs.Done()
			defer reader.Close()
			if err := p.log.copy(stream, reader); err != nil {
				klog.ErrorS(err, "Output of a container is lost", "container", p.id)
			}
		}()
	}
	return &outputs
}

func (p *process) reap(outputs *sync.WaitGroup) {
	_ = p.cmd.Wait()
	outputs.Wait()
	p.finished = time.Now()
	p.exitCode = exitCode(p.cmd.ProcessState)
	p.log.close()
	close(p.ended)
	p.pidfdUse.Lock()
	defer p.pidfdUse.Unlock()
	unix.Close(p.pidfd)
}

func exitCode(state *os.ProcessState) int32 {
	if state == nil {
		return exitCodeLost
	}
	if status, ok := state.Sys().(syscall.WaitStatus); ok && status.Signaled() {
		return 128 + int32(status.Signal())
	}
	return int32(state.ExitCode())
}

func (p *process) running() bool {
	select {
	case <-p.ended:
		return false
	default:
		return true
	}
}

// terminate asks the program to end; as in a container, one without a handler for SIGTERM ignores it.
func (p *process) terminate() { _ = p.cmd.Process.Signal(unix.SIGTERM) }

// kill ends the program and all its descendants.
func (p *process) kill() { _ = p.cmd.Process.Signal(unix.SIGKILL) }

// run executes a command inside the container and waits for it, or kills it when stop closes.
// A non-zero exit is a utilexec.CodeExitError.
func (p *process) run(argv []string, in io.Reader, out, errs io.Writer, stop <-chan struct{}) error {
	var cmd *exec.Cmd
	var err error
	onThread(func() {
		if err = p.join(); err != nil {
			return
		}
		var path string
		if path, err = findProgram(argv[0], p.spec.Env); err != nil {
			err = fmt.Errorf("failed to exec in container: failed to start exec: OCI runtime exec failed: "+
				"exec failed: unable to start container process: %w: unknown", err)
			return
		}
		cmd = &exec.Cmd{Path: path, Args: argv, Env: p.spec.Env, Dir: p.spec.Dir, Stdout: out, Stderr: errs,
			SysProcAttr: &unix.SysProcAttr{Setsid: true}}
		err = startWithInput(cmd, in)
	})
	if err != nil {
		return err
	}
	finished := make(chan struct{})
	defer close(finished)
	go func() {
		select {
		case <-stop:
			_ = cmd.Process.Kill()
		case <-finished:
		}
	}()
	err = cmd.Wait()
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		code := int(exitCode(exit.ProcessState))
		return utilexec.CodeExitError{Code: code, Err: fmt.Errorf("command terminated with exit code %d", code)}
	}
	return err
}

// startWithInput starts cmd and feeds its input without making Wait wait for the end of in: a
// client may keep its input open after the command has ended.
func startWithInput(cmd *exec.Cmd, in io.Reader) error {
	if in == nil {
		return cmd.Start()
	}
	pipe, err := cmd.StdinPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	go func() {
		defer pipe.Close()
		_, _ = io.Copy(pipe, in)
	}()
	return nil
}

// join moves the calling thread into the container's namespaces; it must not be used for
// anything else afterwards.
func (p *process) join() error {
	p.pidfdUse.RLock()
	defer p.pidfdUse.RUnlock()
	if !p.running() {
		return errors.New("container not running")
	}
	// The kernel wants a working directory of the thread's own before it changes the mount namespace.
	if err := unix.Unshare(unix.CLONE_FS); err != nil {
		return err
	}
	const all = unix.CLONE_NEWNS | unix.CLONE_NEWPID | unix.CLONE_NEWIPC | unix.CLONE_NEWUTS | unix.CLONE_NEWNET
	if err := unix.Setns(p.pidfd, all); err != nil {
		return fmt.Errorf("join the container: %w", err)
	}
	return nil
}

// findProgram looks for a program as execvp does, in the PATH of the given environment.
// Errors are worded as runc words them.
func findProgram(name string, env []string) (string, error) {
	if strings.Contains(name, "/") {
		if err := executable(name); err != nil {
			return "", fmt.Errorf("exec: %q: %w", name, err)
		}
		return name, nil
	}
	for _, entry := range env {
		path, found := strings.CutPrefix(entry, "PATH=")
		if !found {
			continue
		}
		for _, dir := range strings.Split(path, ":") {
			if candidate := dir + "/" + name; executable(candidate) == nil {
				return candidate, nil
			}
		}
	}
	return "", fmt.Errorf("exec: %q: executable file not found in $PATH", name)
}

func executable(path string) error {
	info, err := os.Stat(path)
	if err != nil {
		return err
	}
	if info.IsDir() {
		return errors.New("is a directory")
	}
	if info.Mode()&0o111 == 0 {
		return errors.New("permission denied")
	}
	return nil
}

// pipe is both ends of a pipe.
type pipe struct{ r, w *os.File }

// take gives the reading end to a new owner.
func (p *pipe) take() *os.File {
	r := p.r
	p.r = nil
	return r
}

type pipes []*pipe

func newPipes(count int) (pipes, error) {
	var all pipes
	for range count {
		r, w, err := os.Pipe()
		if err != nil {
			all.close()
			return nil, err
		}
		all = append(all, &pipe{r, w})
	}
	return all, nil
}

// close closes what is still open.
func (p pipes) close() {
	for _, pipe := range p {
		pipe.r.Close()
		pipe.w.Close()
	}
}

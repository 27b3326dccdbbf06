// SPDX-FileCopyrightText: The opendatahub.model_registry authors
// SPDX-License-Identifier: GPL-3.0-or-later

package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"text/tabwriter"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	cri "k8s.io/cri-api/pkg/apis/runtime/v1"
)

// crictl is a small stand-in for the tool of that name, whose module cannot be
// fetched: the one call that kind makes (inspecti) and a few for a person who
// looks into a node (images, pods, ps, logs).
func crictl() {
	if err := runCrictl(os.Args[1:], os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "crictl:", err)
		os.Exit(1)
	}
}

func runCrictl(args []string, out io.Writer) error {
	const usage = "usage: crictl inspecti IMAGE | images | pods | ps [-a] | logs ID"
	if len(args) == 0 {
		return errors.New(usage)
	}
	conn, err := grpc.NewClient("unix:///run/containerd/containerd.sock",
		grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(16<<20)))
	if err != nil {
		return err
	}
	defer conn.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	runtime, image := cri.NewRuntimeServiceClient(conn), cri.NewImageServiceClient(conn)
	w := tabwriter.NewWriter(out, 0, 8, 2, ' ', 0)
	defer w.Flush()
	short := func(id string) string {
		if _, hash, ok := strings.Cut(id, ":"); ok {
			id = hash
		}
		if len(id) > 13 {
			id = id[:13]
		}
		return id
	}
	switch {
	case args[0] == "inspecti" && len(args) == 2:
		r, err := image.ImageStatus(ctx, &cri.ImageStatusRequest{Image: &cri.ImageSpec{Image: args[1]}})
		if err != nil {
			return err
		}
		if r.Image == nil {
			return fmt.Errorf("no such image %q present", args[1])
		}
		e := json.NewEncoder(out)
		e.SetIndent("", "  ")
		return e.Encode(map[string]any{"status": map[string]any{
			"id": r.Image.Id, "repoTags": r.Image.RepoTags, "repoDigests": r.Image.RepoDigests,
			"size": fmt.Sprint(r.Image.Size), "pinned": r.Image.Pinned,
		}})
	case args[0] == "images":
		r, err := image.ListImages(ctx, &cri.ListImagesRequest{})
		if err != nil {
			return err
		}
		for _, i := range r.Images {
			fmt.Fprintf(w, "%s\t%s\t%.1fMB\n", strings.Join(i.RepoTags, ","), short(i.Id), float64(i.Size)/1e6)
		}
	case args[0] == "pods":
		r, err := runtime.ListPodSandbox(ctx, &cri.ListPodSandboxRequest{})
		if err != nil {
			return err
		}
		for _, p := range r.Items {
			fmt.Fprintf(w, "%s\t%s\t%s/%s\n", short(p.Id), p.State, p.Metadata.Namespace, p.Metadata.Name)
		}
	case args[0] == "ps":
		f := &cri.ContainerFilter{State: &cri.ContainerStateValue{State: cri.ContainerState_CONTAINER_RUNNING}}
		if len(args) > 1 && args[1] == "-a" {
			f = nil
		}
		r, err := runtime.ListContainers(ctx, &cri.ListContainersRequest{Filter: f})
		if err != nil {
			return err
		}
		for _, c := range r.Containers {
			fmt.Fprintf(w, "%s\t%s\t%s\t%s\n", short(c.Id), c.State, c.Metadata.Name, c.Labels["io.kubernetes.pod.name"])
		}
	case args[0] == "logs" && len(args) == 2:
		r, err := runtime.ContainerStatus(ctx, &cri.ContainerStatusRequest{ContainerId: args[1]})
		if err != nil {
			return err
		}
		f, err := os.Open(r.Status.LogPath)
		if err != nil {
			return err
		}
		defer f.Close()
		_, err = io.Copy(out, f)
		return err
	default:
		return errors.New(usage)
	}
	return nil
}

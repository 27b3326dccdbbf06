// SPDX-FileCopyrightText: The opendatahub.model_registry authors
// SPDX-License-Identifier: GPL-3.0-or-later

// This file computes a container's environment, command and arguments as a kubelet does.

package node

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	utilvalidation "k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/kubernetes/pkg/api/v1/resource"
	"k8s.io/kubernetes/pkg/fieldpath"
	"k8s.io/kubernetes/pkg/kubelet/envvars"
	"k8s.io/kubernetes/third_party/forked/golang/expansion"
)

// objects is where Secrets and ConfigMaps come from: always the present ones.
type objects interface {
	secret(ctx context.Context, namespace, name string) (*corev1.Secret, error)
	configMap(ctx context.Context, namespace, name string) (*corev1.ConfigMap, error)
}

// environment is what surrounds a container's env: defaults come first, then Services, then the
// container's own entries.
type environment struct {
	objects  objects
	pod      *corev1.Pod // its status has the addresses
	defaults map[string]string
	services []*corev1.Service
}

// defaultPath is the PATH of an image that sets none.
const defaultPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

// of gives the container's environment. Errors are those of the state CreateContainerConfigError.
func (e environment) of(ctx context.Context, c *corev1.Container) (map[string]string, error) {
	own, err := e.fromSources(ctx, c)
	if err != nil {
		return nil, err
	}
	services := map[string]string{}
	for _, v := range envvars.FromServices(e.services) {
		services[v.Name] = v.Value
	}
	if err := e.entries(ctx, c, own, services); err != nil {
		return nil, err
	}
	result := map[string]string{"PATH": defaultPath, "HOME": "/", "HOSTNAME": podHostname(e.pod)}
	maps.Copy(result, e.defaults)
	maps.Copy(result, services)
	maps.Copy(result, own)
	return result, nil
}

// fromSources reads envFrom.
func (e environment) fromSources(ctx context.Context, c *corev1.Container) (map[string]string, error) {
	result := map[string]string{}
	for _, source := range c.EnvFrom {
		var data map[string]string
		var err error
		switch {
		case source.SecretRef != nil:
			data, err = e.secretData(ctx, source.SecretRef.Name, source.SecretRef.Optional)
		case source.ConfigMapRef != nil:
			data, err = e.configMapData(ctx, source.ConfigMapRef.Name, source.ConfigMapRef.Optional)
		}
		if err != nil {
			return nil, err
		}
		for key, value := range data {
			if name := source.Prefix + key; len(utilvalidation.IsEnvVarName(name)) == 0 {
				result[name] = value
			}
		}
	}
	return result, nil
}

// entries adds env to result; $(NAME) sees what came before it, then Services.
func (e environment) entries(ctx context.Context, c *corev1.Container, result, services map[string]string) error {
	mapping := expansion.MappingFuncFor(result, services)
	for _, entry := range c.Env {
		value, set := expansion.Expand(entry.Value, mapping), true
		if entry.Value == "" && entry.ValueFrom != nil {
			var err error
			if value, set, err = e.valueFrom(ctx, c, entry.ValueFrom); err != nil {
				return err
			}
		}
		if set {
			result[entry.Name] = value
		}
	}
	return nil
}

// valueFrom resolves one reference; set is false for an optional one that is absent.
func (e environment) valueFrom(ctx context.Context, c *corev1.Container, from *corev1.EnvVarSource) (value string, set bool, err error) {
	switch {
	case from.SecretKeyRef != nil:
		ref := from.SecretKeyRef
		data, err := e.secretData(ctx, ref.Name, ref.Optional)
		return e.pick(data, err, "Secret", ref.Name, ref.Key, ref.Optional)
	case from.ConfigMapKeyRef != nil:
		ref := from.ConfigMapKeyRef
		data, err := e.configMapData(ctx, ref.Name, ref.Optional)
		return e.pick(data, err, "ConfigMap", ref.Name, ref.Key, ref.Optional)
	case from.FieldRef != nil:
		value, err = podField(e.pod, from.FieldRef.FieldPath)
		return value, true, err
	case from.ResourceFieldRef != nil:
		name := from.ResourceFieldRef.ContainerName
		if name == "" {
			name = c.Name
		}
		value, err = resource.ExtractResourceValueByContainerName(from.ResourceFieldRef, e.pod, name)
		return value, true, err
	}
	return "", false, nil
}

func (e environment) pick(data map[string]string, err error, kind, name, key string, optional *bool) (string, bool, error) {
	if err != nil {
		return "", false, err
	}
	value, found := data[key]
	if !found && !isTrue(optional) {
		return "", false, fmt.Errorf("couldn't find key %v in %s %v/%v", key, kind, e.pod.Namespace, name)
	}
	return value, found, nil
}

func (e environment) secretData(ctx context.Context, name string, optional *bool) (map[string]string, error) {
	secret, err := e.objects.secret(ctx, e.pod.Namespace, name)
	if err != nil {
		return nil, absent(err, "secret", name, optional)
	}
	data := make(map[string]string, len(secret.Data))
	for key, value := range secret.Data {
		data[key] = string(value)
	}
	return data, nil
}

func (e environment) configMapData(ctx context.Context, name string, optional *bool) (map[string]string, error) {
	configMap, err := e.objects.configMap(ctx, e.pod.Namespace, name)
	if err != nil {
		return nil, absent(err, "configmap", name, optional)
	}
	return configMap.Data, nil
}

// absent forgives an optional object and words a missing one as the kubelet does.
func absent(err error, kind, name string, optional *bool) error {
	switch {
	case !apierrors.IsNotFound(err):
		return err
	case isTrue(optional):
		return nil
	}
	return fmt.Errorf("%s %q not found", kind, name)
}

func isTrue(b *bool) bool { return b != nil && *b }

// podField reads a field of the downward API.
func podField(pod *corev1.Pod, path string) (string, error) {
	switch path {
	case "spec.nodeName":
		return pod.Spec.NodeName, nil
	case "spec.serviceAccountName":
		return pod.Spec.ServiceAccountName, nil
	case "status.hostIP", "status.hostIPs":
		return pod.Status.HostIP, nil
	case "status.podIP", "status.podIPs":
		return pod.Status.PodIP, nil
	}
	return fieldpath.ExtractFieldPathAsString(pod, path)
}

// podHostname is what hostname says in a pod: at most 63 characters, as Linux wants it.
func podHostname(pod *corev1.Pod) string {
	name := pod.Spec.Hostname
	if name == "" {
		name = pod.Name
	}
	if len(name) > 63 {
		name = strings.TrimRight(name[:63], "-.")
	}
	return name
}

// expandAll replaces $(NAME) in a command or in arguments.
func expandAll(words []string, env map[string]string) []string {
	mapping := expansion.MappingFuncFor(env)
	expanded := make([]string, len(words))
	for i, word := range words {
		expanded[i] = expansion.Expand(word, mapping)
	}
	return expanded
}

// environ is env as the kernel wants it, sorted.
func environ(env map[string]string) []string {
	lines := make([]string, 0, len(env))
	for _, name := range slices.Sorted(maps.Keys(env)) {
		lines = append(lines, name+"="+env[name])
	}
	return lines
}

// visibleServices are those whose variables a pod gets: its namespace's, and the API server,
// which is given by an address that pods can reach.
func visibleServices(all []*corev1.Service, pod *corev1.Pod, apiHost, apiPort string) []*corev1.Service {
	links := pod.Spec.EnableServiceLinks == nil || *pod.Spec.EnableServiceLinks
	var services []*corev1.Service
	for _, service := range all {
		if service.Namespace == corev1.NamespaceDefault && service.Name == "kubernetes" {
			continue
		}
		if links && service.Namespace == pod.Namespace {
			services = append(services, service)
		}
	}
	slices.SortFunc(services, func(a, b *corev1.Service) int { return strings.Compare(a.Name, b.Name) })
	port, _ := strconv.Atoi(apiPort)
	api := &corev1.Service{}
	api.Name = "kubernetes"
	api.Spec.ClusterIP = apiHost
	api.Spec.Ports = []corev1.ServicePort{{Name: "https", Protocol: corev1.ProtocolTCP, Port: int32(port)}}
	return append(services, api)
}

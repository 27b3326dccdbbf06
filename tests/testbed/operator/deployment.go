// SPDX-FileCopyrightText: The opendatahub.model_registry authors
// SPDX-License-Identifier: GPL-3.0-or-later

// The registry's Deployment and the container of the registry server.

package operator

import (
	"fmt"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/utils/ptr"
)

func deployment(r *registry, f Flavour) *appsv1.Deployment {
	return &appsv1.Deployment{
		ObjectMeta: objectMeta(r, r.Name),
		Spec: appsv1.DeploymentSpec{
			Replicas:             ptr.To(int32(1)),
			RevisionHistoryLimit: ptr.To(int32(0)),
			Selector:             &metav1.LabelSelector{MatchLabels: podLabels(r.Name)},
			Template: corev1.PodTemplateSpec{
				ObjectMeta: metav1.ObjectMeta{
					Labels:      podLabels(r.Name),
					Annotations: map[string]string{"openshift.io/required-scc": "restricted-v2"},
				},
				Spec: corev1.PodSpec{
					ServiceAccountName: r.Name,
					SecurityContext:    podSecurity(),
					Containers:         containers(r, f),
					Volumes:            append(databaseVolumes(r), proxyVolumes(r)...),
				},
			},
		},
	}
}

func containers(r *registry, f Flavour) []corev1.Container {
	all := []corev1.Container{restServer(r)}
	if f.GRPC {
		all = []corev1.Container{olderRestServer(r), grpcServer(r)}
	}
	switch {
	case r.Spec.KubeRBACProxy != nil:
		all = append(all, kubeRBACProxyContainer(r))
	case r.Spec.OAuthProxy != nil:
		all = append(all, oauthProxyContainer(r))
	}
	return all
}

// restServer has the real operator's probe timings: a server that cannot start is killed about
// 40 s after its start.
func restServer(r *registry) corev1.Container {
	return corev1.Container{
		Name:    restContainer,
		Image:   r.Spec.Rest.Image,
		Command: []string{"/model-registry", "proxy"},
		Args: append([]string{
			"--hostname=0.0.0.0",
			fmt.Sprintf("--port=%d", r.Spec.Rest.Port),
		}, databaseArgs(r)...),
		Env:             databaseEnv(r),
		Ports:           []corev1.ContainerPort{{Name: "http-api", ContainerPort: r.Spec.Rest.Port, Protocol: corev1.ProtocolTCP}},
		StartupProbe:    httpProbe("/readyz/isDirty", 10, 5, 6),
		ReadinessProbe:  httpProbe("/readyz/health", 5, 10, 3),
		LivenessProbe:   httpProbe("/readyz/isDirty", 30, 10, 3),
		Resources:       resources(r.Spec.Rest),
		SecurityContext: containerSecurity(),
		VolumeMounts:    databaseMounts(r),
	}
}

// olderRestServer knows no database: it works through ML Metadata in the same pod.
func olderRestServer(r *registry) corev1.Container {
	return corev1.Container{
		Name:    restContainer,
		Image:   r.Spec.Rest.Image,
		Command: []string{"/model-registry", "proxy"},
		Args: []string{
			"--hostname=0.0.0.0",
			fmt.Sprintf("--port=%d", r.Spec.Rest.Port),
			"--mlmd-hostname=localhost",
			fmt.Sprintf("--mlmd-port=%d", r.Spec.GRPC.Port),
		},
		Ports:           []corev1.ContainerPort{{Name: "http-api", ContainerPort: r.Spec.Rest.Port, Protocol: corev1.ProtocolTCP}},
		ReadinessProbe:  tcpProbe("http-api", 15, 5),
		LivenessProbe:   tcpProbe("http-api", 30, 5),
		Resources:       resources(r.Spec.Rest),
		SecurityContext: containerSecurity(),
	}
}

// grpcServer is ML Metadata, which servers up to 0.2.19 work through.
func grpcServer(r *registry) corev1.Container {
	return corev1.Container{
		Name:            grpcContainer,
		Image:           r.Spec.GRPC.Image,
		Command:         []string{"/bin/metadata_store_server"},
		Args:            grpcArgs(r),
		Env:             databaseEnv(r),
		Ports:           []corev1.ContainerPort{{Name: "grpc-api", ContainerPort: r.Spec.GRPC.Port, Protocol: corev1.ProtocolTCP}},
		ReadinessProbe:  tcpProbe("grpc-api", 3, 5),
		LivenessProbe:   tcpProbe("grpc-api", 30, 5),
		Resources:       resources(r.Spec.GRPC),
		SecurityContext: containerSecurity(),
		VolumeMounts:    databaseMounts(r),
	}
}

func httpProbe(path string, delay, period, failures int32) *corev1.Probe {
	return &corev1.Probe{
		ProbeHandler:        corev1.ProbeHandler{HTTPGet: &corev1.HTTPGetAction{Path: path, Port: intstr.FromString("http-api")}},
		InitialDelaySeconds: delay,
		PeriodSeconds:       period,
		TimeoutSeconds:      5,
		FailureThreshold:    failures,
	}
}

func tcpProbe(port string, delay, period int32) *corev1.Probe {
	return &corev1.Probe{
		ProbeHandler:        corev1.ProbeHandler{TCPSocket: &corev1.TCPSocketAction{Port: intstr.FromString(port)}},
		InitialDelaySeconds: delay,
		PeriodSeconds:       period,
		TimeoutSeconds:      2,
		FailureThreshold:    3,
	}
}

func resources(s serverSpec) corev1.ResourceRequirements {
	if s.Resources == nil {
		return corev1.ResourceRequirements{}
	}
	return *s.Resources
}

func podSecurity() *corev1.PodSecurityContext {
	return &corev1.PodSecurityContext{
		RunAsNonRoot:   ptr.To(true),
		SeccompProfile: &corev1.SeccompProfile{Type: corev1.SeccompProfileTypeRuntimeDefault},
	}
}

func containerSecurity() *corev1.SecurityContext {
	return &corev1.SecurityContext{
		AllowPrivilegeEscalation: ptr.To(false),
		Capabilities:             &corev1.Capabilities{Drop: []corev1.Capability{"ALL"}},
	}
}

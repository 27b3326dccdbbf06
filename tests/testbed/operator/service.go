// SPDX-FileCopyrightText: The opendatahub.model_registry authors
// SPDX-License-Identifier: GPL-3.0-or-later

// The registry's ServiceAccount and Service.

package operator

import (
	"fmt"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
)

func serviceAccount(r *registry) *corev1.ServiceAccount {
	return &corev1.ServiceAccount{ObjectMeta: objectMeta(r, r.Name)}
}

// service carries the registry's display name and description, so that users who may only see the
// Service know what it is.
func service(r *registry, f Flavour) *corev1.Service {
	meta := objectMeta(r, r.Name)
	meta.Annotations = map[string]string{}
	for _, annotation := range []string{displayNameAnnotation, descriptionAnnotation} {
		if value, found := r.Annotations[annotation]; found {
			meta.Annotations[annotation] = value
		}
	}
	if proxy := r.proxy(); proxy != nil {
		if r.OwnCertificate {
			meta.Annotations[servingCertAnnotation] = r.Name + "-" + r.proxyName()
		}
		if proxy.ServiceRoute == enabled {
			meta.Annotations["routing.opendatahub.io/external-address-rest"] = fmt.Sprintf("%s:%d", routeHost(r), proxy.RoutePort)
		}
	}
	return &corev1.Service{
		ObjectMeta: meta,
		Spec: corev1.ServiceSpec{
			Type:     corev1.ServiceTypeClusterIP,
			Ports:    servicePorts(r, f),
			Selector: podLabels(r.Name),
		},
	}
}

func servicePorts(r *registry, f Flavour) []corev1.ServicePort {
	if proxy := r.proxy(); proxy != nil {
		return []corev1.ServicePort{servicePort("https-api", "https", proxy.Port)}
	}
	ports := []corev1.ServicePort{servicePort("http-api", "http", r.Spec.Rest.Port)}
	if f.GRPC {
		ports = append(ports, servicePort("grpc-api", "grpc", r.Spec.GRPC.Port))
	}
	return ports
}

func servicePort(name, protocol string, number int32) corev1.ServicePort {
	return corev1.ServicePort{
		Name: name, Port: number, TargetPort: intstr.FromInt32(number), Protocol: corev1.ProtocolTCP, AppProtocol: &protocol,
	}
}

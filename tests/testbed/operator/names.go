// SPDX-FileCopyrightText: The opendatahub.model_registry authors
// SPDX-License-Identifier: GPL-3.0-or-later

// Names, labels and annotations that the operator gives to what it makes.

package operator

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

const (
	operatorName = "model-registry-operator"
	component    = "model-registry"

	finalizerName         = registryGroup + "/finalizer"
	displayNameAnnotation = "openshift.io/display-name"
	descriptionAnnotation = "openshift.io/description"
	servingCertAnnotation = "service.beta.openshift.io/serving-cert-secret-name"
	createdByLabel        = "app.kubernetes.io/created-by"
	namespaceLabel        = registryGroup + "/namespace"

	// Annotations by which a test provokes on a registry what a healthy cluster does not show.
	failingFinalizerAnnotation = "testbed.opendatahub.io/failing-finalizer"
	rejectedRouteAnnotation    = "testbed.opendatahub.io/rejected-route"

	restImage          = "opendatahub/model-registry:v0.3.0"
	kubeRBACProxyImage = "opendatahub/kube-rbac-proxy:v0.19.1"
	oauthProxyImage    = "opendatahub/oauth-proxy:v4.19"
	grpcImage          = "opendatahub/mlmd-grpc-server:v1.14.0"
	postgresImage      = "postgres:16"

	restContainer = "rest-container"
	grpcContainer = "grpc-container"
)

// labels are those of every object that belongs to registry. A name of more than 63 characters is
// no label value; one of more than 49 makes registry-user-<name>, the Role's instance, none, and one
// of more than 48 <name>-auth-delegator: there the real operator's limits come from.
func labels(registry, instance string) map[string]string {
	return map[string]string{
		"app":                          registry,
		"component":                    component,
		"app.kubernetes.io/name":       registry,
		"app.kubernetes.io/instance":   instance,
		"app.kubernetes.io/component":  component,
		createdByLabel:                 operatorName,
		"app.kubernetes.io/part-of":    component,
		"app.kubernetes.io/managed-by": operatorName,
	}
}

// podLabels select the pods of registry.
func podLabels(registry string) map[string]string {
	return map[string]string{"app": registry, "component": component, "app.kubernetes.io/name": registry}
}

// objectMeta is the metadata of an object called name that belongs to registry; its label as an instance is its own name.
func objectMeta(r *registry, name string) metav1.ObjectMeta {
	return metav1.ObjectMeta{Name: name, Namespace: r.Namespace, Labels: labels(r.Name, name)}
}

// sharedMeta is objectMeta with the registry's name as the instance, as what the proxies read has it.
func sharedMeta(r *registry, name string) metav1.ObjectMeta {
	meta := objectMeta(r, name)
	meta.Labels = labels(r.Name, r.Name)
	return meta
}

// clusterMeta is the metadata of a cluster-scoped object, which cannot be owned by the registry.
func clusterMeta(r *registry, name string) metav1.ObjectMeta {
	all := labels(r.Name, name)
	all[namespaceLabel] = r.Namespace
	return metav1.ObjectMeta{Name: name, Labels: all}
}

// SPDX-FileCopyrightText: The opendatahub.model_registry authors
// SPDX-License-Identifier: GPL-3.0-or-later

// Who may use the registry: Role, OpenShift Group and the binding between them.

package operator

import (
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/utils/ptr"
)

func userRoleName(r *registry) string  { return "registry-user-" + r.Name }
func userGroupName(r *registry) string { return r.Name + "-users" }

// userRole is the one that dashboard users are bound to.
func userRole(r *registry) *rbacv1.Role {
	meta := objectMeta(r, userRoleName(r))
	meta.Annotations = map[string]string{
		displayNameAnnotation: "Registry User " + r.Name,
		descriptionAnnotation: "Can access Model Registry " + r.Name,
	}
	get := func(resource string) rbacv1.PolicyRule {
		return rbacv1.PolicyRule{APIGroups: []string{""}, Resources: []string{resource}, ResourceNames: []string{r.Name}, Verbs: []string{"get"}}
	}
	return &rbacv1.Role{ObjectMeta: meta, Rules: []rbacv1.PolicyRule{get("services"), get("endpoints")}}
}

func userRoleBinding(r *registry) *rbacv1.RoleBinding {
	return &rbacv1.RoleBinding{
		ObjectMeta: objectMeta(r, userGroupName(r)),
		RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "Role", Name: userRoleName(r)},
		Subjects:   []rbacv1.Subject{{APIGroup: rbacv1.GroupName, Kind: rbacv1.GroupKind, Name: userGroupName(r)}},
	}
}

// userGroup says nothing of its users, so that added members are no difference. Where a label of it was
// changed, though, repairing it removes them: updates replace the whole object.
func userGroup(r *registry) *unstructured.Unstructured {
	group := &unstructured.Unstructured{}
	group.SetGroupVersionKind(groupKind)
	group.SetName(userGroupName(r))
	group.SetLabels(labels(r.Name, userGroupName(r)))
	return group
}

// networkPolicy admits the cluster's router and the platform's own namespaces to kube-rbac-proxy. Of a registry
// without that proxy only the name counts, to remove it by.
func networkPolicy(r *registry) *networkingv1.NetworkPolicy {
	var port int32
	if proxy := r.Spec.KubeRBACProxy; proxy != nil {
		port = proxy.Port
	}
	return ingressPolicy(objectMeta(r, r.Name+"-https-route"), podLabels(r.Name), port,
		namespacesWith("network.openshift.io/policy-group", "ingress"),
		namespacesWith("opendatahub.io/generated-namespace", "true"))
}

// ingressPolicy lets only peers in to a port of the pods, and to no other.
func ingressPolicy(meta metav1.ObjectMeta, pods map[string]string, port int32, peers ...networkingv1.NetworkPolicyPeer) *networkingv1.NetworkPolicy {
	return &networkingv1.NetworkPolicy{
		ObjectMeta: meta,
		Spec: networkingv1.NetworkPolicySpec{
			PodSelector: metav1.LabelSelector{MatchLabels: pods},
			PolicyTypes: []networkingv1.PolicyType{networkingv1.PolicyTypeIngress},
			Ingress: []networkingv1.NetworkPolicyIngressRule{{
				From:  peers,
				Ports: []networkingv1.NetworkPolicyPort{{Protocol: ptr.To(corev1.ProtocolTCP), Port: ptr.To(intstr.FromInt32(port))}},
			}},
		},
	}
}

func namespacesWith(label, value string) networkingv1.NetworkPolicyPeer {
	return networkingv1.NetworkPolicyPeer{NamespaceSelector: &metav1.LabelSelector{MatchLabels: map[string]string{label: value}}}
}

func podsWith(labels map[string]string) networkingv1.NetworkPolicyPeer {
	return networkingv1.NetworkPolicyPeer{PodSelector: &metav1.LabelSelector{MatchLabels: labels}}
}

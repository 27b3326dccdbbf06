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
	meta.Labels = labels(r.Name, userRoleName(r))
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

// userGroup has no users field, so that added members are no difference. Where a label of it was
// changed, though, repairing it removes them: updates replace the whole object.
func userGroup(r *registry) *unstructured.Unstructured {
	group := &unstructured.Unstructured{}
	group.SetGroupVersionKind(groupKind)
	group.SetName(userGroupName(r))
	group.SetLabels(labels(r.Name, r.Name))
	return group
}

// networkPolicy admits the cluster's ingress to the port that the Service offers.
func networkPolicy(r *registry) *networkingv1.NetworkPolicy {
	port := r.Spec.Rest.Port
	if proxy := r.proxy(); proxy != nil {
		port = proxy.Port
	}
	router := metav1.LabelSelector{MatchLabels: map[string]string{"network.openshift.io/policy-group": "ingress"}}
	return &networkingv1.NetworkPolicy{
		ObjectMeta: objectMeta(r, r.Name+"-https-route"),
		Spec: networkingv1.NetworkPolicySpec{
			PodSelector: metav1.LabelSelector{MatchLabels: podLabels(r.Name)},
			PolicyTypes: []networkingv1.PolicyType{networkingv1.PolicyTypeIngress},
			Ingress: []networkingv1.NetworkPolicyIngressRule{{
				From:  []networkingv1.NetworkPolicyPeer{{NamespaceSelector: &router}},
				Ports: []networkingv1.NetworkPolicyPort{{Protocol: ptr.To(corev1.ProtocolTCP), Port: ptr.To(intstr.FromInt32(port))}},
			}},
		},
	}
}

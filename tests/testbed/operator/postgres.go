// SPDX-FileCopyrightText: The opendatahub.model_registry authors
// SPDX-License-Identifier: GPL-3.0-or-later

// The database that the operator runs itself (spec.postgres.generateDeployment): all of it is
// owned by the registry, its data included.

package operator

import (
	"context"
	"crypto/rand"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/client-go/kubernetes/scheme"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"
)

const (
	postgresPort     = 5432
	postgresDataPath = "/var/lib/pgsql/data"
	postgresUser     = "modelregistry"
	postgresDatabase = "model_registry"

	// checkContainer is what the image has to say whether its server takes connections.
	checkContainer = "/usr/libexec/check-container"
)

// applyPostgres makes the database and points the registry, in memory only, at it. Its user and its database have fixed
// names: what the spec says of them, and of encryption, is not used.
func (r *reconciler) applyPostgres(ctx context.Context, owner *unstructured.Unstructured, registry *registry, total *result) error {
	db := &databaseSpec{
		Host:           postgresName(registry),
		Port:           postgresPort,
		Username:       postgresUser,
		Database:       postgresDatabase,
		PasswordSecret: &keyRef{Name: postgresSecretName(registry), Key: "password"},
		Image:          registry.Spec.Postgres.Image,
	}
	if err := r.ensurePostgresSecret(ctx, owner, registry); err != nil {
		return err
	}
	parts := []client.Object{
		postgresClaim(registry), postgresDeployment(registry, db), postgresService(registry), postgresPolicy(registry),
	}
	for _, desired := range parts {
		one, err := r.apply(ctx, owner, desired)
		if err != nil {
			return err
		}
		*total = max(*total, one)
	}
	registry.Spec.Postgres = db
	registry.Generated = true
	return nil
}

func postgresName(r *registry) string       { return r.Name + "-postgres" }
func postgresSecretName(r *registry) string { return r.Name + "-postgres-credentials" }
func postgresClaimName(r *registry) string  { return r.Name + "-postgres-storage" }

// postgresMeta is the metadata of an object of the database: labels of its own, unlike those of its pods.
func postgresMeta(r *registry, name string) metav1.ObjectMeta {
	return metav1.ObjectMeta{Name: name, Namespace: r.Namespace, Labels: map[string]string{
		"app":                          postgresName(r),
		"component":                    component + "-postgres",
		"app.kubernetes.io/name":       postgresName(r),
		"app.kubernetes.io/instance":   name,
		"app.kubernetes.io/component":  "database",
		createdByLabel:                 operatorName,
		"app.kubernetes.io/part-of":    component,
		"app.kubernetes.io/managed-by": operatorName,
	}}
}

// postgresPodLabels select the database's pods. Those of the registry server differ in the last label only, so who
// looks for pods by the first two finds both.
func postgresPodLabels(r *registry) map[string]string {
	return map[string]string{"app": r.Name, "component": component, "app.kubernetes.io/name": postgresName(r)}
}

// ensurePostgresSecret makes the account's Secret once. As the real operator's, it has no labels, and an annotation
// that shows the password.
func (r *reconciler) ensurePostgresSecret(ctx context.Context, owner *unstructured.Unstructured, registry *registry) error {
	secret := &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Name: postgresSecretName(registry), Namespace: registry.Namespace},
		Data:       map[string][]byte{"username": []byte(postgresUser), "password": []byte(rand.Text())},
	}
	if err := controllerutil.SetControllerReference(owner, secret, scheme.Scheme); err != nil {
		return err
	}
	wanted, err := toUnstructured(secret)
	if err != nil {
		return err
	}
	if _, err := annotateLastApplied(wanted); err != nil {
		return err
	}
	return ensure(ctx, r.client, wanted)
}

func postgresClaim(r *registry) *corev1.PersistentVolumeClaim {
	return &corev1.PersistentVolumeClaim{
		ObjectMeta: postgresMeta(r, postgresClaimName(r)),
		Spec: corev1.PersistentVolumeClaimSpec{
			AccessModes: []corev1.PersistentVolumeAccessMode{corev1.ReadWriteOnce},
			Resources: corev1.VolumeResourceRequirements{
				Requests: corev1.ResourceList{corev1.ResourceStorage: resource.MustParse("5Gi")},
			},
		},
	}
}

func postgresDeployment(r *registry, db *databaseSpec) *appsv1.Deployment {
	return &appsv1.Deployment{
		ObjectMeta: postgresMeta(r, postgresName(r)),
		Spec: appsv1.DeploymentSpec{
			Replicas: ptr.To(int32(1)),
			Selector: &metav1.LabelSelector{MatchLabels: postgresPodLabels(r)},
			Template: corev1.PodTemplateSpec{
				ObjectMeta: metav1.ObjectMeta{Labels: postgresPodLabels(r)},
				Spec: corev1.PodSpec{
					SecurityContext: podSecurity(),
					Containers:      []corev1.Container{postgresServer(r, db)},
					Volumes: []corev1.Volume{{Name: "postgres-storage", VolumeSource: corev1.VolumeSource{
						PersistentVolumeClaim: &corev1.PersistentVolumeClaimVolumeSource{ClaimName: postgresClaimName(r)},
					}}},
				},
			},
		},
	}
}

// postgresServer is set up by the variables of the sclorg image.
func postgresServer(r *registry, db *databaseSpec) corev1.Container {
	account := func(key string) *keyRef { return &keyRef{Name: postgresSecretName(r), Key: key} }
	env := []corev1.EnvVar{{Name: "POSTGRESQL_DATABASE", Value: db.Database}}
	env = append(env, secretEnv("POSTGRESQL_USER", account("username"))...)
	return corev1.Container{
		Name:            "postgres",
		Image:           db.Image,
		Ports:           []corev1.ContainerPort{{ContainerPort: postgresPort, Protocol: corev1.ProtocolTCP}},
		Env:             append(env, secretEnv("POSTGRESQL_PASSWORD", account("password"))...),
		ReadinessProbe:  execProbe(5, 10, checkContainer),
		LivenessProbe:   execProbe(30, 10, checkContainer, "--live"),
		SecurityContext: containerSecurity(),
		VolumeMounts:    []corev1.VolumeMount{{Name: "postgres-storage", MountPath: postgresDataPath}},
		Resources: corev1.ResourceRequirements{
			Requests: corev1.ResourceList{corev1.ResourceCPU: resource.MustParse("250m"), corev1.ResourceMemory: resource.MustParse("256Mi")},
			Limits:   corev1.ResourceList{corev1.ResourceCPU: resource.MustParse("500m"), corev1.ResourceMemory: resource.MustParse("512Mi")},
		},
	}
}

func execProbe(delay, period int32, command ...string) *corev1.Probe {
	return &corev1.Probe{
		ProbeHandler:        corev1.ProbeHandler{Exec: &corev1.ExecAction{Command: command}},
		InitialDelaySeconds: delay,
		PeriodSeconds:       period,
		TimeoutSeconds:      5,
		FailureThreshold:    3,
	}
}

// postgresPolicy admits the registry server, and no other pod.
func postgresPolicy(r *registry) *networkingv1.NetworkPolicy {
	return ingressPolicy(postgresMeta(r, postgresName(r)), postgresPodLabels(r), postgresPort, podsWith(podLabels(r.Name)))
}

func postgresService(r *registry) *corev1.Service {
	return &corev1.Service{
		ObjectMeta: postgresMeta(r, postgresName(r)),
		Spec: corev1.ServiceSpec{
			Type:     corev1.ServiceTypeClusterIP,
			Selector: postgresPodLabels(r),
			Ports: []corev1.ServicePort{
				{Port: postgresPort, TargetPort: intstr.FromInt32(postgresPort), Protocol: corev1.ProtocolTCP},
			},
		},
	}
}

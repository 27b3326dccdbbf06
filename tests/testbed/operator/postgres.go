// SPDX-FileCopyrightText: The opendatahub.model_registry authors
// SPDX-License-Identifier: GPL-3.0-or-later

// The database that the operator runs itself (spec.postgres.generateDeployment): all of it is
// owned by the registry, its data included.

package operator

import (
	"cmp"
	"context"
	"crypto/rand"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

const (
	postgresPort     = 5432
	postgresDataPath = "/var/lib/postgresql/data"
)

// applyPostgres makes the database and points the registry, in memory only, at it.
func (r *reconciler) applyPostgres(ctx context.Context, owner *unstructured.Unstructured, registry *registry, total *result) error {
	given := registry.Spec.Postgres
	db := &databaseSpec{
		Host:           postgresName(registry),
		Port:           postgresPort,
		Username:       cmp.Or(given.Username, "modelregistry"),
		Database:       cmp.Or(given.Database, "model_registry"),
		PasswordSecret: &keyRef{Name: postgresSecretName(registry), Key: "password"},
		Image:          given.Image,
	}
	if err := r.ensure(ctx, owner, postgresSecret(registry, db)); err != nil {
		return err
	}
	for _, desired := range []client.Object{postgresClaim(registry), postgresDeployment(registry, db), postgresService(registry)} {
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

// postgresMeta has labels of its own: with the registry's, the database's pod would count as one
// of the registry server.
func postgresMeta(r *registry, name string) metav1.ObjectMeta {
	return metav1.ObjectMeta{Name: name, Namespace: r.Namespace, Labels: map[string]string{
		"app":                          postgresName(r),
		createdByLabel:                 operatorName,
		"app.kubernetes.io/managed-by": operatorName,
		"app.kubernetes.io/part-of":    component,
	}}
}

func postgresSelector(r *registry) map[string]string {
	return map[string]string{"app": postgresName(r)}
}

func postgresSecret(r *registry, db *databaseSpec) *corev1.Secret {
	return &corev1.Secret{
		ObjectMeta: postgresMeta(r, postgresSecretName(r)),
		Data:       map[string][]byte{"username": []byte(db.Username), "password": []byte(rand.Text())},
	}
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
			Selector: &metav1.LabelSelector{MatchLabels: postgresSelector(r)},
			Strategy: appsv1.DeploymentStrategy{Type: appsv1.RecreateDeploymentStrategyType},
			Template: corev1.PodTemplateSpec{
				ObjectMeta: metav1.ObjectMeta{Labels: postgresSelector(r)},
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

// postgresServer is set up by the variables of the official image.
func postgresServer(r *registry, db *databaseSpec) corev1.Container {
	return corev1.Container{
		Name:  "postgres",
		Image: db.Image,
		Ports: []corev1.ContainerPort{{Name: "postgres", ContainerPort: postgresPort, Protocol: corev1.ProtocolTCP}},
		Env: append([]corev1.EnvVar{
			{Name: "POSTGRES_DB", Value: db.Database},
			{Name: "POSTGRES_USER", Value: db.Username},
			{Name: "PGDATA", Value: postgresDataPath + "/pgdata"},
		}, secretEnv("POSTGRES_PASSWORD", db.PasswordSecret)...),
		ReadinessProbe:  tcpProbe("postgres", 1, 5),
		SecurityContext: containerSecurity(),
		VolumeMounts:    []corev1.VolumeMount{{Name: "postgres-storage", MountPath: postgresDataPath}},
		Resources: corev1.ResourceRequirements{
			Requests: corev1.ResourceList{corev1.ResourceCPU: resource.MustParse("100m"), corev1.ResourceMemory: resource.MustParse("256Mi")},
			Limits:   corev1.ResourceList{corev1.ResourceMemory: resource.MustParse("512Mi")},
		},
	}
}

func postgresService(r *registry) *corev1.Service {
	return &corev1.Service{
		ObjectMeta: postgresMeta(r, postgresName(r)),
		Spec: corev1.ServiceSpec{
			Type:     corev1.ServiceTypeClusterIP,
			Selector: postgresSelector(r),
			Ports: []corev1.ServicePort{
				{Name: "postgres", Port: postgresPort, TargetPort: intstr.FromInt32(postgresPort), Protocol: corev1.ProtocolTCP},
			},
		},
	}
}

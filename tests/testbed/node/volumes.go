// SPDX-FileCopyrightText: The opendatahub.model_registry authors
// SPDX-License-Identifier: GPL-3.0-or-later

// This file prepares a pod's volumes as directories of the host and keeps them up to date.

package node

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"time"

	securejoin "github.com/cyphar/filepath-securejoin"
	authenticationv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/kubernetes/pkg/volume/configmap"
	"k8s.io/kubernetes/pkg/volume/secret"
	volumeutil "k8s.io/kubernetes/pkg/volume/util"
)

// files is the content of a volume: path below it -> data and mode.
type files = map[string]volumeutil.FileProjection

// volume is one prepared volume.
type volume struct {
	path string
	// readOnly volumes are those whose content the API gives.
	readOnly bool
}

// volumeSet is the volumes of one pod.
type volumeSet struct {
	agent  *agent
	dir    string
	ready  map[string]volume
	tokens map[string]serviceToken
}

// serviceToken is a service account's token for one audience, and when to ask for the next one.
type serviceToken struct {
	value  string
	expiry time.Time
	renew  time.Time
}

// volumeError says which volume failed.
type volumeError struct {
	volume string
	err    error
}

func (e *volumeError) Error() string {
	return fmt.Sprintf("MountVolume.SetUp failed for volume %q : %v", e.volume, e.err)
}

func newVolumeSet(a *agent, podDir string) *volumeSet {
	return &volumeSet{agent: a, dir: filepath.Join(podDir, "volumes"), ready: map[string]volume{}, tokens: map[string]serviceToken{}}
}

// setUp makes or refreshes all volumes. Errors: *volumeError for the first that fails.
func (s *volumeSet) setUp(ctx context.Context, pod *corev1.Pod) error {
	for i := range pod.Spec.Volumes {
		v := &pod.Spec.Volumes[i]
		made, err := s.setUpOne(ctx, pod, v)
		if err != nil {
			return &volumeError{v.Name, err}
		}
		s.ready[v.Name] = made
	}
	return nil
}

// renewal is when a token must be renewed, zero for never.
func (s *volumeSet) renewal() time.Time {
	var first time.Time
	for _, token := range s.tokens {
		if first.IsZero() || token.renew.Before(first) {
			first = token.renew
		}
	}
	return first
}

func (s *volumeSet) setUpOne(ctx context.Context, pod *corev1.Pod, v *corev1.Volume) (volume, error) {
	path := filepath.Join(s.dir, v.Name)
	switch {
	case v.HostPath != nil:
		return volume{path: v.HostPath.Path}, checkHostPath(v.HostPath)
	case v.PersistentVolumeClaim != nil:
		return s.claim(ctx, pod, v.PersistentVolumeClaim)
	case v.EmptyDir != nil:
		return volume{path: path}, makeWritable(path)
	}
	content, err := s.content(ctx, pod, v)
	if err != nil {
		return volume{}, err
	}
	return volume{path: path, readOnly: true}, writeFiles(path, pod, content)
}

// content is what a volume of API data holds.
func (s *volumeSet) content(ctx context.Context, pod *corev1.Pod, v *corev1.Volume) (files, error) {
	switch {
	case v.Secret != nil:
		return s.secretFiles(ctx, pod, v.Secret.SecretName, v.Secret.Items, v.Secret.DefaultMode, v.Secret.Optional)
	case v.ConfigMap != nil:
		return s.configMapFiles(ctx, pod, v.ConfigMap.Name, v.ConfigMap.Items, v.ConfigMap.DefaultMode, v.ConfigMap.Optional)
	case v.DownwardAPI != nil:
		return downwardFiles(pod, v.DownwardAPI.Items, v.DownwardAPI.DefaultMode)
	case v.Projected != nil:
		return s.projectedFiles(ctx, pod, v.Projected)
	}
	return nil, fmt.Errorf("no volume plugin matched")
}

func (s *volumeSet) projectedFiles(ctx context.Context, pod *corev1.Pod, projected *corev1.ProjectedVolumeSource) (files, error) {
	all := files{}
	for _, source := range projected.Sources {
		var part files
		var err error
		switch {
		case source.Secret != nil:
			part, err = s.secretFiles(ctx, pod, source.Secret.Name, source.Secret.Items, projected.DefaultMode, source.Secret.Optional)
		case source.ConfigMap != nil:
			part, err = s.configMapFiles(ctx, pod, source.ConfigMap.Name, source.ConfigMap.Items, projected.DefaultMode, source.ConfigMap.Optional)
		case source.DownwardAPI != nil:
			part, err = downwardFiles(pod, source.DownwardAPI.Items, projected.DefaultMode)
		case source.ServiceAccountToken != nil:
			part, err = s.tokenFile(ctx, pod, source.ServiceAccountToken)
		default:
			err = fmt.Errorf("this projected source is not supported here")
		}
		if err != nil {
			return nil, err
		}
		for path, file := range part {
			all[path] = file
		}
	}
	return all, nil
}

func (s *volumeSet) secretFiles(ctx context.Context, pod *corev1.Pod, name string, items []corev1.KeyToPath, mode *int32, optional *bool) (files, error) {
	object, err := s.agent.secret(ctx, pod.Namespace, name)
	if err != nil {
		if err := absent(err, "secret", name, optional); err != nil {
			return nil, err
		}
		object = &corev1.Secret{}
	}
	return secret.MakePayload(items, object, mode, isTrue(optional))
}

func (s *volumeSet) configMapFiles(ctx context.Context, pod *corev1.Pod, name string, items []corev1.KeyToPath, mode *int32, optional *bool) (files, error) {
	object, err := s.agent.configMap(ctx, pod.Namespace, name)
	if err != nil {
		if err := absent(err, "configmap", name, optional); err != nil {
			return nil, err
		}
		object = &corev1.ConfigMap{}
	}
	return configmap.MakePayload(items, object, mode, isTrue(optional))
}

// downwardFiles knows fields of the pod, not resources.
func downwardFiles(pod *corev1.Pod, items []corev1.DownwardAPIVolumeFile, mode *int32) (files, error) {
	content := files{}
	for _, item := range items {
		if item.FieldRef == nil {
			return nil, fmt.Errorf("downward API file %s: only fields of the pod are supported here", item.Path)
		}
		value, err := podField(pod, item.FieldRef.FieldPath)
		if err != nil {
			return nil, err
		}
		fileMode := mode
		if item.Mode != nil {
			fileMode = item.Mode
		}
		content[item.Path] = volumeutil.FileProjection{Data: []byte(value), Mode: *fileMode}
	}
	return content, nil
}

// tokenFile is the pod's token, renewed as the kubelet does after 80% of its life.
func (s *volumeSet) tokenFile(ctx context.Context, pod *corev1.Pod, source *corev1.ServiceAccountTokenProjection) (files, error) {
	// Readable for all as in the kubelet, when the container's user is not known.
	const tokenMode = 0o644
	token, known := s.tokens[source.Audience]
	if now := time.Now(); !known || now.After(token.renew) {
		fresh, err := s.requestToken(ctx, pod, source)
		switch {
		case err == nil:
			token = fresh
		case !known || now.After(token.expiry):
			return nil, fmt.Errorf("failed to fetch token: %w", err)
		default:
			token.renew = now.Add(10 * time.Second)
		}
		s.tokens[source.Audience] = token
	}
	return files{source.Path: {Data: []byte(token.value), Mode: tokenMode}}, nil
}

func (s *volumeSet) requestToken(ctx context.Context, pod *corev1.Pod, source *corev1.ServiceAccountTokenProjection) (serviceToken, error) {
	request := &authenticationv1.TokenRequest{Spec: authenticationv1.TokenRequestSpec{
		ExpirationSeconds: source.ExpirationSeconds,
		BoundObjectRef:    &authenticationv1.BoundObjectReference{APIVersion: "v1", Kind: "Pod", Name: pod.Name, UID: pod.UID},
	}}
	if source.Audience != "" {
		request.Spec.Audiences = []string{source.Audience}
	}
	answer, err := s.agent.client.CoreV1().ServiceAccounts(pod.Namespace).
		CreateToken(ctx, pod.Spec.ServiceAccountName, request, metav1.CreateOptions{})
	if err != nil {
		return serviceToken{}, err
	}
	life := time.Duration(*answer.Spec.ExpirationSeconds) * time.Second
	expiry := answer.Status.ExpirationTimestamp.Time
	return serviceToken{value: answer.Status.Token, expiry: expiry, renew: expiry.Add(-life / 5)}, nil
}

// claim finds the directory of a bound claim.
func (s *volumeSet) claim(ctx context.Context, pod *corev1.Pod, source *corev1.PersistentVolumeClaimVolumeSource) (volume, error) {
	core := s.agent.client.CoreV1()
	claim, err := core.PersistentVolumeClaims(pod.Namespace).Get(ctx, source.ClaimName, metav1.GetOptions{})
	if err != nil {
		return volume{}, err
	}
	if claim.Status.Phase != corev1.ClaimBound {
		return volume{}, fmt.Errorf("claim %s/%s is not bound", claim.Namespace, claim.Name)
	}
	pv, err := core.PersistentVolumes().Get(ctx, claim.Spec.VolumeName, metav1.GetOptions{})
	if err != nil {
		return volume{}, err
	}
	if pv.Spec.HostPath == nil {
		return volume{}, fmt.Errorf("volume %s: only hostPath is supported here", pv.Name)
	}
	return volume{path: pv.Spec.HostPath.Path, readOnly: source.ReadOnly}, makeWritable(pv.Spec.HostPath.Path)
}

func makeWritable(path string) error {
	if _, err := os.Stat(path); err == nil {
		return nil
	}
	if err := os.MkdirAll(path, 0o777); err != nil {
		return err
	}
	return os.Chmod(path, 0o777)
}

// checkHostPath makes or checks the place as its type says.
func checkHostPath(source *corev1.HostPathVolumeSource) error {
	kind := corev1.HostPathUnset
	if source.Type != nil {
		kind = *source.Type
	}
	info, err := os.Stat(source.Path)
	switch kind {
	case corev1.HostPathUnset, corev1.HostPathDirectoryOrCreate:
		if err != nil {
			return os.MkdirAll(source.Path, 0o755)
		}
	case corev1.HostPathFileOrCreate:
		if err != nil {
			return os.WriteFile(source.Path, nil, 0o644)
		}
	case corev1.HostPathDirectory:
		if err != nil || !info.IsDir() {
			return fmt.Errorf("hostPath type check failed: %s is not a directory", source.Path)
		}
	case corev1.HostPathFile:
		if err != nil || !info.Mode().IsRegular() {
			return fmt.Errorf("hostPath type check failed: %s is not a file", source.Path)
		}
	default:
		return err
	}
	return nil
}

// writeFiles replaces the content of a volume at once, as readers of a mounted Secret expect it.
func writeFiles(path string, pod *corev1.Pod, content files) error {
	if err := os.MkdirAll(path, 0o755); err != nil {
		return err
	}
	writer, err := volumeutil.NewAtomicWriter(path, pod.Namespace+"/"+pod.Name)
	if err != nil {
		return err
	}
	return writer.Write(content, nil)
}

// mounts gives the container's volume mounts. Errors are those of the state CreateContainerConfigError.
func (s *volumeSet) mounts(c *corev1.Container, env map[string]string) ([]bindMount, error) {
	var mounts []bindMount
	for _, m := range c.VolumeMounts {
		v, found := s.ready[m.Name]
		if !found {
			return nil, fmt.Errorf("cannot find volume %q to mount into container %q", m.Name, c.Name)
		}
		subPath := m.SubPath
		if m.SubPathExpr != "" {
			subPath = expandAll([]string{m.SubPathExpr}, env)[0]
		}
		source := v.path
		if subPath != "" {
			var err error
			if source, err = makeSubPath(v, subPath); err != nil {
				return nil, fmt.Errorf("failed to prepare subPath for volumeMount %q of container %q: %w", m.Name, c.Name, err)
			}
		}
		mounts = append(mounts, bindMount{Source: source, Target: m.MountPath, ReadOnly: m.ReadOnly || v.readOnly})
	}
	return mounts, nil
}

func makeSubPath(v volume, subPath string) (string, error) {
	path, err := securejoin.SecureJoin(v.path, subPath)
	if err != nil {
		return "", err
	}
	if _, err := os.Stat(path); os.IsNotExist(err) && !v.readOnly {
		return path, os.MkdirAll(path, 0o750)
	}
	return path, nil
}

// secret gets the present Secret.
func (a *agent) secret(ctx context.Context, namespace, name string) (*corev1.Secret, error) {
	ctx, cancel := context.WithTimeout(ctx, apiTimeout)
	defer cancel()
	return a.client.CoreV1().Secrets(namespace).Get(ctx, name, metav1.GetOptions{})
}

// configMap gets the present ConfigMap.
func (a *agent) configMap(ctx context.Context, namespace, name string) (*corev1.ConfigMap, error) {
	ctx, cancel := context.WithTimeout(ctx, apiTimeout)
	defer cancel()
	return a.client.CoreV1().ConfigMaps(namespace).Get(ctx, name, metav1.GetOptions{})
}

// SPDX-FileCopyrightText: The opendatahub.model_registry authors
// SPDX-License-Identifier: GPL-3.0-or-later

// The proxy's serving certificate, which on OpenShift the service-ca controller makes.

package operator

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// ensureServingCertificate makes the Secret that the Service's annotation names, owned by the
// Service, as the service-ca controller does. Unlike there, the certificate is signed by itself.
func (r *reconciler) ensureServingCertificate(ctx context.Context, registry *registry) error {
	owner := &corev1.Service{}
	key := client.ObjectKey{Namespace: registry.Namespace, Name: registry.Name}
	if err := r.client.Get(ctx, key, owner); err != nil {
		return err
	}
	name := owner.Annotations[servingCertAnnotation]
	certificate, private, err := selfSigned(
		fmt.Sprintf("%s.%s.svc", registry.Name, registry.Namespace),
		fmt.Sprintf("%s.%s.svc.cluster.local", registry.Name, registry.Namespace))
	if err != nil {
		return err
	}
	secret := &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{
			Name:        name,
			Namespace:   registry.Namespace,
			Annotations: map[string]string{"service.beta.openshift.io/originating-service-name": registry.Name},
			OwnerReferences: []metav1.OwnerReference{
				{APIVersion: "v1", Kind: "Service", Name: owner.Name, UID: owner.UID},
			},
		},
		Type: corev1.SecretTypeTLS,
		Data: map[string][]byte{corev1.TLSCertKey: certificate, corev1.TLSPrivateKeyKey: private},
	}
	return ensure(ctx, r.world, secret)
}

func selfSigned(names ...string) (certificate, private []byte, err error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, nil, err
	}
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 120))
	if err != nil {
		return nil, nil, err
	}
	now := time.Now()
	template := &x509.Certificate{
		SerialNumber:          serial,
		Subject:               pkix.Name{CommonName: names[0]},
		DNSNames:              names,
		NotBefore:             now.Add(-time.Hour),
		NotAfter:              now.AddDate(2, 0, 0),
		KeyUsage:              x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
		ExtKeyUsage:           []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		BasicConstraintsValid: true,
		IsCA:                  true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return nil, nil, err
	}
	bits, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, nil, err
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}),
		pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: bits}), nil
}

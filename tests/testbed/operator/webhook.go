// SPDX-FileCopyrightText: The opendatahub.model_registry authors
// SPDX-License-Identifier: GPL-3.0-or-later

// The admission webhooks: defaults at /mutate, rules at /validate.

package operator

import (
	"context"
	"encoding/json"
	"net/http"

	admissionv1 "k8s.io/api/admission/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/webhook"
	"sigs.k8s.io/controller-runtime/pkg/webhook/admission"
)

func registerWebhooks(server webhook.Server, r rules, reader client.Reader) {
	server.Register("/mutate", &admission.Webhook{Handler: admission.HandlerFunc(r.mutate)})
	server.Register("/validate", &admission.Webhook{Handler: validator{rules: r, reader: reader}})
}

func (r rules) mutate(_ context.Context, request admission.Request) admission.Response {
	object, err := decode(request)
	if err != nil {
		return admission.Errored(http.StatusBadRequest, err)
	}
	spec := specOf(object)
	known, _, _ := unstructured.NestedString(object.Object, "status", "specDefaults")
	r.applyDefaults(spec, request.Kind.Version, known)
	if err := canonicalResources(spec); err != nil {
		return admission.Errored(http.StatusBadRequest, err)
	}
	if spec["grpc"] == nil {
		// Of the real webhook's typed structs, which always have one; the API's default port follows.
		spec["grpc"] = map[string]any{}
	}
	object.Object["spec"] = spec
	changed, err := json.Marshal(object.Object)
	if err != nil {
		return admission.Errored(http.StatusInternalServerError, err)
	}
	return admission.PatchResponseFromRaw(request.Object.Raw, changed)
}

type validator struct {
	rules
	reader client.Reader
}

// Handle checks the name's uniqueness first and on creation only, as the real operator does.
func (v validator) Handle(ctx context.Context, request admission.Request) admission.Response {
	object, err := decode(request)
	if err != nil {
		return admission.Errored(http.StatusBadRequest, err)
	}
	if request.Operation == admissionv1.Create {
		existing := &unstructured.UnstructuredList{}
		existing.SetGroupVersionKind(v.registryKind())
		if err := v.reader.List(ctx, existing); err != nil {
			return admission.Denied(err.Error())
		}
		if err := validateUnique(object, existing.Items); err != nil {
			return admission.Denied(err.Error())
		}
	}
	if err := v.validate(object); err != nil {
		return admission.Denied(err.Error())
	}
	return admission.Allowed("")
}

func decode(request admission.Request) (*unstructured.Unstructured, error) {
	object := &unstructured.Unstructured{}
	return object, object.UnmarshalJSON(request.Object.Raw)
}

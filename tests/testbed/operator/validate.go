// SPDX-FileCopyrightText: The opendatahub.model_registry authors
// SPDX-License-Identifier: GPL-3.0-or-later

// The operator's own rules for a ModelRegistry, beyond the CRD's schema.

package operator

import (
	"fmt"

	"k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

// validate is the error the real operator's webhook answers with, nil where all is well. Like the
// real one it asks for at least one database and does not object to both.
func (r rules) validate(object *unstructured.Unstructured) error {
	problems := append(r.validateNamespace(object.GetNamespace()), validateDatabase(specOf(object))...)
	return invalid(object, problems)
}

// validateUnique is the error for a name that a registry of any namespace has already.
func validateUnique(object *unstructured.Unstructured, existing []unstructured.Unstructured) error {
	for _, other := range existing {
		if other.GetName() == object.GetName() {
			return invalid(object, field.ErrorList{field.Duplicate(field.NewPath("metadata", "name"),
				fmt.Sprintf("registry named %s already exists in namespace %s", other.GetName(), other.GetNamespace()))})
		}
	}
	return nil
}

func (r rules) validateNamespace(namespace string) field.ErrorList {
	if r.RegistriesNamespace == "" || namespace == r.RegistriesNamespace {
		return nil
	}
	return field.ErrorList{field.Invalid(field.NewPath("metadata", "namespace"), namespace,
		"namespace must be "+r.RegistriesNamespace)}
}

func validateDatabase(spec map[string]any) field.ErrorList {
	path := field.NewPath("spec")
	if spec["postgres"] == nil && spec["mysql"] == nil {
		const missing = "required one of `postgres` or `mysql` database"
		return field.ErrorList{
			field.Required(path.Child("postgres"), missing),
			field.Required(path.Child("mysql"), missing),
		}
	}
	postgres, _ := spec["postgres"].(map[string]any)
	if postgres["generateDeployment"] == true && (!isEmpty(postgres, "host") || !isEmpty(postgres, "hostAddress")) {
		return field.ErrorList{field.Invalid(path.Child("postgres", "host"), postgres["host"],
			"host should not be set when auto-provisioning is enabled")}
	}
	return nil
}

func invalid(object *unstructured.Unstructured, problems field.ErrorList) error {
	if len(problems) == 0 {
		return nil
	}
	return errors.NewInvalid(object.GroupVersionKind().GroupKind(), object.GetName(), problems)
}

// SPDX-FileCopyrightText: The opendatahub.model_registry authors
// SPDX-License-Identifier: GPL-3.0-or-later

package programs

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"k8s.io/apiserver/pkg/authentication/authenticator"
	"k8s.io/apiserver/pkg/authentication/user"
	"k8s.io/apiserver/pkg/authorization/authorizer"
)

func TestReadProxyConfig(t *testing.T) {
	for name, test := range map[string]struct {
		content string
		want    *resourceAttributes
		fault   string
	}{
		"the operator's": {
			content: "authorization:\n  resourceAttributes:\n    apiVersion: v1\n    resource: services\n" +
				"    verb: get\n    namespace: registries\n    name: one\n",
			want: &resourceAttributes{
				APIVersion: "v1", Resource: "services", Verb: "get", Namespace: "registries", Name: "one",
			},
		},
		"nothing": {},
		"no YAML": {content: "authorization: [", fault: "failed to parse config file content: "},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "config.yaml")
			if err := os.WriteFile(path, []byte(test.content), 0o600); err != nil {
				t.Fatal(err)
			}
			got, err := readProxyConfig(path)
			if !strings.HasPrefix(faultOf(err), test.fault) || (err != nil) != (test.fault != "") {
				t.Errorf("got %v, want %q", err, test.fault)
			}
			if (got == nil) != (test.want == nil) || got != nil && *got != *test.want {
				t.Errorf("got %+v, want %+v", got, test.want)
			}
		})
	}
}

func TestWanted(t *testing.T) {
	caller := &user.DefaultInfo{Name: "u"}
	service := resourceAttributes{APIVersion: "v1", Resource: "services", Namespace: "n", Name: "x"}
	reading := service
	reading.Verb = "get"
	for name, test := range map[string]struct {
		attributes *resourceAttributes
		method     string
		verb       string
		resource   bool
	}{
		"GET":           {&service, http.MethodGet, "get", true},
		"POST":          {&service, http.MethodPost, "create", true},
		"PUT":           {&service, http.MethodPut, "update", true},
		"PATCH":         {&service, http.MethodPatch, "patch", true},
		"DELETE":        {&service, http.MethodDelete, "delete", true},
		"HEAD":          {&service, http.MethodHead, "", true},
		"configured":    {&reading, http.MethodPost, "get", true},
		"no attributes": {nil, http.MethodPost, "create", false},
	} {
		t.Run(name, func(t *testing.T) {
			got := test.attributes.wanted(caller, httptest.NewRequest(test.method, "/api", nil))
			if got.GetVerb() != test.verb || got.IsResourceRequest() != test.resource {
				t.Errorf("got %+v", got)
			}
			if test.resource != (got.GetName() == "x") || test.resource == (got.GetPath() == "/api") {
				t.Errorf("got %+v", got)
			}
		})
	}
}

func TestGuard(t *testing.T) {
	upstream := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = w.Write([]byte(r.URL.Path + " for " + r.Header.Get("X-Remote-User")))
	}))
	defer upstream.Close()
	target, err := url.Parse(upstream.URL)
	if err != nil {
		t.Fatal(err)
	}
	known := func(*http.Request) (*authenticator.Response, bool, error) {
		return &authenticator.Response{User: &user.DefaultInfo{Name: "u"}}, true, nil
	}
	unknown := func(*http.Request) (*authenticator.Response, bool, error) { return nil, false, nil }
	decide := func(decision authorizer.Decision, err error) authorizer.AuthorizerFunc {
		return func(context.Context, authorizer.Attributes) (authorizer.Decision, string, error) {
			return decision, "", err
		}
	}
	for name, test := range map[string]struct {
		authenticate authenticator.RequestFunc
		authorize    authorizer.AuthorizerFunc
		status       int
		body         string
	}{
		"unknown": {unknown, decide(authorizer.DecisionAllow, nil), 401, "Unauthorized\n"},
		"forbidden": {
			known, decide(authorizer.DecisionNoOpinion, nil), 403,
			"Forbidden (user=u, verb=get, resource=services, subresource=)\n",
		},
		"API server down": {
			known, decide(authorizer.DecisionAllow, errors.New("down")), 500,
			"Authorization error (user=u, verb=get, resource=services, subresource=)\n",
		},
		"allowed": {known, decide(authorizer.DecisionAllow, nil), 200, "/api for "},
	} {
		t.Run(name, func(t *testing.T) {
			g := &guard{test.authenticate, test.authorize, &resourceAttributes{Resource: "services"}, reverseProxy(target)}
			request := httptest.NewRequest(http.MethodGet, "/api", nil)
			request.Header.Set("X-Remote-User", "somebody else")
			answer := httptest.NewRecorder()
			g.ServeHTTP(answer, request)
			if answer.Code != test.status || answer.Body.String() != test.body {
				t.Errorf("got %d %q, want %d %q", answer.Code, answer.Body, test.status, test.body)
			}
		})
	}
}

// SPDX-FileCopyrightText: The opendatahub.model_registry authors
// SPDX-License-Identifier: GPL-3.0-or-later

// A double of kube-rbac-proxy with the options that the model registry operator gives it.

package programs

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
	"strconv"
	"sync"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"k8s.io/apiserver/pkg/apis/apiserver"
	"k8s.io/apiserver/pkg/authentication/authenticator"
	"k8s.io/apiserver/pkg/authentication/authenticatorfactory"
	"k8s.io/apiserver/pkg/authentication/user"
	"k8s.io/apiserver/pkg/authorization/authorizer"
	"k8s.io/apiserver/pkg/authorization/authorizerfactory"
	"k8s.io/apiserver/pkg/server/options"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/klog/v2"
	"sigs.k8s.io/yaml"
)

// How long answers of the API server are remembered, as in the real proxy: a grant that is taken away works for
// up to five minutes more, one that is given is refused for up to half a minute more.
const (
	authenticationTTL = 2 * time.Minute
	allowedTTL        = 5 * time.Minute
	deniedTTL         = 30 * time.Second
)

// resourceAttributes is what a caller must be allowed to do; verb is of the Open Data Hub build of the proxy.
type resourceAttributes struct {
	Namespace   string `json:"namespace"`
	APIGroup    string `json:"apiGroup"`
	APIVersion  string `json:"apiVersion"`
	Resource    string `json:"resource"`
	Subresource string `json:"subresource"`
	Name        string `json:"name"`
	Verb        string `json:"verb"`
}

type proxyFlags struct {
	listen, upstream, config, certificate, key string
	endpointsPort                              uint16
}

// ProxyCommand is the "kube-rbac-proxy" program.
func ProxyCommand() *cobra.Command {
	var flags proxyFlags
	command := &cobra.Command{
		Use:  "kube-rbac-proxy",
		Args: cobra.NoArgs,
		RunE: func(command *cobra.Command, _ []string) error {
			if err := quieten(command.Flag("v")); err != nil {
				return err
			}
			return flags.run()
		},
	}
	set := command.Flags()
	set.StringVar(&flags.listen, "secure-listen-address", "", "the address the HTTPS server listens on")
	set.StringVar(&flags.upstream, "upstream", "", "the upstream URL to proxy to")
	set.Uint16Var(&flags.endpointsPort, "proxy-endpoints-port", 0, "the port of /healthz; 0 for none")
	set.StringVar(&flags.config, "config-file", "", "the file with the attributes to authorize")
	set.StringVar(&flags.certificate, "tls-cert-file", "", "the file with the server's certificate")
	set.StringVar(&flags.key, "tls-private-key-file", "", "the file with the certificate's key")
	set.Bool("logtostderr", true, "accepted; logs always go to standard error")
	for _, name := range []string{"secure-listen-address", "upstream", "tls-cert-file", "tls-private-key-file"} {
		if err := command.MarkFlagRequired(name); err != nil {
			panic(err)
		}
	}
	return command
}

// bodiesFrom is the verbosity from which on the Kubernetes client logs bodies, and with them callers' tokens,
// which the real proxy masks.
const bodiesFrom = 8

// quieten keeps a verbosity below bodiesFrom.
func quieten(verbosity *pflag.Flag) error {
	level, err := strconv.Atoi(verbosity.Value.String())
	if err != nil || level < bodiesFrom {
		return err
	}
	return verbosity.Value.Set(strconv.Itoa(bodiesFrom - 1))
}

// run serves until one of the listeners fails.
func (f proxyFlags) run() error {
	upstream, err := url.Parse(f.upstream)
	if err != nil {
		return fmt.Errorf("failed to parse upstream URL: %w", err)
	}
	attributes, err := readProxyConfig(f.config)
	if err != nil {
		return err
	}
	guard, err := newGuard(attributes, reverseProxy(upstream))
	if err != nil {
		return err
	}
	secure := &tls.Config{MinVersion: tls.VersionTLS12, GetCertificate: newCertificateFiles(f.certificate, f.key).get}
	failed := make(chan error)
	serve := func(address string, handler http.Handler) {
		server := &http.Server{
			Addr: address, Handler: handler, TLSConfig: secure, ReadHeaderTimeout: 30 * time.Second,
		}
		log.Printf("Listening securely on %s", address)
		failed <- server.ListenAndServeTLS("", "")
	}
	go serve(f.listen, guard)
	if f.endpointsPort != 0 {
		go serve(net.JoinHostPort("0.0.0.0", strconv.Itoa(int(f.endpointsPort))), healthEndpoint())
	}
	return <-failed
}

// healthEndpoint answers the probes.
func healthEndpoint() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("/healthz", func(w http.ResponseWriter, _ *http.Request) {
		if _, err := w.Write([]byte("ok")); err != nil {
			klog.Errorf("/healthz: %v", err)
		}
	})
	return mux
}

// readProxyConfig reads authorization.resourceAttributes; nil (and no file) leaves the request's own path to be
// authorized. Keys that it does not know are ignored, as by the real one.
func readProxyConfig(path string) (*resourceAttributes, error) {
	var config struct {
		Authorization struct {
			ResourceAttributes *resourceAttributes `json:"resourceAttributes"`
		} `json:"authorization"`
	}
	if path == "" {
		return nil, nil
	}
	content, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("failed to read resource-attribute file: %w", err)
	}
	if err := yaml.Unmarshal(content, &config); err != nil {
		return nil, fmt.Errorf("failed to parse config file content: %w", err)
	}
	return config.Authorization.ResourceAttributes, nil
}

// reverseProxy forwards to the upstream under its own host name, with X-Forwarded-For, -Host and -Proto.
func reverseProxy(upstream *url.URL) http.Handler {
	return &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) {
		r.SetURL(upstream)
		r.Out.Header["X-Forwarded-For"] = r.In.Header["X-Forwarded-For"]
		r.SetXForwarded()
		for _, identity := range []string{"X-Remote-User", "X-Remote-Groups"} {
			r.Out.Header.Del(identity) // nobody but the proxy may tell who the caller is
		}
	}}
}

// guard lets through whom the API server knows and allows.
type guard struct {
	authenticator authenticator.Request
	authorizer    authorizer.Authorizer
	attributes    *resourceAttributes
	next          http.Handler
}

// newGuard asks the API server of this pod, with TokenReview and SubjectAccessReview, through the library that
// the real proxy uses.
func newGuard(attributes *resourceAttributes, next http.Handler) (*guard, error) {
	config, err := rest.InClusterConfig()
	if err != nil {
		return nil, err
	}
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return nil, err
	}
	backoff := options.DefaultAuthWebhookRetryBackoff()
	authenticate, _, err := authenticatorfactory.DelegatingAuthenticatorConfig{
		Anonymous:                &apiserver.AnonymousAuthConfig{Enabled: false},
		TokenAccessReviewClient:  client.AuthenticationV1(),
		TokenAccessReviewTimeout: 10 * time.Second,
		WebhookRetryBackoff:      backoff,
		CacheTTL:                 authenticationTTL,
	}.New()
	if err != nil {
		return nil, err
	}
	authorize, err := authorizerfactory.DelegatingAuthorizerConfig{
		SubjectAccessReviewClient: client.AuthorizationV1(),
		AllowCacheTTL:             allowedTTL,
		DenyCacheTTL:              deniedTTL,
		WebhookRetryBackoff:       backoff,
	}.New()
	if err != nil {
		return nil, err
	}
	return &guard{authenticate, authorize, attributes, next}, nil
}

// ServeHTTP answers 401, 403 and 500 in the real proxy's words, or hands the request on. The authenticator takes
// the bearer token off the request.
func (g *guard) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	caller, ok, err := g.authenticator.AuthenticateRequest(r)
	if err != nil {
		klog.Errorf("Unable to authenticate the request due to an error: %v", err)
	}
	if err != nil || !ok {
		http.Error(w, "Unauthorized", http.StatusUnauthorized)
		return
	}
	if status, message := g.authorize(r.Context(), caller.User, r); status != http.StatusOK {
		http.Error(w, message, status)
		return
	}
	g.next.ServeHTTP(w, r)
}

// authorize gives 200, or a status and what to say.
func (g *guard) authorize(ctx context.Context, caller user.Info, r *http.Request) (int, string) {
	wanted := g.attributes.wanted(caller, r)
	who := fmt.Sprintf("(user=%s, verb=%s, resource=%s, subresource=%s)",
		caller.GetName(), wanted.GetVerb(), wanted.GetResource(), wanted.GetSubresource())
	decision, reason, err := g.authorizer.Authorize(ctx, wanted)
	switch {
	case err != nil:
		klog.Errorf("Authorization error %s: %s", who, err)
		return http.StatusInternalServerError, "Authorization error " + who
	case decision != authorizer.DecisionAllow:
		klog.V(2).Infof("Forbidden %s. Reason: %q.", who, reason)
		return http.StatusForbidden, "Forbidden " + who
	}
	return http.StatusOK, ""
}

// wanted is what the caller must be allowed to do for this request.
func (a *resourceAttributes) wanted(caller user.Info, r *http.Request) authorizer.Attributes {
	if a == nil {
		return authorizer.AttributesRecord{User: caller, Verb: methodVerb(r.Method), Path: r.URL.Path}
	}
	verb := a.Verb
	if verb == "" {
		verb = methodVerb(r.Method)
	}
	return authorizer.AttributesRecord{
		User: caller, Verb: verb, Namespace: a.Namespace, APIGroup: a.APIGroup, APIVersion: a.APIVersion,
		Resource: a.Resource, Subresource: a.Subresource, Name: a.Name, ResourceRequest: true,
	}
}

// methodVerb is the API verb of an HTTP method; other methods have none, which only a rule for "*" allows.
func methodVerb(method string) string {
	return map[string]string{
		http.MethodPost: "create", http.MethodGet: "get", http.MethodPut: "update",
		http.MethodPatch: "patch", http.MethodDelete: "delete",
	}[method]
}

// certificateFiles serves a certificate and its key from files, read again when they change.
type certificateFiles struct {
	certificate, key string

	lock   sync.Mutex
	stamps [2]time.Time
	loaded *tls.Certificate
}

func newCertificateFiles(certificate, key string) *certificateFiles {
	return &certificateFiles{certificate: certificate, key: key}
}

// get returns the newest pair that can be read: while one of the files is replaced and the other is not yet,
// the former pair stays.
func (c *certificateFiles) get(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	c.lock.Lock()
	defer c.lock.Unlock()
	stamps, err := c.changed()
	if err == nil && (c.loaded == nil || stamps != c.stamps) {
		var pair tls.Certificate
		if pair, err = tls.LoadX509KeyPair(c.certificate, c.key); err == nil {
			c.loaded, c.stamps = &pair, stamps
		}
	}
	if err != nil {
		klog.Errorf("failed to load the certificate: %v", err)
	}
	if c.loaded == nil {
		return nil, errors.New("no certificate")
	}
	return c.loaded, nil
}

// changed is when each file was last written; a Secret's mount replaces files, which counts too.
func (c *certificateFiles) changed() ([2]time.Time, error) {
	var stamps [2]time.Time
	for i, path := range []string{c.certificate, c.key} {
		info, err := os.Stat(path)
		if err != nil {
			return stamps, err
		}
		stamps[i] = info.ModTime()
	}
	return stamps, nil
}

// SPDX-FileCopyrightText: The opendatahub.model_registry authors
// SPDX-License-Identifier: GPL-3.0-or-later

// A double of OpenShift's oauth-proxy: healthy, and closed to everybody, since there is no OpenShift to log in to.

package programs

import (
	"net/http"
	"time"

	"github.com/spf13/cobra"
)

// OAuthCommand is the "oauth-proxy" program. It answers /oauth/healthz, which is what probes ask, and refuses the
// rest. Other flags of the real proxy are accepted and ignored.
func OAuthCommand() *cobra.Command {
	var address, certificate, key string
	command := &cobra.Command{
		Use:                "oauth-proxy --https-address ADDRESS --tls-cert FILE --tls-key FILE",
		FParseErrWhitelist: cobra.FParseErrWhitelist{UnknownFlags: true},
		RunE: func(*cobra.Command, []string) error {
			server := &http.Server{Addr: address, Handler: oauthHandler(), ReadHeaderTimeout: 10 * time.Second}
			return server.ListenAndServeTLS(certificate, key)
		},
	}
	command.Flags().StringVar(&address, "https-address", ":8443", "address to listen on")
	command.Flags().StringVar(&certificate, "tls-cert", "", "file with the server's certificate")
	command.Flags().StringVar(&key, "tls-key", "", "file with the certificate's key")
	return command
}

func oauthHandler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("/oauth/healthz", func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusOK)
	})
	mux.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) {
		http.Error(w, "this double of oauth-proxy lets nobody in", http.StatusForbidden)
	})
	return mux
}

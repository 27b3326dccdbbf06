// SPDX-FileCopyrightText: The opendatahub.model_registry authors
// SPDX-License-Identifier: GPL-3.0-or-later

// The real operator's pace: one worker, and one budget of requests for all registries. A time factor scales the budget.

package operator

import (
	"context"

	"k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/util/flowcontrol"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// What controller-runtime allows by default: requests per second, and how many may come at once.
const (
	requestsPerSecond = 20
	requestsAtOnce    = 30
)

// pacedClient writes at the real operator's pace and reads without any: the real one reads from its cache. Its own
// reads are not cached, since a stale one could report an object as missing right after its creation.
type pacedClient struct {
	client.Client
	writer client.Client
}

func newPacedClient(config *rest.Config, timeFactor float64) (*pacedClient, error) {
	reader, err := client.New(config, client.Options{Scheme: scheme.Scheme})
	if err != nil {
		return nil, err
	}
	paced := rest.CopyConfig(config)
	// One limiter for all kinds: without it each would have its own.
	paced.RateLimiter = flowcontrol.NewTokenBucketRateLimiter(float32(requestsPerSecond/timeFactor), int(requestsAtOnce/timeFactor))
	writer, err := client.New(paced, client.Options{Scheme: scheme.Scheme})
	return &pacedClient{reader, writer}, err
}

func (c *pacedClient) Create(ctx context.Context, object client.Object, options ...client.CreateOption) error {
	return c.writer.Create(ctx, object, options...)
}

func (c *pacedClient) Update(ctx context.Context, object client.Object, options ...client.UpdateOption) error {
	return c.writer.Update(ctx, object, options...)
}

func (c *pacedClient) Delete(ctx context.Context, object client.Object, options ...client.DeleteOption) error {
	return c.writer.Delete(ctx, object, options...)
}

func (c *pacedClient) Status() client.SubResourceWriter { return c.writer.Status() }

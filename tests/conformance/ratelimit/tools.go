//go:build tools

// Envoy's rate limit service, at the version go.sum pins, in a module of its own: it wants other
// versions of what the other peers are made of. `./dev` builds it.
package ratelimit

import _ "github.com/envoyproxy/ratelimit/src/service_cmd"

//go:build tools

// Peers of the tests that are Go programs, at the versions go.sum pins. `./dev` builds them.
package conformance

import (
	_ "github.com/summerwind/h2spec/cmd/h2spec"
	_ "google.golang.org/grpc/interop/client"
	_ "google.golang.org/grpc/interop/server"
)

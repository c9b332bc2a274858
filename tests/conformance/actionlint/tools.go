//go:build tools

// The lint of the workflows, at the version go.sum pins. `./dev` builds it.
package actionlint

import _ "github.com/rhysd/actionlint/cmd/actionlint"

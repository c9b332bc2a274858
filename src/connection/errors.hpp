#pragma once

#include "weir/core/error.hpp"

#include <cerrno>

namespace weir::connection {

[[nodiscard]] inline Error upstream_error(Reason reason, Error::Retry retry, const char* detail) {
    return {reason, Error::Origin::upstream, retry, detail};
}

// Of errno.
[[nodiscard]] inline Error connect_error(int error) {
    if (error == ETIMEDOUT)
        return upstream_error(Reason::upstream_connect_timeout, Error::Retry::safe, "");
    return upstream_error(Reason::upstream_connect_refused, Error::Retry::safe,
                          error == ECONNREFUSED ? "" : "it cannot be reached");
}

}  // namespace weir::connection

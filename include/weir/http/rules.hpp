#pragma once

#include "weir/core/error.hpp"

#include <string>
#include <string_view>

namespace weir::http {

// The one form of a path, so that what is matched is what is forwarded: unreserved characters
// decoded (RFC 3986, 6.2.2.2), hexadecimal in capitals, slashes merged, dot segments removed.
// Ambiguous paths are bad_request: %2F, %5C, %00, a raw backslash, '#', "..;", control bytes, a
// broken escape, above the root. Returns `path` itself if nothing changes (the common case: one
// scan), else a view into `storage`.
[[nodiscard]] Result<std::string_view> normalise_path(std::string_view path,
                                                      bool merge_slashes,
                                                      std::string& storage);
// Of a route that takes %2F and %5C, as a part of a segment: they stay as they are. What a server
// that decodes them would resolve ("..%2F") is refused all the same.
[[nodiscard]] Result<std::string_view> normalise_path_with_escaped_slashes(std::string_view path,
                                                                           bool merge_slashes,
                                                                           std::string& storage);
[[nodiscard]] bool has_escaped_slash(std::string_view normalised);

// host[:port] as a Host header may carry it (RFC 9112, 3.2): no user info, no spaces, a valid port.
[[nodiscard]] bool is_valid_authority(std::string_view authority);

// An x-request-id worth keeping: 1 to 128 letters, digits, or -_.:=+/ .
[[nodiscard]] bool is_valid_request_id(std::string_view id);

}  // namespace weir::http

#pragma once

#include "weir/http/h1.hpp"
#include "weir/http/message.hpp"

#include <cstdint>
#include <optional>
#include <string_view>

namespace weir::http {

// "/path?query" or "*" into the head, normalised. What is wrong with it, or nullptr.
[[nodiscard]] const char* take_path(std::string_view target,
                                    const H1Limits& limits,
                                    RequestHead& head);

// A Content-Length: digits only, below 2^63.
[[nodiscard]] std::optional<std::uint64_t> read_length(std::string_view value);

// RFC 9110, 6.5.1: not a field that was acted on, or would have been, before the trailer came.
[[nodiscard]] bool may_be_trailer(HeaderId id, std::string_view name);

}  // namespace weir::http

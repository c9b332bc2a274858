#pragma once

#include "weir/redis/client.hpp"

#include <string_view>

namespace weir::redis {

// The text of a script, in Redis's Lua. Times are the server's own, in microseconds.
[[nodiscard]] std::string_view text_of(Script script);

}  // namespace weir::redis

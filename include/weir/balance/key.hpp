#pragma once

#include "weir/balance/placement.hpp"
#include "weir/config/config.hpp"
#include "weir/http/message.hpp"

#include <cstdint>
#include <string_view>

namespace weir::balance {

// The same for a text in every process and every version: replicas of a proxy send the same key to
// the same endpoint.
[[nodiscard]] std::uint64_t hash_of(std::string_view text, std::uint64_t seed = 0);

// What a hash policy goes by, of one request; kNoKey if the request does not say it. `client_ip` is
// the real client's.
[[nodiscard]] std::uint64_t key_of(const config::HashKey& key,
                                   const http::RequestHead& head,
                                   std::string_view client_ip);

}  // namespace weir::balance

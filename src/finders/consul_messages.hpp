#pragma once

#include "finders/words.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

// What Consul answers, and how its blocking queries are to be asked. Pure. Thread: any.
namespace weir::finders::consul {

// The endpoints of /v1/health/service/...; nothing if it is no such answer. Entries without a
// usable address are left out, and `wrong` tells of the first.
[[nodiscard]] std::optional<std::vector<Found>> read_service(std::string_view body,
                                                             std::string& wrong);

// The index to ask from next, by the rules of Consul for clients of blocking queries: one that goes
// backwards means that the server's state was made anew, and asking starts from the beginning; it
// is never below 1, as 0 does not block. Nothing, 0: the question does not block.
[[nodiscard]] std::uint64_t next_index(std::uint64_t before, std::string_view header);

// A question of the service; 0: one that does not block.
struct Query {
    std::string service;
    std::string datacenter;
    std::string tag;
    std::string filter;
    std::string health;  // passing, warning, any
    std::uint64_t index = 0;
    std::string wait;
};
[[nodiscard]] std::string target_of(const Query& query);

}  // namespace weir::finders::consul

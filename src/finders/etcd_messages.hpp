#pragma once

#include "weir/core/json.hpp"

#include "finders/words.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

// What is said to and by etcd's JSON gateway (v3): keys and values in base64, numbers of 64 bits as
// texts. Pure. Thread: any.
namespace weir::finders::etcd {

// The key after all that begin with this one.
[[nodiscard]] std::string end_of_prefix(std::string prefix);

[[nodiscard]] std::string range_request(std::string_view from,
                                        std::string_view end,
                                        std::uint64_t most,
                                        std::uint64_t revision);  // 0: the newest
[[nodiscard]] std::string watch_request(std::string_view from,
                                        std::string_view end,
                                        std::uint64_t revision);

struct KeyValue {
    std::string key;
    std::string value;
    std::string lease{};   // its number; empty for none
    bool is_gone = false;  // of an event: the key was deleted, or its lease ran out
};

struct RangeAnswer {
    std::uint64_t revision = 0;
    bool has_more = false;
    std::vector<KeyValue> pairs;
};
[[nodiscard]] std::optional<RangeAnswer> read_range(std::string_view body);

// A line of a watch.
struct WatchAnswer {
    enum class Kind : std::uint8_t {
        news,       // events, or none: then it is a sign of life
        compacted,  // what was asked for is no longer kept: all is to be asked for anew
        refused,
    };
    Kind kind = Kind::news;
    std::uint64_t revision = 0;
    std::vector<KeyValue> events;
    std::string error;  // of refused
};
[[nodiscard]] std::optional<WatchAnswer> read_watch(std::string_view line);

// {"error": "...", "code": 16}; empty where it says nothing.
[[nodiscard]] std::string read_error(std::string_view body);
[[nodiscard]] std::uint64_t number(const JsonValue& value);

// What a key stands for: its value is an address, or {"address", "weight", "zone", "priority"};
// `Addr` of gRPC's naming serves for address, too; of a value that is empty the key is the address,
// after the prefix. Nothing, and a sentence, if it is none of these.
[[nodiscard]] std::optional<Found> read_endpoint(std::string_view key_after_prefix,
                                                 std::string_view value,
                                                 std::string& wrong);

}  // namespace weir::finders::etcd

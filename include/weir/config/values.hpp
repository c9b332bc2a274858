#pragma once

#include "weir/core/clock.hpp"

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <variant>

namespace weir::config {

// Why a text is no value of its type, in the words of a Problem. The part of the text it is about
// begins at `at`; size 0 is all of it.
struct Complaint {
    std::uint16_t code = 104;
    std::string what{};
    std::string note{};
    std::string help{};
    std::size_t at = 0;
    std::size_t size = 0;
};

template <typename T>
using Read = std::variant<T, Complaint>;

// The types of the language: each reads all of the text or complains. Units are always written; a
// bare 0 is a duration too, as it needs none.
[[nodiscard]] Read<Duration> read_duration(std::string_view text);      // 250ms, 1m30s
[[nodiscard]] Read<std::uint64_t> read_size(std::string_view text);     // 64KiB, 1MB
[[nodiscard]] Read<double> read_percent(std::string_view text);         // 50% is 0.5
[[nodiscard]] Read<double> read_rate(std::string_view text);            // 600/m is 10 a second
[[nodiscard]] Read<std::uint64_t> read_integer(std::string_view text);  // decimal digits
[[nodiscard]] Read<bool> read_boolean(std::string_view text);           // true, false

// As it would be written: 1m30s, 1500ms.
[[nodiscard]] std::string to_text(Duration duration);
// In the largest unit that leaves no rest: 64MiB, 1500B.
[[nodiscard]] std::string size_to_text(std::uint64_t bytes);

}  // namespace weir::config

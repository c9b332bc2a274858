#pragma once

#include <cstdint>

namespace weir::config {

// Where something stands in the configuration. Lines and columns start at 1 and count bytes; line 0
// means built in. Where a thing stands is no part of what it says: any two places are equal, so
// that a reload which only moves a section changes nothing.
struct Place {
    std::uint32_t line = 0;
    std::uint16_t column = 0;
    std::uint16_t file = 0;  // index into Source::files

    [[nodiscard]] bool is_built_in() const { return line == 0; }
    friend bool operator==(const Place& /*a*/, const Place& /*b*/) { return true; }
};

// A place and how far it goes on its line.
struct Span {
    Place place;
    std::uint32_t width = 0;

    friend bool operator==(const Span& /*a*/, const Span& /*b*/) { return true; }
};

}  // namespace weir::config

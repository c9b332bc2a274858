#pragma once

#include "weir/config/place.hpp"
#include "weir/config/report.hpp"

#include <cstdint>
#include <string>
#include <vector>

namespace weir::config {

// A YAML document as text with places: nothing is a number or a boolean yet. Entries keep the order
// and the duplicates of the file. An alias is a copy that stands where it is used; what is inside
// keeps the places of the anchor.
struct Entry;
struct Node {
    enum class Kind : std::uint8_t { null, scalar, list, map };

    Kind kind = Kind::null;
    bool is_quoted = false;
    bool is_expanded = false;  // text differs from what is written, by ${...}
    bool is_broken = false;    // already complained about
    Place place;
    std::uint32_t width = 0;  // as written, on its first line
    std::string text;
    std::vector<Node> items;
    std::vector<Entry> entries;
};
struct Entry {
    std::string key;
    Place place;
    std::uint32_t width = 0;
    Node value;
};

// A configuration as it is written, included files merged in: places say which file.
struct Document {
    Node root;
    std::vector<SourceText> sources;  // by Place::file
};

}  // namespace weir::config

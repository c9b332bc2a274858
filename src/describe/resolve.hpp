#pragma once

#include "weir/config/document.hpp"
#include "weir/describe/vocabulary.hpp"

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_set>
#include <vector>

namespace weir::describe {

inline constexpr std::string_view kBuiltIn = "built-in";

// What one layer says of a key.
struct Value {
    config::Node node;  // canonical
    std::string layer;
    config::Place place;
    std::string written;  // of a secret: where it is, to tell one from another

    [[nodiscard]] bool is_built_in() const { return layer == kBuiltIn; }
};

// The configuration as a tree with every key of the table, in the table's order.
struct Branch {
    enum class Kind : std::uint8_t { leaf, map, list };

    std::string key;  // of a list's item: its name
    Kind kind = Kind::leaf;
    const config::KeyInfo* row = nullptr;
    std::vector<Value> chain;  // of a leaf: in force first, built-in last; never empty
    std::string in_force;  // of a leaf: as text; of a route with several targets: each of theirs
    std::vector<Branch> children;
    bool may_be_written = true;  // false for a built-in value that would contradict what is written
    bool is_own = true;          // said here, or nowhere else: false for what a route inherits
    bool is_implied = false;     // a cluster made by a target
};

// Holds the table that the rows of its branches point into.
struct Resolved {
    Vocabulary vocabulary;
    Branch root;
};
// Sections to leave out, as nobody will look at them.
struct Skipped {
    std::unordered_set<std::string_view> clusters;
    bool has_listeners = false;
};
// Never null; of a document with errors, what can be made of it.
[[nodiscard]] std::unique_ptr<const Resolved> resolve(const config::Document& document,
                                                      const Skipped& skipped = {});

}  // namespace weir::describe

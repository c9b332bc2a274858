#pragma once

#include "weir/decode/keys.hpp"

#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace weir::describe {

// A row of the key table in its block: "request" of "timeout".
struct Row {
    const config::KeyInfo* info = nullptr;
    std::string_view name;
    std::string child;  // the block of its object, items or values: "timeout", "routes[]"; or empty
};

// What the word `off` in place of a block stands for.
struct OffMeaning {
    std::string_view key;
    std::string_view value;
};

// The key table by blocks. Rows are valid as long as it is. Thread: its owner's.
class Vocabulary {
  public:
    Vocabulary();
    Vocabulary(const Vocabulary&) = delete;
    Vocabulary& operator=(const Vocabulary&) = delete;

    // In the order of the reference; none if there is no such block.
    [[nodiscard]] const std::vector<Row>& rows(std::string_view block) const;
    [[nodiscard]] const Row* find(std::string_view block, std::string_view name) const;
    // The blocks, the root (empty) first.
    [[nodiscard]] const std::vector<std::string>& blocks() const { return order_; }

    [[nodiscard]] static const OffMeaning* off(std::string_view block);
    // The keys of discovery that mean something to this type; those the decoder takes there.
    [[nodiscard]] static bool is_meant(std::string_view type, std::string_view key);

  private:
    std::vector<config::KeyInfo> keys_;
    std::map<std::string, std::vector<Row>, std::less<>> blocks_;
    std::vector<std::string> order_;
};

// True if the default of a row is a value that may be written, and no word for one: "hostname".
[[nodiscard]] bool is_value(const config::KeyInfo& row);

}  // namespace weir::describe

#pragma once

#include "weir/core/json.hpp"

#include "cli/ask_views.hpp"

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

// Pieces that several views of answers are made from. Pure.
namespace weir::cli {

[[nodiscard]] Tone tone_of(std::string_view state);
[[nodiscard]] Table::Cell state_cell(const JsonValue& state);
[[nodiscard]] std::string milliseconds_text(const JsonValue& value);
// How long it is since a time: "3.2s"; empty without one.
[[nodiscard]] std::string ago(const JsonValue& time, const View& view);
// "in 4.2s", or "now" for what is due.
[[nodiscard]] std::string until(const JsonValue& time, const View& view);
// "by uid 0, ends in 5m00s: looking into it"; empty for none.
[[nodiscard]] std::string override_text(const JsonValue& forced, const View& view);

// The table, or where it is empty a sentence in its place.
[[nodiscard]] std::string table_or(const Table& table, std::string_view nothing, const View& view);

// Names and values, the names in a column.
class Facts {
  public:
    void add(std::string name, std::string value, Tone tone = Tone::plain) {
        if (!value.empty()) rows_.push_back({std::move(name), std::move(value), tone});
    }

    [[nodiscard]] std::string render(const Look& look) const {
        std::size_t widest = 0;
        for (const Row& row : rows_)
            widest = std::max(widest, row.name.size() + 2);
        std::string out;
        for (const Row& row : rows_) {
            out += painted(row.name, Tone::strong, look);
            out.append(widest - row.name.size(), ' ');
            out += painted(wrapped(printable(row.value), look, widest), row.tone, look) + "\n";
        }
        return out;
    }

  private:
    struct Row {
        std::string name;
        std::string value;
        Tone tone;
    };
    std::vector<Row> rows_;
};

// Of an endpoint or a breaker: why it is so, what would change it, when it is tried next.
void add_story(Facts& facts, const JsonValue& subject, const View& view);

}  // namespace weir::cli

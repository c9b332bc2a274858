#pragma once

#include "weir/core/clock.hpp"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

// How answers look to people: tables that fit the terminal, numbers and times in few characters.
// Pure text; what a stranger may have written into it does not steer the terminal.
namespace weir::cli {

struct Look {
    std::size_t width = 0;  // of the terminal, in columns; 0: as wide as it takes
    bool has_colour = false;
};

// The colour of a text. What it says, the text says in words, too.
enum class Tone : std::uint8_t { plain, good, warning, bad, faint, strong };
[[nodiscard]] std::string painted(std::string_view text, Tone tone, const Look& look);

// Columns that a text takes: one a character of UTF-8.
[[nodiscard]] std::size_t columns_of(std::string_view text);
// At most so many columns, the middle replaced by "…".
[[nodiscard]] std::string shortened(std::string_view text, std::size_t columns);
// Control characters become blanks.
[[nodiscard]] std::string printable(std::string_view text);
// Broken at blanks into lines of the look's width; all but the first begin with the indent. A word
// that no line holds is shortened.
[[nodiscard]] std::string wrapped(std::string_view text, const Look& look, std::size_t indent);

enum class Align : std::uint8_t { left, right };

// Rows under titles. Where the width does not hold them, long texts are shortened in their middle,
// the longest first, down to the column's least width; if that is not enough, columns of the
// highest rank are left out. Rank 0 stays. Thread: its owner's.
class Table {
  public:
    struct Column {
        std::string title;
        Align align = Align::left;
        std::size_t least = 0;  // 0: never shortened, as long as anything else helps
        unsigned rank = 0;
    };
    struct Cell {
        Cell(std::string given, Tone given_tone = Tone::plain)
            : text(printable(given)), tone(given_tone) {}
        Cell(const char* given) : Cell(std::string(given)) {}
        Cell(std::string_view given) : Cell(std::string(given)) {}

        std::string text;
        Tone tone = Tone::plain;
    };

    explicit Table(std::vector<Column> columns) : columns_(std::move(columns)) {}

    void add(std::vector<Cell> row);  // an empty cell is shown as "-"
    [[nodiscard]] bool is_empty() const { return rows_.empty(); }
    // Lines, each ended; nothing without rows.
    [[nodiscard]] std::string render(const Look& look) const;

  private:
    struct Layout {
        std::vector<std::size_t> columns;  // that are shown
        std::vector<std::size_t> widths;   // of those
    };
    [[nodiscard]] Layout layout(std::size_t width) const;
    [[nodiscard]] bool shrink(Layout& layout, std::size_t width, bool is_last_resort) const;
    void append_row(std::string& out,
                    const Layout& layout,
                    const std::vector<Cell>& row,
                    const Look& look) const;

    std::vector<Column> columns_;
    std::vector<std::vector<Cell>> rows_;
};

// "5m", "1m30s", "250ms", "1d": a positive duration as configurations write it.
[[nodiscard]] std::optional<Duration> parse_duration(std::string_view text);
// In at most two units: "0.4s", "42s", "1m30s", "2h05m", "3d04h".
[[nodiscard]] std::string brief(Duration duration);
[[nodiscard]] std::string brief_milliseconds(double milliseconds);  // "0.42ms", "3.1ms", "1.2s"
[[nodiscard]] std::string brief_bytes(std::uint64_t bytes);         // "12.3 MiB"
[[nodiscard]] std::string brief_number(double number);              // "0.3", "12", "1.2k"
[[nodiscard]] std::string percentage(double share);                 // "0.5%"

// "2026-11-23T02:07:36.412Z"
[[nodiscard]] std::optional<WallTime> parse_time(std::string_view text);
// In the time zone of this machine: "02:07:36.412".
[[nodiscard]] std::string time_of_day(WallTime at);

}  // namespace weir::cli

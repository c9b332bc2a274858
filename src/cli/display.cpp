#include "cli/display.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <cstdio>
#include <ctime>
#include <numeric>

namespace weir::cli {
namespace {

constexpr std::size_t kGap = 2;  // between columns
constexpr std::string_view kEllipsis = "…";

bool continues(char c) {
    return (static_cast<unsigned char>(c) & 0xc0U) == 0x80;
}

// The bytes of the first n characters.
std::size_t bytes_of(std::string_view text, std::size_t characters) {
    std::size_t at = 0;
    for (; characters > 0 && at < text.size(); --characters) {
        ++at;
        while (at < text.size() && continues(text[at]))
            ++at;
    }
    return at;
}

template <typename... Numbers>
std::string formatted(const char* format, Numbers... numbers) {
    std::array<char, 64> text{};
    std::snprintf(text.data(), text.size(), format, numbers...);
    return text.data();
}

std::string_view code_of(Tone tone) {
    switch (tone) {
        case Tone::good:
            return "\x1b[32m";
        case Tone::warning:
            return "\x1b[33m";
        case Tone::bad:
            return "\x1b[31m";
        case Tone::faint:
            return "\x1b[2m";
        case Tone::strong:
            return "\x1b[1m";
        case Tone::plain:
            break;
    }
    return {};
}

struct Unit {
    std::string_view text;
    Duration duration;
};
constexpr std::array<Unit, 7> kUnits{{{"ns", std::chrono::nanoseconds{1}},
                                      {"us", std::chrono::microseconds{1}},
                                      {"ms", std::chrono::milliseconds{1}},
                                      {"s", std::chrono::seconds{1}},
                                      {"m", std::chrono::minutes{1}},
                                      {"h", std::chrono::hours{1}},
                                      {"d", std::chrono::hours{24}}}};

}  // namespace

std::string painted(std::string_view text, Tone tone, const Look& look) {
    const std::string_view code = code_of(tone);
    if (!look.has_colour || code.empty() || text.empty()) return std::string(text);
    return std::string(code) + std::string(text) + "\x1b[0m";
}

std::size_t columns_of(std::string_view text) {
    return static_cast<std::size_t>(
        std::count_if(text.begin(), text.end(), [](char c) { return !continues(c); }));
}

std::string shortened(std::string_view text, std::size_t columns) {
    const std::size_t all = columns_of(text);
    if (all <= columns) return std::string(text);
    if (columns == 0) return {};
    const std::size_t front = columns / 2;
    const std::size_t back = columns - 1 - front;
    std::string out(text.substr(0, bytes_of(text, front)));
    out += kEllipsis;
    return out + std::string(text.substr(bytes_of(text, all - back)));
}

std::string printable(std::string_view text) {
    std::string out(text);
    for (std::size_t i = 0; i < out.size(); ++i) {
        const auto byte = static_cast<unsigned char>(out[i]);
        const bool is_c1 =
            byte == 0xc2 && i + 1 < out.size() && static_cast<unsigned char>(out[i + 1]) < 0xa0;
        if (byte < 0x20 || byte == 0x7f) out[i] = ' ';
        if (is_c1) out.replace(i, 2, " ");
    }
    return out;
}

std::string wrapped(std::string_view text, const Look& look, std::size_t indent) {
    std::string out;
    std::size_t column = indent;
    while (!text.empty()) {
        std::string word(text.substr(0, text.find(' ')));
        text.remove_prefix(std::min(text.size(), word.size() + 1));
        if (look.width > indent) word = shortened(word, look.width - indent);
        const std::size_t size = columns_of(word);
        const bool is_full = look.width != 0 && column + size + 1 > look.width && column > indent;
        if (is_full) {
            out += "\n" + std::string(indent, ' ');
            column = indent;
        } else if (column > indent) {
            out += ' ';
            ++column;
        }
        out += word;
        column += size;
    }
    return out;
}

void Table::add(std::vector<Cell> row) {
    row.resize(columns_.size(), Cell(""));
    for (Cell& cell : row) {
        if (cell.text.empty()) cell = Cell("-", Tone::faint);
    }
    rows_.push_back(std::move(row));
}

// True if it fits now.
bool Table::shrink(Layout& layout, std::size_t width, bool is_last_resort) const {
    std::size_t total = std::accumulate(layout.widths.begin(), layout.widths.end(),
                                        kGap * (layout.widths.size() - 1));
    while (total > width) {
        std::size_t* widest = nullptr;
        for (std::size_t i = 0; i < layout.columns.size(); ++i) {
            const std::size_t least = columns_[layout.columns[i]].least;
            if (least == 0 && !is_last_resort) continue;
            if (layout.widths[i] <= (is_last_resort ? 1 : least)) continue;
            if (widest == nullptr || layout.widths[i] > *widest) widest = &layout.widths[i];
        }
        if (widest == nullptr) return false;
        --*widest;
        --total;
    }
    return true;
}

Table::Layout Table::layout(std::size_t width) const {
    std::vector<std::size_t> natural;
    for (std::size_t i = 0; i < columns_.size(); ++i) {
        std::size_t widest = columns_of(columns_[i].title);
        for (const auto& row : rows_)
            widest = std::max(widest, columns_of(row[i].text));
        natural.push_back(widest);
    }
    unsigned highest = 0;
    for (const Column& column : columns_)
        highest = std::max(highest, column.rank);
    for (;; --highest) {
        Layout layout;
        for (std::size_t i = 0; i < columns_.size(); ++i) {
            if (columns_[i].rank > highest) continue;
            layout.columns.push_back(i);
            layout.widths.push_back(natural[i]);
        }
        if (width == 0 || shrink(layout, width, false)) return layout;
        if (highest > 0) continue;
        static_cast<void>(shrink(layout, width, true));
        return layout;
    }
}

void Table::append_row(std::string& out,
                       const Layout& layout,
                       const std::vector<Cell>& row,
                       const Look& look) const {
    std::size_t blanks = 0;  // owed: none stand at the end of a line
    for (std::size_t i = 0; i < layout.columns.size(); ++i) {
        const Cell& cell = row[layout.columns[i]];
        const std::string text = shortened(cell.text, layout.widths[i]);
        const std::size_t padding = layout.widths[i] - columns_of(text);
        const bool is_right = columns_[layout.columns[i]].align == Align::right;
        if (is_right) blanks += padding;
        if (!text.empty()) out.append(blanks, ' ');
        out += painted(text, cell.tone, look);
        blanks = kGap + (is_right ? 0 : padding);
    }
    out += '\n';
}

std::string Table::render(const Look& look) const {
    if (rows_.empty()) return {};
    const Layout chosen = layout(look.width);
    std::string out;
    std::vector<Cell> titles;
    bool has_titles = false;
    for (const Column& column : columns_) {
        titles.emplace_back(column.title, Tone::strong);
        has_titles = has_titles || !column.title.empty();
    }
    if (has_titles) append_row(out, chosen, titles, look);
    for (const auto& row : rows_)
        append_row(out, chosen, row, look);
    return out;
}

std::optional<Duration> parse_duration(std::string_view text) {
    Duration total{};
    if (text.empty()) return std::nullopt;
    while (!text.empty()) {
        std::int64_t count = 0;
        const auto [stop, ec] = std::from_chars(text.data(), text.data() + text.size(), count);
        if (ec != std::errc{} || count < 0 || text.front() == '-') return std::nullopt;
        text.remove_prefix(static_cast<std::size_t>(stop - text.data()));
        const std::size_t size = std::min(text.find_first_of("0123456789"), text.size());
        const auto unit = std::find_if(kUnits.begin(), kUnits.end(), [&](const Unit& candidate) {
            return candidate.text == text.substr(0, size);
        });
        if (unit == kUnits.end() || count > (Duration::max() - total) / unit->duration) {
            return std::nullopt;
        }
        total += count * unit->duration;
        text.remove_prefix(size);
    }
    if (total <= Duration{}) return std::nullopt;
    return total;
}

std::string brief(Duration duration) {
    using namespace std::chrono;
    if (duration < Duration{}) duration = Duration{};
    if (duration < milliseconds{9950}) {
        return formatted("%.1fs", static_cast<double>(duration.count()) / 1e9);
    }
    const auto all = round<seconds>(duration).count();
    if (all < 60) return formatted("%llds", static_cast<long long>(all));
    const auto pair = [](long long high, const char* unit, long long low, const char* lower) {
        return formatted("%lld%s%02lld%s", high, unit, low, lower);
    };
    if (all < 3600) return pair(all / 60, "m", all % 60, "s");
    if (all < 86400) return pair(all / 3600, "h", all / 60 % 60, "m");
    return pair(all / 86400, "d", all / 3600 % 24, "h");
}

std::string brief_milliseconds(double milliseconds) {
    if (milliseconds >= 9999.5) return formatted("%.0fs", milliseconds / 1e3);
    if (milliseconds >= 999.5) return formatted("%.1fs", milliseconds / 1e3);
    if (milliseconds >= 9.95) return formatted("%.0fms", milliseconds);
    if (milliseconds >= 0.995) return formatted("%.1fms", milliseconds);
    return formatted("%.2fms", milliseconds);
}

std::string brief_bytes(std::uint64_t bytes) {
    constexpr std::array<const char*, 5> kSizes{"B", "KiB", "MiB", "GiB", "TiB"};
    auto number = static_cast<double>(bytes);
    std::size_t unit = 0;
    for (; number >= 1023.95 && unit + 1 < kSizes.size(); ++unit)
        number /= 1024;
    return formatted(unit == 0 ? "%.0f %s" : "%.1f %s", number, kSizes[unit]);
}

std::string brief_number(double number) {
    if (number >= 999'950) return formatted("%.1fM", number / 1e6);
    if (number >= 9'999.5) return formatted("%.1fk", number / 1e3);
    if (number >= 9.95 || number == std::floor(number)) return formatted("%.0f", number);
    return formatted("%.1f", number);
}

std::string percentage(double share) {
    const double percent = share * 100;
    if (percent == 0 || percent >= 9.95) return formatted("%.0f%%", percent);
    if (percent < 0.1) return "<0.1%";
    return formatted("%.1f%%", percent);
}

std::optional<WallTime> parse_time(std::string_view text) {
    // YYYY-MM-DDTHH:MM:SS[.fff]Z
    constexpr std::size_t kSecondsEnd = 19;
    const std::string copy(text);
    std::tm time{};
    const char* const stop = ::strptime(copy.c_str(), "%Y-%m-%dT%H:%M:%S", &time);
    if (stop == nullptr || !text.ends_with('Z') || stop != copy.c_str() + kSecondsEnd) {
        return std::nullopt;
    }
    std::string_view fraction = text.substr(kSecondsEnd, text.size() - kSecondsEnd - 1);
    Duration part{};
    if (!fraction.empty()) {
        double value = 0;
        const char* const end = fraction.data() + fraction.size();
        const auto [last, ec] = std::from_chars(fraction.data(), end, value);
        if (ec != std::errc{} || last != end || fraction.front() != '.') return std::nullopt;
        part = std::chrono::milliseconds{std::lround(value * 1000)};
    }
    return std::chrono::system_clock::from_time_t(::timegm(&time)) +
           std::chrono::duration_cast<WallTime::duration>(part);
}

std::string time_of_day(WallTime at) {
    const std::time_t whole =
        std::chrono::system_clock::to_time_t(std::chrono::floor<std::chrono::seconds>(at));
    std::tm local{};
    ::localtime_r(&whole, &local);
    const auto part = std::chrono::duration_cast<std::chrono::milliseconds>(
        at - std::chrono::floor<std::chrono::seconds>(at));
    return formatted("%02d:%02d:%02d.%03d", local.tm_hour, local.tm_min, local.tm_sec,
                     static_cast<int>(part.count()));
}

}  // namespace weir::cli

#include "weir/config/values.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <limits>
#include <optional>
#include <span>
#include <utility>

namespace weir::config {
namespace {

using std::chrono::hours;
using std::chrono::microseconds;
using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::seconds;

struct TimeUnit {
    std::string_view name;
    Duration length;
};
constexpr std::array kTimeUnits = {TimeUnit{"h", hours{1}}, TimeUnit{"m", minutes{1}},
                                   TimeUnit{"s", seconds{1}}, TimeUnit{"ms", milliseconds{1}},
                                   TimeUnit{"us", microseconds{1}}};

struct SizeUnit {
    std::string_view name;
    std::uint64_t bytes;
};
constexpr std::array kSizeUnits = {SizeUnit{"B", 1},
                                   SizeUnit{"KB", 1000},
                                   SizeUnit{"MB", 1000 * 1000},
                                   SizeUnit{"GB", 1000 * 1000 * 1000},
                                   SizeUnit{"KiB", 1024},
                                   SizeUnit{"MiB", 1024 * 1024},
                                   SizeUnit{"GiB", 1024 * 1024 * 1024}};

struct Spelling {
    std::string_view written;  // in lower case
    std::string_view meant;
};
constexpr Spelling kSpellings[] = {
    {"msec", "ms"},        {"msecs", "ms"},        {"millis", "ms"},
    {"millisecond", "ms"}, {"milliseconds", "ms"}, {"sec", "s"},
    {"secs", "s"},         {"second", "s"},        {"seconds", "s"},
    {"min", "m"},          {"mins", "m"},          {"minute", "m"},
    {"minutes", "m"},      {"hour", "h"},          {"hours", "h"},
    {"hr", "h"},           {"hrs", "h"},           {"usec", "us"},
    {"usecs", "us"},       {"µs", "us"},           {"k", "KiB"},
    {"kb", "KB"},          {"kib", "KiB"},         {"ki", "KiB"},
    {"m", "MiB"},          {"mb", "MB"},           {"mib", "MiB"},
    {"mi", "MiB"},         {"g", "GiB"},           {"gb", "GB"},
    {"gib", "GiB"},        {"gi", "GiB"},          {"b", "B"},
    {"byte", "B"},         {"bytes", "B"},         {"s", "s"},
    {"ms", "ms"},          {"us", "us"},           {"h", "h"},
};

bool is_digit(char c) {
    return c >= '0' && c <= '9';
}

std::string quoted(std::string_view text) {
    return "'" + std::string(text) + "'";
}

// Takes the digits a text begins with. Nothing if there are none or too many.
std::optional<std::uint64_t> take_digits(std::string_view& text) {
    std::uint64_t value = 0;
    const auto [end, ec] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (ec != std::errc{}) return std::nullopt;
    text.remove_prefix(static_cast<std::size_t>(end - text.data()));
    return value;
}

// A decimal number without sign or exponent, "0.5".
std::optional<double> read_decimal(std::string_view text) {
    const bool is_decimal =
        !text.empty() && is_digit(text.front()) && is_digit(text.back()) && text.size() <= 18 &&
        std::count(text.begin(), text.end(), '.') <= 1 &&
        std::all_of(text.begin(), text.end(), [](char c) { return is_digit(c) || c == '.'; });
    double value = 0;
    if (!is_decimal) return std::nullopt;
    std::from_chars(text.data(), text.data() + text.size(), value);
    return value;
}

// "64k", "5sec", "1.5s": the number and the unit which was perhaps meant.
std::string guess_unit(std::string_view text, auto is_unit) {
    const auto end = std::min(text.find_first_not_of("0123456789"), text.size());
    if (end == 0 || end > 15) return {};
    auto rest = text.substr(end);
    rest.remove_prefix(std::min(rest.find_first_not_of(' '), rest.size()));
    std::string word(rest);
    for (char& c : word)
        c = c >= 'A' && c <= 'Z' ? static_cast<char>(c + ('a' - 'A')) : c;
    for (const auto& spelling : kSpellings) {
        if (spelling.written != word || !is_unit(spelling.meant)) continue;
        return "did you mean " + std::string(text.substr(0, end)) + std::string(spelling.meant) +
               "?   ";
    }
    return {};
}

Complaint no_duration(std::string_view text) {
    std::string guess = guess_unit(text, [](std::string_view unit) {
        return std::any_of(kTimeUnits.begin(), kTimeUnits.end(),
                           [&](const TimeUnit& u) { return u.name == unit; });
    });
    if (guess.empty() && text.ends_with('s') && !text.ends_with("ms") && !text.ends_with("us")) {
        const auto decimal = read_decimal(text.substr(0, text.size() - 1));
        if (decimal && *decimal < 1e6) {
            guess = "did you mean " + std::to_string(std::llround(*decimal * 1000)) + "ms?   ";
        }
    }
    return {.what = quoted(text) + " is no duration", .note = guess + "units: us, ms, s, m, h"};
}

}  // namespace

Read<Duration> read_duration(std::string_view text) {
    if (text == "0") return Duration::zero();
    if (const auto bare = read_decimal(text)) {
        const std::string number(text);
        if (number.find('.') != std::string::npos && *bare < 1e6) {
            return Complaint{.code = 103,
                             .what = "a duration needs a unit",
                             .note = "write " + std::to_string(std::llround(*bare * 1000)) +
                                     "ms if these are seconds"};
        }
        const auto note = *bare < 100
                              ? "write " + number + "s, " + number + "ms or " + number + "m"
                              : "write " + number + "ms, " + number + "s or " + number + "m";
        return Complaint{.code = 103, .what = "a duration needs a unit", .note = note};
    }
    Duration sum{};
    auto rest = text;
    std::size_t next = 0;  // units go from large to small, each once
    while (!rest.empty()) {
        const auto number = take_digits(rest);
        const auto name = rest.substr(0, std::min(rest.find_first_of("0123456789"), rest.size()));
        while (next < kTimeUnits.size() && kTimeUnits[next].name != name)
            ++next;
        if (!number || next == kTimeUnits.size()) return no_duration(text);
        const auto length = kTimeUnits[next++].length;
        constexpr auto kLongest = Duration(hours{24 * 365});
        if (*number > static_cast<std::uint64_t>(kLongest / length)) {
            return Complaint{.code = 117, .what = quoted(text) + " is longer than a year"};
        }
        sum += length * static_cast<Duration::rep>(*number);
        rest.remove_prefix(name.size());
    }
    return text.empty() ? Read<Duration>(no_duration(text)) : Read<Duration>(sum);
}

Read<std::uint64_t> read_size(std::string_view text) {
    auto rest = text;
    const auto number = take_digits(rest);
    if (number && rest.empty()) {
        if (*number == 0) return std::uint64_t{0};
        const std::string digits(text);
        return Complaint{.code = 103,
                         .what = "a size needs a unit",
                         .note = "write " + digits + "B, " + digits + "KiB or " + digits + "MiB"};
    }
    for (const auto& unit : kSizeUnits) {
        if (!number || rest != unit.name) continue;
        if (*number > (std::uint64_t{1} << 53U) / unit.bytes) {
            return Complaint{.code = 117, .what = quoted(text) + " is too large"};
        }
        return *number * unit.bytes;
    }
    const auto is_unit = [](std::string_view name) {
        return std::any_of(kSizeUnits.begin(), kSizeUnits.end(),
                           [&](const SizeUnit& u) { return u.name == name; });
    };
    return Complaint{.what = quoted(text) + " is no size",
                     .note = guess_unit(text, is_unit) + "units: B, KB, MB, GB, KiB, MiB, GiB"};
}

Read<double> read_percent(std::string_view text) {
    if (text.ends_with('%')) {
        const auto value = read_decimal(text.substr(0, text.size() - 1));
        if (value) return *value / 100;
    }
    const auto bare = read_decimal(text);
    if (!bare) {
        const auto number = text.substr(0, std::min(text.find_first_of(" %"), text.size()));
        const bool is_near = read_decimal(number) && text.ends_with('%');
        return Complaint{
            .what = quoted(text) + " is no percentage",
            .note = is_near ? "did you mean " + std::string(number) + "%?" : "write 50%"};
    }
    std::string note = "write " + std::string(text) + "%";
    if (*bare > 0 && *bare < 1) {
        auto percent = std::to_string(*bare * 100);
        percent.erase(percent.find_last_not_of('0') + 1);
        if (percent.ends_with('.')) percent.pop_back();
        note = "write " + percent + "%  (" + std::string(text) + "% is also possible if you mean " +
               (*bare == 0.5 ? "half a percent)" : "less than one percent)");
    }
    return Complaint{
        .code = 106, .what = "a percentage needs %, got " + std::string(text), .note = note};
}

Read<double> read_rate(std::string_view text) {
    if (read_decimal(text)) {
        const std::string number(text);
        return Complaint{.code = 103,
                         .what = "a rate needs a unit",
                         .note = "write " + number + "/s, " + number + "/m or " + number + "/h"};
    }
    const auto slash = text.find('/');
    const auto unit = slash == std::string_view::npos ? std::string_view{} : text.substr(slash + 1);
    const auto value = read_decimal(text.substr(0, slash));
    if (value && unit == "s") return *value;
    if (value && unit == "m") return *value / 60;
    if (value && unit == "h") return *value / 3600;
    return Complaint{.what = quoted(text) + " is no rate", .note = "write 100/s, 600/m or 50/h"};
}

Read<std::uint64_t> read_integer(std::string_view text) {
    auto rest = text;
    const auto value = take_digits(rest);
    if (value && rest.empty()) return *value;
    return Complaint{.what = quoted(text) + " is no whole number"};
}

Read<bool> read_boolean(std::string_view text) {
    if (text == "true") return true;
    if (text == "false") return false;
    constexpr std::pair<std::string_view, std::string_view> kMeant[] = {
        {"yes", "true"},    {"on", "true"},     {"1", "true"},    {"True", "true"},
        {"TRUE", "true"},   {"no", "false"},    {"off", "false"}, {"0", "false"},
        {"False", "false"}, {"FALSE", "false"}, {"y", "true"},    {"n", "false"},
        {"Yes", "true"},    {"No", "false"},    {"On", "true"},   {"Off", "false"}};
    std::string note = "write true or false";
    for (const auto& [written, meant] : kMeant) {
        if (text == written) note = "write " + std::string(meant);
    }
    return Complaint{.what = quoted(text) + " is no boolean", .note = note};
}

std::string size_to_text(std::uint64_t bytes) {
    const SizeUnit* best = &kSizeUnits.front();
    for (const auto& unit : kSizeUnits) {
        const bool fits = bytes >= unit.bytes && bytes % unit.bytes == 0;
        if (fits && unit.bytes > best->bytes) best = &unit;
    }
    return std::to_string(bytes / best->bytes) + std::string(best->name);
}

std::string to_text(Duration duration) {
    if (duration == Duration::zero()) return "0s";
    std::string out;
    const bool is_long = duration >= minutes{1};
    for (const auto& unit : kTimeUnits) {
        // Below a minute one unit is enough: 1500ms, not 1s500ms.
        if (!is_long && duration % unit.length != Duration::zero()) continue;
        const auto count = duration / unit.length;
        if (count == 0) continue;
        out += std::to_string(count) + std::string(unit.name);
        duration -= count * unit.length;
        if (duration == Duration::zero()) break;
    }
    return out;
}

}  // namespace weir::config

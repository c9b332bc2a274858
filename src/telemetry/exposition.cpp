#include "telemetry/model.hpp"

#include <charconv>
#include <cmath>

namespace weir::telemetry {
namespace {

constexpr std::string_view kTotal = "_total";

void append(std::string& out, std::uint64_t number) {
    std::array<char, 24> text;
    out.append(text.data(), std::to_chars(text.data(), text.data() + text.size(), number).ptr);
}

void append(std::string& out, double number) {
    constexpr double kExactIntegers = 9007199254740992.0;  // 2^53
    if (std::isnan(number)) {
        out += "NaN";
        return;
    }
    if (std::isinf(number)) {
        out += number > 0 ? "+Inf" : "-Inf";
        return;
    }
    std::array<char, 32> text;
    char* const end = text.data() + text.size();
    if (std::abs(number) < kExactIntegers && std::trunc(number) == number) {
        out.append(text.data(),
                   std::to_chars(text.data(), end, static_cast<std::int64_t>(number)).ptr);
    } else {
        out.append(text.data(), std::to_chars(text.data(), end, number).ptr);
    }
}

void append_escaped(std::string& out, std::string_view text) {
    for (const char c : text) {
        switch (c) {
            case '\\':
                out += "\\\\";
                break;
            case '"':
                out += "\\\"";
                break;
            case '\n':
                out += "\\n";
                break;
            default:
                out += c;
        }
    }
}

// One line; `le` is the bucket's label or empty.
template <typename Number>
void append_line(std::string& out,
                 const FamilyInfo& family,
                 std::string_view suffix,
                 const Series& series,
                 std::string_view le,
                 Number value) {
    out += family.name;
    out += suffix;
    char opening = '{';
    for (std::size_t i = 0; i < family.labels.size(); ++i) {
        out += opening;
        opening = ',';
        out += family.labels[i];
        out += "=\"";
        append_escaped(out, series.labels[i]);
        out += '"';
    }
    if (!le.empty()) {
        out += opening;
        opening = ',';
        out += "le=\"";
        out += le;
        out += '"';
    }
    if (opening == ',') out += '}';
    out += ' ';
    append(out, value);
    out += '\n';
}

void append_histogram(std::string& out, const FamilyInfo& family, const Series& series) {
    std::uint64_t count = 0;
    for (std::size_t i = 0; i < series.buckets.size(); ++i) {
        count += series.buckets[i];
        const bool is_last = i == family.buckets->text.size();
        append_line(out, family, "_bucket", series, is_last ? "+Inf" : family.buckets->text[i],
                    count);
    }
    append_line(out, family, "_sum", series, {}, series.value);
    append_line(out, family, "_count", series, {}, count);
}

std::string_view type_word(Type type) {
    switch (type) {
        case Type::counter:
            return "counter";
        case Type::gauge:
            return "gauge";
        case Type::histogram:
            return "histogram";
    }
    return "untyped";
}

void append_family(std::string& out,
                   const FamilyInfo& family,
                   const std::vector<Series>& all,
                   Exposition format) {
    std::string_view name = family.name;
    // OpenMetrics names the family without the suffix, its sample with it.
    if (format == Exposition::openmetrics && family.type == Type::counter)
        name.remove_suffix(kTotal.size());
    out.append("# HELP ").append(name).append(" ").append(family.help).append("\n");
    out.append("# TYPE ").append(name).append(" ").append(type_word(family.type)).append("\n");
    for (const Series& series : all) {
        if (family.type == Type::histogram) {
            append_histogram(out, family, series);
        } else {
            append_line(out, family, {}, series, {}, series.value);
        }
    }
}

// The length of the valid sequence at the front, 0 if there is none.
std::size_t utf8_length(std::string_view text) {
    const auto byte = [&](std::size_t i) {
        return i < text.size() ? static_cast<unsigned char>(text[i]) : 0U;
    };
    const auto follows = [&](std::size_t i, unsigned low = 0x80, unsigned high = 0xbf) {
        return byte(i) >= low && byte(i) <= high;
    };
    const unsigned first = byte(0);
    if (first < 0x80) return 1;
    if (first >= 0xc2 && first <= 0xdf) return follows(1) ? 2 : 0;
    if (first >= 0xe0 && first <= 0xef) {
        const bool is_second_good = follows(1, first == 0xe0 ? 0xa0 : 0x80,
                                            first == 0xed ? 0x9f : 0xbf);  // overlong, surrogate
        return is_second_good && follows(2) ? 3 : 0;
    }
    if (first >= 0xf0 && first <= 0xf4) {
        const bool is_second_good =
            follows(1, first == 0xf0 ? 0x90 : 0x80, first == 0xf4 ? 0x8f : 0xbf);
        return is_second_good && follows(2) && follows(3) ? 4 : 0;
    }
    return 0;
}

}  // namespace

std::string write_exposition(const Scrape& scrape, Exposition format) {
    std::string out;
    for (const FamilyInfo& family : families()) {
        const auto& all = scrape[static_cast<std::size_t>(family.family)];
        if (!all.empty()) append_family(out, family, all, format);
    }
    if (format == Exposition::openmetrics) out += "# EOF\n";
    return out;
}

std::string valid_utf8(std::string_view text) {
    std::string out;
    out.reserve(text.size());
    while (!text.empty()) {
        const std::size_t length = utf8_length(text);
        out.append(length == 0 ? std::string_view("\xef\xbf\xbd") : text.substr(0, length));
        text.remove_prefix(length == 0 ? 1 : length);
    }
    return out;
}

}  // namespace weir::telemetry

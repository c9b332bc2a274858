#include "config/tree.hpp"

#include <algorithm>
#include <optional>
#include <utility>

namespace weir::config {
namespace {

bool is_comment_or_blank(std::string_view line) {
    const auto first = line.find_first_not_of(" \t");
    return first == std::string_view::npos || line[first] == '#';
}

std::size_t leading_tabs(std::string_view line) {
    const auto indent = line.substr(0, std::min(line.find_first_not_of(" \t"), line.size()));
    return static_cast<std::size_t>(std::count(indent.begin(), indent.end(), '\t'));
}

std::optional<Problem> find_tab(const Lines& lines, std::uint32_t until) {
    for (std::uint32_t number = 1; number <= until; ++number) {
        const auto line = lines.line(number);
        const auto tabs = leading_tabs(line);
        if (tabs == 0 || is_comment_or_blank(line)) continue;
        const auto column = static_cast<std::uint16_t>(line.find('\t') + 1);
        return Problem{.code = 100,
                       .place = {.line = number, .column = column},
                       .what = "YAML does not allow a tab for indentation",
                       .note = "use spaces (weir fmt --write fixes the whole file)",
                       .width = static_cast<std::uint32_t>(tabs)};
    }
    return std::nullopt;
}

// "[::1]:8080" without quotes, where a value may begin. The end of its last character, or nothing.
std::optional<std::size_t> end_of_ipv6(std::string_view text) {
    const auto close = text.find(']');
    if (close == std::string_view::npos) return std::nullopt;
    const auto inside = text.substr(1, close - 1);
    const bool is_hex =
        inside.find_first_not_of("0123456789abcdefABCDEF:.%") == std::string_view::npos;
    if (!is_hex || std::count(inside.begin(), inside.end(), ':') < 2) return std::nullopt;
    auto end = close + 1;
    if (end < text.size() && text[end] == ':') ++end;
    while (end < text.size() && text[end] >= '0' && text[end] <= '9')
        ++end;
    return end;
}

std::optional<Problem> find_ipv6(const Lines& lines, std::uint32_t near) {
    for (std::uint32_t number = near > 1 ? near - 1 : 1; number <= near; ++number) {
        const auto line = lines.line(number);
        for (auto at = line.find('['); at != std::string_view::npos; at = line.find('[', at + 1)) {
            const bool begins =
                at == 0 || std::string_view(" ,[").find(line[at - 1]) != std::string_view::npos;
            const auto end = begins ? end_of_ipv6(line.substr(at)) : std::nullopt;
            if (!end) continue;
            return Problem{.code = 112,
                           .place = {.line = number, .column = static_cast<std::uint16_t>(at + 1)},
                           .what = "an IPv6 address must be quoted here, '[' starts a YAML list",
                           .note = "write \"" + std::string(line.substr(at, *end)) + "\"",
                           .width = static_cast<std::uint32_t>(*end)};
        }
    }
    return std::nullopt;
}

// A variable without quotes inside { }, whose } ends the map.
std::optional<Problem> find_variable(const Lines& lines, std::uint32_t near) {
    for (std::uint32_t number = near > 1 ? near - 1 : 1; number <= near; ++number) {
        const auto line = lines.line(number);
        const auto at = line.find("${");
        if (at == std::string_view::npos || at == 0 || line[at - 1] == '"') continue;
        if (line.substr(0, at).find_first_of("{[") == std::string_view::npos) continue;
        const auto end = std::min(line.find('}', at), line.size() - 1) + 1;
        return Problem{.code = 100,
                       .place = {.line = number, .column = static_cast<std::uint16_t>(at + 1)},
                       .what = "${...} must be quoted here, '{' starts a YAML map",
                       .note = "write \"" + std::string(line.substr(at, end - at)) + "\"",
                       .width = static_cast<std::uint32_t>(end - at)};
    }
    return std::nullopt;
}

bool is_name(std::string_view text) {
    const auto is_letter = [](char c) {
        return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || c == '_';
    };
    const auto is_part = [&](char c) { return is_letter(c) || (c >= '0' && c <= '9'); };
    return !text.empty() && is_letter(text.front()) &&
           std::all_of(text.begin(), text.end(), is_part);
}

Problem problem_of(const Node& node, const Lines& lines, std::string_view reference) {
    Problem problem{.code = 107, .place = node.place, .width = node.width};
    const auto at = lines.at(node.place).find(reference);
    if (at != std::string_view::npos) {
        problem.shift = static_cast<std::uint32_t>(at);
        problem.width = static_cast<std::uint32_t>(reference.size());
    }
    return problem;
}

struct Meaning {
    std::string_view message;  // yaml-cpp's
    std::string_view what;
    std::string_view note;
};
constexpr Meaning kMeanings[] = {
    {kOddKey, kOddKey, ""},
    {"illegal map value", "a key is not expected here",
     "indentation, or a text with ': ' without quotes?"},
    {"end of map not found", "this does not fit the lines above", "check the indentation"},
    {"end of sequence not found", "this does not fit the list above", "each item begins with '- '"},
    {"end of map flow not found", "a '{' is not closed by '}'", ""},
    {"end of sequence flow not found", "a '[' is not closed by ']'", ""},
    {"unknown token", "a text cannot begin with this character", "put it in quotes"},
    {"the referenced anchor is not defined", "no anchor of this name",
     "a text that begins with * needs quotes"},
    {"unknown escape character", "an unknown escape in a quoted text",
     "single quotes know no escapes"},
};

}  // namespace

Problem explain_syntax(const Lines& lines, Place at, std::string_view message) {
    if (at.line > lines.count()) at.line = static_cast<std::uint32_t>(lines.count());
    if (auto problem = find_ipv6(lines, at.line)) return std::move(*problem);
    if (auto problem = find_variable(lines, at.line)) return std::move(*problem);
    if (auto problem = find_tab(lines, at.line)) return std::move(*problem);
    for (const auto& meaning : kMeanings) {
        if (!message.starts_with(meaning.message)) continue;
        return {.code = 100,
                .place = at,
                .what = std::string(meaning.what),
                .note = std::string(meaning.note)};
    }
    return {.code = 100, .place = at, .what = "this is no YAML: " + std::string(message)};
}

void expand(Node& node, const Lines& lines, const Environment& environment, Report& report) {
    const std::string_view text = node.text;
    std::string out;
    std::size_t done = 0;
    for (auto begin = text.find("${"); begin != std::string_view::npos;
         begin = text.find("${", done)) {
        out.append(text.substr(done, begin - done));
        const auto end = text.find('}', begin);
        const auto whole =
            text.substr(begin, end == std::string_view::npos ? end : end - begin + 1);
        auto name = whole.substr(2, whole.size() - (end == std::string_view::npos ? 2 : 3));
        std::optional<std::string_view> fallback;
        if (const auto dash = name.find(":-"); dash != std::string_view::npos) {
            fallback = name.substr(dash + 2);
            name = name.substr(0, dash);
        }
        done = begin + whole.size();
        if (end == std::string_view::npos || !is_name(name)) {
            auto problem = problem_of(node, lines, whole);
            problem.what = "'" + std::string(whole) + "' names no environment variable";
            problem.note = "write ${NAME} or ${NAME:-default}";
            report.add(std::move(problem));
            node.is_broken = true;
            continue;
        }
        if (auto value = environment.variable ? environment.variable(name) : std::nullopt) {
            out.append(*value);
        } else if (fallback) {
            out.append(*fallback);
        } else {
            auto problem = problem_of(node, lines, whole);
            const bool is_host = done < text.size() && text[done] == ':';
            problem.what = "environment variable " + std::string(name) + " is not set";
            problem.note = "set it, or give a default: ${" + std::string(name) + ":-" +
                           (is_host ? "127.0.0.1}" : "VALUE}");
            report.add(std::move(problem));
            node.is_broken = true;
        }
    }
    if (done == 0) return;
    out.append(text.substr(done));
    node.is_expanded = true;
    node.text = std::move(out);
}

}  // namespace weir::config

#include "route/pattern.hpp"

#include "weir/http/rules.hpp"

#include <algorithm>

namespace weir::route {
namespace {

char lower(char c) {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
}

// Literals of the configuration in the form that normalised paths have.
std::string canonical(std::string_view path) {
    static constexpr std::string_view kHex = "0123456789ABCDEF";
    std::string encoded;
    for (const char c : path) {
        const auto byte = static_cast<unsigned char>(c);
        if (byte > 0x20 && byte < 0x7f) {
            encoded += c;
            continue;
        }
        encoded += '%';
        encoded += kHex[byte >> 4U];
        encoded += kHex[byte & 15U];
    }
    if (encoded.find('%') == std::string::npos) return encoded;
    std::string storage;
    const auto normalised = http::normalise_path_with_escaped_slashes(encoded, false, storage);
    return normalised ? std::string(*normalised) : encoded;
}

// Takes the next segment off: "/a/b" gives "a" and leaves "/b".
std::string_view take_segment(std::string_view& rest) {
    const std::size_t end = rest.find('/', 1);
    const std::string_view segment = rest.substr(1, end == std::string_view::npos ? end : end - 1);
    rest = end == std::string_view::npos ? std::string_view() : rest.substr(end);
    return segment;
}

bool is_name(std::string_view text) {
    return !text.empty() && text.find_first_of("{}*") == std::string_view::npos;
}

std::optional<PathError> parse_segment(std::string_view text, PathShape& shape) {
    if (text.find_first_of("{}") == std::string_view::npos) {
        shape.segments.push_back({std::string(text), false});
        return std::nullopt;
    }
    const bool is_whole = text.size() > 2 && text.front() == '{' && text.back() == '}';
    if (!is_whole || !is_name(text.substr(1, text.size() - 2))) {
        return PathError{"'" + std::string(text) + "' is neither a segment nor one {name}"};
    }
    const std::string name(text.substr(1, text.size() - 2));
    const auto known = shape.parameters();
    if (std::find(known.begin(), known.end(), name) != known.end()) {
        return PathError{"{" + name + "} is there twice"};
    }
    if (known.size() == kMaxParameters) {
        return PathError{"a path has at most " + std::to_string(kMaxParameters) +
                         " {name} segments"};
    }
    shape.segments.push_back({name, true});
    return std::nullopt;
}

// "/a/b" and "/a/b/c" have the segments of the prefix "/a/b/", "/a/bc" has only that of "/a/".
void take_whole_segments(std::string_view prefix, PathShape& shape) {
    const std::size_t end = prefix.rfind('/');
    if (end == std::string_view::npos || !prefix.starts_with('/')) return;
    for (std::string_view rest = prefix.substr(0, end); !rest.empty();)
        shape.segments.push_back({std::string(take_segment(rest)), false});
}

}  // namespace

std::string_view host_of(std::string_view authority, std::array<char, kLongestHost>& buffer) {
    if (authority.starts_with('[')) {
        authority = authority.substr(0, authority.find(']') + 1);
    } else {
        authority = authority.substr(0, authority.find(':'));
    }
    if (authority.ends_with('.')) authority.remove_suffix(1);
    if (authority.size() > buffer.size()) return {};
    std::transform(authority.begin(), authority.end(), buffer.begin(), lower);
    return {buffer.data(), authority.size()};
}

bool host_matches(std::string_view pattern, std::string_view host) {
    if (pattern == "*") return true;
    if (!pattern.starts_with("*.")) return pattern == host;
    pattern.remove_prefix(1);
    return host.size() > pattern.size() && host.ends_with(pattern);
}

std::vector<std::string_view> PathShape::parameters() const {
    std::vector<std::string_view> names;
    for (const Segment& segment : segments) {
        if (segment.is_parameter) names.emplace_back(segment.text);
    }
    return names;
}

std::optional<PathError> parse_path(const config::PathPattern& pattern, PathShape& shape) {
    using Kind = config::PathPattern::Kind;
    std::string_view text = pattern.text;
    if (pattern.kind == Kind::regex) {
        if (auto problem = expression_problem(text))
            return PathError{"the regular expression is not valid: " + *problem};
        take_whole_segments(literal_prefix(*make_expression(text)), shape);
        shape.is_prefix = true;
        shape.expression = text;
        return std::nullopt;
    }
    if (!text.starts_with('/')) return PathError{"a path starts with '/'"};
    const bool ends_open = text.ends_with('/');
    shape.is_prefix =
        pattern.kind == Kind::prefix || (pattern.kind == Kind::templated && ends_open);
    if (shape.is_prefix && ends_open) text.remove_suffix(1);

    if (pattern.kind != Kind::templated) {
        const std::string literal = canonical(text);
        for (std::string_view rest = literal; !rest.empty();) {
            shape.segments.push_back({std::string(take_segment(rest)), false});
        }
        return std::nullopt;
    }
    while (!text.empty()) {
        const std::string_view segment = take_segment(text);
        if (auto error = parse_segment(segment, shape)) return error;
        auto& last = shape.segments.back();
        if (!last.is_parameter) last.text = canonical("/" + last.text).substr(1);
    }
    return std::nullopt;
}

bool path_matches(const PathShape& shape, std::string_view path, Captures& captures) {
    if (!path.starts_with('/')) {  // "*" of OPTIONS
        captures.rest = {};
        return shape.is_prefix && shape.segments.empty();
    }
    std::string_view rest = path;
    std::size_t parameters = 0;
    for (const auto& segment : shape.segments) {
        if (rest.empty()) return false;
        const std::string_view text = take_segment(rest);
        if (!segment.is_parameter && text != segment.text) return false;
        if (segment.is_parameter && text.empty()) return false;
        if (segment.is_parameter) captures.parameters[parameters++] = text;
    }
    if (rest.empty() == shape.is_prefix) return false;
    captures.rest = rest.empty() ? rest : rest.substr(1);
    return true;
}

std::optional<std::string> Template::parse(std::string_view text,
                                           const std::vector<std::string_view>& parameters) {
    pieces_.clear();
    const bool has_rest = text.ends_with('*');
    if (has_rest) text.remove_suffix(1);
    while (!text.empty()) {
        const std::size_t open = text.find('{');
        if (open != 0) pieces_.push_back({std::string(text.substr(0, open)), kLiteral});
        if (open == std::string_view::npos) break;
        text.remove_prefix(open);
        const std::size_t close = text.find('}');
        if (close == std::string_view::npos) return "'{' is not closed";
        const std::string_view name = text.substr(1, close - 1);
        const auto found = std::find(parameters.begin(), parameters.end(), name);
        if (found == parameters.end()) return "the path has no {" + std::string(name) + "}";
        pieces_.push_back({{}, static_cast<int>(found - parameters.begin())});
        text.remove_prefix(close + 1);
    }
    if (has_rest) pieces_.push_back({{}, kRest});
    return std::nullopt;
}

void Template::append(const Captures& captures, std::string& out) const {
    for (const Piece& piece : pieces_) {
        if (piece.capture == kLiteral) {
            out += piece.literal;
        } else if (piece.capture == kRest) {
            out += captures.rest;
        } else {
            out += captures.parameters[static_cast<std::size_t>(piece.capture)];
        }
    }
}

}  // namespace weir::route

#include "manual/text.hpp"

#include "weir/manual/pages.hpp"

namespace weir::manual {

std::string indented(std::string_view json) {
    std::string out;
    std::size_t depth = 0;
    bool is_text = false;
    const auto new_line = [&] { out.append("\n").append(2 * depth, ' '); };
    for (std::size_t i = 0; i < json.size(); ++i) {
        const char c = json[i];
        if (is_text) {
            out += c;
            if (c == '\\') {
                out += json[++i];
            } else if (c == '"') {
                is_text = false;
            }
            continue;
        }
        const bool is_empty = i + 1 < json.size() && (json[i + 1] == ']' || json[i + 1] == '}');
        const bool is_close = c == ']' || c == '}';
        if (is_close && json[i - 1] != '[' && json[i - 1] != '{') {
            --depth;
            new_line();
        }
        out += c;
        is_text = c == '"';
        if (c == ':') out += ' ';
        if ((c == '[' || c == '{') && !is_empty) ++depth;
        if (c == ',' || ((c == '[' || c == '{') && !is_empty)) new_line();
    }
    return out + "\n";
}

std::string cell(std::string_view text) {
    std::string out;
    for (const char c : text) {
        if (c == '|' || c == '<' || c == '*' || c == '_') out += '\\';
        out += c;
    }
    return out;
}

std::string code(std::string_view text) {
    if (text.empty()) return {};
    std::string out = "`";
    for (const char c : text) {
        if (c == '|') out += '\\';
        out += c;
    }
    return out + "`";
}

std::string roff(std::string_view text) {
    std::string out;
    if (text.starts_with('.') || text.starts_with('\'')) out += "\\&";
    for (const char c : text) {
        if (c == '\\') {
            out += "\\e";
        } else if (c == '-') {
            out += "\\-";
        } else if (c == '~') {
            out += "\\(ti";
        } else if (c == '^') {
            out += "\\(ha";
        } else if (c == '`') {
            out += "\\(ga";
        } else {
            out += c;
        }
    }
    return out;
}

}  // namespace weir::manual

#include "weir/describe/format.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace weir::describe {
namespace {

constexpr std::size_t kStep = 2;
constexpr std::string_view kBlanks = " \t\r";

std::string_view trimmed(std::string_view text) {
    const auto end = text.find_last_not_of(kBlanks);
    return end == std::string_view::npos ? std::string_view() : text.substr(0, end + 1);
}
std::string_view without_blanks_before(std::string_view text) {
    return text.substr(std::min(text.find_first_not_of(kBlanks), text.size()));
}
bool is_comment_at(std::string_view text, std::size_t at) {
    return text[at] == '#' && (at == 0 || text[at - 1] == ' ' || text[at - 1] == '\t');
}

// Columns of leading blanks; a tab is a level.
std::size_t columns(std::string_view line) {
    std::size_t count = 0;
    for (const char c : line) {
        if (c != ' ' && c != '\t') break;
        count += c == '\t' ? kStep : 1;
    }
    return count;
}

// The end of a quoted text that begins (or goes on) here; nothing if it is not on this line.
std::optional<std::size_t> quote_end(std::string_view text, std::size_t from, char quote) {
    for (std::size_t i = from; i < text.size(); ++i) {
        const bool is_escape = quote == '"' && text[i] == '\\';
        const bool is_doubled = quote == '\'' && text.substr(i).starts_with("\'\'");
        if (is_escape || is_doubled) {
            ++i;
        } else if (text[i] == quote) {
            return i + 1;
        }
    }
    return std::nullopt;
}

// ---- [::1]:8080

// The length of an address in brackets with its port, 0 if there is none.
std::size_t ipv6_length(std::string_view text) {
    constexpr std::string_view kHex = "0123456789abcdefABCDEF:.";
    constexpr std::string_view kDigits = "0123456789";
    if (!text.starts_with('[')) return 0;
    const auto close = text.find_first_not_of(kHex, 1);
    const bool is_closed = close != std::string_view::npos && text[close] == ']';
    if (!is_closed || text.substr(1, close - 1).find(':') == std::string_view::npos) return 0;
    if (!text.substr(close + 1).starts_with(':')) return 0;
    const auto end = std::min(text.find_first_not_of(kDigits, close + 2), text.size());
    return end > close + 2 ? end : 0;
}

std::string with_quoted_addresses(std::string_view text) {
    std::string out;
    for (std::size_t i = 0; i < text.size();) {
        const char c = text[i];
        const bool is_token =
            i == 0 || std::string_view(" \t[{,").find(text[i - 1]) != std::string_view::npos;
        std::size_t length = 1;
        if (is_comment_at(text, i)) {
            length = text.size() - i;
        } else if (is_token && (c == '"' || c == '\'')) {
            length = quote_end(text, i + 1, c).value_or(text.size()) - i;
        } else if (const auto address = is_token ? ipv6_length(text.substr(i)) : 0; address > 0) {
            out += '"';
            out += text.substr(i, address);
            out += '"';
            i += address;
            continue;
        }
        out += text.substr(i, length);
        i += length;
    }
    return out;
}

// ---- what goes on in the next line

// A quoted text or brackets that are still open.
struct Open {
    char quote = 0;
    int depth = 0;

    [[nodiscard]] bool is_any() const { return quote != 0 || depth > 0; }

    void scan(std::string_view text) {
        for (std::size_t i = 0; i < text.size(); ++i) {
            if (quote != 0) {
                const auto end = quote_end(text, i, quote);
                if (!end) return;
                quote = 0;
                i = *end - 1;
                continue;
            }
            if (is_comment_at(text, i)) return;
            const char c = text[i];
            const bool is_token =
                i == 0 || std::string_view(" \t[{,:").find(text[i - 1]) != std::string_view::npos;
            if (is_token && (c == '"' || c == '\'')) quote = c;
            if (c == '[' || c == '{') ++depth;
            if (c == ']' || c == '}') depth = std::max(depth - 1, 0);
        }
    }
};

// Where the value of "key: value" begins; nothing if this is no key.
std::optional<std::size_t> value_begin(std::string_view content) {
    std::size_t from = 0;
    if (content.starts_with('[') || content.starts_with('{')) return std::nullopt;
    if (content.starts_with('"') || content.starts_with('\'')) {
        const auto end = quote_end(content, 1, content.front());
        if (!end) return std::nullopt;
        from = *end;
    }
    for (std::size_t i = from; i < content.size(); ++i) {
        if (is_comment_at(content, i)) return std::nullopt;
        const bool is_end =
            i + 1 == content.size() || content[i + 1] == ' ' || content[i + 1] == '\t';
        if (content[i] == ':' && is_end) return i + 1;
    }
    return std::nullopt;
}

// "&anchor !tag value" without what comes before the value.
std::string_view without_properties(std::string_view value) {
    value = without_blanks_before(value);
    while (value.starts_with('&') || value.starts_with('!')) {
        value.remove_prefix(std::min(value.find_first_of(" \t"), value.size()));
        value = without_blanks_before(value);
    }
    return value;
}

class Formatter {
  public:
    std::string run(std::string_view text) {
        constexpr std::string_view kBom = "\xEF\xBB\xBF";
        if (text.starts_with(kBom)) {
            out_ = kBom;
            text.remove_prefix(kBom.size());
        }
        while (!text.empty()) {
            const auto end = std::min(text.find('\n'), text.size());
            line(text.substr(0, end));
            text.remove_prefix(std::min(end + 1, text.size()));
        }
        flush(std::nullopt);
        return std::move(out_);
    }

  private:
    enum class Kind : std::uint8_t { key, dash };
    // A level of nesting: where it was, where it is now.
    struct Level {
        Kind kind = Kind::key;
        std::size_t from = 0;
        std::size_t to = 0;
        bool has_value = false;  // on its own line: deeper lines go on with it
    };

    void line(std::string_view text) {
        const auto content = trimmed(without_blanks_before(text));
        const auto column = columns(text);
        if (in_block_) {
            if (content.empty() || column > block_parent_) {
                block_line(text);
                return;
            }
            in_block_ = false;
        }
        if (open_.is_any()) {
            const bool is_quote = open_.quote != 0;
            const auto mended = is_quote ? std::string(content) : with_quoted_addresses(content);
            open_.scan(mended);
            write(moved(column), mended);
            return;
        }
        if (content.empty() || content.front() == '#') {
            waiting_.emplace_back(column, content);
            return;
        }
        if (column == 0 && (content.starts_with("---") || content.starts_with("...") ||
                            content.starts_with('%'))) {
            flush(std::nullopt);
            levels_.clear();
            write(0, std::string(content));
            return;
        }
        structure(column, with_quoted_addresses(content));
    }

    // A text in block style is moved as a whole, blanks at line ends included.
    void block_line(std::string_view text) {
        if (text.ends_with('\r')) text.remove_suffix(1);
        const auto blanks = std::min(text.find_first_not_of(' '), text.size());
        if (text.empty()) {
            held_ += '\n';
            return;
        }
        out_ += std::exchange(held_, {});
        out_.append(moved(blanks), ' ');
        out_ += text.substr(blanks);
        out_ += '\n';
    }

    [[nodiscard]] std::size_t moved(std::size_t column) const {
        const auto sum = column + move_to_;
        return sum > move_from_ ? sum - move_from_ : 0;
    }

    void write(std::size_t column, const std::string& content) {
        if (!content.empty()) {
            out_ += std::exchange(held_, {});
            out_.append(column, ' ');
            out_ += content;
        }
        (content.empty() ? held_ : out_) += '\n';
    }

    // Comments and blank lines go with the line after them, or with the level they stand at.
    void flush(std::optional<std::pair<std::size_t, std::size_t>> next) {
        for (const auto& line : waiting_) {
            const std::size_t column = line.first;
            std::size_t to = next ? next->second : 0;
            const bool is_with_next = next && next->first == column;
            const auto level = std::find_if(levels_.begin(), levels_.end(), [&](const Level& of) {
                return of.from == column;  // of a list at the column of its key: the key's
            });
            if (!is_with_next && level != levels_.end()) to = level->to;
            write(to, std::string(line.second));
        }
        waiting_.clear();
    }

    // The level of a line: one there is, or a new one below the last.
    Level& level_at(std::size_t column, Kind kind, std::vector<Level>& levels) {
        while (!levels.empty() && levels.back().from > column)
            levels.pop_back();
        // A list may stand at the column of its key.
        if (kind == Kind::key && !levels.empty() && levels.back().kind == Kind::dash &&
            levels.back().from == column)
            levels.pop_back();
        if (!levels.empty() && levels.back().from == column && levels.back().kind == kind)
            return levels.back();
        const auto to = levels.empty() ? 0 : levels.back().to + kStep;
        levels.push_back({kind, column, to, false});
        return levels.back();
    }

    void structure(std::size_t column, std::string content) {
        auto levels = levels_;
        while (!levels.empty() && levels.back().from > column)
            levels.pop_back();
        const bool goes_on =
            !levels.empty() && levels.back().has_value && column > levels.back().from;
        if (goes_on) {  // a plain text of several lines
            flush(std::pair(column, moved(column)));
            write(moved(column), content);
            return;
        }
        std::string begin;
        std::optional<std::size_t> first;
        const auto original = column;
        while (content == "-" || content.starts_with("- ") || content.starts_with("-\t")) {
            auto& level = level_at(column, Kind::dash, levels);
            if (!first) first = level.to;
            const auto rest = without_blanks_before(std::string_view(content).substr(1));
            begin += rest.empty() ? "-" : "- ";
            level.has_value = !rest.empty();
            column += content.size() - rest.size();
            content = std::string(rest);
        }
        const auto value = value_begin(content);
        if (value) {
            auto& level = level_at(column, Kind::key, levels);
            if (!first) first = level.to;
            if (content[*value - 1] == ':' && *value < content.size() && content[*value] == '\t')
                content[*value] = ' ';
            level.has_value = false;
        }
        if (!first) first = levels.empty() ? 0 : levels.back().to + (begin.empty() ? kStep : 0);
        flush(std::pair(original, *first));
        levels_ = std::move(levels);
        write(*first, begin + content);
        open_value(value ? std::string_view(content).substr(*value) : std::string_view(content));
        move_from_ = levels_.empty() ? original : levels_.back().from;
        move_to_ = levels_.empty() ? *first : levels_.back().to;
        if (!value && begin.empty() && (levels_.empty() || levels_.back().from != original)) {
            move_from_ = original;
            move_to_ = *first;
        }
    }

    // What of this value is on the lines that follow.
    void open_value(std::string_view written) {
        const auto value = without_properties(written);
        const bool is_nothing = value.empty() || value.front() == '#';
        if (!levels_.empty()) levels_.back().has_value = !is_nothing;
        if (is_nothing) return;
        if (value.front() == '|' || value.front() == '>') {
            in_block_ = true;
            block_parent_ = levels_.empty() ? 0 : levels_.back().from;
        } else if (std::string_view("\"'[{").find(value.front()) != std::string_view::npos) {
            open_.scan(value);
        }
    }

    std::string out_;
    std::string held_;  // empty lines, dropped at the end
    std::vector<Level> levels_;
    std::vector<std::pair<std::size_t, std::string>> waiting_;
    Open open_;
    bool in_block_ = false;
    std::size_t block_parent_ = 0;
    std::size_t move_from_ = 0;
    std::size_t move_to_ = 0;
};

}  // namespace

std::string format(std::string_view text) {
    return Formatter().run(text);
}

}  // namespace weir::describe

#include "config/tree.hpp"

#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/exceptions.h>
#include <yaml-cpp/parser.h>

#include <algorithm>
#include <limits>
#include <map>
#include <optional>
#include <sstream>
#include <utility>

namespace weir::config {
namespace {

// Ends the parse: there is no tree to go on with.
struct Refused {
    Problem problem;
};

Place place_of(const YAML::Mark& mark) {
    const auto column = std::min(mark.column + 1, int{std::numeric_limits<std::uint16_t>::max()});
    return {.line = static_cast<std::uint32_t>(std::max(mark.line, 0) + 1),
            .column = static_cast<std::uint16_t>(std::max(column, 1)),
            .file = 0};
}

Problem feature(const Place& place, std::string what, std::string note = {}) {
    return {.code = 116, .place = place, .what = std::move(what), .note = std::move(note)};
}

// The length of a quoted text with its quotes, if it is closed on this line.
std::optional<std::size_t> quoted_width(std::string_view rest) {
    const char quote = rest.front();
    for (std::size_t i = 1; i < rest.size(); ++i) {
        const bool is_escape = quote == '"' && rest[i] == '\\';
        const bool is_doubled = quote == '\'' && rest.substr(i).starts_with("\'\'");
        if (is_escape || is_doubled) {
            ++i;
        } else if (rest[i] == quote) {
            return i + 1;
        }
    }
    return std::nullopt;
}

// No message underlines more than this, and a whole file of JSON may be one line.
constexpr std::size_t kMostUnderlined = 256;

// How much of the line what begins here takes, up to a comment.
std::size_t written_width(std::string_view rest) {
    rest = rest.substr(0, kMostUnderlined);
    if (!rest.empty() && (rest.front() == '"' || rest.front() == '\'')) {
        if (const auto width = quoted_width(rest)) return *width;
    }
    int depth = 0;
    std::size_t end = 0;
    for (std::size_t i = 0; i < rest.size(); ++i) {
        const char c = rest[i];
        if (c == '#' && i > 0 && rest[i - 1] == ' ') break;
        if (c == '[' || c == '{') ++depth;
        if ((c == ']' || c == '}') && --depth == 0) return i + 1;
        if (depth < 0) break;
        if (c != ' ' && c != '\t') end = i + 1;
    }
    return std::max<std::size_t>(end, 1);
}

std::size_t count_nodes(const Node& node) {
    std::size_t count = 1;
    for (const auto& item : node.items)
        count += count_nodes(item);
    for (const auto& entry : node.entries)
        count += count_nodes(entry.value);
    return count;
}

// Builds the tree from the parser's events. yaml-cpp's own tree would report an alias at its anchor
// and hide duplicate keys from look-ups.
class Builder final : public YAML::EventHandler {
  public:
    Builder(std::string_view text,
            const Environment* environment,
            Report& report,
            Allowance& allowance)
        : lines_(text),
          text_(text),
          environment_(environment),
          report_(report),
          allowance_(allowance) {}

    [[nodiscard]] const Lines& lines() const { return lines_; }
    [[nodiscard]] std::optional<Node> take() { return std::move(root_); }
    // The line a quoted text of several lines began on, if the last one ended at `line`.
    [[nodiscard]] std::uint32_t quote_before(std::uint32_t line) const {
        return last_quote_end_ == line ? last_quote_begin_ : 0;
    }

    void OnDocumentStart(const YAML::Mark& mark) override {
        if (documents_++ == 0) return;
        const auto place = place_of(mark);
        if (lines_.line(place.line).starts_with("---") ||
            (place.line > 1 && lines_.line(place.line - 1).starts_with("..."))) {
            throw Refused{
                feature(place, "a second YAML document: one file holds one configuration")};
        }
        throw Refused{{.code = 100,
                       .place = place,
                       .what = "the YAML document has ended above this line",
                       .note = "a list and a map at the same indentation?"}};
    }
    void OnDocumentEnd() override {}

    void OnNull(const YAML::Mark& mark, YAML::anchor_t anchor) override {
        Node node = make(Node::Kind::null, mark, {});
        if (!frames_.empty() && frames_.back().has_key) {
            node.place = frames_.back().key.place;  // the mark of an empty value is the next line's
            node.width = frames_.back().key.width;
        }
        add(std::move(node), anchor);
    }

    void OnAlias(const YAML::Mark& mark, YAML::anchor_t anchor) override {
        const auto place = place_of(mark);
        const auto found = anchors_.find(anchor);
        if (found == anchors_.end())
            throw Refused{feature(place, "an anchor cannot contain itself")};
        if (found->second.size > allowance_.copies) {
            throw Refused{feature(place, "the aliases of this file expand to too many values")};
        }
        allowance_.copies -= found->second.size;
        Node copy = found->second.node;
        copy.place = place;
        copy.width = static_cast<std::uint32_t>(written_width(rest_of(mark)));
        add(std::move(copy), 0);
    }

    void OnScalar(const YAML::Mark& mark,
                  const std::string& tag,
                  YAML::anchor_t anchor,
                  const std::string& value) override {
        Node node = make(Node::Kind::scalar, mark, tag);
        const auto rest = skip_properties(rest_of(mark));
        node.is_quoted =
            !rest.empty() && (rest.front() == '"' || rest.front() == '\'') && tag != "?";
        if (node.is_quoted && !quoted_width(rest)) check_closed(node.place, rest);
        if (!node.is_quoted && rest.starts_with(value)) {
            node.width = static_cast<std::uint32_t>(value.size());
        }
        node.text = value;
        const bool is_key = !frames_.empty() && frames_.back().node.kind == Node::Kind::map &&
                            !frames_.back().has_key;
        if (environment_ != nullptr && !is_key) expand(node, lines_, *environment_, report_);
        add(std::move(node), anchor);
    }

    void OnSequenceStart(const YAML::Mark& mark,
                         const std::string& tag,
                         YAML::anchor_t anchor,
                         YAML::EmitterStyle::value /*style*/) override {
        push(make(Node::Kind::list, mark, tag), anchor);
    }
    void OnSequenceEnd() override { pop(); }

    void OnMapStart(const YAML::Mark& mark,
                    const std::string& tag,
                    YAML::anchor_t anchor,
                    YAML::EmitterStyle::value /*style*/) override {
        push(make(Node::Kind::map, mark, tag), anchor);
    }
    void OnMapEnd() override { pop(); }

  private:
    struct Frame {
        Node node;
        YAML::anchor_t anchor = 0;
        bool has_key = false;
        Entry key;
    };
    struct Anchored {
        Node node;
        std::size_t size = 0;
    };

    // By the mark: the column of a place ends at 65535.
    [[nodiscard]] std::string_view rest_of(const YAML::Mark& mark) const {
        const auto line = lines_.line(static_cast<std::size_t>(std::max(mark.line, 0)) + 1);
        return line.substr(
            std::min(static_cast<std::size_t>(std::max(mark.column, 0)), line.size()));
    }

    Node make(Node::Kind kind, const YAML::Mark& mark, const std::string& tag) {
        Node node;
        node.kind = kind;
        node.place = place_of(mark);
        node.width = static_cast<std::uint32_t>(written_width(rest_of(mark)));
        if (!tag.empty() && tag != "?" && tag != "!") {
            report_.add(feature(node.place, "YAML tags are not taken", "leave it out"));
        }
        return node;
    }

    static std::string_view skip_properties(std::string_view rest) {
        while (!rest.empty() && (rest.front() == '&' || rest.front() == '!')) {
            rest.remove_prefix(std::min(rest.find(' '), rest.size()));
            rest.remove_prefix(std::min(rest.find_first_not_of(' '), rest.size()));
        }
        return rest;
    }

    // yaml-cpp takes the end of the file for the closing quote.
    void check_closed(const Place& place, std::string_view rest) {
        const auto begin = static_cast<std::size_t>(rest.data() - text_.data());
        const auto width = quoted_width(text_.substr(begin));
        if (!width) {
            throw Refused{{.code = 100,
                           .place = place,
                           .what = "this quote is never closed",
                           .note = "the text goes on to the end of the file",
                           .width = 1}};
        }
        last_quote_begin_ = place.line;
        const auto body = text_.substr(begin, *width);
        last_quote_end_ =
            place.line + static_cast<std::uint32_t>(std::count(body.begin(), body.end(), '\n'));
    }

    void push(Node node, YAML::anchor_t anchor) {
        if (frames_.size() >= kMostDepth) {
            throw Refused{feature(node.place, "nested deeper than 64 levels")};
        }
        frames_.push_back({.node = std::move(node), .anchor = anchor, .has_key = false, .key = {}});
    }

    void pop() {
        Frame frame = std::move(frames_.back());
        frames_.pop_back();
        add(std::move(frame.node), frame.anchor);
    }

    void add(Node node, YAML::anchor_t anchor) {
        if (anchor != 0) {
            const auto size = count_nodes(node);
            if (size > allowance_.copies) {
                throw Refused{feature(node.place, "the anchors of this file hold too many values")};
            }
            allowance_.copies -= size;
            anchors_[anchor] = {.node = node, .size = size};
        }
        if (frames_.empty()) {
            root_ = std::move(node);
            return;
        }
        Frame& top = frames_.back();
        if (top.node.kind == Node::Kind::list) {
            top.node.items.push_back(std::move(node));
        } else if (!top.has_key) {
            add_key(top, std::move(node));
        } else {
            top.has_key = false;
            top.key.value = std::move(node);
            keep(top);
        }
    }

    void add_key(Frame& top, Node node) {
        if (node.kind != Node::Kind::scalar)
            throw Refused{explain_syntax(lines_, node.place, kOddKey)};
        top.has_key = true;
        top.key = {
            .key = std::move(node.text), .place = node.place, .width = node.width, .value = {}};
        // Of "key: value" only the key; of a quoted key its quotes, too.
        const auto written = static_cast<std::uint32_t>(top.key.key.size());
        top.key.width = node.is_quoted ? node.width : written;
    }

    void keep(Frame& top) {
        if (top.key.key == "<<") {
            report_.add(feature(top.key.place, "YAML merge keys are not taken",
                                "shared settings go under 'defaults'"));
            return;
        }
        top.node.entries.push_back(std::move(top.key));
    }

    Lines lines_;
    std::string_view text_;
    const Environment* environment_;
    Report& report_;
    Allowance& allowance_;
    std::optional<Node> root_;
    std::vector<Frame> frames_;
    std::map<YAML::anchor_t, Anchored> anchors_;
    int documents_ = 0;
    std::uint32_t last_quote_begin_ = 0;
    std::uint32_t last_quote_end_ = 0;
};

bool is_utf8(std::string_view text) {
    std::size_t i = 0;
    while (i < text.size()) {
        const auto lead = static_cast<unsigned char>(text[i]);
        const std::size_t more = lead < 0x80   ? 0
                                 : lead < 0xC2 ? 9
                                 : lead < 0xE0 ? 1
                                 : lead < 0xF0 ? 2
                                 : lead < 0xF5 ? 3
                                               : 9;
        if (more == 9 || i + more >= text.size()) return false;
        for (std::size_t k = 1; k <= more; ++k) {
            if ((static_cast<unsigned char>(text[i + k]) & 0xC0U) != 0x80U) return false;
        }
        i += more + 1;
    }
    return true;
}

// What would make the parser's places or charset guess differ from ours.
std::optional<Problem> check_bytes(std::string_view text, std::size_t most) {
    if (text.size() > kMostBytes)
        return Problem{.code = 116, .what = "the file is larger than 4 MiB"};
    if (text.size() > most)
        return Problem{.code = 116, .what = "the files together are larger than 4 MiB"};
    const auto nul = text.find('\0');
    const bool is_text = is_utf8(text);
    if (nul == std::string_view::npos && is_text) return std::nullopt;
    return Problem{.code = 100,
                   .what = is_text ? "the file holds a NUL byte" : "the file is no UTF-8 text"};
}

}  // namespace

Lines::Lines(std::string_view text) : text_(text) {
    starts_.push_back(0);
    for (std::size_t i = 0; i < text.size(); ++i) {
        if (text[i] == '\n') starts_.push_back(i + 1);
    }
}

std::string_view Lines::line(std::size_t number) const {
    if (number == 0 || number > starts_.size()) return {};
    const auto begin = starts_[number - 1];
    const auto end = number < starts_.size() ? starts_[number] - 1 : text_.size();
    auto line = text_.substr(begin, end - begin);
    if (line.ends_with('\r')) line.remove_suffix(1);
    return line;
}

std::string_view Lines::at(const Place& place) const {
    const auto text = line(place.line);
    return text.substr(std::min<std::size_t>(place.column - std::size_t{1}, text.size()));
}

std::optional<Node> parse_tree(std::string_view text,
                               const Environment* environment,
                               Report& report,
                               Allowance& allowance) {
    if (auto problem = check_bytes(text, allowance.bytes)) {
        report.add(std::move(*problem));
        return std::nullopt;
    }
    allowance.bytes -= text.size();
    Builder builder(text, environment, report, allowance);
    try {
        std::istringstream stream{std::string(text)};
        YAML::Parser parser(stream);
        while (parser.HandleNextDocument(builder)) {
        }
        auto root = builder.take();
        if (!root) report.add({.code = kEmptyFile, .what = "the file is empty"});
        return root;
    } catch (const Refused& refused) {
        report.add(refused.problem);
    } catch (const YAML::Exception& error) {
        auto problem = explain_syntax(builder.lines(), place_of(error.mark), error.msg);
        if (const auto line = builder.quote_before(problem.place.line); line != 0) {
            problem.help = "a quoted text that began at line " + std::to_string(line) +
                           " ends here: is its quote closed?";
        }
        report.add(std::move(problem));
    } catch (const std::exception& error) {
        report.add({.code = 100, .what = std::string("this is no YAML: ") + error.what()});
    }
    return std::nullopt;
}

// ---- what a syntax error means

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

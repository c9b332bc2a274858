#include "weir/config/document.hpp"
#include "weir/decode/load.hpp"

#include "inject/value.hpp"

namespace weir::inject {
namespace {

// How a scalar of YAML is written: the tree of a configuration only knows about quotes.
class Reader {
  public:
    explicit Reader(std::string_view text) {
        std::size_t at = 0;
        while (at <= text.size()) {
            const std::size_t end = std::min(text.find('\n', at), text.size());
            lines_.push_back(text.substr(at, end - at));
            at = end + 1;
        }
    }

    [[nodiscard]] Value value_of(const config::Node& node) const {
        using Kind = config::Node::Kind;
        switch (node.kind) {
            case Kind::null:
                return Value::plain("null");
            case Kind::scalar:
                return is_string(node) ? Value::string(node.text) : Value::plain(node.text);
            case Kind::list: {
                Value list = Value::array();
                for (const config::Node& item : node.items)
                    list.items.push_back(value_of(item));
                return list;
            }
            case Kind::map:
                break;
        }
        Value map = Value::object();
        for (const config::Entry& entry : node.entries)
            map.set(entry.key, value_of(entry.value));
        return map;
    }

  private:
    // Also a block, and words that span several lines.
    [[nodiscard]] bool is_string(const config::Node& node) const {
        if (node.is_quoted || node.text.empty()) return true;
        if (node.text.find_first_of("\n\r\t") != std::string::npos) return true;
        std::string_view rest = line(node.place.line);
        rest.remove_prefix(std::min<std::size_t>(node.place.column - 1U, rest.size()));
        while (!rest.empty() && (rest.front() == '&' || rest.front() == '!')) {
            rest.remove_prefix(std::min(rest.find(' '), rest.size()));
            rest.remove_prefix(std::min(rest.find_first_not_of(' '), rest.size()));
        }
        return rest.starts_with('|') || rest.starts_with('>');
    }

    [[nodiscard]] std::string_view line(std::size_t number) const {
        return number == 0 || number > lines_.size() ? std::string_view() : lines_[number - 1];
    }

    std::vector<std::string_view> lines_;
};

std::string sentence(const config::Problem& problem) {
    std::string text;
    if (!problem.place.is_built_in()) text = "line " + std::to_string(problem.place.line) + ": ";
    text += problem.what;
    if (!problem.note.empty()) text += " (" + problem.note + ")";
    return text;
}

}  // namespace

Value from_json(const JsonValue& json) {
    using Kind = JsonValue::Kind;
    switch (json.kind()) {
        case Kind::null:
            return Value::plain("null");
        case Kind::boolean:
        case Kind::number:
            return Value::plain(json.text());
        case Kind::string:
            return Value::string(json.text());
        case Kind::array: {
            Value list = Value::array();
            for (const JsonValue& item : json.items())
                list.items.push_back(from_json(item));
            return list;
        }
        case Kind::object:
            break;
    }
    Value map = Value::object();
    for (const auto& [key, value] : json.members())
        map.set(key, from_json(value));
    return map;
}

Read from_yaml(std::string_view text) {
    const config::TreeResult tree = config::parse_yaml(text, "<object>");
    if (!tree.root) {
        const auto problems = tree.report.sorted();
        return {std::nullopt, problems.empty() ? "there is nothing" : sentence(problems.front())};
    }
    return {Reader(tree.sources.front().text).value_of(*tree.root)};
}

}  // namespace weir::inject

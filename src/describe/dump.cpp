#include "weir/core/json.hpp"
#include "weir/describe/effective.hpp"

#include "describe/canonical.hpp"
#include "describe/resolve.hpp"

#include <algorithm>
#include <utility>

namespace weir::describe {
namespace {

constexpr std::size_t kIndent = 2;

struct Line {
    std::size_t indent = 0;
    std::string text;
    std::string origin;
    bool is_comment = false;  // a default that is a word, "hostname": no value to write
};
using LinesOut = std::vector<Line>;

struct Writer {
    const config::Document& document;
    const DumpOptions& options;

    [[nodiscard]] bool is_shown(const Branch& leaf) const {
        return leaf.is_own && (options.has_defaults || !leaf.chain.front().is_built_in());
    }

    [[nodiscard]] std::string origin(const Value& value) const {
        Setting setting;
        setting.place = value.place;
        return origin_text(document, setting);
    }

    // A route may lengthen retry.backoff, and the longest follows only if it is not written.
    [[nodiscard]] static bool is_comment(const Branch& leaf) {
        const auto& value = leaf.chain.front();
        if (!value.is_built_in()) return false;
        if (!leaf.may_be_written) return true;
        if (leaf.row->path == "retry.max_backoff" || leaf.row->path == "clusters{}.discovery.name")
            return true;
        const bool is_computed = leaf.row->path == "listeners[].underscores" ||
                                 leaf.row->path == "clusters{}.discovery.type" ||
                                 leaf.row->path == "routes[].name" ||
                                 leaf.row->path == "routes[].max_body";
        return !is_computed && !is_value(*leaf.row);
    }

    void leaf(const Branch& branch, std::size_t indent, LinesOut& out) const {
        if (!is_shown(branch)) return;
        const auto& value = branch.chain.front();
        out.push_back({indent, branch.key + ": " + flow_text(value.node),
                       options.has_origins ? origin(value) : std::string(), is_comment(branch)});
    }

    void map(const Branch& branch, std::size_t indent, LinesOut& out) const {
        LinesOut inner;
        children(branch, indent + kIndent, inner);
        if (inner.empty()) return;
        const bool is_comment = std::all_of(inner.begin(), inner.end(),
                                            [](const Line& line) { return line.is_comment; });
        out.push_back({indent, quoted_if_needed(branch.key, true) + ":", {}, is_comment});
        out.insert(out.end(), inner.begin(), inner.end());
    }

    void list(const Branch& branch, std::size_t indent, LinesOut& out) const {
        LinesOut items;
        for (const auto& item : branch.children) {
            LinesOut lines;
            children(item, indent + 2 * kIndent, lines);
            const auto first = std::find_if(lines.begin(), lines.end(),
                                            [](const Line& line) { return !line.is_comment; });
            if (first == lines.end()) continue;
            std::rotate(lines.begin(), first, first + 1);  // the dash stands before a value
            lines.front().indent -= kIndent;
            lines.front().text.insert(0, "- ");
            items.insert(items.end(), lines.begin(), lines.end());
        }
        if (items.empty()) return;
        out.push_back({indent, branch.key + ":", {}, false});
        out.insert(out.end(), items.begin(), items.end());
    }

    void children(const Branch& of, std::size_t indent, LinesOut& out) const {
        for (const auto& branch : of.children) {
            if (branch.is_implied) continue;
            switch (branch.kind) {
                case Branch::Kind::leaf:
                    leaf(branch, indent, out);
                    break;
                case Branch::Kind::map:
                    map(branch, indent, out);
                    break;
                case Branch::Kind::list:
                    list(branch, indent, out);
                    break;
            }
        }
    }

    // ---- JSON

    static void node(JsonWriter& json, const config::Node& from, std::string_view type) {
        using Kind = config::Node::Kind;
        const auto& text = from.text;
        const bool is_integer = type.starts_with("int") && !text.empty() && text.size() < 16 &&
                                text.find_first_not_of("0123456789") == std::string::npos;
        switch (from.kind) {
            case Kind::null:
                json.null();
                break;
            case Kind::scalar:
                if (is_integer) {
                    json.value(std::uint64_t{std::stoull(text)});
                } else if (type.starts_with("bool")) {
                    json.value(text == "true");
                } else {
                    json.value(text);
                }
                break;
            case Kind::list:
                json.begin_array();
                for (const auto& item : from.items)
                    node(json, item, {});
                json.end_array();
                break;
            case Kind::map:
                json.begin_object();
                for (const auto& entry : from.entries)
                    node(json.key(entry.key), entry.value, entry.key == "weight" ? "int" : "");
                json.end_object();
                break;
        }
    }

    void value(JsonWriter& json, const Branch& leaf) const {
        const auto& front = leaf.chain.front();
        if (!options.has_origins) {
            node(json, front.node, leaf.row->type);
            return;
        }
        json.begin_object().key("value");
        node(json, front.node, leaf.row->type);
        json.field("origin", origin(front)).end_object();
    }

    [[nodiscard]] bool has_content(const Branch& branch) const {
        if (branch.is_implied) return false;
        if (branch.kind == Branch::Kind::leaf) return is_shown(branch) && !is_comment(branch);
        return std::any_of(branch.children.begin(), branch.children.end(),
                           [this](const Branch& child) { return has_content(child); });
    }

    void json(JsonWriter& out, const Branch& branch) const {
        if (branch.kind == Branch::Kind::leaf) {
            value(out, branch);
            return;
        }
        const bool is_list = branch.kind == Branch::Kind::list;
        is_list ? out.begin_array() : out.begin_object();
        for (const auto& child : branch.children) {
            if (!has_content(child)) continue;
            if (!is_list) out.key(child.key);
            json(out, child);
        }
        is_list ? out.end_array() : out.end_object();
    }
};

}  // namespace

std::string dump(const config::Document& document, DumpOptions options) {
    const auto resolved = resolve(document);
    LinesOut lines;
    Writer{document, options}.children(resolved->root, 0, lines);
    std::string out;
    for (const auto& line : lines) {
        out.append(line.indent, ' ');
        if (line.is_comment) out += "# ";
        out += line.text;
        if (!line.origin.empty()) out += "  # " + line.origin;
        out += '\n';
    }
    return out;
}

std::string dump_json(const config::Document& document, DumpOptions options) {
    const auto resolved = resolve(document);
    std::string out;
    JsonWriter json(out);
    Writer{document, options}.json(json, resolved->root);
    return out;
}

}  // namespace weir::describe

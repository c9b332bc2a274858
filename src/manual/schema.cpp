#include "weir/core/json.hpp"
#include "weir/describe/vocabulary.hpp"
#include "weir/manual/pages.hpp"

#include "manual/text.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <functional>
#include <utility>

namespace weir::manual {
namespace {

using describe::Row;

constexpr std::string_view kVariable = R"(\$\{)";
constexpr std::string_view kName = R"(^[A-Za-z0-9._/-]{1,128}$)";
constexpr std::string_view kPort =
    R"((6553[0-5]|655[0-2][0-9]|65[0-4][0-9]{2}|6[0-4][0-9]{3}|[0-5]?[0-9]{1,4}))";

std::string with_variable(const std::string& pattern) {
    return pattern + "|" + std::string(kVariable);
}

// A type of the language that is a text of some form.
struct Form {
    std::string_view name;
    std::string pattern;
    bool takes_zero = false;  // a bare 0 needs no unit
    std::string_view description;
};
std::vector<Form> forms() {
    const std::string decimal = R"([0-9]+(\.[0-9]+)?)";
    return {
        {"duration",
         with_variable("^(0|(?=[0-9])([0-9]+h)?([0-9]+m)?([0-9]+s)?([0-9]+ms)?([0-9]+us)?)$"), true,
         "250ms, 1m30s; units: us, ms, s, m, h"},
        {"size", with_variable("^(0|[0-9]+(B|KB|MB|GB|KiB|MiB|GiB))$"), true, "64KiB, 1MB"},
        {"percent", with_variable("^" + decimal + "%$"), false, "50%"},
        {"rate", with_variable("^" + decimal + "/[smhd]$"), false, "100/s, 600/m"},
        {"address",
         with_variable(R"(^(\[[0-9A-Fa-f:.%]+\]:|[^\[\]:/\s]*:))" + std::string(kPort) +
                       R"($|^unix:.+$|^\[[0-9A-Fa-f:.%]+\]$)"),
         false, ":8080, 127.0.0.1:8080, \"[::1]:8080\", host:80, unix:/run/x.sock"},
    };
}

// Where exactly one, or at least one, of some keys must be given; the decoder says so.
struct Choice {
    std::string_view block;
    std::string_view kind;
    std::vector<std::string_view> keys;
};
const std::vector<Choice>& choices() {
    static const std::vector<Choice> kChoices{{"listeners[]", "oneOf", {"to", "routes"}},
                                              {"routes[]", "oneOf", {"to", "respond", "redirect"}},
                                              {"clusters{}", "anyOf", {"endpoints", "discovery"}}};
    return kChoices;
}

std::string def_name(std::string_view block) {
    std::string out;
    for (const char c : block) {
        if (c != '[' && c != ']' && c != '{' && c != '}') out += c;
    }
    return out;
}

std::vector<std::string_view> split(std::string_view text, char separator) {
    std::vector<std::string_view> out;
    while (!text.empty()) {
        const auto end = std::min(text.find(separator), text.size());
        out.push_back(text.substr(0, end));
        text.remove_prefix(std::min(end + 1, text.size()));
    }
    return out;
}

class Schema {
  public:
    explicit Schema(std::string& out) : json_(out) {}

    void write() {
        json_.begin_object()
            .field("$schema", "https://json-schema.org/draft/2020-12/schema")
            .field("title", "Weir configuration");
        object_body("");
        json_.key("$defs").begin_object();
        for (const auto& block : vocabulary_.blocks()) {
            if (block.empty()) continue;
            json_.key(def_name(block)).begin_object();
            object_body(block);
            json_.end_object();
        }
        // client_* apply before a route is known, so only defaults take them.
        json_.key("defaults.timeout").begin_object();
        has_client_keys_ = true;
        object_body("timeout");
        json_.end_object();
        basics();
        json_.end_object().end_object();
    }

  private:
    void basics() {
        for (const auto& form : forms()) {
            json_.key(form.name).begin_object().field("description", form.description);
            json_.key("anyOf").begin_array();
            json_.begin_object()
                .field("type", "string")
                .field("pattern", form.pattern)
                .end_object();
            if (form.takes_zero) json_.begin_object().field("const", std::int64_t{0}).end_object();
            json_.end_array().end_object();
        }
        json_.key("variable").begin_object().field("type", "string");
        json_.field("pattern", kVariable).field("description", "${NAME} or ${NAME:-default}");
        json_.end_object();
        json_.key("text").begin_object().key("type").begin_array();
        json_.value("string").value("number").value("boolean").end_array().end_object();
        json_.key("texts").begin_object().field("type", "array").key("items");
        ref("text");
        json_.end_object();
        target();
        secret();
    }

    void target() {
        json_.key("target").begin_object().field(
            "description", "a cluster, host:port, a list of these, or {cluster: percent}");
        json_.key("anyOf").begin_array();
        json_.begin_object().field("type", "string").end_object();
        json_.begin_object().field("type", "array").field("minItems", std::int64_t{1});
        json_.key("items").begin_object().field("type", "string").end_object().end_object();
        json_.begin_object().field("type", "object").key("additionalProperties");
        ref("percent");
        json_.end_object().end_array().end_object();
    }

    void secret() {
        json_.key("secret").begin_object().field("type", "object");
        json_.field("description", "never inline: {file: path} or {env: NAME}");
        json_.key("properties").begin_object();
        for (const auto* key : {"file", "env"})
            json_.key(key).begin_object().field("type", "string").end_object();
        json_.end_object().field("additionalProperties", false);
        json_.field("minProperties", std::int64_t{1}).field("maxProperties", std::int64_t{1});
        json_.end_object();
    }

    void ref(const std::string& name) {
        json_.begin_object().field("$ref", "#/$defs/" + name).end_object();
    }

    void object_body(const std::string& block) {
        json_.field("type", "object").key("properties").begin_object();
        std::vector<std::string_view> required;
        for (const auto& row : vocabulary_.rows(block)) {
            const bool is_client = block == "timeout" && row.name.starts_with("client_");
            if (is_client && !has_client_keys_) continue;
            if (row.info->fallback == "required") required.push_back(row.name);
            json_.key(row.name).begin_object();
            property(block, row);
            json_.end_object();
        }
        json_.end_object();
        // Included files may have them.
        if (block.empty() && vocabulary_.find("", "include") != nullptr)
            std::erase(required, "listeners");
        if (!required.empty()) {
            json_.key("required").begin_array();
            for (const auto key : required)
                json_.value(key);
            json_.end_array();
        }
        for (const auto& choice : choices()) {
            if (choice.block != block) continue;
            json_.key(choice.kind).begin_array();
            for (const auto key : choice.keys) {
                json_.begin_object().key("required").begin_array().value(key).end_array();
                json_.end_object();
            }
            json_.end_array();
        }
        json_.field("additionalProperties", false);
    }

    void property(const std::string& block, const Row& row) {
        const auto& info = *row.info;
        std::string description(info.doc);
        const bool is_value = describe::is_value(info);
        const bool is_word = !is_value && !info.fallback.empty() && info.fallback != "-" &&
                             info.fallback != "required";
        if (is_word) {
            description += (description.empty() ? "default: " : "; default: ");
            description += info.fallback;
        }
        if (!description.empty()) json_.field("description", description);
        if (is_value && info.type != "map") {
            json_.key("default");
            fallback(info);
        }
        if (info.path == "version") {
            json_.key("enum").begin_array().value(std::int64_t{1}).value("1").end_array();
            return;
        }
        alternatives(block, row);
    }

    void fallback(const config::KeyInfo& info) {
        const auto text = info.fallback;
        if (text.starts_with('[')) {
            json_.begin_array();
            for (auto item : split(text.substr(1, text.size() - 2), ',')) {
                while (item.starts_with(' '))
                    item.remove_prefix(1);
                const bool is_quoted = item.starts_with('"') && item.size() > 1;
                json_.value(is_quoted ? item.substr(1, item.size() - 2) : item);
            }
            json_.end_array();
            return;
        }
        const bool is_number = info.type.starts_with("int") &&
                               text.find_first_not_of("0123456789") == std::string_view::npos;
        if (is_number) {
            json_.value(std::uint64_t{std::stoull(std::string(text))});
        } else if (info.type == "bool") {
            json_.value(text == "true");
        } else {
            json_.value(text == "\"\"" ? std::string_view() : text);
        }
    }

    using Part = std::function<void()>;

    // What a value may be: the parts of the type, each a schema.
    void alternatives(const std::string& block, const Row& row) {
        std::vector<Part> parts;
        const auto type = row.info->type;
        if (type.starts_with("enum:")) {
            parts.push_back([=, this] {
                json_.begin_object().key("enum").begin_array();
                for (const auto word : split(type.substr(5), ','))
                    json_.value(word);
                json_.end_array().end_object();
            });
            parts.push_back([this] { ref("variable"); });
        } else {
            for (const auto part : split(type, '|'))
                add_part(block, row, part, parts);
        }
        json_.key("anyOf").begin_array();
        for (const auto& part : parts)
            part();
        json_.end_array();
    }

    void add_part(const std::string& block,
                  const Row& row,
                  std::string_view part,
                  std::vector<Part>& parts) {
        constexpr std::array<std::string_view, 7> kRefs{"duration", "size",   "percent", "rate",
                                                        "address",  "target", "secret"};
        if (std::find(kRefs.begin(), kRefs.end(), part) != kRefs.end()) {
            parts.push_back([=, this] { ref(std::string(part)); });
        } else if (part == "int") {
            const auto* attempts = shorthand_of(row);
            const auto& of = attempts == nullptr ? *row.info : *attempts->info;
            parts.push_back([&of, this] { integer(of); });
            parts.push_back([this] { ref("variable"); });
        } else if (part == "bool") {
            parts.push_back([this] { json_.begin_object().field("type", "boolean").end_object(); });
            parts.push_back([this] { ref("variable"); });
        } else if (part == "list") {
            add_list(row, parts);
        } else if (part == "map") {
            parts.push_back([&row, this] { map(row); });
        } else if (part == "object" && row.child.empty()) {
            parts.push_back([&row, this] { free_object(row); });
        } else if (part == "object") {
            const bool is_defaults_timeout = block == "defaults" && row.name == "timeout";
            const auto name = is_defaults_timeout ? "defaults.timeout" : def_name(row.child);
            parts.push_back([=, this] { ref(name); });
        } else if (const auto* shorthand = shorthand_of(row);
                   part == "string" && shorthand != nullptr) {
            parts.push_back([=, this] {
                json_.begin_object();
                alternatives(row.child, *shorthand);
                json_.end_object();
            });
        } else if (part == "string" || part == "path" || part == "name") {
            parts.push_back([this] { ref("text"); });
        } else {  // off, auto, never, unlimited
            parts.push_back([=, this] { json_.begin_object().field("const", part).end_object(); });
        }
    }

    [[nodiscard]] const Row* shorthand_of(const Row& row) const {
        if (row.info->type.find("object") == std::string_view::npos) return nullptr;
        for (const auto& inner : vocabulary_.rows(row.child)) {
            if (inner.info->is_shorthand) return &inner;
        }
        return nullptr;
    }

    void integer(const config::KeyInfo& info) {
        json_.begin_object().field("type", "integer");
        json_.field("minimum", static_cast<std::int64_t>(std::ceil(info.least)));
        if (std::isfinite(info.most)) json_.field("maximum", static_cast<std::int64_t>(info.most));
        json_.end_object();
    }

    // Of no block of its own: one of those that have a name elsewhere, or what only the decoder
    // knows.
    void free_object(const Row& row) {
        const std::string named = std::string(row.name) + "s{}";
        if (!vocabulary_.rows(named).empty()) return ref(def_name(named));
        json_.begin_object().field("type", "object").end_object();
    }

    void add_list(const Row& row, std::vector<Part>& parts) {
        if (row.child.empty() && row.info->type.find("object") != std::string_view::npos) {
            parts.push_back([&row, this] {
                json_.begin_object().field("type", "array").key("items");
                json_.begin_object().key("anyOf").begin_array();
                ref("text");
                free_object(row);
                json_.end_array().end_object().end_object();
            });
            return;
        }
        if (row.child.empty()) {
            parts.push_back([this] { ref("texts"); });
            // One value may stand for a list of one.
            if (row.info->type == "list") parts.push_back([this] { ref("text"); });
            return;
        }
        parts.push_back([&row, this] {
            json_.begin_object().field("type", "array").key("items");
            const auto& rows = vocabulary_.rows(row.child);
            const auto shorthand = std::find_if(rows.begin(), rows.end(), [](const Row& inner) {
                return inner.info->is_shorthand;
            });
            if (shorthand == rows.end()) {
                ref(def_name(row.child));
            } else {
                json_.begin_object().key("anyOf").begin_array();
                ref(std::string(shorthand->info->type));
                ref(def_name(row.child));
                json_.end_array().end_object();
            }
            json_.end_object();
        });
    }

    void map(const Row& row) {
        json_.begin_object().field("type", "object");
        if (!row.child.empty())
            json_.key("propertyNames").begin_object().field("pattern", kName).end_object();
        json_.key("additionalProperties");
        ref(row.child.empty() ? "text" : def_name(row.child));
        json_.end_object();
    }

    JsonWriter json_;
    describe::Vocabulary vocabulary_;
    bool has_client_keys_ = false;
};

}  // namespace

std::string json_schema() {
    std::string out;
    Schema(out).write();
    return indented(out);
}

}  // namespace weir::manual

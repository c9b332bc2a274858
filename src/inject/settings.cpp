#include "inject/settings.hpp"

#include "weir/config/document.hpp"
#include "weir/decode/keys.hpp"
#include "weir/decode/load.hpp"
#include "weir/decode/suggest.hpp"
#include "weir/intercept/rules.hpp"

#include <algorithm>
#include <array>
#include <map>

namespace weir::inject {
namespace {

using config::KeyInfo;

constexpr std::array<std::string_view, 5> kOwn{"inject", "skip-inbound-ports",
                                               "skip-outbound-ports", "opaque-ports", "identity"};
constexpr std::array<std::string_view, 3> kWritten{kInjected, kConfig, kProbes};
// What the sidecar's environment has; nothing of ours may be asked for by an annotation.
constexpr std::array<std::string_view, 4> kVariables{"POD_NAME", "POD_NAMESPACE", "POD_IP",
                                                     "NODE_NAME"};

std::vector<std::string> split(std::string_view text, char between) {
    std::vector<std::string> parts;
    while (true) {
        const std::size_t end = text.find(between);
        parts.emplace_back(text.substr(0, end));
        if (end == std::string_view::npos) return parts;
        text.remove_prefix(end + 1);
    }
}

// "listeners[].routes[].path" -> "listeners[]"
std::string_view first_of(std::string_view path) {
    return path.substr(0, path.find('.'));
}

std::string_view bare(std::string_view word) {
    return word.substr(0, word.find_first_of("[{"));
}

// The language's keys where an annotation may begin.
struct Vocabulary {
    std::map<std::string, std::string, std::less<>> roots;  // "clusters" -> "clusters{}"
    std::vector<std::string> defaults;                      // "breaker"

    Vocabulary() {
        for (const KeyInfo& key : config::keys()) {
            const std::string_view first = first_of(key.path);
            const std::string_view rest = key.path.size() > first.size()
                                              ? std::string_view(key.path).substr(first.size() + 1)
                                              : std::string_view();
            if (first == "defaults" && !rest.empty()) defaults.emplace_back(first_of(rest));
            if (first != bare(first)) roots.insert_or_assign(std::string(bare(first)), first);
            roots.emplace(first, first);
        }
        // Blocks of the reference that stand under others.
        for (const std::string_view block :
             {"breaker", "outlier", "retry", "timeout", "tls", "routes", "version", "include"})
            roots.erase(std::string(block));
    }

    [[nodiscard]] bool is_default(std::string_view word) const {
        return std::find(defaults.begin(), defaults.end(), word) != defaults.end();
    }
    [[nodiscard]] std::string_view nearest(std::string_view word) const {
        std::vector<std::string_view> words(kOwn.begin(), kOwn.end());
        words.insert(words.end(), defaults.begin(), defaults.end());
        for (const auto& [name, path] : roots)
            words.emplace_back(name);
        return config::nearest(word, words);
    }
};

std::string with_underscores(std::string word) {
    std::replace(word.begin(), word.end(), '-', '_');
    return word;
}

Value base_config() {
    const auto listener = [](const char* name, const char* mode, Value listen) {
        return Value::object({{"name", Value::string(name)},
                              {"mode", Value::string(mode)},
                              {"listen", std::move(listen)},
                              {"transparent", Value::boolean(true)}});
    };
    return Value::object(
        {{"version", Value::number(1)},
         {"node", Value::object({{"name", Value::string("${POD_NAME}")}})},
         {"telemetry", Value::object({{"listen", Value::string(":9348")}})},
         {"listeners", Value::array({listener("in", "inbound", Value::string(":15006")),
                                     listener("out", "outbound",
                                              Value::array({Value::string("127.0.0.1:15001"),
                                                            Value::string("[::1]:15001")}))})}});
}

// One annotation after the other, into the settings.
class Collector {
  public:
    explicit Collector(Settings& into) : into_(into) { into_.config = base_config(); }

    void take(const std::string& name, const Value& value) {
        const std::string key = name.substr(kPrefix.size());
        if (std::find(kWritten.begin(), kWritten.end(), name) != kWritten.end()) return;
        if (!value.is_scalar() || value.is_null()) return complain(name, "takes a text");
        if (key == "inject") {
            into_.is_disabled = value.text == "disabled";
            if (!into_.is_disabled && value.text != "enabled")
                complain(name, "is '" + value.text + "'; write enabled or disabled");
        } else if (key == "skip-inbound-ports" || key == "skip-outbound-ports") {
            (key == "skip-inbound-ports" ? into_.skip_inbound : into_.skip_outbound) =
                ports(name, value.text);
        } else if (key == "opaque-ports") {
            const std::string list = ports(name, value.text);
            if (!list.empty()) into_.opaque_ports = split(list, ',');
        } else if (key == "identity") {
            take_identity(value.text);
        } else {
            take_path(name, key, value.text);
        }
    }

    void complain(const std::string& name, const std::string& what) {
        if (into_.problem.empty()) into_.problem = "annotation " + name + " " + what;
    }

    // Which annotation wrote the line of the configuration; empty: none.
    [[nodiscard]] std::string author_of(const config::Node& root, std::uint32_t line) const {
        std::string author;
        std::uint32_t nearest = 0;
        for (const auto& [name, path] : written_) {
            const std::uint32_t at = line_of(root, path);
            if (at > line || at < nearest) continue;
            nearest = at;
            author = name;
        }
        return author;
    }

    [[nodiscard]] const auto& written() const { return written_; }

  private:
    std::string ports(const std::string& name, std::string text) {
        std::erase(text, ' ');
        if (!intercept::read_ports(text)) {
            complain(name, "is '" + text + "', no list of ports: write 22,5000-5010");
            return {};
        }
        return text;
    }

    void take_identity(const std::string& secret) {
        into_.identity = secret;
        const std::string folder(kIdentityFolder);
        into_.config.set("identity", Value::object({{"cert", Value::string(folder + "/tls.crt")},
                                                    {"key", Value::string(folder + "/tls.key")},
                                                    {"ca", Value::string(folder + "/ca.crt")}}));
        into_.config.find("listeners")->items.front().set("tls", Value::string("mesh"));
    }

    void take_path(const std::string& name, const std::string& key, const std::string& text) {
        std::vector<std::string> path = split(key, '.');
        const std::string first = with_underscores(path.front());
        const auto root = words_.roots.find(first);
        if (root == words_.roots.end() && !words_.is_default(first)) {
            const std::string_view meant = words_.nearest(first);
            return complain(name, meant.empty()
                                      ? "names no key of the configuration"
                                      : "names no key; did you mean " + std::string(kPrefix) +
                                            std::string(meant) + "?");
        }
        const bool is_named =
            root != words_.roots.end() && root->second.find_first_of("[{") != std::string::npos;
        for (std::size_t i = 0; i < path.size(); ++i)
            if (!is_named || i != 1) path[i] = with_underscores(path[i]);
        if (root == words_.roots.end()) path.insert(path.begin(), "defaults");
        // What is no YAML (an address in brackets, say) is meant as it stands.
        Read read = from_yaml(text);
        insert(name, path, read.value ? *std::move(read.value) : Value::string(text));
    }

    void insert(const std::string& name, const std::vector<std::string>& path, Value value) {
        Value* at = &into_.config;
        std::size_t begin = 0;
        if (path.front() == "listeners") {
            const std::string which = path.size() > 2 ? path[1] : "";
            auto& listeners = into_.config.find("listeners")->items;
            if (which != "in" && which != "out")
                return complain(name,
                                "names no key of a listener: write listeners.in.KEY or "
                                "listeners.out.KEY");
            at = &listeners[which == "in" ? 0 : 1];
            begin = 2;
        }
        for (std::size_t i = begin; i + 1 < path.size(); ++i) {
            Value* next = at->find(path[i]);
            if (next == nullptr) next = &at->set(path[i], Value::object());
            if (!next->is_object())
                return complain(name, "goes on where another annotation gives a value");
            at = next;
        }
        at->set(path.back(), std::move(value));
        written_.emplace_back(name, path);
    }

    static std::uint32_t line_of(const config::Node& root, const std::vector<std::string>& path) {
        const config::Node* at = &root;
        std::uint32_t line = 0;
        for (const std::string& word : path) {
            if (at->kind == config::Node::Kind::list) {
                const std::size_t index = word == "in" ? 0 : 1;
                if (index >= at->items.size()) return line;
                at = &at->items[index];
                continue;
            }
            const auto found =
                std::find_if(at->entries.begin(), at->entries.end(),
                             [&](const config::Entry& entry) { return entry.key == word; });
            if (found == at->entries.end()) return line;
            line = found->place.line;
            at = &found->value;
        }
        return line;
    }

    Settings& into_;
    const Vocabulary words_;
    std::vector<std::pair<std::string, std::vector<std::string>>> written_;
};

config::LoadResult load(const std::string& text) {
    config::Environment environment;
    environment.host_name = "pod";
    environment.reads_files = false;
    environment.variable = [](std::string_view name) -> std::optional<std::string> {
        const bool is_there =
            std::find(kVariables.begin(), kVariables.end(), name) != kVariables.end();
        if (!is_there) return std::nullopt;
        return name == "POD_IP" ? "10.0.0.1" : "pod";
    };
    return config::load_text(text, "weir.yaml", environment);
}

std::string sentence(const config::Problem& problem) {
    std::string text = problem.what;
    if (!problem.note.empty()) text += " (" + problem.note + ")";
    return text;
}

std::vector<config::Problem> errors_of(const config::LoadResult& loaded) {
    auto problems = loaded.report.sorted();
    std::erase_if(problems, [](const config::Problem& each) {
        return each.severity != config::Problem::Severity::error;
    });
    return problems;
}

}  // namespace

Settings read_settings(const Value* workload, const Value* pod) {
    std::vector<Value::Member> annotations;
    for (const Value* source : {workload, pod}) {
        if (source == nullptr) continue;
        for (const Value::Member& member : source->members) {
            if (!member.first.starts_with(kPrefix)) continue;
            std::erase_if(annotations,
                          [&](const auto& each) { return each.first == member.first; });
            annotations.push_back(member);
        }
    }
    std::sort(annotations.begin(), annotations.end(),
              [](const auto& a, const auto& b) { return a.first < b.first; });
    Settings settings;
    Collector collector(settings);
    for (const auto& [name, value] : annotations)
        collector.take(name, value);
    if (!settings.opaque_ports.empty()) {
        std::vector<Value> ports;
        for (const std::string& port : settings.opaque_ports)
            ports.push_back(Value::string(port));
        for (Value& listener : settings.config.find("listeners")->items)
            listener.set("opaque_ports", Value::array(ports));
    }
    if (!settings.problem.empty() || settings.is_disabled || collector.written().empty())
        return settings;
    const std::string text = to_yaml(settings.config);
    const auto loaded = load(text);
    const auto errors = errors_of(loaded);
    if (errors.empty()) return settings;
    const config::TreeResult tree = config::parse_yaml(text, "weir.yaml");
    const std::string author =
        tree.root ? collector.author_of(*tree.root, errors.front().place.line) : std::string();
    collector.complain(author.empty() ? collector.written().front().first : author,
                       "is no configuration: " + sentence(errors.front()));
    return settings;
}

std::string check_config(const std::string& text) {
    const auto errors = errors_of(load(text));
    return errors.empty() ? std::string() : sentence(errors.front());
}

}  // namespace weir::inject

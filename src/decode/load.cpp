#include "weir/decode/load.hpp"

#include "decode/files.hpp"
#include "decode/include.hpp"
#include "decode/sections.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <glob.h>
#include <set>
#include <unistd.h>
#include <utility>

namespace weir::config {
namespace {

// ---- files and includes

constexpr std::size_t kMostFiles = 1000;
constexpr std::string_view kBom = "\xEF\xBB\xBF";

void add_once(std::vector<std::string>& to, const std::string& path) {
    if (std::find(to.begin(), to.end(), path) == to.end()) to.push_back(path);
}

bool is_pattern(const std::string& path) {
    return path.find_first_of("*?[") != std::string::npos;
}

// The regular files that a pattern takes, by name.
std::vector<std::string> matches_of(const std::string& pattern) {
    std::vector<std::string> found;
    glob_t matches{};
    if (::glob(pattern.c_str(), GLOB_NOSORT, nullptr, &matches) == 0) {
        for (std::size_t i = 0; i < matches.gl_pathc; ++i)
            found.emplace_back(matches.gl_pathv[i]);
    }
    ::globfree(&matches);
    std::erase_if(found, [](const std::string& path) {
        std::error_code failed;
        return !std::filesystem::is_regular_file(path, failed);
    });
    std::sort(found.begin(), found.end());
    return found;
}

// One spelling for each file, whatever links lead there.
std::string canonical(const std::string& path) {
    std::error_code failed;
    auto found = std::filesystem::weakly_canonical(path, failed);
    return failed ? path : found.string();
}

void stamp(Node& node, std::uint16_t file) {
    node.place.file = file;
    for (auto& item : node.items)
        stamp(item, file);
    for (auto& entry : node.entries) {
        entry.place.file = file;
        stamp(entry.value, file);
    }
}

const Entry* find(const Node& map, std::string_view key) {
    const auto at = std::find_if(map.entries.begin(), map.entries.end(),
                                 [&](const Entry& entry) { return entry.key == key; });
    return at == map.entries.end() ? nullptr : &*at;
}

// Puts what included files say into the tree of the file that includes them.
class Includer {
  public:
    Includer(Context& ctx, Node& root, std::vector<SourceText>& sources, Allowance& allowance)
        : ctx_(ctx), root_(root), sources_(sources), allowance_(allowance) {}

    // False if one of them is no YAML.
    bool run() {
        const Entry* include = find(root_, "include");
        if (include == nullptr) return true;
        if (!ctx_.files.may_read()) {
            complain(ctx_, include->value, {.code = 122, .what = "files are not read here"});
            return true;
        }
        seen_.insert(canonical(sources_.front().name));
        // The tree grows below; what it included stays as it was.
        const Node patterns = include->value;
        for (const Node* item : scalars(ctx_, patterns, "include")) {
            if (item->text.empty()) {
                complain(ctx_, *item, {.code = 122, .what = "'include' names no file"});
            } else {
                include_all(*item);
            }
        }
        return is_whole_;
    }

  private:
    void include_all(const Node& item) {
        const auto pattern = resolved(folder_of(sources_.front().name), item.text);
        if (!is_pattern(pattern)) {
            include_one(item, pattern);
            return;
        }
        const auto fixed = folder_of(pattern.substr(0, pattern.find_first_of("*?[")));
        ctx_.files.watch_folder(fixed);
        for (const auto& path : matches_of(pattern))
            include_one(item, path);
    }

    void include_one(const Node& item, const std::string& path) {
        // Two patterns may take the same file, and one the file it stands in.
        if (!seen_.insert(canonical(path)).second) return;
        if (sources_.size() > kMostFiles) {
            complain(ctx_, item,
                     {.code = 122,
                      .what = "more than " + std::to_string(kMostFiles) + " included files"});
            return;
        }
        auto content = ctx_.files.read(path, kMostBytes + kBom.size());
        if (!content.problem.empty()) {
            complain(ctx_, item,
                     {.code = 122, .what = "cannot read '" + path + "': " + content.problem});
            return;
        }
        const auto file = static_cast<std::uint16_t>(sources_.size());
        sources_.push_back({path, std::string(without_bom(content.text))});
        Report report;
        auto root = parse_tree(sources_.back().text, &ctx_.environment, report, allowance_);
        for (auto& problem : report.sorted()) {
            if (problem.code == kEmptyFile) continue;
            if (!root) is_whole_ = false;
            problem.place.file = file;
            ctx_.report.add(std::move(problem));
        }
        if (!root) return;
        stamp(*root, file);
        merge(std::move(*root));
    }

    void merge(Node included) {
        if (included.kind == Node::Kind::null) return;
        if (!expect(ctx_, included, Node::Kind::map, "an included file", "a map of settings"))
            return;
        std::set<std::string, std::less<>> seen;
        for (auto& entry : included.entries) {
            if (!seen.insert(entry.key).second) {
                root_.entries.push_back(std::move(entry));  // given twice, as the decoder will say
            } else if (entry.key == "include") {
                complain_at(ctx_, entry.place, entry.width,
                            {.code = 122,
                             .what = "an included file cannot include again",
                             .note = "name the files in " + sources_.front().name});
            } else {
                merge_entry(std::move(entry));
            }
        }
    }

    void merge_entry(Entry entry) {
        const auto at = std::find_if(root_.entries.begin(), root_.entries.end(),
                                     [&](const Entry& known) { return known.key == entry.key; });
        if (at == root_.entries.end()) {
            root_.entries.push_back(std::move(entry));
            return;
        }
        Node& known = at->value;
        if (known.kind == Node::Kind::map && entry.value.kind == Node::Kind::map) {
            merge_maps(entry.key, known, std::move(entry.value));
        } else if (entry.key == "listeners" && known.kind == Node::Kind::list &&
                   entry.value.kind == Node::Kind::list) {
            for (Node& item : entry.value.items) {
                if (!extend(known, item)) known.items.push_back(std::move(item));
            }
        } else if (entry.key != "version" || entry.value.text != known.text) {
            complain_twice(entry, *at, {});
        }
    }

    // {name, routes} without `listen` are more routes of the listener of that name, behind those it
    // has. False: it is a listener of its own, or none.
    static bool extend(Node& listeners, Node& more) {
        if (more.kind != Node::Kind::map || more.entries.size() != 2) return false;
        const Entry* const name = find(more, "name");
        const Entry* const routes = find(more, "routes");
        if (name == nullptr || routes == nullptr || routes->value.kind != Node::Kind::list)
            return false;
        const auto known =
            std::find_if(listeners.items.begin(), listeners.items.end(), [&](const Node& item) {
                const Entry* const own = find(item, "name");
                return own != nullptr && own->value.text == name->value.text;
            });
        if (known == listeners.items.end()) return false;
        const auto own = std::find_if(known->entries.begin(), known->entries.end(),
                                      [](const Entry& entry) { return entry.key == "routes"; });
        if (own == known->entries.end()) {
            known->entries.push_back(*routes);
        } else {
            own->value.items.insert(own->value.items.end(), routes->value.items.begin(),
                                    routes->value.items.end());
        }
        return true;
    }

    void merge_maps(const std::string& key, Node& into, Node from) {
        std::set<std::string, std::less<>> seen;
        for (auto& entry : from.entries) {
            const auto* known = find(into, entry.key);
            const bool is_new = seen.insert(entry.key).second;
            if (known != nullptr && is_new) {
                complain_twice(entry, *known, key);
            } else {
                into.entries.push_back(std::move(entry));
            }
        }
    }

    void complain_twice(const Entry& entry, const Entry& known, const std::string& in) {
        const bool is_name = in == "clusters";
        const auto what = is_name ? "a cluster named '" + entry.key + "' is already there"
                                  : "key '" + below(in, entry.key) + "' is given twice";
        complain_at(ctx_, entry.place, entry.width,
                    {.code = static_cast<std::uint16_t>(is_name ? 131 : 102),
                     .what = what,
                     .note = "first at " + where(ctx_, known.place, entry.place)});
    }

    Context& ctx_;
    Node& root_;
    std::vector<SourceText>& sources_;
    Allowance& allowance_;
    std::set<std::string> seen_;
    bool is_whole_ = true;
};

// ---- the whole

// FNV-1a: tells texts apart for people and dashboards, not for enemies.
std::string hash_of(const std::vector<SourceText>& sources) {
    std::uint64_t hash = 0xcbf29ce484222325U;
    const auto add = [&](char c) {
        hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3U;
    };
    for (const auto& source : sources) {
        if (&source != &sources.front()) add('\0');
        std::for_each(source.text.begin(), source.text.end(), add);
    }
    constexpr std::string_view kDigits = "0123456789abcdef";
    std::string hex(16, '0');
    for (std::size_t i = 0; i < hex.size(); ++i)
        hex[hex.size() - 1 - i] = kDigits[(hash >> (4 * i)) & 0xFU];
    return hex;
}

Source source_of(const Files& files, const std::vector<SourceText>& sources) {
    Source source{.files = {}, .watched = files.watched(), .hash = hash_of(sources)};
    for (const auto& text : sources)
        source.files.push_back(text.name);
    for (const auto& file : files.all()) {
        const auto& known = source.files;
        if (std::find(known.begin(), known.end(), file) == known.end())
            source.files.push_back(file);
    }
    return source;
}

}  // namespace

std::string_view without_bom(std::string_view text) {
    return text.starts_with(kBom) ? text.substr(kBom.size()) : text;
}

bool include_files(Context& ctx,
                   Node& root,
                   std::vector<SourceText>& sources,
                   Allowance& allowance) {
    if (root.kind != Node::Kind::map) return true;
    return Includer(ctx, root, sources, allowance).run();
}

std::string folder_of(const std::string& path) {
    const auto slash = path.rfind('/');
    return slash == std::string::npos ? std::string() : path.substr(0, slash == 0 ? 1 : slash);
}

std::string resolved(const std::string& folder, const std::string& path) {
    if (path.starts_with('/') || folder.empty()) return path;
    return folder + (folder.ends_with('/') ? "" : "/") + path;
}

Files::Content Files::read(const std::string& path, std::size_t most, bool may_wait) {
    if (!may_read_) return {.text = {}, .problem = "files are not read here"};
    std::error_code failed;
    if (!may_wait && std::filesystem::is_fifo(path, failed))
        return {.text = {}, .problem = "it is a pipe"};
    watch_file(path);
    add_once(files_, path);
    std::ifstream file(path, std::ios::binary);
    Content content;
    std::array<char, 16384> chunk{};
    while (file && content.text.size() <= most) {
        file.read(chunk.data(), chunk.size());
        content.text.append(chunk.data(), static_cast<std::size_t>(file.gcount()));
    }
    if (!file && !file.eof()) return {.text = {}, .problem = std::strerror(errno)};
    if (content.text.size() > most) return {.text = {}, .problem = "the file is too large"};
    return content;
}

void Files::watch_file(const std::string& path) {
    add_once(watched_, path);
    watch_folder(folder_of(path));
    std::error_code failed;
    if (!std::filesystem::is_symlink(path, failed) || failed) return;
    const auto target = std::filesystem::weakly_canonical(path, failed);
    if (!failed) watch_folder(target.parent_path().string());
}

void Files::watch_folder(const std::string& path) {
    add_once(watched_, path.empty() ? "." : path);
}

Config::Config() {
    admin_listen = ListenAddress{"127.0.0.1:9347", *Address::parse("127.0.0.1:9347"), {}};
    telemetry_listen = ListenAddress{"127.0.0.1:9348", *Address::parse("127.0.0.1:9348"), {}};
}

std::vector<Duration> Telemetry::default_buckets() {
    using std::chrono::microseconds;
    using std::chrono::milliseconds;
    using std::chrono::seconds;
    return {milliseconds{1},   microseconds{2500}, milliseconds{5},  milliseconds{10},
            milliseconds{25},  milliseconds{50},   milliseconds{75}, milliseconds{100},
            milliseconds{250}, milliseconds{500},  seconds{1},       milliseconds{2500},
            seconds{5},        seconds{10}};
}

Environment Environment::system() {
    std::array<char, 256> name{};
    const bool is_known = gethostname(name.data(), name.size() - 1) == 0 && name[0] != '\0';
    const auto variable = [](std::string_view wanted) -> std::optional<std::string> {
        const char* value = std::getenv(std::string(wanted).c_str());
        return value == nullptr ? std::nullopt : std::optional<std::string>(value);
    };
    return {.variable = variable, .host_name = is_known ? name.data() : "localhost"};
}

LoadResult load_text(std::string_view text,
                     const std::string& name,
                     const Environment& environment) {
    text = without_bom(text);
    LoadResult result;
    result.sources.push_back({name, std::string(text)});
    Files files(environment.reads_files);
    if (environment.reads_files && !name.starts_with('<')) files.watch_file(name);
    Allowance allowance;
    auto root = parse_tree(result.sources.front().text, &environment, result.report, allowance);
    if (!root) return result;
    Context ctx{result.report, environment, files, result.sources};
    if (!include_files(ctx, *root, result.sources, allowance)) return result;
    auto config = decode_config(ctx, *root);
    config.source = source_of(files, result.sources);
    std::erase_if(root->entries, [](const Entry& entry) { return entry.key == "include"; });
    result.document = std::make_shared<const Document>(Document{std::move(*root), result.sources});
    result.draft = std::make_shared<const Config>(std::move(config));
    if (!result.report.has_errors()) result.config = result.draft;
    return result;
}

LoadResult load_file(const std::string& path, const Environment& environment) {
    Files files(true);
    const auto content = files.read(path, kMostBytes, true);  // weir check <(command)
    if (!content.problem.empty()) {
        LoadResult result;
        result.sources.push_back({path, {}});
        result.report.add({.code = 100, .what = "cannot read the file: " + content.problem});
        return result;
    }
    return load_text(content.text, path, environment);
}

std::string yaml_scalar(std::string_view text) {
    constexpr std::string_view kPlain =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.:/_-";
    const bool is_plain = !text.empty() &&
                          text.find_first_not_of(kPlain) == std::string_view::npos &&
                          !text.ends_with(':') && !text.starts_with('-');
    if (is_plain) return std::string(text);
    std::string out = "\"";
    for (const char c : text) {
        if (c == '"' || c == '\\') out += '\\';
        out += static_cast<unsigned char>(c) < 0x20 ? ' ' : c;
    }
    return out + "\"";
}

std::string from_to(std::string_view from, std::string_view to) {
    return "version: 1\nlisteners:\n  - listen: " + yaml_scalar(from) +
           "\n    to: " + yaml_scalar(to) + "\n";
}

TreeResult parse_yaml(std::string_view text, const std::string& name) {
    TreeResult result;
    result.sources.push_back({name, std::string(without_bom(text))});
    Allowance allowance;
    auto root = parse_tree(result.sources.front().text, nullptr, result.report, allowance);
    if (root && !result.report.has_errors()) {
        result.root = std::make_shared<const Node>(std::move(*root));
    }
    return result;
}

EndpointsResult parse_endpoints(std::string_view text, const std::string& name) {
    text = without_bom(text);
    EndpointsResult result;
    result.sources.push_back({name, std::string(text)});
    Allowance allowance;
    const auto root = parse_tree(result.sources.front().text, nullptr, result.report, allowance);
    if (!root) return result;
    const Environment nothing;
    Files files(false);
    Context ctx{result.report, nothing, files, result.sources};
    const Node* list = &*root;
    if (root->kind == Node::Kind::map) {
        list = nullptr;
        walk_keys(ctx, *root, "", "", {"endpoints"},
                  [&](std::size_t /*index*/, const Entry& entry) { list = &entry.value; });
    }
    if (list == nullptr) {
        complain(ctx, *root, {.code = 114, .what = "there is no list of endpoints"});
        return result;
    }
    auto endpoints = decode_endpoints(ctx, *list, "endpoints");
    if (!result.report.has_errors()) result.endpoints = std::move(endpoints);
    return result;
}

}  // namespace weir::config

#include "weir/config/load.hpp"

#include "config/files.hpp"
#include "config/sections.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <unistd.h>
#include <utility>

namespace weir::config {
namespace {

constexpr std::string_view kBom = "\xEF\xBB\xBF";

// FNV-1a: tells texts apart for people and dashboards, not for enemies.
std::string hash_of(std::string_view text) {
    std::uint64_t hash = 0xcbf29ce484222325U;
    for (const char c : text)
        hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3U;
    constexpr std::string_view kDigits = "0123456789abcdef";
    std::string hex(16, '0');
    for (std::size_t i = 0; i < hex.size(); ++i)
        hex[hex.size() - 1 - i] = kDigits[(hash >> (4 * i)) & 0xFU];
    return hex;
}

std::string_view without_bom(std::string_view text) {
    return text.starts_with(kBom) ? text.substr(kBom.size()) : text;
}

// A plain scalar if it can be one, else in quotes.
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

Source source_of(const Files& files, const std::string& name, std::string hash) {
    Source source{.files = {name}, .watched = files.watched(), .hash = std::move(hash)};
    source.files.insert(source.files.end(), files.all().begin(), files.all().end());
    return source;
}

void add_once(std::vector<std::string>& to, const std::string& path) {
    if (std::find(to.begin(), to.end(), path) == to.end()) to.push_back(path);
}

}  // namespace

std::string folder_of(const std::string& path) {
    const auto slash = path.rfind('/');
    return slash == std::string::npos ? std::string() : path.substr(0, slash == 0 ? 1 : slash);
}

std::string resolved(const std::string& folder, const std::string& path) {
    if (path.starts_with('/') || folder.empty()) return path;
    return folder + (folder.ends_with('/') ? "" : "/") + path;
}

Files::Content Files::read(const std::string& path, std::size_t most) {
    if (!may_read_) return {.text = {}, .problem = "files are not read here"};
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
    auto root = parse_tree(result.sources.front().text, &environment, result.report);
    if (!root) return result;
    const auto document =
        std::make_shared<const Document>(Document{std::move(*root), result.sources});
    result.document = document;
    Files files(environment.reads_files);
    if (environment.reads_files && !name.starts_with('<')) files.watch_file(name);
    Context ctx{result.report, environment, files, folder_of(name)};
    auto config = decode_config(ctx, document->root);
    check_config(ctx, config);
    config.source = source_of(files, name, hash_of(text));
    result.draft = std::make_shared<const Config>(std::move(config));
    if (!result.report.has_errors()) result.config = result.draft;
    return result;
}

LoadResult load_file(const std::string& path, const Environment& environment) {
    Files files(true);
    const auto content = files.read(path, kMostBytes + kBom.size());
    if (!content.problem.empty()) {
        LoadResult result;
        result.sources.push_back({path, {}});
        result.report.add({.code = 100, .what = "cannot read the file: " + content.problem});
        return result;
    }
    return load_text(content.text, path, environment);
}

std::string from_to(std::string_view from, std::string_view to) {
    return "version: 1\nlisteners:\n  - listen: " + yaml_scalar(from) +
           "\n    to: " + yaml_scalar(to) + "\n";
}

EndpointsResult parse_endpoints(std::string_view text, const std::string& name) {
    text = without_bom(text);
    EndpointsResult result;
    result.sources.push_back({name, std::string(text)});
    const auto root = parse_tree(result.sources.front().text, nullptr, result.report);
    if (!root) return result;
    const Environment nothing;
    Files files(false);
    Context ctx{result.report, nothing, files, {}};
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

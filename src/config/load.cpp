#include "weir/config/load.hpp"

#include "config/files.hpp"
#include "config/include.hpp"
#include "config/sections.hpp"

#include <algorithm>
#include <array>
#include <cstdlib>
#include <unistd.h>
#include <utility>

namespace weir::config {
namespace {

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

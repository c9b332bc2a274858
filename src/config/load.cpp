#include "weir/config/load.hpp"

#include "config/sections.hpp"

#include <array>
#include <cerrno>
#include <cstdlib>
#include <cstring>
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

std::string folder_of(const std::string& path) {
    const auto slash = path.rfind('/');
    return slash == std::string::npos ? std::string() : path.substr(0, slash == 0 ? 1 : slash);
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

}  // namespace

Config::Config() {
    admin_listen = ListenAddress{"127.0.0.1:9347", *Address::parse("127.0.0.1:9347"), {}};
    telemetry_listen = ListenAddress{"127.0.0.1:9348", *Address::parse("127.0.0.1:9348"), {}};
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
    Context ctx{result.report, environment, folder_of(name)};
    auto config = decode_config(ctx, document->root);
    check_config(ctx, config);
    config.source = {.files = {name}, .hash = hash_of(text)};
    result.draft = std::make_shared<const Config>(std::move(config));
    if (!result.report.has_errors()) result.config = result.draft;
    return result;
}

LoadResult load_file(const std::string& path, const Environment& environment) {
    std::ifstream file(path, std::ios::binary);
    std::string text;
    std::array<char, 16384> chunk{};
    while (file && text.size() <= kMostBytes + kBom.size()) {
        file.read(chunk.data(), chunk.size());
        text.append(chunk.data(), static_cast<std::size_t>(file.gcount()));
    }
    if (!file && !file.eof()) {
        LoadResult result;
        result.sources.push_back({path, {}});
        result.report.add(
            {.code = 100, .what = std::string("cannot read the file: ") + std::strerror(errno)});
        return result;
    }
    return load_text(text, path, environment);
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
    Context ctx{result.report, nothing, {}};
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

#include "weir/auth/discovery.hpp"

#include "weir/core/json.hpp"

#include <algorithm>

namespace weir::auth {
namespace {

constexpr std::string_view kWellKnown = "/.well-known/openid-configuration";
constexpr std::size_t kLongestUrl = 2048;
constexpr std::size_t kLongestShown = 200;

// Scheme, host and port, as two ways to write them are the same.
std::string origin_of(std::string_view url) {
    const UrlParts parts = split_url(url);
    std::string origin = std::string(parts.scheme).append("://").append(parts.authority);
    std::transform(origin.begin(), origin.end(), origin.begin(),
                   [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c | 0x20) : c; });
    const std::string_view usual = origin.starts_with("https:") ? ":443" : ":80";
    if (origin.ends_with(usual)) origin.erase(origin.size() - usual.size());
    return origin;
}

// It becomes a line of a request.
bool is_url(std::string_view text) {
    const bool is_plain = std::all_of(text.begin(), text.end(), [](char c) {
        return c > 0x20 && c < 0x7f && c != '#' && c != '\\' && c != '"';
    });
    const UrlParts parts = split_url(text);
    return is_plain && text.size() <= kLongestUrl && !parts.scheme.empty() &&
           !parts.authority.empty() && parts.authority.find('@') == std::string_view::npos;
}

KeysPlace without(std::string problem) {
    return {{}, std::move(problem)};
}

}  // namespace

UrlParts split_url(std::string_view url) {
    const auto mark = url.find("://");
    if (mark == std::string_view::npos) return {};
    const std::string_view rest = url.substr(mark + 3);
    const auto end = std::min(rest.find_first_of("/?"), rest.size());
    const bool has_path = end < rest.size() && rest[end] == '/';
    return {url.substr(0, mark), rest.substr(0, end), has_path ? rest.substr(end) : "/"};
}

bool is_discovery(std::string_view url) {
    const std::string_view target = split_url(url).target;
    return target.substr(0, target.find('?')).ends_with(kWellKnown);
}

KeysPlace find_keys(std::string_view document, std::string_view url, std::string_view issuer) {
    const auto json = JsonValue::parse_unique(document);
    if (!json || !json->is_object())
        return without("the discovery document is not a JSON object with each member once");
    const JsonValue& named = (*json)["issuer"];
    if (!named.is_string() || named.text() != issuer)
        return without("the discovery document is of another issuer");
    const JsonValue& keys = (*json)["jwks_uri"];
    if (!keys.is_string() || !is_url(keys.text()))
        return without("the discovery document has no URL in jwks_uri");
    if (origin_of(keys.text()) != origin_of(url)) {
        return without("jwks_uri is elsewhere, at " + keys.text().substr(0, kLongestShown) +
                       ": give that as jwks, with a jwks_cluster that serves it");
    }
    return {keys.text(), {}};
}

}  // namespace weir::auth

#include "auth_way.hpp"

#include "weir/auth/jwt.hpp"
#include "weir/http/headers.hpp"
#include "weir/http/query.hpp"

#include <algorithm>

namespace weir::filter {
namespace {

constexpr auth::Failure kFailures[] = {auth::Failure::missing,     auth::Failure::malformed,
                                       auth::Failure::expired,     auth::Failure::signature,
                                       auth::Failure::unknown_key, auth::Failure::claims,
                                       auth::Failure::rejected,    auth::Failure::unavailable};

std::string_view trimmed(std::string_view text) {
    while (!text.empty() && (text.front() == ' ' || text.front() == '\t'))
        text.remove_prefix(1);
    while (!text.empty() && (text.back() == ' ' || text.back() == '\t'))
        text.remove_suffix(1);
    return text;
}

// "cookie:sid" is of kind "cookie" and called "sid".
struct Place {
    std::string_view kind;
    std::string_view name;
};
Place place_of(std::string_view from) {
    const auto colon = from.find(':');
    return {from.substr(0, colon), from.substr(colon + 1)};
}

void note(Credentials& found, std::string_view text) {
    found.state = found.state == Credentials::State::absent ? Credentials::State::there
                                                            : Credentials::State::twice;
    found.as_sent = text;
}

// "a=1; b=2": the next, off the front.
std::string_view take_cookie(std::string_view& cookies) {
    const std::string_view pair = trimmed(cookies.substr(0, cookies.find(';')));
    cookies.remove_prefix(std::min(cookies.size(), cookies.find(';')));
    if (!cookies.empty()) cookies.remove_prefix(1);
    return pair;
}
std::string_view name_of(std::string_view cookie) {
    return trimmed(cookie.substr(0, cookie.find('=')));
}
bool is_cookie(const http::HeaderField& field) {
    return field.id == http::HeaderId::other && http::equals_ignoring_case(field.name, "cookie");
}

// The values of a cookie of this name in a field.
void find_in_cookies(std::string_view cookies, std::string_view name, Credentials& found) {
    while (!cookies.empty()) {
        const std::string_view pair = take_cookie(cookies);
        const auto equals = pair.find('=');
        if (equals == std::string_view::npos || name_of(pair) != name) continue;
        note(found, trimmed(pair.substr(equals + 1)));
    }
}

Credentials find_in_query(std::string_view query, std::string_view name) {
    Credentials found;
    while (!query.empty()) {
        const std::string_view parameter = http::take_parameter(query);
        if (parameter.empty() || !http::is_named(parameter, name)) continue;
        const auto equals = std::min(parameter.find('='), parameter.size());
        note(found, parameter.substr(std::min(equals + 1, parameter.size())));
    }
    found.is_decoded = found.as_sent.find_first_of("%+") != std::string_view::npos;
    if (found.is_decoded) found.decoded = http::decoded(found.as_sent);
    return found;
}

// Behind "Bearer ", any case. Of another scheme there is nothing.
Credentials of_scheme(Credentials found, std::string_view scheme) {
    if (found.state != Credentials::State::there) return found;
    const auto blank = std::min(found.as_sent.find(' '), found.as_sent.size());
    if (!http::equals_ignoring_case(found.as_sent.substr(0, blank), scheme)) return {};
    found.as_sent = trimmed(found.as_sent.substr(blank));
    return found;
}

// What ends a line would begin one of another's making.
bool has_control(std::string_view text) {
    return std::any_of(text.begin(), text.end(),
                       [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; });
}

bool is_among(const std::vector<std::string>& names, std::string_view name) {
    return std::find(names.begin(), names.end(), name) != names.end();
}

}  // namespace

Way::Way(const config::Auth& section, telemetry::Registry& registry) : section_(section) {
    for (const auth::Failure failure : kFailures) {
        failures_[static_cast<std::size_t>(failure)] =
            registry.counter(telemetry::Family::auth_failures, {section.name, auth::word(failure)});
    }
}

std::unique_ptr<Kept> Way::ask(Pass& /*pass*/,
                               const LocalClusterPtr& /*cluster*/,
                               Asker& /*asker*/,
                               std::optional<Verdict>& verdict) const {
    verdict = Verdict{};
    return nullptr;
}

Credentials find_credentials(const http::RequestHead& head,
                             std::string_view from,
                             std::string_view scheme) {
    const auto [kind, name] = place_of(from);
    if (kind == "query") return find_in_query(head.query, name);
    Credentials found;
    for (const http::HeaderField& field : head.headers) {
        if (kind == "cookie") {
            if (is_cookie(field)) find_in_cookies(field.value, name, found);
        } else if (http::equals_ignoring_case(field.name, name)) {
            note(found, trimmed(field.value));
        }
    }
    const bool has_scheme = from == "header:authorization";
    return has_scheme ? of_scheme(std::move(found), scheme) : found;
}

// Tokens in headers and cookies are for upstreams, too. What is in a query ends up in logs.
OwnPlaces own_places(const config::Auth& section) {
    using Type = config::Auth::Type;
    const auto [kind, name] = place_of(section.from);
    const bool is_key = section.type == Type::api_key;
    const bool takes = is_key || section.type == Type::jwt || section.type == Type::introspection;
    OwnPlaces own;
    if (is_key && kind == "header") own.header = name;
    if (is_key && kind == "cookie") own.cookie = name;
    if (takes && kind == "query") own.parameter = name;
    return own;
}

std::optional<std::string> query_without(std::string_view query,
                                         const std::vector<std::string>& names) {
    std::string rest;
    bool has_any = false;
    while (!query.empty()) {
        const std::string_view parameter = http::take_parameter(query);
        const bool is_theirs =
            std::any_of(names.begin(), names.end(), [&](const std::string& name) {
                return !parameter.empty() && http::is_named(parameter, name);
            });
        has_any = has_any || is_theirs;
        if (is_theirs) continue;
        if (!rest.empty()) rest += '&';
        rest += parameter;
    }
    return has_any ? std::optional(std::move(rest)) : std::nullopt;
}

std::optional<std::string> cookies_without(const http::RequestHead& head,
                                           const std::vector<std::string>& names) {
    std::string rest;
    bool has_any = false;
    for (const http::HeaderField& field : head.headers) {
        if (!is_cookie(field)) continue;
        std::string_view cookies = field.value;
        while (!cookies.empty()) {
            const std::string_view pair = take_cookie(cookies);
            const bool is_theirs = is_among(names, name_of(pair));
            has_any = has_any || is_theirs;
            if (is_theirs || pair.empty()) continue;
            if (!rest.empty()) rest += "; ";
            rest += pair;
        }
    }
    return has_any ? std::optional(std::move(rest)) : std::nullopt;
}

Verdict refuse_twice() {
    return Verdict::refuse(auth::Failure::malformed, Reason::unauthorized,
                           "the credentials are there twice");
}

std::string bearer_challenge(const Verdict& verdict) {
    if (verdict.kind == Verdict::Kind::absent) return "Bearer";
    const bool is_insufficient = verdict.reason == Reason::forbidden;
    return std::string("Bearer error=\"") +
           (is_insufficient ? "insufficient_scope" : "invalid_token") + "\", error_description=\"" +
           verdict.detail + "\"";
}

std::string claim_lines(const config::Auth& section, const JsonValue& claims) {
    std::string lines;
    for (const auto& [claim, header] : section.forward_claims) {
        const auto value = auth::header_value(auth::find_claim(claims, claim));
        if (value) lines.append(header).append(": ").append(*value).append("\r\n");
    }
    return lines;
}

std::shared_ptr<const auth::Bearer> bearer_named(const config::Auth& section, std::string name) {
    auto bearer = std::make_shared<auth::Bearer>();
    const auto sub = section.forward_claims.find("sub");
    if (sub != section.forward_claims.end() && !has_control(name))
        bearer->request_lines.append(sub->second).append(": ").append(name).append("\r\n");
    bearer->principal = std::move(name);
    return bearer;
}

bool is_url(std::string_view text) {
    return text.find("://") != std::string_view::npos;
}

}  // namespace weir::filter

#include "auth_way.hpp"

#include "weir/auth/jwt.hpp"
#include "weir/http/headers.hpp"

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

void note(Credentials& found, std::string_view text) {
    found.state = found.state == Credentials::State::absent ? Credentials::State::there
                                                            : Credentials::State::twice;
    found.text = text;
}

// The values of a cookie of this name in a field.
void find_in_cookies(std::string_view cookies, std::string_view name, Credentials& found) {
    while (!cookies.empty()) {
        const std::string_view pair = trimmed(cookies.substr(0, cookies.find(';')));
        cookies.remove_prefix(std::min(cookies.size(), cookies.find(';')));
        if (!cookies.empty()) cookies.remove_prefix(1);
        const auto equals = pair.find('=');
        if (equals == std::string_view::npos || trimmed(pair.substr(0, equals)) != name) continue;
        note(found, trimmed(pair.substr(equals + 1)));
    }
}

// Behind "Bearer ", any case. Of another scheme there is nothing.
Credentials of_scheme(Credentials found, std::string_view scheme) {
    if (found.state != Credentials::State::there) return found;
    const auto blank = std::min(found.text.find(' '), found.text.size());
    if (!http::equals_ignoring_case(found.text.substr(0, blank), scheme)) return {};
    found.text = trimmed(found.text.substr(blank));
    return found;
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
    Credentials found;
    const std::string_view name = from.substr(7);  // behind "header:" or "cookie:"
    const bool is_cookie = from.starts_with("cookie:");
    for (const http::HeaderField& field : head.headers) {
        if (is_cookie && http::equals_ignoring_case(field.name, "cookie")) {
            find_in_cookies(field.value, name, found);
        } else if (!is_cookie && http::equals_ignoring_case(field.name, name)) {
            note(found, trimmed(field.value));
        }
    }
    const bool has_scheme = from == "header:authorization";
    return has_scheme ? of_scheme(found, scheme) : found;
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
    if (sub != section.forward_claims.end())
        bearer->request_lines.append(sub->second).append(": ").append(name).append("\r\n");
    bearer->principal = std::move(name);
    return bearer;
}

bool is_url(std::string_view text) {
    return text.find("://") != std::string_view::npos;
}

}  // namespace weir::filter

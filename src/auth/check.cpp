#include "weir/auth/check.hpp"

#include "weir/auth/discovery.hpp"
#include "weir/auth/key_file.hpp"
#include "weir/auth/rule.hpp"

#include <algorithm>

namespace weir::auth {
namespace {

using Severity = config::Problem::Severity;

constexpr std::uint16_t kNeverHolds = 201;
constexpr std::uint16_t kNoEffect = 202;
constexpr std::uint16_t kMissing = 114;
constexpr std::uint16_t kBadRule = 119;
constexpr std::uint16_t kBadFile = 121;
constexpr std::uint16_t kWeakKey = 123;
constexpr std::uint16_t kSecretInText = 151;

void add(config::Report& report,
         Severity severity,
         std::uint16_t code,
         const config::Place& place,
         std::string what,
         std::string note = {}) {
    config::Problem problem;
    problem.severity = severity;
    problem.code = code;
    problem.place = place;
    problem.what = std::move(what);
    problem.note = std::move(note);
    problem.is_secret = true;  // what stands there may name one
    report.add(std::move(problem));
}

bool takes_secrets(const config::Auth& section) {
    return std::any_of(section.algorithms.begin(), section.algorithms.end(),
                       [](const std::string& name) { return name.starts_with("HS"); });
}

void check_file(const config::Auth& section,
                const std::vector<FileProblem>& problems,
                config::Report& report) {
    for (const FileProblem& problem : problems) {
        add(report, Severity::error, kBadFile, section.keys_at.place,
            "keys of auth '" + section.name + "', line " + std::to_string(problem.line) + ": " +
                problem.what);
    }
}

bool has_secret(std::string_view jwks) {
    const auto parsed = crypto::parse_jwks(jwks, true);
    return parsed.set && std::any_of(parsed.set->keys.begin(), parsed.set->keys.end(),
                                     [](const crypto::Jwk& key) { return key.is_secret(); });
}

void check_tokens(const config::Auth& section, config::Report& report) {
    if (section.secret && !crypto::VerifyingKey::make_secret(section.secret->reveal())) {
        add(report, Severity::error, kWeakKey, section.secret_at.place,
            "the secret of auth '" + section.name + "' is shorter than 32 bytes",
            "openssl rand -hex 32");
        return;
    }
    if (is_discovery(section.jwks) && section.issuer.empty()) {
        add(report, Severity::error, kMissing, section.jwks_at.place,
            "auth '" + section.name + "' needs the issuer that its discovery document is to name",
            "issuer: https://issuer.example/");
    }
    if (section.jwks_text.empty() && !section.secret) return;
    const auto keys = keys_of(section);
    if (!keys.set) {
        add(report, Severity::error, kBadFile, section.jwks_at.place,
            "the jwks of auth '" + section.name + "' is of no use: " + keys.problem);
        return;
    }
    if (section.jwks.starts_with('{') && has_secret(section.jwks_text)) {
        add(report, Severity::error, kSecretInText, section.jwks_at.place,
            "a shared secret of auth '" + section.name + "' stands in the configuration",
            "write jwks: FILE, or secret: {file: PATH}");
        return;
    }
    for (const std::string& ignored : keys.set->ignored) {
        add(report, Severity::warning, kNoEffect, section.jwks_at.place,
            "jwks of auth '" + section.name + "': " + ignored);
    }
    const JwtPolicy policy = policy_of(section);
    const bool has_use =
        std::any_of(keys.set->keys.begin(), keys.set->keys.end(), [&](const crypto::Jwk& key) {
            for (std::size_t i = 0; i < crypto::kAlgorithmCount; ++i) {
                const auto each = static_cast<crypto::Algorithm>(i);
                if (key.algorithms.has(each) && policy.algorithms.has(each)) return true;
            }
            return false;
        });
    if (!has_use) {
        add(report, Severity::warning, kNeverHolds, section.place,
            "no key of auth '" + section.name + "' is for one of its algorithms");
    }
}

void check_section(const config::Auth& section, config::Report& report, WallTime now) {
    using Type = config::Auth::Type;
    if (section.type == Type::jwt) check_tokens(section, report);
    if (!section.keys) return;
    const std::string_view text = section.keys->reveal();
    if (section.type == Type::api_key)
        check_file(section, ApiKeys::parse(text, now).problems, report);
    if (section.type == Type::basic) check_file(section, Passwords::parse(text).problems, report);
}

void check_rule(const config::Listener& listener,
                const config::Route& route,
                config::Report& report) {
    if (route.auth.require.empty()) return;
    const auto parsed = Rule::parse(route.auth.require);
    if (!parsed.rule) {
        add(report, Severity::error, kBadRule, route.auth.require_at,
            "require of route '" + route.name + "': " + parsed.problem.what +
                (parsed.problem.width == 0
                     ? std::string()
                     : ", at character " + std::to_string(parsed.problem.offset + 1)),
            parsed.problem.help);
        return;
    }
    const bool has_peer =
        listener.tls && listener.tls->client_auth != config::Tls::ClientAuth::none;
    const bool has_identity = !route.auth.any_of.empty();
    if (parsed.rule->can_hold({.has_identity = has_identity, .has_peer = has_peer})) return;
    add(report, Severity::warning, kNeverHolds, route.auth.require_at,
        "require of route '" + route.name + "' can never hold: " +
            (has_identity ? "no client of this listener shows a certificate"
                          : "nobody is asked who it is"),
        has_identity ? "tls: {client_ca: FILE, ...}" : "add auth to the route or its listener");
}

}  // namespace

JwtPolicy policy_of(const config::Auth& section) {
    JwtPolicy policy;
    policy.issuer = section.issuer;
    policy.audiences = section.audiences;
    for (const std::string& name : section.algorithms) {
        if (const auto algorithm = crypto::algorithm_from(name)) policy.algorithms.add(*algorithm);
    }
    policy.leeway = section.leeway;
    policy.max_lifetime = section.max_lifetime;
    // Who is asked about a token says itself whether it is still good.
    policy.needs_expiry = section.type == config::Auth::Type::jwt;
    for (const auto& [claim, values] : section.require)
        policy.required.push_back({claim, values});
    return policy;
}

crypto::JwksText keys_of(const config::Auth& section) {
    crypto::JwksText keys;
    if (!section.jwks_text.empty()) {
        keys = crypto::parse_jwks(section.jwks_text, takes_secrets(section));
        if (!keys.set) return keys;
    }
    if (!section.secret) return keys;
    auto all = std::make_shared<crypto::JwkSet>();
    if (keys.set) *all = *keys.set;
    crypto::Jwk secret;
    secret.key = crypto::VerifyingKey::make_secret(section.secret->reveal());
    if (secret.key) {
        secret.algorithms = secret.key->algorithms();
        all->keys.push_back(std::move(secret));
    }
    return {std::move(all), {}};
}

void check(const config::Config& config, config::Report& report, WallTime now) {
    for (const auto& [name, section] : config.auth)
        check_section(section, report, now);
    for (const config::Listener& listener : config.listeners) {
        for (const config::Route& route : listener.routes)
            check_rule(listener, route, report);
    }
}

}  // namespace weir::auth

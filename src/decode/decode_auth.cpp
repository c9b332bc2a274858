#include "weir/decode/keys.hpp"

#include "decode/sections.hpp"

#include <algorithm>
#include <array>
#include <set>
#include <utility>

namespace weir::config {
namespace {

using Type = Auth::Type;

// ---- the table

constexpr Key<AuthBlock> kAuth[] = {
    {"type", "enum:jwt,api_key,basic,mtls,external,introspection", "required", "",
     word<&AuthBlock::type, AuthBlock>(), 0, kNoMost, "kind of authentication"},
    {"issuer", "string", "any", "jwt, introspection: `iss`, exactly", &AuthBlock::issuer},
    {"audience", "string|list", "any", "jwt, introspection: one of them is in `aud`",
     &AuthBlock::audience},
    {"jwks", "string|path", "-",
     "jwt: a file, a URL (by jwks_cluster) of keys or OpenID discovery, or the set itself",
     &AuthBlock::jwks},
    {"jwks_cluster", "name", "-", "whom a URL's keys are fetched from", &AuthBlock::jwks_cluster},
    {"algorithms", "list", "[RS256, PS256, ES256, EdDSA]", "never none; HS256 only with secret",
     &AuthBlock::algorithms},
    {"secret", "secret", "none", "jwt: of HS256; introspection: the password of client_id",
     &AuthBlock::secret},
    {"client_id", "string", "-", "introspection: who asks", &AuthBlock::client_id},
    {"leeway", "duration", "30s", "between the clocks", &AuthBlock::leeway, 0, 3600},
    {"max_stale", "duration", "24h", "a JWKS kept while its source is down", &AuthBlock::max_stale,
     1, 90.0 * 24 * 3600},
    {"min_refetch", "duration", "10s", "between fetches for unknown kids", &AuthBlock::min_refetch,
     1, 3600},
    {"max_lifetime", "duration|none", "none", "of a token, from its issue",
     &AuthBlock::max_lifetime, 1, 3650.0 * 24 * 3600},
    {"from", "string", "header:authorization", "or header:NAME, cookie:NAME, query:NAME",
     &AuthBlock::from},
    {"forward_claims", "map", "{}", "claim: header; it is removed from what clients send",
     &AuthBlock::forward_claims},
    {"require", "map", "{}", "claim: value, or a list of which one must be", &AuthBlock::require},
    {"keys", "secret", "none", "api_key: lines of name:sha256hex; basic: lines of user:hash",
     &AuthBlock::keys, 0, 4.0 * 1024 * 1024},
    {"allow", "list", "[]", "mtls: SPIFFE ids and names; [] = any verified one", &AuthBlock::allow},
    {"to", "target", "-", "external, introspection: who is asked", &AuthBlock::to},
    {"path", "string", "/", "external, introspection: and there", &AuthBlock::path},
    {"forward_headers", "list", "[]", "external: of its answer, into the request",
     &AuthBlock::forward_headers},
    {"timeout", "duration", "500ms", "external, introspection", &AuthBlock::timeout, 0.001, 60},
    {"cache", "duration", "10s", "introspection: how long an answer is believed; 0s = not",
     &AuthBlock::cache, 0, 3600},
    {"fail_open", "bool", "false", "external: let requests in while nobody answers",
     &AuthBlock::fail_open},
};
constexpr Block<AuthBlock> kAuthBlock{"auth{}", "", nullptr, kAuth};

// ---- which keys belong to which kind

constexpr unsigned bit(Type type) {
    return 1U << static_cast<unsigned>(type);
}
constexpr unsigned kTokens = bit(Type::jwt) | bit(Type::introspection);
constexpr unsigned kAsks = bit(Type::external) | bit(Type::introspection);
constexpr unsigned kStored = bit(Type::api_key) | bit(Type::basic);
struct Meaning {
    std::string_view key;
    unsigned types;
};
constexpr std::array<Meaning, 21> kMeanings{{
    {"issuer", kTokens},
    {"audience", kTokens},
    {"jwks", bit(Type::jwt)},
    {"jwks_cluster", bit(Type::jwt)},
    {"algorithms", bit(Type::jwt)},
    {"secret", kTokens},
    {"client_id", bit(Type::introspection)},
    {"leeway", bit(Type::jwt)},
    {"max_stale", bit(Type::jwt)},
    {"min_refetch", bit(Type::jwt)},
    {"max_lifetime", bit(Type::jwt)},
    {"from", kTokens | bit(Type::api_key)},
    {"forward_claims", kTokens | kStored | bit(Type::mtls)},
    {"require", kTokens},
    {"keys", kStored},
    {"allow", bit(Type::mtls)},
    {"to", kAsks},
    {"path", kAsks},
    {"forward_headers", bit(Type::external)},
    {"timeout", kAsks},
    {"cache", bit(Type::introspection)},
}};
constexpr std::array<std::string_view, 6> kTypes{"jwt",  "api_key",  "basic",
                                                 "mtls", "external", "introspection"};

std::string_view name_of(Type type) {
    return kTypes[static_cast<std::size_t>(type)];
}

// As a dump with defaults writes it.
bool is_default(const Entry& entry) {
    const auto& rows = block<AuthBlock>().rows;
    const auto row = std::find_if(rows.begin(), rows.end(),
                                  [&](const auto& each) { return each.name == entry.key; });
    if (row == rows.end()) return false;
    const Node& value = entry.value;
    const bool is_empty =
        value.kind != Node::Kind::scalar && value.items.empty() && value.entries.empty();
    return is_empty ? row->fallback == "[]" || row->fallback == "{}"
                    : value.kind == Node::Kind::scalar && value.text == row->fallback;
}

void refuse_others(Context& ctx, const Node& node, Type type) {
    for (const Entry& entry : node.entries) {
        const auto* const meaning =
            std::find_if(kMeanings.begin(), kMeanings.end(),
                         [&](const Meaning& each) { return each.key == entry.key; });
        const bool is_fail_open = entry.key == "fail_open" && type != Type::external;
        const bool is_others = meaning != kMeanings.end() && (meaning->types & bit(type)) == 0;
        if ((!is_others && !is_fail_open) || is_default(entry)) continue;
        complain_at(
            ctx, entry.place, entry.width,
            {.code = 115,
             .what = "'" + entry.key + "' means nothing to type: " + std::string(name_of(type))});
    }
}

// ---- values

// What a request's framing, its way or its trust hangs on.
bool is_ours(std::string_view header) {
    constexpr std::array<std::string_view, 16> kOurs{
        "host",    "connection",   "keep-alive",        "te",
        "trailer", "upgrade",      "transfer-encoding", "content-length",
        "expect",  "via",          "forwarded",         "proxy-connection",
        "date",    "x-request-id", "grpc-timeout",      "content-type"};
    return header.starts_with("x-forwarded-") || header.starts_with("weir-") ||
           header.starts_with("x-weir-") ||
           std::find(kOurs.begin(), kOurs.end(), header) != kOurs.end();
}

// A header that may be set, in lower case; nothing, complained about, if it is none.
std::optional<std::string> header_name(Context& ctx, const Node& node) {
    std::string name = lower(node.text);
    if (is_token(name) && !is_ours(name)) return name;
    complain(ctx, node,
             {.code = 119,
              .what = is_token(name) ? "'" + name + "' is not for auth to set"
                                     : "'" + node.text + "' is no name of a header",
              .note = "x-user-id, say"});
    return std::nullopt;
}

void decode_from(Context& ctx, const Node& node, const std::string& from, Auth& auth) {
    const auto colon = std::min(from.find(':'), from.size());
    const std::string kind = from.substr(0, colon);
    const std::string name = from.substr(std::min(colon + 1, from.size()));
    const bool is_header = kind == "header" && !is_ours(lower(name));
    if (is_token(name) && (is_header || kind == "cookie" || kind == "query")) {
        auth.from = is_header ? "header:" + lower(name) : from;
        return;
    }
    complain(ctx, value_of(node, "from"),
             {.code = 119,
              .what = "'" + from + "' is no place for credentials",
              .note = "header:NAME, cookie:NAME or query:NAME"});
}

std::vector<std::string> texts(Context& ctx, const Node& node, std::string_view key) {
    std::vector<std::string> out;
    for (const Node* item : scalars(ctx, node, key))
        out.push_back(item->text);
    return out;
}

void decode_claims(Context& ctx, const AuthBlock& from, const std::string& path, Auth& auth) {
    const bool has_tokens = (bit(auth.type) & kTokens) != 0;
    if (from.forward_claims != nullptr) {
        walk_names(ctx, *from.forward_claims, path + ".forward_claims", [&](const Entry& entry) {
            if (!expect(ctx, entry.value, Node::Kind::scalar, entry.key, "the name of a header"))
                return;
            if (!has_tokens && entry.key != "sub") {
                complain_at(ctx, entry.place, entry.width,
                            {.code = 115,
                             .what = "type: " + std::string(name_of(auth.type)) +
                                     " knows no claim but sub, the name"});
            } else if (auto name = header_name(ctx, entry.value)) {
                auth.forward_claims[entry.key] = std::move(*name);
            }
        });
    }
    if (from.require == nullptr) return;
    walk_names(ctx, *from.require, path + ".require", [&](const Entry& entry) {
        auth.require[entry.key] = texts(ctx, entry.value, entry.key);
        if (auth.require[entry.key].empty() && !is_in_doubt(entry.value))
            complain(ctx, entry.value, {.code = 114, .what = "no value would do"});
    });
}

// ---- keys of tokens

constexpr std::array<std::string_view, 13> kAlgorithms{"RS256", "RS384", "RS512", "PS256", "PS384",
                                                       "PS512", "ES256", "ES384", "ES512", "EdDSA",
                                                       "HS256", "HS384", "HS512"};

bool is_url(std::string_view text) {
    return text.find("://") != std::string_view::npos;
}

void decode_algorithms(Context& ctx, const AuthBlock& from, Auth& auth) {
    const bool is_fetched = is_url(auth.jwks);
    const bool has_secrets = auth.secret || (!auth.jwks.empty() && !is_fetched);
    if (from.algorithms == nullptr) {
        if (!auth.jwks.empty()) auth.algorithms = {"RS256", "PS256", "ES256", "EdDSA"};
        if (auth.secret) auth.algorithms.emplace_back("HS256");
        return;
    }
    for (const Node* item : scalars(ctx, *from.algorithms, "algorithms")) {
        const std::string& name = item->text;
        if (std::find(kAlgorithms.begin(), kAlgorithms.end(), name) == kAlgorithms.end()) {
            const bool is_none = lower(std::string(name)) == "none";
            complain(ctx, *item,
                     {.code = 105,
                      .what = is_none ? std::string("a token without a signature is nobody's")
                                      : "'" + name + "' is no algorithm of tokens",
                      .note = "RS256, PS256, ES256, EdDSA, HS256 and their longer kin"});
        } else if (name.starts_with("HS") && !has_secrets) {
            complain(ctx, *item,
                     {.code = 115,
                      .what = name + " needs a shared secret",
                      .note = "secret: {file: PATH}; keys that are fetched are public"});
        } else {
            auth.algorithms.push_back(name);
        }
    }
    if (auth.algorithms.empty() && from.algorithms->items.empty())
        complain(ctx, *from.algorithms, {.code = 114, .what = "'algorithms' is an empty list"});
}

void read_jwks(Context& ctx, const Node& node, Auth& auth) {
    if (!expect(ctx, node, Node::Kind::scalar, "jwks", "a path, a URL or the text of a set"))
        return;
    constexpr std::size_t kMostJwks = std::size_t{256} * 1024;
    auth.jwks = node.text;
    auth.jwks_at = {node.place, node.width};
    if (auth.jwks.starts_with('{')) {
        auth.jwks_text = auth.jwks;
    } else if (is_url(auth.jwks)) {
        const bool is_http = auth.jwks.starts_with("http://") || auth.jwks.starts_with("https://");
        const auto host = auth.jwks.substr(auth.jwks.find("://") + 3);
        const bool is_odd = host.empty() || host.front() == '/' ||
                            std::any_of(host.begin(), host.end(),
                                        [](char c) { return c <= ' ' || c == '@' || c == '#'; });
        if (!is_http || is_odd)
            complain(ctx, node,
                     {.code = 119,
                      .what = "'" + auth.jwks + "' is no URL to fetch keys from",
                      .note = "https://issuer.example/.well-known/jwks.json"});
    } else {
        auto content = ctx.files.read(resolved(ctx, node.place, auth.jwks), kMostJwks);
        if (!content.problem.empty())
            complain(ctx, node,
                     {.code = 121, .what = "cannot read '" + auth.jwks + "': " + content.problem});
        auth.jwks_text = std::move(content.text);
    }
}

void decode_keys(Context& ctx,
                 const Node& node,
                 const AuthBlock& from,
                 const ClusterDrafts& clusters,
                 Auth& auth) {
    if (from.jwks != nullptr) read_jwks(ctx, *from.jwks, auth);
    const bool is_fetched = is_url(auth.jwks);
    if (from.jwks == nullptr && !from.secret && !is_in_doubt(node)) {
        complain(ctx, node,
                 {.code = 114,
                  .what = "type: jwt needs keys",
                  .note = "jwks: FILE, jwks: URL with jwks_cluster, or secret: {file: PATH}"});
    }
    if (is_fetched && from.jwks_cluster == nullptr) {
        complain(ctx, *from.jwks,
                 {.code = 114,
                  .what = "a URL of keys needs a jwks_cluster",
                  .note = "the cluster whose endpoints serve it"});
    }
    if (from.jwks_cluster != nullptr &&
        expect(ctx, *from.jwks_cluster, Node::Kind::scalar, "jwks_cluster", "a cluster")) {
        auth.jwks_cluster = from.jwks_cluster->text;
        if (!is_fetched) {
            complain(ctx, *from.jwks_cluster,
                     {.code = 115, .what = "'jwks_cluster' means nothing without a URL in jwks"});
        } else if (!clusters.contains(auth.jwks_cluster)) {
            complain(ctx, *from.jwks_cluster,
                     {.code = 110, .what = "no cluster named '" + auth.jwks_cluster + "'"});
        }
    }
    decode_algorithms(ctx, from, auth);
}

// ---- a block

void check_needs(Context& ctx, const Node& node, const AuthBlock& from, Type type) {
    const auto need = [&](bool has, const char* what, const char* note) {
        if (has || is_in_doubt(node)) return;
        complain(ctx, node,
                 {.code = 114,
                  .what = "type: " + std::string(name_of(type)) + " needs " + what,
                  .note = note});
    };
    if ((bit(type) & kStored) != 0) need(from.keys.has_value(), "keys", "keys: {file: PATH}");
    if ((bit(type) & kAsks) != 0) need(from.to != nullptr, "to", "the cluster that is asked");
    if (type == Type::introspection && from.secret)
        need(!from.client_id.empty(), "a client_id beside its secret", "");
}

Auth decode_auth(Context& ctx,
                 const Entry& entry,
                 const Defaults& defaults,
                 ClusterDrafts& clusters) {
    const Node& node = entry.value;
    const std::string path = below("auth", entry.key);
    Auth auth;
    auth.name = entry.key;
    auth.place = entry.place;
    AuthBlock from;
    const auto before = ctx.report.errors();
    decode(ctx, node, path, from);
    if (node.kind != Node::Kind::map) return auth;
    if (&value_of(node, "type") == &node) {
        if (ctx.report.errors() == before && !is_in_doubt(node))
            complain(ctx, node,
                     {.code = 114,
                      .what = path + " has no type",
                      .note = "jwt, api_key, basic, mtls, external or introspection"});
        return auth;
    }
    if (ctx.report.errors() != before) return auth;
    auth.type = from.type;
    refuse_others(ctx, node, from.type);
    check_needs(ctx, node, from, from.type);
    auth.issuer = from.issuer;
    if (from.audience != nullptr) auth.audiences = texts(ctx, *from.audience, "audience");
    auth.secret = from.secret;
    auth.secret_at = {value_of(node, "secret").place, 0};
    auth.client_id = from.client_id;
    auth.leeway = from.leeway;
    auth.max_stale = from.max_stale;
    auth.min_refetch = from.min_refetch;
    auth.max_lifetime = from.max_lifetime;
    auth.keys = from.keys;
    auth.keys_at = {value_of(node, "keys").place, 0};
    auth.path = from.path;
    auth.timeout = from.timeout;
    auth.cache = from.cache;
    auth.fail_open = from.fail_open;
    decode_from(ctx, node, from.from, auth);
    decode_claims(ctx, from, path, auth);
    if (from.type == Type::jwt) decode_keys(ctx, node, from, clusters, auth);
    if (from.allow != nullptr) auth.allow = decode_allow(ctx, *from.allow);
    if (from.to != nullptr) auth.to = decode_one_target(ctx, *from.to, defaults, clusters);
    if (!from.path.starts_with('/') || from.path.find_first_of(" \t#") != std::string::npos)
        complain(ctx, value_of(node, "path"), {.code = 119, .what = "a path begins with /"});
    if (from.forward_headers != nullptr) {
        for (const Node* item : scalars(ctx, *from.forward_headers, "forward_headers")) {
            if (auto name = header_name(ctx, *item))
                auth.forward_headers.push_back(std::move(*name));
        }
    }
    return auth;
}

}  // namespace

template <>
const Block<AuthBlock>& block() {
    return kAuthBlock;
}

void decode_auths(Context& ctx,
                  const Node& node,
                  const Defaults& defaults,
                  ClusterDrafts& clusters,
                  std::map<std::string, Auth, std::less<>>& into) {
    walk_names(ctx, node, "auth", [&](const Entry& entry) {
        ctx.auths.emplace(entry.key, entry.place);
        Node key;  // stands where the name does
        key.kind = Node::Kind::scalar;
        key.text = entry.key;
        key.place = entry.place;
        key.width = entry.width;
        if (entry.key == "none") {
            complain(ctx, key, {.code = 118, .what = "'none' is the word for no authentication"});
        } else if (check_name(ctx, key, entry.key)) {
            into.emplace(entry.key, decode_auth(ctx, entry, defaults, clusters));
        }
    });
}

void hide_credentials(Config& config) {
    const auto hide = [&](AccessLog& log) {
        for (const auto& [name, auth] : config.auth) {
            const std::string place = lower(auth.from.substr(auth.from.find(':') + 1));
            if (std::find(log.redact.begin(), log.redact.end(), place) == log.redact.end())
                log.redact.push_back(place);
        }
    };
    hide(config.access_log);
    for (Listener& listener : config.listeners) {
        hide(listener.access_log);
        for (Route& route : listener.routes)
            hide(route.access_log);
    }
}

std::vector<std::string> decode_any_of(Context& ctx, const Node& node) {
    std::vector<std::string> names;
    if (node.kind == Node::Kind::scalar && node.text == "none") return names;
    for (const Node* item : scalars(ctx, node, "auth")) {
        if (std::find(names.begin(), names.end(), item->text) != names.end()) {
            complain(ctx, *item, {.code = 102, .what = "'" + item->text + "' is here already"});
        } else if (ctx.auths.contains(item->text)) {
            names.push_back(item->text);
        } else {
            std::vector<std::string_view> known;
            for (const auto& [name, place] : ctx.auths)
                known.push_back(name);
            const auto meant = nearest(item->text, known);
            complain(ctx, *item,
                     {.code = 110,
                      .what = "no auth named '" + item->text + "'",
                      .note = meant.empty() ? "write it at the top: auth: {" + item->text + ": ...}"
                                            : "did you mean '" + std::string(meant) + "'?"});
        }
    }
    if (node.kind == Node::Kind::list && node.items.empty())
        complain(ctx, node, {.code = 114, .what = "'auth' is an empty list", .note = "write none"});
    return names;
}

}  // namespace weir::config

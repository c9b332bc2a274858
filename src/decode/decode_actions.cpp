#include "weir/decode/keys.hpp"

#include "decode/sections.hpp"

#include <algorithm>
#include <array>
#include <set>
#include <utility>

// What a route does besides forwarding.
namespace weir::config {
namespace {

// ---- the table

constexpr Key<HeadersBlock> kHeaders[] = {
    {"set", "map", "{}", "name: value, in place of what there is", &HeadersBlock::set},
    {"remove", "list", "[]", "", &HeadersBlock::remove},
};
constexpr auto kSet = static_cast<const Node * ResponseHeadersBlock::*>(&HeadersBlock::set);
constexpr auto kRemove = static_cast<const Node * ResponseHeadersBlock::*>(&HeadersBlock::remove);
constexpr Key<ResponseHeadersBlock> kResponseHeaders[] = {
    {"set", "map", "{}", "of any answer of the route", kSet},
    {"remove", "list", "[]", "", kRemove},
};
constexpr Key<FaultBlock> kFault[] = {
    {"delay", "duration|none", "none", "", &FaultBlock::delay, 0.001, 3600},
    {"abort", "int|none", "none", "answered with this status", &FaultBlock::abort, 200, 599},
    {"percent", "percent", "100%", "of the requests", &FaultBlock::percent, 0, 1},
};
constexpr Key<CorsBlock> kCors[] = {
    {"origins", "list", "required", "https://shop.example, https://*.shop.example, or \"*\"",
     &CorsBlock::origins},
    {"methods", "list", "[GET, HEAD, POST]", "", &CorsBlock::methods},
    {"headers", "list", "[]", "of requests, besides those that are always allowed; \"*\" = any",
     &CorsBlock::headers},
    {"expose", "list", "[]", "headers of answers that scripts may read", &CorsBlock::expose},
    {"max_age", "duration", "5s", "browsers keep the answer to a preflight", &CorsBlock::max_age, 0,
     86'400},
    {"credentials", "bool", "false", "cookies are sent, too", &CorsBlock::credentials},
};
constexpr Block<HeadersBlock> kHeadersBlock{"listeners[].routes[].headers", "", nullptr, kHeaders};
constexpr Block<ResponseHeadersBlock> kResponseHeadersBlock{"listeners[].routes[].response_headers",
                                                            "", nullptr, kResponseHeaders};
constexpr Block<FaultBlock> kFaultBlock{"listeners[].routes[].fault", "", nullptr, kFault};
constexpr Block<CorsBlock> kCorsBlock{"listeners[].routes[].cors", "", nullptr, kCors};

// ---- headers

// Framing and what is about one connection, never about what is forwarded; and what Weir itself
// says.
constexpr std::array<std::string_view, 12> kOfConnection{
    "connection",          "content-length",     "expect",  "keep-alive",
    "proxy-authorization", "proxy-connection",   "te",      "trailer",
    "transfer-encoding",   "proxy-authenticate", "upgrade", "http2-settings"};
constexpr std::array<std::string_view, 6> kOfWeir{
    "forwarded", "x-forwarded-for", "x-forwarded-host", "x-forwarded-proto", "x-request-id", "via"};

// Nothing if it may be set and removed.
std::optional<Complaint> refused_name(std::string_view name, bool is_request) {
    const std::string quoted = "'" + std::string(name) + "'";
    if (!is_token(name)) return Complaint{.code = 119, .what = quoted + " is no header name"};
    if (name == "host" && is_request)
        return Complaint{
            .code = 115, .what = "'host' is not set here", .note = "write rewrite.host"};
    if (std::find(kOfConnection.begin(), kOfConnection.end(), name) != kOfConnection.end()) {
        return Complaint{
            .code = 115,
            .what = quoted + " is about framing or the connection, which Weir decides"};
    }
    const bool is_reserved = name.starts_with("x-weir-") || name.starts_with("weir-") ||
                             (!is_request && name == "x-request-id");
    const bool is_weirs =
        is_request && std::find(kOfWeir.begin(), kOfWeir.end(), name) != kOfWeir.end();
    if (!is_reserved && !is_weirs) return std::nullopt;
    return Complaint{.code = 115, .what = quoted + " is said by Weir itself"};
}

bool is_header_value(std::string_view value) {
    return std::none_of(value.begin(), value.end(), [](char c) {
        const auto byte = static_cast<unsigned char>(c);
        return (byte < 0x20 && c != '\t') || byte == 0x7f;
    });
}

HeaderEdits decode_edits(Context& ctx,
                         const HeadersBlock& from,
                         const std::string& path,
                         bool is_request) {
    HeaderEdits edits;
    std::set<std::string> seen;
    const auto is_good = [&](const Place& place, std::uint32_t width, const std::string& name) {
        auto complaint = refused_name(name, is_request);
        if (!complaint && !seen.insert(name).second)
            complaint = Complaint{.code = 131, .what = "'" + name + "' is named twice"};
        if (complaint) complain_at(ctx, place, width, std::move(*complaint));
        return !complaint;
    };
    if (from.set != nullptr && expect(ctx, *from.set, Node::Kind::map, "set", "names and values")) {
        walk_names(ctx, *from.set, path + ".set", [&](const Entry& entry) {
            if (!expect(ctx, entry.value, Node::Kind::scalar, entry.key, "a value")) return;
            if (!is_header_value(entry.value.text)) {
                complain(ctx, entry.value,
                         {.code = 119, .what = "a control character in the value of a header"});
            } else if (is_good(entry.place, entry.width, lower(entry.key))) {
                edits.set.emplace_back(lower(entry.key), entry.value.text);
            }
        });
    }
    if (from.remove == nullptr) return edits;
    for (const Node* item : scalars(ctx, *from.remove, "remove")) {
        if (is_good(item->place, item->width, lower(item->text)))
            edits.remove.push_back(lower(item->text));
    }
    return edits;
}

// ---- the rest

std::optional<Fault> decode_fault(Context& ctx, const Node& node, const std::string& path) {
    FaultBlock from;
    const auto before = ctx.report.errors();
    decode(ctx, node, path, from);
    if (ctx.report.errors() != before) return std::nullopt;
    if (!from.delay && !from.abort) {
        complain(ctx, node,
                 {.code = 114, .what = "this fault does nothing", .note = "add delay or abort"});
        return std::nullopt;
    }
    Fault fault{.delay = from.delay, .abort = std::nullopt, .percent = from.percent};
    if (from.abort) fault.abort = static_cast<std::uint16_t>(*from.abort);
    return fault;
}

// As browsers say it: scheme, host, and a port that is not the usual one.
std::optional<Complaint> check_origin(std::string_view origin) {
    if (origin == "*" || origin == "null") return std::nullopt;
    const std::string quoted = "'" + std::string(origin) + "'";
    const std::size_t scheme = origin.find("://");
    std::string_view host = scheme == std::string_view::npos ? "" : origin.substr(scheme + 3);
    if (scheme == 0 || host.empty()) {
        return Complaint{
            .code = 119, .what = quoted + " is no origin", .note = "write https://shop.example"};
    }
    if (host.starts_with("*.")) host.remove_prefix(2);
    if (host.find_first_of("/?#*@ ") == std::string_view::npos) return std::nullopt;
    return Complaint{.code = 119,
                     .what = quoted + " is no origin",
                     .note = "an origin has no path, and a * only in place of the first names"};
}

void decode_words(Context& ctx,
                  const Node* node,
                  std::string_view key,
                  std::vector<std::string>& into,
                  auto check) {
    if (node == nullptr) return;
    into.clear();
    for (const Node* item : scalars(ctx, *node, key)) {
        if (auto complaint = check(item->text)) {
            complain(ctx, *item, std::move(*complaint));
        } else {
            into.push_back(item->text);
        }
    }
}

std::optional<Complaint> check_field(const std::string& text) {
    if (is_token(text)) return std::nullopt;
    return Complaint{.code = 119, .what = "'" + text + "' is no header name"};
}

std::optional<Cors> decode_cors(Context& ctx, const Node& node, const std::string& path) {
    CorsBlock from;
    const auto before = ctx.report.errors();
    decode(ctx, node, path, from);
    if (ctx.report.errors() != before) return std::nullopt;
    Cors cors;
    cors.methods = {"GET", "HEAD", "POST"};
    cors.max_age = from.max_age;
    cors.credentials = from.credentials;
    decode_words(ctx, from.origins, "origins", cors.origins,
                 [](const std::string& text) { return check_origin(text); });
    decode_words(ctx, from.methods, "methods", cors.methods,
                 [](const std::string& text) -> std::optional<Complaint> {
                     if (is_method(text)) return std::nullopt;
                     return Complaint{.what = "'" + text + "' is no method"};
                 });
    decode_words(ctx, from.headers, "headers", cors.headers, check_field);
    decode_words(ctx, from.expose, "expose", cors.expose, check_field);
    for (auto* const all : {&cors.origins, &cors.headers, &cors.expose}) {
        for (auto& text : *all)
            text = lower(std::move(text));
    }
    if (cors.origins.empty() && ctx.report.errors() == before) {
        complain(ctx, node,
                 {.code = 114,
                  .what = "cors names no origin",
                  .note = "write origins: [https://shop.example]"});
    }
    const bool is_any =
        std::find(cors.origins.begin(), cors.origins.end(), "*") != cors.origins.end();
    if (is_any && cors.credentials) {
        complain(ctx, value_of(node, "credentials"),
                 {.code = 115,
                  .what = "credentials for any origin would let every site act for its visitors",
                  .note = "name the origins"});
    }
    return cors;
}

std::vector<Coding> decode_compress(Context& ctx, const Node& node) {
    constexpr std::array<std::string_view, 3> kWords{"zstd", "br", "gzip"};
    std::vector<Coding> codings;
    if (node.kind == Node::Kind::scalar && node.text == "off") return codings;
    for (const Node* item : scalars(ctx, node, "compress")) {
        const auto found = std::find(kWords.begin(), kWords.end(), item->text);
        const auto coding = static_cast<Coding>(found - kWords.begin());
        if (found == kWords.end()) {
            complain(ctx, *item,
                     {.code = 105,
                      .what = "'" + item->text + "' is no way to compress",
                      .note = "one of: zstd, br, gzip"});
        } else if (std::find(codings.begin(), codings.end(), coding) != codings.end()) {
            complain(ctx, *item, {.code = 131, .what = "'" + item->text + "' is named twice"});
        } else {
            codings.push_back(coding);
        }
    }
    return codings;
}

bool is_grpc_name(std::string_view text) {
    return !text.empty() &&
           text.find_first_not_of(
               "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._") ==
               std::string_view::npos;
}

// The path of its calls is that of the route.
void decode_grpc(Context& ctx, const Node& node, const RouteBlock& from, Route& route) {
    if (!expect(ctx, node, Node::Kind::scalar, "grpc", "package.Service or package.Service/Method"))
        return;
    if (from.path != nullptr) {
        complain(ctx, node, {.code = 115, .what = "grpc and path exclude each other"});
        return;
    }
    const std::string_view text = node.text;
    const std::size_t slash = std::min(text.find('/'), text.size());
    const std::string service(text.substr(0, slash));
    const std::string method(text.substr(std::min(slash + 1, text.size())));
    const bool has_method = slash != text.size();
    if (!is_grpc_name(service) || (has_method && !is_grpc_name(method))) {
        complain(ctx, node,
                 {.code = 119,
                  .what = "'" + node.text + "' is no service of gRPC",
                  .note = "write package.Service, or package.Service/Method"});
        return;
    }
    route.actions.grpc_service = service;
    route.actions.grpc_method = method;
    route.path = {has_method ? PathPattern::Kind::exact : PathPattern::Kind::prefix,
                  '/' + service + '/' + method};
}

}  // namespace

template <>
const Block<HeadersBlock>& block() {
    return kHeadersBlock;
}
template <>
const Block<ResponseHeadersBlock>& block() {
    return kResponseHeadersBlock;
}
template <>
const Block<FaultBlock>& block() {
    return kFaultBlock;
}
template <>
const Block<CorsBlock>& block() {
    return kCorsBlock;
}

void decode_actions(Context& ctx,
                    const RouteBlock& from,
                    const std::string& path,
                    const Defaults& defaults,
                    ClusterDrafts& clusters,
                    Route& route) {
    RouteActions& actions = route.actions;
    if (from.headers != nullptr) {
        HeadersBlock headers;
        decode(ctx, *from.headers, path + ".headers", headers);
        actions.request = decode_edits(ctx, headers, path + ".headers", true);
    }
    if (from.response_headers != nullptr) {
        ResponseHeadersBlock headers;
        decode(ctx, *from.response_headers, path + ".response_headers", headers);
        actions.response = decode_edits(ctx, headers, path + ".response_headers", false);
    }
    const bool is_mirrored = from.mirror != nullptr && from.mirror->text != "none";
    if (is_mirrored) {
        const std::string cluster = decode_one_target(ctx, *from.mirror, defaults, clusters);
        if (!cluster.empty()) actions.mirror = {cluster, from.mirror_percent};
    }
    const auto is_off = [](const Node& node) {
        return node.kind == Node::Kind::scalar && node.text == "off";
    };
    if (from.fault != nullptr && !is_off(*from.fault))
        actions.fault = decode_fault(ctx, *from.fault, path + ".fault");
    if (from.cors != nullptr && !is_off(*from.cors))
        actions.cors = decode_cors(ctx, *from.cors, path + ".cors");
    if (from.compress != nullptr) actions.compress = decode_compress(ctx, *from.compress);
    if (from.grpc != nullptr) decode_grpc(ctx, *from.grpc, from, route);
}

}  // namespace weir::config

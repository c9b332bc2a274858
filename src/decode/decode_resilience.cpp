#include "decode/sections.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <utility>

// The rows of breaker, outlier, retry and health whose values have a form of their own, and what
// contradicts what among them.
namespace weir::config {
namespace {

std::optional<std::uint16_t> read_port(std::string_view text) {
    std::uint16_t port = 0;
    const char* const end = text.data() + text.size();
    const auto [at, error] = std::from_chars(text.data(), end, port);
    if (error != std::errc() || at != end || port == 0) return std::nullopt;
    return port;
}

constexpr unsigned kFirstFailure = 400;
constexpr unsigned kFirstStatus = 200;
constexpr unsigned kLastStatus = 599;
constexpr std::string_view kGrpc = "grpc:";

constexpr std::array<std::string_view, 17> kGrpcNames{
    "ok",        "cancelled",      "unknown",           "invalid_argument",   "deadline_exceeded",
    "not_found", "already_exists", "permission_denied", "resource_exhausted", "failed_precondition",
    "aborted",   "out_of_range",   "unimplemented",     "internal",           "unavailable",
    "data_loss", "unauthenticated"};

GrpcCodes bit(std::string_view name) {
    return GrpcCodes{1} << grpc_code(name).value_or(0);
}

// "grpc:unavailable"; complains of what is no code, or is no failure.
std::optional<unsigned> read_grpc(Context& ctx, const Node& item) {
    const auto name = std::string_view(item.text).substr(kGrpc.size());
    const auto code = grpc_code(name);
    if (code && *code != 0) return code;
    const std::vector<std::string_view> failures(kGrpcNames.begin() + 1, kGrpcNames.end());
    const auto meant = nearest(name, failures);
    complain(ctx, item,
             {.code = 105,
              .what = "'" + item.text + "' is no failure of gRPC",
              .note = meant.empty() ? "one of: grpc:" + joined(failures)
                                    : "did you mean 'grpc:" + std::string(meant) + "'?"});
    return std::nullopt;
}

// "503"; 0 for what is no status.
unsigned read_status(std::string_view text) {
    const auto read = read_integer(text);
    const auto* value = std::get_if<std::uint64_t>(&read);
    return value == nullptr || *value > kLastStatus ? 0 : static_cast<unsigned>(*value);
}

std::string_view trimmed(std::string_view text) {
    while (text.starts_with(' '))
        text.remove_prefix(1);
    while (text.ends_with(' '))
        text.remove_suffix(1);
    return text;
}

// "200-299" or "301".
std::optional<std::bitset<600>> read_range(std::string_view text) {
    const auto dash = text.find('-');
    const auto first = read_status(trimmed(text.substr(0, dash)));
    const auto last =
        dash == std::string_view::npos ? first : read_status(trimmed(text.substr(dash + 1)));
    if (first < kFirstStatus || last < first) return std::nullopt;
    return Health::statuses(first, last);
}

// A duration that must be below timeout.request, where it is not just inherited by a request that
// is given less time than others.
void check_below_request(Context& ctx,
                         std::string_view key,
                         Duration value,
                         const Origin* origin,
                         const Traced<TimeoutBlock>& timeout,
                         std::string_view note) {
    const auto& request = timeout.value.request;
    const auto* request_origin = timeout.origins.find("request");
    if (origin == nullptr || !request || value < *request || rank(origin) < rank(request_origin))
        return;
    complain_at(
        ctx, origin->place, 0,
        {.code = 140,
         .what = std::string(key) + " (" + to_text(value) + ") is not below timeout.request (" +
                 with_origin(ctx, *request, request_origin, *origin) + ")",
         .note = std::string(note)});
}

// What breaker and outlier have in common.
template <typename T>
void check_slow_and_stall(Context& ctx,
                          const std::string& block,
                          const Traced<T>& of,
                          const Traced<TimeoutBlock>& timeout) {
    const auto* rate = of.origins.find("slow_rate");
    if (of.value.slow_call) {
        check_below_request(ctx, block + ".slow_call", *of.value.slow_call,
                            of.origins.find("slow_call"), timeout,
                            "the request would always be over first");
    } else if (rate != nullptr && rate->layer != "defaults") {
        warn_at(ctx, rate->place, 0,
                {.code = 202, .what = block + ".slow_rate has no effect without slow_call"});
    }
    if (of.value.stall_after.kind == StallAfter::Kind::after) {
        check_below_request(ctx, block + ".stall_after", of.value.stall_after.after,
                            of.origins.find("stall_after"), timeout,
                            "the requests would always be over first");
    }
}

}  // namespace

std::optional<unsigned> grpc_code(std::string_view name) {
    const auto at = std::find(kGrpcNames.begin(), kGrpcNames.end(), name);
    if (at == kGrpcNames.end()) return std::nullopt;
    return static_cast<unsigned>(at - kGrpcNames.begin());
}

FailureOn::FailureOn() {
    for (const auto status : {500U, 502U, 503U, 504U})
        statuses.set(status);
    for (const auto* name :
         {"unknown", "internal", "unavailable", "data_loss", "deadline_exceeded"})
        grpc |= bit(name);
}

std::bitset<600> Health::statuses(unsigned first, unsigned last) {
    std::bitset<600> out;
    for (auto status = first; status <= last; ++status)
        out.set(status);
    return out;
}

void read_failure_on(Context& ctx, const Node& node, const std::string& path, Breaker& into) {
    FailureOn on;
    on.connect = on.timeout = on.reset = false;
    on.statuses.reset();
    on.grpc = 0;
    for (const Node* item : scalars(ctx, node, "failure_on")) {
        const auto& text = item->text;
        if (text == "connect") {
            on.connect = true;
        } else if (text == "timeout") {
            on.timeout = true;
        } else if (text == "reset") {
            on.reset = true;
        } else if (text == "4xx" || text == "5xx") {
            const unsigned first = text == "4xx" ? kFirstFailure : 500;
            on.statuses |= Health::statuses(first, first + 99);
        } else if (text.starts_with(kGrpc)) {
            if (const auto code = read_grpc(ctx, *item)) on.grpc |= GrpcCodes{1} << *code;
        } else if (const auto status = read_status(text); status >= kFirstFailure) {
            on.statuses.set(status);
        } else {
            complain_word(ctx, *item, "kind of failure",
                          {"connect", "timeout", "reset", "400 to 599", "4xx", "5xx", "grpc:CODE"},
                          path);
        }
    }
    into.failure_on = on;
}

bool read_retry_grpc(Context& ctx, const Node& item, RetryOn& into) {
    if (!item.text.starts_with(kGrpc)) return false;
    if (item.text == "grpc:*") {
        into.grpc = ((GrpcCodes{1} << kGrpcNames.size()) - 1) & ~GrpcCodes{1};
    } else if (const auto code = read_grpc(ctx, item)) {
        into.grpc |= GrpcCodes{1} << *code;
    }
    return true;
}

void read_fallback(Context& ctx, const Node& node, const std::string& path, Breaker& into) {
    if (node.kind == Node::Kind::scalar && node.text == "none") {
        into.fallback.reset();
        return;
    }
    Fallback fallback;
    Origins origins;
    const auto before = ctx.report.errors();
    decode(ctx, node, path, fallback, &origins);
    const auto* to = origins.find("to");
    if (!fallback.to.empty() && origins.said.size() > 1) {
        complain_at(ctx, to->place, 0,
                    {.code = 115, .what = "a fallback is {status, body} or {to: cluster}"});
    }
    if ((fallback.status == 204 || fallback.status == 304) && !fallback.body.empty()) {
        complain(ctx, node,
                 {.code = 115, .what = "a " + std::to_string(fallback.status) + " has no body"});
    }
    if (ctx.report.errors() == before) into.fallback = std::move(fallback);
}

void read_fallback_to(Context& ctx, const Node& node, const std::string& /*path*/, Fallback& into) {
    if (!expect(ctx, node, Node::Kind::scalar, "to", "one cluster, or host:port")) return;
    if (node.text == "none") return;
    into.to = node.text;
    into.to_at = {node.place, node.width};
}

void read_latency_factor(Context& ctx, const Node& node, const std::string& path, Outlier& into) {
    if (!expect(ctx, node, Node::Kind::scalar, "latency_factor", "a factor as 3x, or off")) return;
    if (node.text == "off") {
        into.latency_factor.reset();
        return;
    }
    // A factor is a rate of one over another: the digits are those of a percentage.
    const auto number = node.text.substr(0, node.text.size() - 1);
    const auto read = node.text.ends_with('x') ? read_percent(number + "%") : Read<double>{};
    const auto* value = std::get_if<double>(&read);
    const double factor = value == nullptr ? 0 : *value * 100;
    if (factor > 1 && factor <= 1000) {
        into.latency_factor = factor;
        return;
    }
    complain(ctx, node,
             {.what = "'" + node.text + "' is no value of '" + path + "'",
              .note = "write a factor above 1, as 3x or 2.5x, or off"});
}

void read_health_path(Context& ctx, const Node& node, const std::string& /*path*/, Health& into) {
    if (!expect(ctx, node, Node::Kind::scalar, "path", "one path")) return;
    const auto is_bad = [](char c) { return (c >= 0 && c <= ' ') || c == 0x7F || c == '#'; };
    if (!node.text.starts_with('/') || std::any_of(node.text.begin(), node.text.end(), is_bad)) {
        complain(ctx, node,
                 {.code = 119,
                  .what = "'" + node.text + "' is no path",
                  .note = "a path begins with /, and has no blanks and no #"});
        return;
    }
    into.path = node.text;
}

void read_expect(Context& ctx, const Node& node, const std::string& /*path*/, Health& into) {
    if (!expect(ctx, node, Node::Kind::scalar, "expect", "status codes: 200-299,301")) return;
    std::bitset<600> statuses;
    std::string_view rest = node.text;
    for (bool is_last = false; !is_last;) {
        const auto end = rest.find(',');
        is_last = end == std::string_view::npos;
        const auto part = trimmed(rest.substr(0, end));
        const auto range = read_range(part);
        if (!range) {
            complain(ctx, node,
                     {.what = "'" + std::string(part) + "' is no status code or range of them",
                      .note = "write 200-299,301: codes are 200 to 599"});
            return;
        }
        statuses |= *range;
        rest.remove_prefix(is_last ? rest.size() : end + 1);
    }
    into.expect = statuses;
}

std::optional<Health> decode_health(Context& ctx, const Node& node, const std::string& path) {
    if (node.is_broken) return std::nullopt;
    if (node.kind == Node::Kind::scalar && node.text == "off") return std::nullopt;
    if (node.kind == Node::Kind::scalar && means_off(node.text)) {
        complain(ctx, node,
                 {.what = "'" + node.text + "' is no value of " + path, .note = "write off"});
        return std::nullopt;
    }
    Traced<Health> health;
    health.origins.layer = path;
    decode(ctx, node, path, health.value, &health.origins);
    const auto& [value, origins] = health;
    for (const auto* key : {"path", "expect"}) {
        const auto* origin = origins.find(key);
        const bool is_path = std::string_view(key) == "path";
        if (origin == nullptr || value.type == Health::Type::http) continue;
        if (value.type == Health::Type::grpc && is_path) continue;
        const std::string type = value.type == Health::Type::tcp ? "tcp" : "grpc";
        complain_at(
            ctx, origin->place, 0,
            {.code = 115, .what = "'" + std::string(key) + "' means nothing to a check: " + type});
    }
    const auto* origin = origins.find("timeout");
    if (origin == nullptr) origin = origins.find("interval");
    if (origin != nullptr && value.timeout >= value.interval) {
        complain_at(ctx, origin->place, 0,
                    {.code = 140,
                     .what = "health.timeout (" + to_text(value.timeout) +
                             ") is not below health.interval (" + to_text(value.interval) + ")",
                     .note = "a check would not be over when the next one begins"});
    }
    return value;
}

void check_breaker(Context& ctx,
                   const Traced<Breaker>& breaker,
                   const Traced<TimeoutBlock>& timeout) {
    check_slow_and_stall(ctx, "breaker", breaker, timeout);
}
void check_outlier(Context& ctx,
                   const Traced<Outlier>& outlier,
                   const Traced<TimeoutBlock>& timeout) {
    check_slow_and_stall(ctx, "outlier", outlier, timeout);
}

void check_hedge(Context& ctx, const Traced<Retry>& retry, const Traced<TimeoutBlock>& timeout) {
    const auto& hedge = retry.value.hedge_after;
    const auto* origin = retry.origins.find("hedge_after");
    if (!hedge || origin == nullptr) return;
    check_below_request(ctx, "retry.hedge_after", *hedge, origin, timeout,
                        "no second attempt could ever happen");
    const auto& per_try = retry.value.per_try_timeout;
    if (!per_try || *hedge < *per_try) return;
    complain_at(
        ctx, origin->place, 0,
        {.code = 140,
         .what = "retry.hedge_after (" + to_text(*hedge) +
                 ") is not below retry.per_try_timeout (" +
                 with_origin(ctx, *per_try, retry.origins.find("per_try_timeout"), *origin) + ")",
         .note = "the first attempt would always be over first"});
}

// ---- what kubelet asks

namespace {

constexpr Key<ProbeBlock> kProbe[] = {
    {"type", "enum:http,tcp,grpc", "http", "as kubelet's httpGet, tcpSocket and grpc",
     [](ProbeBlock& into, std::size_t index) { into.type = static_cast<Health::Type>(index); }, 0,
     kNoMost, "kind of probe"},
    {"port", "int", "required", "of the application",
     static_cast<std::uint16_t ProbeBlock::*>(&Probe::port), 1, 65535},
    {"path", "string", "/", "of http", static_cast<std::string ProbeBlock::*>(&Probe::path)},
    {"scheme", "enum:http,https", "http", "of http; the certificate is not verified",
     [](ProbeBlock& into, std::size_t index) { into.is_tls = index == 1; }},
    {"headers", "map", "{}", "of http", &ProbeBlock::headers_node},
    {"service", "string", "", "of grpc", static_cast<std::string ProbeBlock::*>(&Probe::service)},
    {"timeout", "duration", "1s", "", static_cast<Duration ProbeBlock::*>(&Probe::timeout), 0.001,
     3600},
};
constexpr Block<ProbeBlock> kProbeBlock{"telemetry.probes{}", "", nullptr, kProbe};

bool is_probe_name(std::string_view name) {
    const auto slash = name.find('/');
    if (slash == 0 || slash == std::string_view::npos || slash + 1 == name.size()) return false;
    return is_token(name.substr(0, slash)) && is_token(name.substr(slash + 1));
}

bool has_control(std::string_view text) {
    return std::any_of(text.begin(), text.end(),
                       [](unsigned char c) { return c <= ' ' || c == 0x7F; });
}

void read_probe_headers(Context& ctx, const Node& node, const std::string& path, Probe& into) {
    if (!expect(ctx, node, Node::Kind::map, "headers", "a map of names and values")) return;
    walk_names(ctx, node, path, [&](const Entry& entry) {
        if (!expect(ctx, entry.value, Node::Kind::scalar, entry.key, "a text")) return;
        const std::string& text = entry.value.text;
        const bool is_line = std::none_of(text.begin(), text.end(), [](unsigned char c) {
            return (c < ' ' && c != '\t') || c == 0x7F;
        });
        if (is_token(entry.key) && is_line) {
            into.headers.emplace_back(entry.key, text);
            return;
        }
        complain(ctx, entry.value,
                 {.code = 119, .what = "'" + entry.key + "' is no header that can be sent"});
    });
}

Probe read_probe(Context& ctx, const Entry& entry, const std::string& path) {
    ProbeBlock from;
    decode(ctx, entry.value, path, from);
    if (entry.value.kind != Node::Kind::map) return {};
    if (from.headers_node != nullptr)
        read_probe_headers(ctx, *from.headers_node, path + ".headers", from);
    if (from.port == 0 && !is_in_doubt(entry.value))
        complain(ctx, entry.value,
                 {.code = 114, .what = path + " has no port", .note = "add port: 8080"});
    if (!from.path.starts_with('/') || has_control(from.path))
        complain(ctx, value_of(entry.value, "path"),
                 {.code = 119, .what = "'path' begins with a slash, and has no blanks"});
    return from;
}

}  // namespace

template <>
const Block<ProbeBlock>& block() {
    return kProbeBlock;
}

void read_probes(Context& ctx, const Node& node, const std::string& path, TelemetryBlock& into) {
    if (!expect(ctx, node, Node::Kind::map, "probes", "a map of names")) return;
    walk_names(ctx, node, path, [&](const Entry& entry) {
        Node at;
        at.place = entry.place;
        at.width = entry.width;
        if (!is_probe_name(entry.key)) {
            complain(ctx, at,
                     {.code = 118,
                      .what = "'" + entry.key + "' is no name of a probe",
                      .note = "write CONTAINER/KIND: app/readiness"});
            return;
        }
        into.probes.emplace(entry.key, read_probe(ctx, entry, path + "." + entry.key));
    });
}

void read_opaque_ports(Context& ctx,
                       const Node& node,
                       const std::string& /*path*/,
                       ListenerBlock& into) {
    into.opaque_ports.clear();
    for (const Node* item : scalars(ctx, node, "opaque_ports")) {
        const std::string_view text = item->text;
        const auto dash = text.find('-');
        const auto first = read_port(text.substr(0, dash));
        const auto last = dash == std::string_view::npos ? first : read_port(text.substr(dash + 1));
        if (first && last && *first <= *last) {
            into.opaque_ports.push_back({*first, *last});
            continue;
        }
        complain(ctx, *item,
                 {.code = 111,
                  .what = "'" + item->text + "' is no port, nor a range of them",
                  .note = "write 3306 or 5000-5010"});
    }
}

}  // namespace weir::config

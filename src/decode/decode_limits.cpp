#include "weir/decode/keys.hpp"

#include "config/addresses.hpp"
#include "decode/sections.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <utility>

namespace weir::config {
namespace {

using Kind = RateKey::Kind;
using StoreKind = RateLimit::Store::Kind;

// ---- what requests are told apart by

struct KeyWord {
    std::string_view text;
    Kind kind;
};
constexpr KeyWord kPlain[] = {
    {"client_ip", Kind::client_ip}, {"api_key", Kind::api_key}, {"spiffe", Kind::spiffe},
    {"method", Kind::method},       {"route", Kind::route},     {"global", Kind::global},
};
constexpr KeyWord kNamed[] = {
    {"header:", Kind::header}, {"cookie:", Kind::cookie}, {"jwt:", Kind::jwt}};

std::optional<RateKey> read_block(std::string_view text, std::string_view bits) {
    unsigned number = 0;
    const auto read = std::from_chars(bits.data(), bits.data() + bits.size(), number);
    const bool is_all = read.ec == std::errc{} && read.ptr == bits.data() + bits.size();
    if (!is_all || bits.starts_with('0') || number > 128) return std::nullopt;
    RateKey key{.kind = Kind::client_ip, .text = std::string(text)};
    key.v4_bits = static_cast<std::uint8_t>(std::min(number, 32U));
    key.v6_bits = static_cast<std::uint8_t>(number <= 32 ? number * 2 : number);
    return key;
}

// ---- the table

void read_limit_rate(Context& ctx, const Node& node, const std::string& path, RateLimit& into) {
    if (!expect(ctx, node, Node::Kind::scalar, path, "a rate")) return;
    auto read = read_rate(node.text);
    if (auto* complaint = std::get_if<Complaint>(&read)) {
        complain(ctx, node, std::move(*complaint));
        return;
    }
    into.rate = std::get<double>(read);
    const char unit = node.text.back();
    into.period = unit == 's'   ? std::chrono::seconds{1}
                  : unit == 'm' ? std::chrono::minutes{1}
                  : unit == 'h' ? std::chrono::hours{1}
                                : std::chrono::hours{24};
    constexpr double kLeast = 1e-6;
    constexpr double kMost = 1e7;
    if (into.rate >= kLeast && into.rate <= kMost) return;
    into.rate = 0;
    complain(ctx, node,
             {.code = 111,
              .what = "rate " + node.text + " is out of range",
              .note = "one in eleven days, up to ten millions a second"});
}

void read_limit_key(Context& ctx, const Node& node, const std::string& /*path*/, RateLimit& into) {
    std::vector<RateKey> keys;
    for (const Node* item : scalars(ctx, node, "key")) {
        auto key = read_rate_key(item->text);
        if (!key) {
            complain_word(ctx, *item, "key of a rate limit",
                          {"client_ip", "client_ip/24", "header:NAME", "cookie:NAME", "jwt:CLAIM",
                           "api_key", "spiffe", "method", "route", "global"},
                          "rate_limits{}.key");
            continue;
        }
        keys.push_back(std::move(*key));
    }
    if (node.kind == Node::Kind::list && node.items.empty())
        complain(ctx, node,
                 {.code = 114, .what = "'key' is an empty list", .note = "write global"});
    if (!keys.empty()) into.key = std::move(keys);
}

void read_limit_store(Context& ctx, const Node& node, const std::string& path, RateLimit& into) {
    if (node.kind == Node::Kind::scalar) {
        if (node.text != "local")
            complain_word(ctx, node, "store of rate limits",
                          {"local", "{redis: NAME}", "{rls: CLUSTER}"}, "rate_limits{}.store");
        return;
    }
    if (!expect(ctx, node, Node::Kind::map, path, "local, {redis: NAME} or {rls: CLUSTER}")) return;
    const Entry* kind = nullptr;
    const auto before = ctx.report.errors();
    walk_keys(ctx, node, path, "rate_limits{}.store", {"redis", "rls", "domain"},
              [&](std::size_t index, const Entry& entry) {
                  if (!expect(ctx, entry.value, Node::Kind::scalar, entry.key, "a name")) return;
                  if (index == 2) {
                      into.store.domain = entry.value.text;
                      return;
                  }
                  if (kind != nullptr) {
                      complain_at(ctx, entry.place, entry.width,
                                  {.code = 115, .what = "redis and rls exclude each other"});
                  }
                  kind = &entry;
                  into.store.kind = index == 0 ? StoreKind::redis : StoreKind::rls;
                  into.store.name = entry.value.text;
              });
    if (kind == nullptr && ctx.report.errors() == before) {
        complain(ctx, node,
                 {.code = 114,
                  .what = "this store names none",
                  .note = "write {redis: NAME} or {rls: CLUSTER}"});
    }
}

void set_mode(RateLimit& into, std::size_t index) {
    into.is_shadow = index == 1;
}

constexpr Key<RateLimit> kRateLimit[] = {
    {"rate", "rate", "-",
     "on average; its unit is the window of sliding_window; not of concurrency", &read_limit_rate},
    {"burst", "int", "by rate", "at once; one second of rate unless given, at least 1",
     &RateLimit::burst, 1, 1e9},
    {"key", "string|list", "route",
     "client_ip, client_ip/24, header:x, cookie:x, jwt:sub, api_key, spiffe, method, route, global",
     &read_limit_key},
    {"store", "string|object", "local",
     "local, {redis: name} or {rls: cluster} (Envoy rate limit service protocol; domain: weir)",
     &read_limit_store},
    {"status", "int", "429", "", &RateLimit::status, 400, 599},
    {"headers", "enum:draft,legacy,none", "draft",
     "RateLimit and RateLimit-Policy, or X-RateLimit-*; Retry-After always",
     word<&RateLimit::headers, RateLimit>()},
    {"max_keys", "int", "65536", "those with the least to remember go first; counted",
     &RateLimit::max_keys, 1, 1 << 24},
    {"algorithm", "enum:gcra,sliding_window,concurrency", "gcra", "",
     word<&RateLimit::algorithm, RateLimit>()},
    {"mode", "enum:enforce,shadow", "enforce", "shadow only counts", &set_mode},
    {"cost", "int", "1", "of a request", &RateLimit::cost, 1, 1e6},
    {"lease", "bool", "true", "redis: tokens taken in advance", &RateLimit::lease},
    {"max", "int", "-", "concurrency: at most this many at once", &RateLimit::max, 1, 1e6},
    {"on_store_failure", "enum:local,allow,deny", "local", "local = this process counts alone",
     word<&RateLimit::on_store_failure, RateLimit>()},
    {"retry_jitter", "duration|off", "off",
     "up to so much is added to Retry-After, by chance: not all come back at once",
     &RateLimit::retry_jitter, 1, 3600},
};
constexpr Key<RedisBlock> kRedis[] = {
    {"address", "address", "required", "host:port or unix:/run/redis.sock", &RedisBlock::address},
    {"password", "secret", "none", "", &RedisBlock::password},
    {"user", "string", "-", "", &RedisBlock::user},
    {"tls", "object|off", "off", "see tls.*", &RedisBlock::tls},
    {"timeout", "duration", "20ms", "of a question; then on_store_failure holds",
     &RedisBlock::timeout, 0.001, 10},
};
constexpr Block<RateLimit> kRateLimitBlock{"rate_limits{}", "", nullptr, kRateLimit};
constexpr Block<RedisBlock> kRedisBlock{"redis{}", "", nullptr, kRedis};

// ---- what does not go together

class Checks {
  public:
    Checks(Context& ctx, const Node& node, const Origins& origins, RateLimit& limit)
        : ctx_(ctx), node_(node), origins_(origins), limit_(limit) {}

    void run(const ClusterDrafts& clusters) {
        check_algorithm();
        check_cost();
        check_store(clusters);
    }

  private:
    using Algorithm = RateLimit::Algorithm;

    void refuse(std::string_view key, const std::string& why) {
        const Origin* const origin = origins_.find(key);
        if (origin == nullptr) return;
        complain_at(ctx_, origin->place, 0,
                    {.code = 115, .what = "'" + std::string(key) + "' means nothing " + why});
    }
    void require(std::string_view key, const std::string& why, const std::string& note) {
        if (origins_.find(key) != nullptr || is_in_doubt(node_)) return;
        complain(ctx_, node_,
                 {.code = 114, .what = why + " needs a " + std::string(key), .note = note});
    }

    void check_algorithm() {
        if (limit_.algorithm == Algorithm::concurrency) {
            require("max", "algorithm: concurrency", "write max: 100");
            refuse("rate", "beside algorithm: concurrency");
            refuse("burst", "beside algorithm: concurrency");
            return;
        }
        refuse("max", "without algorithm: concurrency");
        const bool is_known_elsewhere = limit_.store.kind == StoreKind::rls &&
                                        limit_.on_store_failure != RateLimit::OnStoreFailure::local;
        if (!is_known_elsewhere) require("rate", "a rate limit", "write rate: 100/s");
        if (limit_.algorithm == Algorithm::sliding_window) {
            refuse("burst", "beside algorithm: sliding_window");
        } else if (origins_.find("burst") == nullptr) {
            limit_.burst = static_cast<std::uint32_t>(std::max(std::floor(limit_.rate), 1.0));
        }
    }

    void check_cost() {
        const double window = std::chrono::duration<double>(limit_.period).count();
        const double most = limit_.algorithm == Algorithm::concurrency      ? limit_.max
                            : limit_.algorithm == Algorithm::sliding_window ? limit_.rate * window
                                                                            : limit_.burst;
        if (most <= 0 || limit_.cost <= most + 1e-6) return;
        const Origin* const origin = origins_.find("cost");
        complain_at(ctx_, origin == nullptr ? node_.place : origin->place, 0,
                    {.code = 115,
                     .what = "no request could ever pass: cost " + std::to_string(limit_.cost) +
                             " is above what is there at once",
                     .note = limit_.algorithm == Algorithm::gcra ? "raise burst" : ""});
    }

    void check_store(const ClusterDrafts& clusters) {
        if (limit_.store.kind == StoreKind::local) {
            ignore("on_store_failure");
            ignore("lease");
            return;
        }
        if (limit_.algorithm == Algorithm::concurrency) {
            complain_at(
                ctx_, place_of("store"), 0,
                {.code = 115, .what = "concurrency is counted in this process: it has no store"});
        }
        const bool is_redis = limit_.store.kind == StoreKind::redis;
        if (!is_redis) ignore("lease");
        const bool is_known =
            is_redis ? ctx_.redis.contains(limit_.store.name) : is_cluster(clusters);
        if (is_known && !is_redis) check_protocol(clusters.find(limit_.store.name)->second.cluster);
        if (is_known) return;
        complain_at(ctx_, place_of("store"), 0,
                    {.code = 110,
                     .what = std::string("no ") + (is_redis ? "redis" : "cluster") + " named '" +
                             limit_.store.name + "'",
                     .note = is_redis ? "write it at the top: redis: {" + limit_.store.name +
                                            ": {address: \"HOST:6379\"}}"
                                      : ""});
    }
    [[nodiscard]] bool is_cluster(const ClusterDrafts& clusters) const {
        const auto found = clusters.find(limit_.store.name);
        return found != clusters.end() && !found->second.cluster.is_inline;
    }
    void check_protocol(const Cluster& cluster) {
        const bool is_h1 = cluster.protocol == ClusterProtocol::http1 ||
                           (cluster.protocol == ClusterProtocol::automatic && !cluster.tls);
        if (!is_h1) return;
        complain_at(ctx_, place_of("store"), 0,
                    {.code = 115,
                     .what = "cluster '" + cluster.name +
                             "' speaks HTTP/1.1, and a rate limit service speaks gRPC",
                     .note = "write protocol: h2c at the cluster"});
    }
    void ignore(std::string_view key) {
        const Origin* const origin = origins_.find(key);
        if (origin == nullptr) return;
        warn_at(
            ctx_, origin->place, 0,
            {.code = 202,
             .what = "'" + std::string(key) + "' has no effect without a store that is shared"});
    }
    [[nodiscard]] Place place_of(std::string_view key) const {
        const Origin* const origin = origins_.find(key);
        return origin == nullptr ? node_.place : origin->place;
    }

    Context& ctx_;
    const Node& node_;
    const Origins& origins_;
    RateLimit& limit_;
};

RateLimit decode_one(Context& ctx,
                     const Node& node,
                     const std::string& path,
                     std::string name,
                     const ClusterDrafts& clusters) {
    RateLimit limit;
    limit.name = std::move(name);
    limit.place = node.place;
    Origins origins;
    const auto before = ctx.report.errors();
    decode(ctx, node, path, limit, &origins);
    if (ctx.report.errors() == before) Checks(ctx, node, origins, limit).run(clusters);
    return limit;
}

void name_limit(Context& ctx, const Node& node, RouteLimits& into) {
    if (!ctx.rate_limits.contains(node.text)) {
        std::vector<std::string_view> names;
        for (const auto& [name, limit] : ctx.rate_limits)
            names.push_back(name);
        const auto meant = nearest(node.text, names);
        complain(ctx, node,
                 {.code = 110,
                  .what = "no rate limit named '" + node.text + "'",
                  .note = meant.empty() ? "write it at the top: rate_limits: {" + node.text +
                                              ": {rate: 100/s}}"
                                        : "did you mean '" + std::string(meant) + "'?"});
        return;
    }
    if (std::find(into.names.begin(), into.names.end(), node.text) == into.names.end())
        into.names.push_back(node.text);
}

}  // namespace

std::optional<RateKey> read_rate_key(std::string_view text) {
    for (const auto& word : kPlain) {
        if (text == word.text) return RateKey{.kind = word.kind, .text = std::string(text)};
    }
    constexpr std::string_view kBlock = "client_ip/";
    if (text.starts_with(kBlock)) return read_block(text, text.substr(kBlock.size()));
    for (const auto& word : kNamed) {
        if (!text.starts_with(word.text)) continue;
        const std::string_view name = text.substr(word.text.size());
        if (name.empty() || (word.kind != Kind::jwt && !is_token(name))) return std::nullopt;
        return RateKey{
            .kind = word.kind,
            .name = word.kind == Kind::header ? lower(std::string(name)) : std::string(name),
            .text = std::string(text)};
    }
    return std::nullopt;
}

template <>
const Block<RateLimit>& block() {
    return kRateLimitBlock;
}
template <>
const Block<RedisBlock>& block() {
    return kRedisBlock;
}

void decode_redis(Context& ctx, const Node& node) {
    if (!expect(ctx, node, Node::Kind::map, "redis", "a map of names")) return;
    walk_names(ctx, node, "redis", [&](const Entry& entry) {
        const std::string path = below("redis", entry.key);
        RedisBlock from;
        decode(ctx, entry.value, path, from);
        if (entry.value.kind != Node::Kind::map) return;
        Redis redis;
        redis.name = entry.key;
        redis.place = entry.place;
        redis.password = std::move(from.password);
        redis.user = std::move(from.user);
        redis.timeout = from.timeout;
        if (from.tls != nullptr) redis.tls = decode_tls(ctx, *from.tls, path + ".tls", false);
        if (from.address == nullptr) {
            if (!is_in_doubt(entry.value)) {
                complain(ctx, entry.value,
                         {.code = 114,
                          .what = path + " has no address",
                          .note = "add address: \"127.0.0.1:6379\""});
            }
        } else if (expect(ctx, *from.address, Node::Kind::scalar, "address", "host:port")) {
            auto read = read_endpoint(from.address->text);
            if (auto* complaint = std::get_if<Complaint>(&read)) {
                complain(ctx, *from.address, std::move(*complaint));
            } else {
                redis.endpoint = std::get<Endpoint>(std::move(read));
                redis.endpoint.place = from.address->place;
            }
        }
        ctx.redis.emplace(entry.key, std::move(redis));
    });
}

void decode_rate_limits(Context& ctx, const Node& node, const ClusterDrafts& clusters) {
    if (!expect(ctx, node, Node::Kind::map, "rate_limits", "a map of names")) return;
    walk_names(ctx, node, "rate_limits", [&](const Entry& entry) {
        Node at;
        at.place = entry.place;
        at.text = entry.key;
        at.width = entry.width;
        if (!check_name(ctx, at, entry.key)) return;
        ctx.rate_limits.emplace(
            entry.key,
            decode_one(ctx, entry.value, below("rate_limits", entry.key), entry.key, clusters));
    });
}

RouteLimits decode_rate_limit(Context& ctx,
                              const Node& node,
                              const std::string& path,
                              const std::string& owner,
                              const RouteLimits& inherited,
                              const ClusterDrafts& clusters) {
    RouteLimits limits = inherited;
    const auto take = [&](const Node& item, const std::string& at) {
        if (item.is_broken) return;
        if (item.kind == Node::Kind::scalar) return name_limit(ctx, item, limits);
        if (!expect(ctx, item, Node::Kind::map, at, "a name or an object, or a list of them"))
            return;
        std::string name = owner;
        for (unsigned more = 2; ctx.rate_limits.contains(name); ++more)
            name = owner + "-" + std::to_string(more);
        ctx.rate_limits.emplace(name, decode_one(ctx, item, at, name, clusters));
        limits.names.push_back(name);
    };
    if (node.kind != Node::Kind::list) {
        if (node.kind == Node::Kind::scalar && node.text == "none") return inherited;
        take(node, path);
        return limits;
    }
    for (std::size_t i = 0; i < node.items.size(); ++i)
        take(node.items[i], below(path, i));
    return limits;
}

}  // namespace weir::config

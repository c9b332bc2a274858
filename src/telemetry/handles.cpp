#include "weir/telemetry/handles.hpp"

#include "weir/core/error.hpp"

#include <charconv>
#include <optional>

namespace weir::telemetry {
namespace {

constexpr std::array<std::string_view, kHandshakes> kHandshakeWords{
    "ok",      "resumed",    "timeout",        "closed",    "not_tls",
    "version", "cipher",     "no_certificate", "untrusted", "expired",
    "revoked", "wrong_name", "not_allowed",    "refused",   "error"};

ListenerMetrics::Connections connections(Registry& registry,
                                         std::string_view listener,
                                         std::string_view tls,
                                         Show show) {
    return {registry.gauge(Family::connections_active, {listener, tls}, show),
            registry.counter(Family::connections, {listener, tls}, show)};
}

template <std::size_t N>
std::array<CellId, N> counters(Registry& registry,
                               Family family,
                               std::string_view owner,
                               const std::array<std::string_view, N>& words) {
    std::array<CellId, N> cells;
    for (std::size_t i = 0; i < N; ++i) {
        cells[i] = registry.counter(family, {owner, words[i]}, Show::once_used);
    }
    return cells;
}

constexpr std::array<std::string_view, 5> kConnectFailures{"refused", "timeout", "tls", "dns",
                                                           "reset"};
constexpr std::array<std::string_view, 3> kSeconds{"hedge", "rescue", "probe"};
constexpr std::array<std::string_view, 5> kRetryRefusals{"budget", "deadline", "throttled", "depth",
                                                         "buffer"};
constexpr std::array<std::string_view, 6> kLimits{"max_requests",    "max_pending",
                                                  "max_connections", "max_connecting",
                                                  "queue_timeout",   "adaptive"};

std::array<CellId, 3> seconds(Registry& registry,
                              std::string_view cluster,
                              std::string_view result) {
    std::array<CellId, 3> cells;
    for (std::size_t i = 0; i < cells.size(); ++i) {
        cells[i] = registry.counter(Family::second_attempts, {cluster, kSeconds[i], result},
                                    Show::once_used);
    }
    return cells;
}

// IANA's registry of status codes (2025), and 499, which is ours for a client that left.
constexpr bool is_known_status(std::uint16_t status) {
    constexpr std::array<std::uint16_t, 63> kKnown{
        100, 101, 102, 103, 104, 200, 201, 202, 203, 204, 205, 206, 207, 208, 226, 300,
        301, 302, 303, 304, 305, 307, 308, 400, 401, 402, 403, 404, 405, 406, 407, 408,
        409, 410, 411, 412, 413, 414, 415, 416, 417, 421, 422, 423, 424, 425, 426, 428,
        429, 431, 451, 499, 500, 501, 502, 503, 504, 505, 506, 507, 508, 510, 511};
    static_assert(std::is_sorted(kKnown.begin(), kKnown.end()));
    return std::binary_search(kKnown.begin(), kKnown.end(), status);
}

// A combination packed into 32 bits, never 0. Status 0 is `_other`, reason 255 too.
constexpr std::uint32_t kOtherReason = 255;
constexpr std::uint32_t pack(std::uint32_t status, Outcome outcome, std::uint32_t reason) {
    return (1U << 31U) | (static_cast<std::uint32_t>(outcome) << 24U) | (reason << 16U) | status;
}
std::uint32_t key_of(Reason failure) {
    return pack(weir::info(failure).status, Outcome::failure, static_cast<std::uint32_t>(failure));
}
constexpr std::uint32_t reason_of(std::uint32_t key) {
    return (key >> 16U) & 255U;
}
constexpr std::uint32_t status_of(std::uint32_t key) {
    return key & 0xffffU;
}

}  // namespace

ListenerMetrics::ListenerMetrics(Registry& registry, std::string_view listener)
    : requests_active(registry.gauge(Family::requests_active, {listener})),
      clear(connections(registry, listener, "no", Show::always)),
      tls(connections(registry, listener, "yes", Show::once_used)) {}

std::string_view word(Handshake result) {
    return kHandshakeWords[static_cast<std::size_t>(result)];
}

TlsMetrics::TlsMetrics(Registry& registry, bool is_server) {
    const std::string_view side = is_server ? "downstream" : "upstream";
    for (std::size_t i = 0; i < results.size(); ++i) {
        results[i] =
            registry.counter(Family::tls_handshakes, {side, kHandshakeWords[i]}, Show::once_used);
    }
}

RateLimitMetrics::RateLimitMetrics(Registry& registry, std::string_view rule)
    : limited(registry.counter(Family::rate_limited, {rule, "limited"})),
      shadow(registry.counter(Family::rate_limited, {rule, "shadow"}, Show::once_used)),
      store_error(registry.counter(Family::rate_limited, {rule, "store_error"}, Show::once_used)),
      store_seconds(registry.histogram(Family::rate_limit_store_seconds, {rule})),
      leased_keys(registry.gauge(Family::rate_limit_leased_keys, {rule}, Show::once_used)),
      leased_tokens(registry.gauge(Family::rate_limit_leased_tokens, {rule}, Show::once_used)) {}

// An idle cluster costs nothing here; an active one has at 0 what dashboards and alerts look at.
ClusterMetrics::ClusterMetrics(Registry& registry, std::string_view cluster)
    : request_duration(registry.histogram(Family::upstream_request_duration, {cluster})),
      connect_duration(registry.histogram(Family::upstream_connect_duration, {cluster})),
      requests_active(
          registry.gauge(Family::upstream_requests_active, {cluster}, request_duration)),
      requests_pending(
          registry.gauge(Family::upstream_requests_pending, {cluster}, request_duration)),
      connections_active(
          registry.gauge(Family::upstream_connections_active, {cluster}, request_duration)),
      connections(registry.counter(Family::upstream_connections, {cluster}, request_duration)),
      connect_failures(
          counters(registry, Family::upstream_connect_failures, cluster, kConnectFailures)),
      retries_success(registry.counter(Family::retries, {cluster, "success"}, request_duration)),
      retries_failure(registry.counter(Family::retries, {cluster, "failure"}, request_duration)),
      retries_refused(counters(registry, Family::retries_refused, cluster, kRetryRefusals)),
      seconds_won(seconds(registry, cluster, "won")),
      seconds_lost(seconds(registry, cluster, "lost")),
      limit_rejected(counters(registry, Family::limit_rejected, cluster, kLimits)),
      breaker_rejected(registry.counter(Family::breaker_rejected, {cluster}, request_duration)),
      stale_reuse_success(
          registry.counter(Family::upstream_stale_reuse, {cluster, "success"}, Show::once_used)),
      stale_reuse_failure(
          registry.counter(Family::upstream_stale_reuse, {cluster, "failure"}, Show::once_used)) {}

std::string_view word(Outcome outcome) {
    switch (outcome) {
        case Outcome::ok:
            return "ok";
        case Outcome::failure:
            return "failure";
        case Outcome::throttled:
            return "throttled";
        case Outcome::ignored:
            return "ignored";
    }
    return "ignored";
}

RequestMetrics::RequestMetrics(Registry& registry,
                               std::string_view listener,
                               std::string_view route,
                               std::string_view cluster)
    : registry_(registry),
      listener_(listener),
      route_(route),
      cluster_(cluster),
      duration_(registry.histogram(Family::request_duration, {listener, route, cluster})),
      request_bytes_(registry.counter(Family::request_bytes, {route}, Show::once_used)),
      response_bytes_(registry.counter(Family::response_bytes, {route}, Show::once_used)) {
    if (cluster == kNone) return;
    make(pack(200, Outcome::ok, 0));
    // The alerts on errors start from these: with an upstream that was never there, and with one
    // that was used before.
    make(key_of(Reason::upstream_connect_refused));
    for (const Reason reason :
         {Reason::breaker_open, Reason::upstream_reset, Reason::upstream_timeout})
        make(key_of(reason), duration_);
}

void RequestMetrics::record(Shard& shard, const RequestEnd& end) const {
    shard.add(cell(end.status, end.outcome, end.reason));
    shard.observe(duration_, end.duration);
    shard.add(request_bytes_, end.request_bytes);
    shard.add(response_bytes_, end.response_bytes);
}

void RequestMetrics::record_opaque(Shard& shard, const RequestEnd& end) const {
    shard.add(cell(0, end.outcome, end.reason));
    shard.add(request_bytes_, end.request_bytes);
    shard.add(response_bytes_, end.response_bytes);
}

RequestMetrics::Found RequestMetrics::find(std::uint32_t key) const {
    Found found;
    for (const auto& slot : slots_) {
        const std::uint64_t entry = slot.load(std::memory_order_acquire);
        if (entry == 0) break;
        const auto entry_key = static_cast<std::uint32_t>(entry >> 32U);
        if (entry_key == key) {
            found.cell = CellId{static_cast<std::uint32_t>(entry)};
            found.is_hit = true;
            return found;
        }
        ++found.used;
        if (reason_of(entry_key) == 0 && status_of(entry_key) != 0) ++found.codes;
    }
    return found;
}

// The combination itself, or the coarser one that takes its place when there are too many.
std::uint32_t RequestMetrics::reduce(std::uint32_t key, const Found& found) {
    constexpr std::size_t kOutcomes = 4;  // each may need a slot of its own in the end
    const auto outcome = static_cast<Outcome>((key >> 24U) & 127U);
    if (found.used >= kSlots - 2 * kOutcomes) return pack(0, outcome, kOtherReason);
    if (reason_of(key) == 0 && found.codes >= kMaxCodes) return pack(0, outcome, 0);
    return key;
}

CellId RequestMetrics::cell(std::uint16_t status, Outcome outcome, Reason reason) const {
    const auto reason_bits = static_cast<std::uint32_t>(reason);
    std::uint32_t key = pack(status, outcome, reason_bits);
    // Most requests end as the first one did.
    const std::uint64_t first = slots_[0].load(std::memory_order_acquire);
    if (first >> 32U == key) return CellId{static_cast<std::uint32_t>(first)};
    if (!is_known_status(status)) key = pack(0, outcome, reason_bits);
    Found found = find(key);
    if (found.is_hit) return found.cell;
    found = find(reduce(key, found));
    return found.is_hit ? found.cell : make(key);
}

CellId RequestMetrics::make(std::uint32_t exact, HistogramId with) const {
    const std::lock_guard lock(mutex_);
    Found found = find(exact);
    if (found.is_hit) return found.cell;
    const std::uint32_t key = reduce(exact, found);
    found = find(key);
    if (found.is_hit) return found.cell;
    WEIR_ASSERT(found.used < kSlots);
    std::array<char, 8> digits;
    const auto end =
        std::to_chars(digits.data(), digits.data() + digits.size(), status_of(key)).ptr;
    const std::string_view code =
        status_of(key) == 0
            ? kOther
            : std::string_view(digits.data(), static_cast<std::size_t>(end - digits.data()));
    const std::string_view reason =
        reason_of(key) == kOtherReason ? kOther : weir::word(static_cast<Reason>(reason_of(key)));
    const auto outcome = static_cast<Outcome>((key >> 24U) & 127U);
    const Labels labels{listener_, route_, cluster_, code, word(outcome), reason};
    const CellId made = with.cells != nullptr ? registry_.counter(Family::requests, labels, with)
                                              : registry_.counter(Family::requests, labels);
    slots_[found.used].store((std::uint64_t{key} << 32U) | made.index, std::memory_order_release);
    return made;
}

}  // namespace weir::telemetry

#include "weir/simulate/trace.hpp"

#include "weir/core/json.hpp"
#include "weir/resilience/circuit_breaker.hpp"
#include "weir/resilience/classifier.hpp"
#include "weir/resilience/outlier_detector.hpp"
#include "weir/upstream/options.hpp"

#include <algorithm>
#include <map>
#include <memory>

namespace weir::simulate {
namespace {

using namespace std::chrono_literals;
using resilience::FailureKind;
using resilience::Outcome;
using resilience::State;

Duration of_milliseconds(const JsonValue& value) {
    return Duration{static_cast<Duration::rep>(value.number().value_or(0) * 1e6)};
}

std::optional<Outcome> outcome_from(std::string_view text) {
    for (const Outcome outcome : {Outcome::ok, Outcome::failure, Outcome::local_failure,
                                  Outcome::throttled, Outcome::stale, Outcome::ignored}) {
        if (resilience::word(outcome) == text) return outcome;
    }
    return std::nullopt;
}

FailureKind kind_from(std::string_view text) {
    if (text.starts_with("status_")) text.remove_prefix(7);
    for (auto kind = FailureKind::none; kind <= FailureKind::grpc_other;
         kind = static_cast<FailureKind>(static_cast<unsigned>(kind) + 1)) {
        if (resilience::word(kind) == text) return kind;
    }
    return FailureKind::none;
}

std::optional<TraceEntry> exported(const JsonValue& line) {
    const auto outcome = outcome_from(line["outcome"].text());
    if (!outcome || line["t_ms"].is_null()) return std::nullopt;
    TraceEntry entry;
    entry.at = of_milliseconds(line["t_ms"]);
    entry.latency = of_milliseconds(line["latency_ms"]);
    if (!line["headers_ms"].is_null()) entry.headers = of_milliseconds(line["headers_ms"]);
    entry.cluster = line["cluster"].text();
    entry.endpoint = line["endpoint"].text();
    entry.verdict = {.outcome = *outcome,
                     .kind = kind_from(line["kind"].text()),
                     .is_slow = line["slow"].boolean().value_or(false),
                     .hint = of_milliseconds(line["hint_ms"])};
    entry.is_replay_safe = line["replay_safe"].boolean().value_or(true);
    entry.is_probe = line["probe"].boolean().value_or(false);
    return entry;
}

// "2026-01-01T12:00:00.123Z", as milliseconds of its month: enough to order a log.
std::optional<Duration> time_of(std::string_view text) {
    if (text.size() < 19 || text[10] != 'T') return std::nullopt;
    const auto number = [&](std::size_t at, std::size_t size) {
        std::int64_t value = 0;
        for (const char c : text.substr(at, size)) {
            if (c < '0' || c > '9') return std::int64_t{0};
            value = value * 10 + (c - '0');
        }
        return value;
    };
    Duration at = std::chrono::hours{24 * number(8, 2) + number(11, 2)} +
                  std::chrono::minutes{number(14, 2)} + std::chrono::seconds{number(17, 2)};
    if (text.size() > 20 && text[19] == '.') {
        Duration unit = 100ms;
        for (std::size_t i = 20; i < text.size() && text[i] >= '0' && text[i] <= '9'; ++i) {
            at += unit * (text[i] - '0');
            unit /= 10;
        }
    }
    return at;
}

std::optional<TraceEntry> logged(const JsonValue& line) {
    const auto ended = time_of(line["time"].text());
    if (!ended || line["endpoint"].text().empty()) return std::nullopt;
    TraceEntry entry;
    const JsonValue& upstream = line["upstream_ms"];
    entry.latency = of_milliseconds(upstream.is_null() ? line["duration_ms"] : upstream);
    entry.at = *ended - entry.latency;
    entry.cluster = line["cluster"].text();
    entry.endpoint = line["endpoint"].text();
    const auto reason = reason_from(line["reason"].text()).value_or(Reason::none);
    resilience::AttemptEnd end;
    if (reason == Reason::none) {
        end.status = static_cast<std::uint16_t>(line["status"].integer().value_or(200));
        entry.headers = entry.latency;
    } else {
        const bool is_clients = reason == Reason::client_closed;
        end.error = {.reason = reason,
                     .origin = is_clients ? Error::Origin::downstream : Error::Origin::upstream};
        end.client_left = is_clients;
    }
    entry.verdict = resilience::classify(end);
    if (entry.verdict.outcome != Outcome::ok) entry.headers.reset();
    const std::string& method = line["method"].text();
    entry.is_replay_safe = method != "POST" && method != "PATCH";
    return entry;
}

}  // namespace

Trace read_trace(std::string_view text) {
    Trace trace;
    while (!text.empty()) {
        const std::size_t end = text.find('\n');
        const std::string_view line = text.substr(0, end);
        text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
        if (line.empty()) continue;
        const auto value = JsonValue::parse(line);
        if (!value || !value->is_object()) {
            ++trace.skipped;
            continue;
        }
        if (!(*value)["weir_trace"].is_null()) continue;
        auto entry = (*value)["t_ms"].is_null() ? logged(*value) : exported(*value);
        if (entry) {
            trace.entries.push_back(std::move(*entry));
        } else {
            ++trace.skipped;
        }
    }
    if (trace.entries.empty())
        trace.error = "there is no attempt in it: it is no trace export and no JSON access log";
    std::stable_sort(trace.entries.begin(), trace.entries.end(),
                     [](const TraceEntry& a, const TraceEntry& b) { return a.at < b.at; });
    return trace;
}

namespace {

// The deciders of one cluster, fed with what was recorded.
class Player {
  public:
    Player(const config::Cluster& cluster, std::string_view name, std::uint64_t seed, TimePoint now)
        : cluster_(cluster),
          name_(name),
          seed_(seed),
          group_(std::make_shared<resilience::DetectorGroup>(
              resilience::DetectorGroup::Options{.max_ejected = cluster.outlier.max_ejected,
                                                 .min_ready = cluster.outlier.min_ready,
                                                 .failure_rate = cluster.breaker.failure_rate})),
          breaker_sink_(*this, ""),
          breaker_(upstream::breaker_options(cluster.breaker, 1),
                   seed,
                   now,
                   group_.get(),
                   &breaker_sink_),
          start_(now) {}

    std::vector<Replayed> play(const Trace& trace) {
        // All are known from the start, as discovery knows them.
        for (const TraceEntry& entry : trace.entries)
            if (entry.cluster == name_ && !entry.endpoint.empty()) endpoint(entry.endpoint);
        for (const TraceEntry& entry : trace.entries) {
            if (entry.cluster != name_) continue;
            end_until(start_ + entry.at);
            begin(entry);
        }
        end_until(TimePoint::max());
        return std::move(changes_);
    }

  private:
    class Sink final : public resilience::TransitionSink {
      public:
        Sink(Player& player, std::string endpoint)
            : player_(player), endpoint_(std::move(endpoint)) {}
        void on_transition(const resilience::Transition& transition) override {
            player_.changes_.push_back({std::string(player_.name_), endpoint_,
                                        transition.at - player_.start_, transition.from,
                                        transition.to, resilience::word(transition.reason)});
        }

      private:
        Player& player_;
        const std::string endpoint_;
    };
    struct Known {
        std::unique_ptr<Sink> sink;
        std::unique_ptr<resilience::OutlierDetector> detector;
    };
    struct Pending {
        const TraceEntry* entry;
        Known* endpoint;
        resilience::CircuitBreaker::Admission own;
        resilience::CircuitBreaker::Admission breaker;
        bool has_headers;  // still to come
    };

    Known& endpoint(const std::string& name) {
        Known& known = endpoints_[name];
        if (known.detector) return known;
        known.sink = std::make_unique<Sink>(*this, name);
        known.detector = std::make_unique<resilience::OutlierDetector>(
            upstream::detector_options(cluster_.outlier, 1), seed_ + endpoints_.size(), start_,
            group_, known.sink.get());
        return known;
    }

    // A machine's own time: when a recorded probe may go. One that no line calls so is a probe if
    // it came at a time at which the recorded machine may have been on trial: the jitter is 0.3.
    static TimePoint may_go(const resilience::CircuitBreaker& machine,
                            TimePoint at,
                            bool is_probe) {
        if (machine.state() != State::open) return at;
        const auto longest = std::max(machine.options().max_open_for, machine.options().open_for);
        const TimePoint due = machine.next_probe_at();
        const bool is_near = due > at && (due - at) * 10 <= longest * 3;
        return is_probe || is_near ? std::max(at, due) : at;
    }

    void begin(const TraceEntry& entry) {
        const TimePoint at = start_ + entry.at;
        Pending pending{
            .entry = &entry, .endpoint = nullptr, .has_headers = entry.headers.has_value()};
        TimePoint now = may_go(breaker_, at, false);
        pending.breaker = breaker_.acquire(now, {.is_replay_safe = entry.is_replay_safe});
        if (!entry.endpoint.empty()) {
            pending.endpoint = &endpoint(entry.endpoint);
            resilience::OutlierDetector& detector = *pending.endpoint->detector;
            now = std::max(now, may_go(detector.machine(), at, entry.is_probe));
            // It went there: whether it might have been replayed matters no more.
            pending.own = detector.acquire(now, {.is_replay_safe = true});
        }
        const TimePoint first = now + (pending.has_headers ? *entry.headers : entry.latency);
        pending_.emplace(first, pending);
    }

    void end_until(TimePoint until) {
        while (!pending_.empty() && pending_.begin()->first <= until) {
            const TimePoint now = pending_.begin()->first;
            Pending pending = pending_.begin()->second;
            pending_.erase(pending_.begin());
            if (pending.has_headers) {
                pending.has_headers = false;
                headers(pending, now);
                const Duration rest = pending.entry->latency - *pending.entry->headers;
                pending_.emplace(now + std::max(rest, Duration{0}), pending);
            } else {
                end(pending, now);
            }
        }
    }

    void headers(Pending& pending, TimePoint now) {
        if (pending.entry->verdict.outcome != Outcome::ok &&
            pending.entry->verdict.kind != FailureKind::reset)
            return;
        if (pending.own) pending.endpoint->detector->headers_ok(pending.own.permit, now);
        if (pending.breaker) breaker_.headers_ok(pending.breaker.permit, now);
    }

    void end(const Pending& pending, TimePoint now) {
        const resilience::Verdict& verdict = pending.entry->verdict;
        if (pending.own) pending.endpoint->detector->complete(pending.own.permit, verdict, now, 0);
        if (pending.breaker) breaker_.complete(pending.breaker.permit, verdict, now, 0);
    }

    const config::Cluster& cluster_;
    const std::string_view name_;
    const std::uint64_t seed_;
    const std::shared_ptr<resilience::DetectorGroup> group_;
    std::vector<Replayed> changes_;
    Sink breaker_sink_;
    resilience::CircuitBreaker breaker_;
    const TimePoint start_;
    std::map<std::string, Known> endpoints_;
    std::multimap<TimePoint, Pending> pending_;
};

}  // namespace

std::vector<Replayed> replay(const Trace& trace,
                             const config::Cluster& cluster,
                             std::string_view name,
                             std::uint64_t seed) {
    return Player(cluster, name, seed, TimePoint{std::chrono::hours{1}}).play(trace);
}

}  // namespace weir::simulate

// The machines of other proxies, as far as resilience.md compares them: what they eject, for how
// long, and how they come back. Neither breaks the circuit of a whole cluster.
#include "decider.hpp"

#include <algorithm>
#include <cmath>

namespace weir::simulate {
namespace {

using namespace std::chrono_literals;
using resilience::State;

bool is_failure(const resilience::Verdict& verdict) {
    return verdict.outcome == resilience::Outcome::failure ||
           verdict.outcome == resilience::Outcome::local_failure;
}
bool is_nothing(const resilience::Verdict& verdict) {
    return verdict.outcome == resilience::Outcome::ignored ||
           verdict.outcome == resilience::Outcome::stale;
}

// Envoy's outlier detection with its defaults: five failures in a row eject for 30 s, longer by 30
// s each time up to 300 s, never more than a tenth of the hosts; each 10 s those whose time is up
// return to full traffic.
class Envoy final : public Decider {
  public:
    Envoy(std::size_t endpoints, TimePoint now, ChangeSink tell)
        : tell_(std::move(tell)), hosts_(endpoints), sweep_at_(now + kInterval) {}

    Admission begin(const Asked& asked, Random& random) override {
        sweep(asked.now);
        const std::size_t size = hosts_.size();
        if (turn_ == 0) turn_ = random.below(static_cast<std::uint32_t>(size)) + 1;
        std::size_t fallback = turn_ % size;
        for (std::size_t i = 0; i < size; ++i) {
            const std::size_t index = turn_++ % size;
            if (hosts_[index].is_out) continue;
            fallback = index;
            if (asked.avoid != index) break;
        }
        return {Ticket{.endpoint = fallback}, Reason::none};
    }

    void headers_ok(Ticket& /*ticket*/, Duration /*latency*/, TimePoint /*now*/) override {}

    void complete(const Ticket& ticket,
                  const resilience::Verdict& verdict,
                  TimePoint now) override {
        if (is_nothing(verdict)) return;
        Host& host = hosts_[ticket.endpoint];
        if (!is_failure(verdict)) {
            host.failures = 0;
            return;
        }
        if (++host.failures < kConsecutive || host.is_out) return;
        const double most = kMostEjected * static_cast<double>(hosts_.size());
        if (static_cast<double>(out_ + 1) > most) return;
        host.is_out = true;
        host.failures = 0;
        ++out_;
        const Duration wait = std::min(kBase * static_cast<int>(++host.times), kMost);
        host.until = now + wait;
        tell_(static_cast<std::uint32_t>(ticket.endpoint), State::open, "consecutive", now);
    }

    bool has_other(std::size_t /*endpoint*/, TimePoint /*now*/) const override {
        return hosts_.size() > out_ + 1;
    }

  private:
    static constexpr std::uint32_t kConsecutive = 5;
    static constexpr Duration kBase = 30s;
    static constexpr Duration kMost = 300s;
    static constexpr Duration kInterval = 10s;
    static constexpr double kMostEjected = 0.1;

    struct Host {
        std::uint32_t failures = 0;
        std::uint32_t times = 0;
        bool is_out = false;
        TimePoint until{};
    };

    void sweep(TimePoint now) {
        while (sweep_at_ <= now) {
            for (std::size_t i = 0; i < hosts_.size(); ++i) {
                Host& host = hosts_[i];
                if (host.is_out && host.until <= sweep_at_) {
                    host.is_out = false;
                    --out_;
                    tell_(static_cast<std::uint32_t>(i), State::closed, "elapsed", sweep_at_);
                } else if (!host.is_out && host.times > 0) {
                    --host.times;
                }
            }
            sweep_at_ += kInterval;
        }
    }

    const ChangeSink tell_;
    std::vector<Host> hosts_;
    std::size_t out_ = 0;
    std::size_t turn_ = 0;
    TimePoint sweep_at_;
};

// linkerd's failure accrual: seven failures in a row shut an endpoint for 1 s, doubling up to 60 s,
// with jitter of up to a half; then one request goes, and the first answer that arrives, whosever
// it is, decides. There is no floor: all may be shut.
class Linkerd final : public Decider {
  public:
    Linkerd(std::size_t endpoints, std::uint64_t seed, ChangeSink tell)
        : tell_(std::move(tell)), random_(seed), hosts_(endpoints) {}

    Admission begin(const Asked& asked, Random& random) override {
        std::optional<std::size_t> best;
        const std::size_t size = hosts_.size();
        const std::size_t first = random.below(static_cast<std::uint32_t>(size));
        int seen = 0;
        for (std::size_t i = 0; i < size && seen < 2; ++i) {
            const std::size_t index = (first + i * step(size)) % size;
            if (!is_open_for(hosts_[index], asked.now)) continue;
            ++seen;
            if (!best || hosts_[index].cost() < hosts_[*best].cost()) best = index;
        }
        if (!best) return {std::nullopt, Reason::no_healthy_endpoint};
        Host& host = hosts_[*best];
        if (host.is_shut) {
            host.is_probing = true;
            tell_(static_cast<std::uint32_t>(*best), State::half_open, "elapsed", asked.now);
        }
        ++host.active;
        return {Ticket{.endpoint = *best, .is_probe = host.is_shut}, Reason::none};
    }

    void headers_ok(Ticket& ticket, Duration latency, TimePoint /*now*/) override {
        Host& host = hosts_[ticket.endpoint];
        const double seconds = std::chrono::duration<double>(latency).count();
        host.ewma = std::max(seconds, host.ewma * 0.98 + seconds * 0.02);
    }

    void complete(const Ticket& ticket,
                  const resilience::Verdict& verdict,
                  TimePoint now) override {
        Host& host = hosts_[ticket.endpoint];
        --host.active;
        const auto index = static_cast<std::uint32_t>(ticket.endpoint);
        if (is_nothing(verdict)) {
            if (ticket.is_probe) host.is_probing = false;
            return;
        }
        if (host.is_shut) {
            if (!host.is_probing) return;
            host.is_probing = false;
            if (is_failure(verdict)) return shut(host, index, "probe_failed", now);
            host = {.active = host.active, .ewma = host.ewma};
            return tell_(index, State::closed, "probe_ok", now);
        }
        host.failures = is_failure(verdict) ? host.failures + 1 : 0;
        if (host.failures >= kConsecutive) shut(host, index, "consecutive", now);
    }

    bool has_other(std::size_t endpoint, TimePoint now) const override {
        for (std::size_t i = 0; i < hosts_.size(); ++i)
            if (i != endpoint && is_open_for(hosts_[i], now)) return true;
        return false;
    }

  private:
    static constexpr std::uint32_t kConsecutive = 7;
    static constexpr Duration kFirst = 1s;
    static constexpr Duration kMost = 60s;
    static constexpr double kJitter = 0.5;

    struct Host {
        std::uint32_t failures = 0;
        std::uint32_t trips = 0;
        std::uint32_t active = 0;
        bool is_shut = false;
        bool is_probing = false;
        TimePoint until{};
        double ewma = 0;

        [[nodiscard]] double cost() const { return (ewma + 1e-6) * (active + 1.0); }
    };

    static bool is_open_for(const Host& host, TimePoint now) {
        return !host.is_shut || (!host.is_probing && now >= host.until);
    }
    // So that two draws are far apart.
    static std::size_t step(std::size_t size) { return size % 7 == 0 ? 1 : 7; }

    void shut(Host& host, std::uint32_t index, std::string_view reason, TimePoint now) {
        const Duration wait = std::min<Duration>(kFirst * (1LL << std::min(host.trips, 6U)), kMost);
        ++host.trips;
        host.is_shut = true;
        host.failures = 0;
        const double jitter = kJitter * random_.uniform() * static_cast<double>(wait.count());
        host.until = now + wait + Duration{static_cast<Duration::rep>(jitter)};
        tell_(index, State::open, reason, now);
    }

    const ChangeSink tell_;
    Random random_;
    std::vector<Host> hosts_;
};

}  // namespace

std::unique_ptr<Decider> make_envoy(std::size_t endpoints, TimePoint now, ChangeSink sink) {
    return std::make_unique<Envoy>(endpoints, now, std::move(sink));
}

std::unique_ptr<Decider> make_linkerd(std::size_t endpoints, std::uint64_t seed, ChangeSink sink) {
    return std::make_unique<Linkerd>(endpoints, seed, std::move(sink));
}

}  // namespace weir::simulate

#pragma once

#include "weir/balance/chooser.hpp"
#include "weir/core/error.hpp"
#include "weir/core/random.hpp"
#include "weir/resilience/circuit_breaker.hpp"
#include "weir/resilience/outlier_detector.hpp"
#include "weir/resilience/stall_rule.hpp"
#include "weir/simulate/run.hpp"

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>

namespace weir::simulate {

// Leave for one attempt.
struct Ticket {
    std::size_t endpoint = 0;
    resilience::Permit breaker{};
    resilience::Permit own{};
    bool holds_own = false;
    bool is_probe = false;     // of the endpoint
    std::uint64_t serial = 0;  // of its wait for headers
};

struct Admission {
    std::optional<Ticket> ticket;
    Reason refused = Reason::none;
};

struct Asked {
    TimePoint now{};
    bool is_replay_safe = false;
    std::optional<std::size_t> avoid;
    Duration lease{0};  // of a probe
};

// Told of each change of state.
using ChangeSink = std::function<void(
    std::uint32_t endpoint, resilience::State to, std::string_view reason, TimePoint at)>;

// What a proxy decides about its endpoints: Weir's own deciders, and the machines of others as
// resilience.md has them. Thread: its owner's.
class Decider {
  public:
    Decider() = default;
    Decider(const Decider&) = delete;
    Decider& operator=(const Decider&) = delete;
    virtual ~Decider() = default;

    [[nodiscard]] virtual Admission begin(const Asked& asked, Random& random) = 0;
    virtual void headers_ok(Ticket& ticket, Duration latency, TimePoint now) = 0;
    // The attempt has ended: once for each ticket.
    virtual void complete(const Ticket& ticket,
                          const resilience::Verdict& verdict,
                          TimePoint now) = 0;
    // Ten times a second: what is judged beside the attempts.
    virtual void tick(const resilience::RoutePace& pace, TimePoint now) { (void)pace, (void)now; }
    // Endpoints that are ready, for a second attempt beside one that waits.
    [[nodiscard]] virtual bool has_other(std::size_t endpoint, TimePoint now) const = 0;
};

[[nodiscard]] std::unique_ptr<Decider> make_weir(const config::Cluster& cluster,
                                                 std::size_t endpoints,
                                                 std::uint64_t seed,
                                                 TimePoint now,
                                                 ChangeSink sink);
[[nodiscard]] std::unique_ptr<Decider> make_envoy(std::size_t endpoints,
                                                  TimePoint now,
                                                  ChangeSink sink);
[[nodiscard]] std::unique_ptr<Decider> make_linkerd(std::size_t endpoints,
                                                    std::uint64_t seed,
                                                    ChangeSink sink);

}  // namespace weir::simulate

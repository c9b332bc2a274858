#pragma once

#include "weir/resilience/classifier.hpp"
#include "weir/resilience/retry_budget.hpp"
#include "weir/resilience/retry_policy.hpp"
#include "weir/simulate/run.hpp"
#include "weir/upstream/route_target.hpp"

#include "decider.hpp"
#include "origin.hpp"

#include <deque>
#include <memory>
#include <vector>

namespace weir::simulate {

// A discrete-event simulation of one policy: clients, rows of proxies, endpoints. An event is at
// most what a worker does in one callback. Slots of requests and attempts are reused; an event
// names a slot and its stamp, so that one that comes too late is dropped. Thread: its owner's.
class Engine {
  public:
    Engine(const Scenario& scenario, const Policy& policy);
    Engine(const Engine&) = delete;
    Engine& operator=(const Engine&) = delete;

    [[nodiscard]] Outcome run();

  private:
    static constexpr std::uint32_t kNone = static_cast<std::uint32_t>(-1);
    static constexpr std::uint32_t kAbandoned = kNone - 1;  // the parent of one nobody waits for

    enum class Kind : std::uint8_t {
        arrival,
        answer,    // of an attempt, by an endpoint
        retry,     // of a request: its back-off is over
        timeout,   // of an attempt: response_header or per_try_timeout
        deadline,  // of a request: timeout.request
        patience,  // of a request: its client leaves
        hedge,     // of an attempt: time for a second one beside it
        tick,
    };
    struct Event {
        TimePoint at;
        std::uint64_t order;
        std::uint32_t slot;
        std::uint32_t stamp;
        Kind kind;
    };
    // How an attempt, or a request seen from the row before, ended.
    struct End {
        std::uint16_t status = 0;  // 0: `reason` says why there is none
        Reason reason = Reason::none;
        bool is_local = false;  // the proxy's own answer: a row before reads its weir-error
        bool is_cut = false;    // after the headers
        Duration hint{0};
    };
    struct Request {
        std::uint32_t stamp = 0;
        std::uint32_t parent = kNone;  // the attempt of the row before; none: a client's
        std::uint32_t station = 0;
        std::uint32_t tries = 0;
        std::uint32_t depth = 0;
        std::uint32_t open = 0;  // attempts under way
        bool is_replay_safe = true;
        bool is_waiting = false;  // for a back-off
        bool was_hedged = false;
        bool had_probe_beside_others = false;
        TimePoint began{};
        std::optional<std::size_t> avoid;
        End last{};
        std::optional<resilience::RetryBudget::Charge> charge;
        std::array<std::uint32_t, 2> attempts{kNone, kNone};
    };
    struct Attempt {
        std::uint32_t stamp = 0;
        std::uint32_t request = kNone;  // none: it goes on only to be judged
        std::uint32_t station = 0;
        bool is_waiting = true;      // for its answer
        std::uint32_t next = kNone;  // the request it became in the next row
        std::uint32_t next_stamp = 0;
        Ticket ticket;
        TimePoint began{};
        Answer answer;
    };
    // One proxy.
    struct Station {
        Station(const Policy& policy, TimePoint now);

        std::uint32_t row = 0;
        std::unique_ptr<Decider> decider;
        std::unique_ptr<upstream::RouteTarget> target;
        std::unique_ptr<resilience::RetryBudget> budget;
        std::vector<std::uint32_t> endpoints;  // by number; of the last row
    };

    void make_stations();
    void schedule(TimePoint at, Kind kind, std::uint32_t slot, std::uint32_t stamp);
    void handle(const Event& event);
    void arrive(bool is_request);
    void schedule_arrival();
    void tick();
    void rescue(std::uint32_t station, std::uint32_t endpoint);
    [[nodiscard]] std::uint32_t take_request();
    [[nodiscard]] std::uint32_t take_attempt();
    void begin(std::uint32_t request);
    void try_once(std::uint32_t request);
    void send(std::uint32_t attempt);
    void arm_timers(std::uint32_t attempt);
    void answered(std::uint32_t attempt, const End& end);
    [[nodiscard]] bool retries(std::uint32_t request,
                               const End& end,
                               const resilience::Verdict& verdict,
                               const Ticket& ticket);
    void cancel(std::uint32_t attempt, const End& why, bool has_client_left);
    void detach(std::uint32_t request, std::uint32_t winner);
    void leave(std::uint32_t request, const End& why);
    void second_beside(std::uint32_t attempt, bool is_rescue);
    void finish(std::uint32_t request, const End& end);
    void free_attempt(std::uint32_t attempt);
    void end_attempt(std::uint32_t attempt, const resilience::Verdict& verdict);
    [[nodiscard]] resilience::Verdict judge(const Attempt& attempt,
                                            const End& end,
                                            bool has_client_left);
    [[nodiscard]] Outcome::Slice& slice();
    void count_attempt(const Attempt& attempt);
    void let_go(Attempt& attempt, std::uint32_t id);
    void note_recovery();
    [[nodiscard]] Duration since_begin() const { return now_ - start_; }
    [[nodiscard]] bool is_last_row(const Station& station) const {
        return station.row + 1 == scenario_.hops;
    }

    const Scenario& scenario_;
    const Policy& policy_;
    const resilience::RetryOptions retry_;
    const TimePoint start_{std::chrono::hours{1}};
    TimePoint now_;
    Random random_;
    Random arrivals_;  // the same for all policies
    Origins origins_;
    std::vector<Station> stations_;
    std::vector<Event> events_;  // a heap
    std::uint64_t order_ = 0;
    std::deque<Request> requests_;  // references stay
    std::deque<Attempt> attempts_;
    std::vector<std::uint32_t> free_requests_;
    std::vector<std::uint32_t> free_attempts_;
    struct Stall {
        std::uint32_t station;
        std::uint32_t endpoint;
    };
    std::vector<Stall> stalls_;  // whose requests are to be rescued
    Outcome outcome_;
};

}  // namespace weir::simulate

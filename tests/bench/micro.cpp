// What the deciders cost, by Google Benchmark: figures, not tests. micro.py runs it and compares
// with the goals; CPU time of the threads, as eight of them share few cores.
#include "weir/balance/chooser.hpp"
#include "weir/quota/hash.hpp"
#include "weir/quota/key.hpp"
#include "weir/quota/limiter.hpp"
#include "weir/resilience/circuit_breaker.hpp"
#include "weir/resilience/classifier.hpp"
#include "weir/resilience/latency_sketch.hpp"
#include "weir/resilience/outlier_detector.hpp"
#include "weir/resilience/retry_budget.hpp"

#include <benchmark/benchmark.h>
#include <memory>
#include <vector>

namespace {

using namespace weir;
using namespace weir::resilience;

constexpr TimePoint kStart{std::chrono::hours{1}};
constexpr Duration kStep = std::chrono::microseconds{20};  // 50 000 requests a second
constexpr std::uint32_t kThreads = 8;

// Made by the first thread before all begin, gone after all have ended.
struct Machines {
    std::shared_ptr<DetectorGroup> group =
        std::make_shared<DetectorGroup>(DetectorGroup::Options{});
    std::unique_ptr<CircuitBreaker> breaker;
    std::unique_ptr<OutlierDetector> detector;

    Machines() {
        CircuitBreaker::Options options = CircuitBreaker::Options::breaker();
        options.shards = kThreads;
        breaker = std::make_unique<CircuitBreaker>(options, 1, kStart, group.get());
        OutlierDetector::Options outlier;
        outlier.machine.shards = kThreads;
        detector = std::make_unique<OutlierDetector>(outlier, 2, kStart, group);
    }
};
std::unique_ptr<Machines> machines;

void set_up(const benchmark::State& /*state*/) {
    machines = std::make_unique<Machines>();
}
void tear_down(const benchmark::State& /*state*/) {
    machines.reset();
}

void one_machine(benchmark::State& state) {
    const auto shard = static_cast<std::uint32_t>(state.thread_index());
    TimePoint now = kStart;
    for (auto _ : state) {
        const auto admission = machines->breaker->acquire(now);
        machines->breaker->complete(admission.permit, Verdict{}, now, shard);
        now += kStep;
    }
}

void breaker_and_detector(benchmark::State& state) {
    const auto shard = static_cast<std::uint32_t>(state.thread_index());
    TimePoint now = kStart;
    for (auto _ : state) {
        auto outer = machines->breaker->acquire(now);
        auto inner = machines->detector->acquire(now, {});
        machines->breaker->headers_ok(outer.permit, now);
        machines->detector->headers_ok(inner.permit, now);
        machines->detector->complete(inner.permit, Verdict{}, now, shard);
        machines->breaker->complete(outer.permit, Verdict{}, now, shard);
        now += kStep;
    }
}

void refusal(benchmark::State& state) {
    machines->breaker->force(State::open, kStart + std::chrono::hours{1}, kStart);
    for (auto _ : state)
        benchmark::DoNotOptimize(machines->breaker->acquire(kStart + kStep));
}

// One in five fails: runs begin and end all the time, and the window fills.
void one_in_five_fails(benchmark::State& state) {
    const auto shard = static_cast<std::uint32_t>(state.thread_index());
    Random random(7);
    TimePoint now = kStart;
    for (auto _ : state) {
        const auto admission = machines->breaker->acquire(now);
        Verdict verdict;
        if (random.below(5) == 0) verdict = {Outcome::failure, FailureKind::status_503};
        machines->breaker->complete(admission.permit, verdict, now, shard);
        now += kStep;
    }
}

void budget_original(benchmark::State& state) {
    RetryBudget budget(RetryBudget::Options{}, kStart);
    TimePoint now = kStart;
    for (auto _ : state) {
        budget.count_original(0, now);
        now += kStep;
    }
}

void budget_charge(benchmark::State& state) {
    RetryBudget budget(RetryBudget::Options{}, kStart);
    TimePoint now = kStart;
    for (auto _ : state) {
        for (int i = 0; i < 10; ++i)
            budget.count_original(0, now);
        auto charge = budget.try_charge(now);
        if (charge) charge->sent();
        now += kStep;
    }
}

void classify_status(benchmark::State& state) {
    const Classifier classifier;
    AttemptEnd end;
    end.status = static_cast<std::uint16_t>(state.range(0));
    end.got_response_bytes = true;
    for (auto _ : state) {
        benchmark::DoNotOptimize(end);
        benchmark::DoNotOptimize(classifier.classify(end));
    }
}

void sketch_add(benchmark::State& state) {
    LatencySketch sketch;
    Random random(3);
    TimePoint now = kStart;
    for (auto _ : state) {
        sketch.add(std::chrono::microseconds{500 + random.below(10'000)}, now);
        now += kStep;
    }
}

void sketch_quantile(benchmark::State& state) {
    LatencySketch sketch;
    Random random(3);
    for (int i = 0; i < 10'000; ++i)
        sketch.add(std::chrono::microseconds{500 + random.below(10'000)}, kStart);
    for (auto _ : state)
        benchmark::DoNotOptimize(sketch.quantile(0.95, kStart));
}

// Endpoints as `upstream` puts them together, and one worker's choice among them.
class Fleet {
  public:
    explicit Fleet(std::size_t size) {
        balance::Chooser::Candidates candidates;
        for (std::size_t i = 0; i < size; ++i) {
            members_.push_back(std::make_unique<Member>(*this, i));
            candidates.push_back(&members_.back()->candidate);
            candidates.back()->observe(std::chrono::milliseconds{2}, kStart);
        }
        chooser.set(std::move(candidates));
    }

    // A request, chosen and answered.
    void request(TimePoint now) {
        const balance::Choice choice = chooser.choose({.now = now, .is_replay_safe = true}, random);
        if (choice.index == balance::Choice::kNone) return;
        balance::Candidate& candidate = *chooser.candidates()[choice.index];
        candidate.request_began();
        candidate.request_ended();
        candidate.observe(std::chrono::milliseconds{2}, now);
        chooser.observe(std::chrono::milliseconds{2});
    }
    // Its detector opens, or closes again.
    void flap(std::size_t index, bool is_out, TimePoint now) {
        CircuitBreaker& machine = members_[index]->detector.machine();
        machine.force(is_out ? State::open : State::closed, now + std::chrono::hours{1}, now);
    }

    Random random{5};
    std::shared_ptr<DetectorGroup> group =
        std::make_shared<DetectorGroup>(DetectorGroup::Options{});
    std::shared_ptr<balance::Roster> roster = std::make_shared<balance::Roster>(group);
    balance::Chooser chooser{config::Policy::p2c_ewma, balance::NoneReady::least_bad, roster};

  private:
    struct Member final : TransitionSink {
        Member(Fleet& fleet, std::uint64_t seed)
            : detector({}, seed, kStart, fleet.group, this),
              standing(fleet.roster, detector, kStart),
              candidate(standing, 100) {}
        void on_transition(const Transition& transition) override {
            standing.refresh(transition.at);
        }
        void on_penalty(bool /*is_penalized*/, TimePoint at) override { standing.refresh(at); }

        OutlierDetector detector;
        balance::Standing standing;
        balance::Candidate candidate;
    };
    std::vector<std::unique_ptr<Member>> members_;
};

void choose(benchmark::State& state) {
    Fleet fleet(static_cast<std::size_t>(state.range(0)));
    TimePoint now = kStart;
    for (auto _ : state)
        fleet.request(now += kStep);
}

// One endpoint leaves or returns before each choice: were a table rebuilt at that, its cost would
// grow with the number of endpoints.
void choose_flapping(benchmark::State& state) {
    const auto size = static_cast<std::size_t>(state.range(0));
    Fleet fleet(size);
    TimePoint now = kStart;
    std::size_t turn = 0;
    for (auto _ : state) {
        now += kStep;
        fleet.flap((turn / 2) % size, turn % 2 == 0, now);
        ++turn;
        fleet.request(now);
    }
}

// A rule that knows a million clients, and one that only counts them all.
std::unique_ptr<quota::Limiter> limiter;

std::uint64_t spread(std::uint64_t number) {
    return number * 0x9E3779B97F4A7C15U;
}
void make_limiter(const benchmark::State& /*state*/) {
    limiter = std::make_unique<quota::Limiter>(quota::Gcra(100, 100), 1'000'000);
    for (std::uint64_t key = 1; key <= 1'000'000; ++key)
        (void)limiter->take(spread(key), kStart, 1);
}
void drop_limiter(const benchmark::State& /*state*/) {
    limiter.reset();
}

void limit_of_a_million(benchmark::State& state) {
    Random random(static_cast<std::uint64_t>(state.thread_index()));
    TimePoint now = kStart;
    for (auto _ : state) {
        benchmark::DoNotOptimize(limiter->take(spread(1 + random.below(1'000'000)), now, 1));
        now += kStep;
    }
}

void limit_of_one(benchmark::State& state) {
    TimePoint now = kStart;
    for (auto _ : state) {
        benchmark::DoNotOptimize(limiter->take(spread(7), now, 1));
        now += kStep;
    }
}

void limit_key(benchmark::State& state) {
    const std::vector<quota::KeyPart> parts{*config::read_rate_key("client_ip")};
    const http::RequestHead head;
    std::string text;
    for (auto _ : state) {
        text.clear();
        quota::append_key(text, parts, {head, "192.0.2.77", "public", "orders", {}, nullptr, {}});
        benchmark::DoNotOptimize(quota::keyed_hash({1, 2}, text));
    }
}

BENCHMARK(limit_of_a_million)->Setup(make_limiter)->Teardown(drop_limiter);
BENCHMARK(limit_of_a_million)->Setup(make_limiter)->Teardown(drop_limiter)->Threads(kThreads);
BENCHMARK(limit_of_one)->Setup(make_limiter)->Teardown(drop_limiter);
BENCHMARK(limit_of_one)->Setup(make_limiter)->Teardown(drop_limiter)->Threads(kThreads);
BENCHMARK(limit_key);
BENCHMARK(choose)->Arg(3)->Arg(1000)->Arg(10'000);
BENCHMARK(choose_flapping)->Arg(30)->Arg(10'000);
BENCHMARK(one_machine)->Setup(set_up)->Teardown(tear_down);
BENCHMARK(one_machine)->Setup(set_up)->Teardown(tear_down)->Threads(kThreads);
BENCHMARK(breaker_and_detector)->Setup(set_up)->Teardown(tear_down);
BENCHMARK(breaker_and_detector)->Setup(set_up)->Teardown(tear_down)->Threads(kThreads);
BENCHMARK(refusal)->Setup(set_up)->Teardown(tear_down);
BENCHMARK(one_in_five_fails)->Setup(set_up)->Teardown(tear_down);
BENCHMARK(budget_original);
BENCHMARK(budget_charge);
BENCHMARK(sketch_add);
BENCHMARK(sketch_quantile);
BENCHMARK(classify_status)->Arg(200)->Arg(503);

}  // namespace

BENCHMARK_MAIN();

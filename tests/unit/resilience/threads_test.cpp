// Eight threads on one breaker and its detectors: what must hold afterwards, and what TSan sees.
#include "weir/core/random.hpp"
#include "weir/resilience/outlier_detector.hpp"

#include "machine_fixture.hpp"

#include <atomic>
#include <functional>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

namespace weir::resilience {
namespace {

constexpr std::uint32_t kThreads = 8;

class CountingSink final : public TransitionSink {
  public:
    void on_transition(const Transition& transition) override {
        const std::lock_guard lock(mutex);
        epochs.push_back(transition.epoch);
    }
    std::mutex mutex;
    std::vector<std::uint64_t> epochs;
};

void in_threads(const std::function<void(std::uint32_t)>& work) {
    std::vector<std::thread> threads;
    for (std::uint32_t shard = 0; shard < kThreads; ++shard)
        threads.emplace_back(work, shard);
    for (std::thread& thread : threads)
        thread.join();
}

TEST(Threads, CountEachAnswerOfAClosedBreakerExactly) {
    CircuitBreaker::Options options;
    options.shards = kThreads;
    options.failure_rate = 0;
    CircuitBreaker breaker(options, 1, kStart);
    in_threads([&](std::uint32_t shard) {
        for (int i = 0; i < 20000; ++i) {
            const auto admission = breaker.acquire(kStart);
            const Outcome outcome = i % 4 == 0 ? Outcome::throttled : Outcome::ok;
            breaker.complete(admission.permit, verdict_of(outcome), kStart, shard);
        }
    });
    EXPECT_EQ(breaker.counts(kStart).ok, kThreads * 15000U);
    EXPECT_EQ(breaker.counts(kStart).throttled, kThreads * 5000U);
}

TEST(Threads, GiveOneProbeAtATime) {
    CircuitBreaker::Options options = CircuitBreaker::Options::outlier();
    options.shards = kThreads;
    options.successes_to_close = 1000000;
    CircuitBreaker breaker(options, 1, kStart);
    breaker.force(State::open, kStart + 1s, kStart);
    const TimePoint now = kStart + 1s;
    std::atomic<int> out{0};
    std::atomic<int> most{0};
    std::atomic<int> probes{0};
    in_threads([&](std::uint32_t shard) {
        for (int i = 0; i < 5000; ++i) {
            const auto admission = breaker.acquire(now);
            if (!admission.is_admitted) continue;
            const int together = out.fetch_add(1) + 1;
            if (together > most.load()) most.store(together);
            probes.fetch_add(1);
            out.fetch_sub(1);
            if (i % 3 == 0) {
                breaker.release(admission.permit);
            } else {
                breaker.complete(admission.permit, verdict_of(Outcome::ok), now, shard);
            }
        }
    });
    EXPECT_EQ(most.load(), 1);
    EXPECT_GT(probes.load(), 0);
    EXPECT_EQ(breaker.snapshot(now).probes, 0U);
    EXPECT_EQ(breaker.state(), State::half_open);
}

TEST(Threads, OpenItOnceForAllFailuresOfAnEpoch) {
    for (int round = 0; round < 50; ++round) {
        CountingSink sink;
        CircuitBreaker::Options options;
        options.shards = kThreads;
        CircuitBreaker breaker(options, 1, kStart, nullptr, &sink);
        in_threads([&](std::uint32_t shard) {
            for (int i = 0; i < 20; ++i) {
                const auto admission = breaker.acquire(kStart);
                if (!admission.is_admitted) continue;
                breaker.complete(admission.permit, verdict_of(Outcome::failure), kStart, shard);
            }
        });
        ASSERT_EQ(breaker.state(), State::open);
        ASSERT_EQ(sink.epochs.size(), 1U);
    }
}

// All at once: answers good and bad, membership, operators, readers.
TEST(Threads, LeaveAGroupThatAddsUp) {
    auto group = std::make_shared<DetectorGroup>(DetectorGroup::Options{});
    OutlierDetector::Options options;
    options.machine.shards = kThreads;
    options.machine.open_for = 1ms;
    options.machine.max_open_for = 2ms;
    options.machine.consecutive_for = 0ms;
    std::vector<std::unique_ptr<OutlierDetector>> detectors;
    for (std::uint64_t i = 0; i < 6; ++i) {
        detectors.push_back(std::make_unique<OutlierDetector>(options, i, kStart, group));
    }
    CircuitBreaker::Options breaker_options;
    breaker_options.shards = kThreads;
    breaker_options.open_for = 1ms;
    CircuitBreaker breaker(breaker_options, 9, kStart, group.get());
    std::atomic<std::int64_t> ticks{0};

    in_threads([&](std::uint32_t shard) {
        Random random(shard);
        for (int i = 0; i < 10000; ++i) {
            const TimePoint now = kStart + Duration{10us} * ticks.fetch_add(1);
            OutlierDetector& detector = *detectors[random.below(6)];
            const auto leave = breaker.acquire(now);
            auto admission = detector.acquire(now, {.is_replay_safe = random.below(2) == 0});
            const bool is_bad = random.below(3) != 0;
            const Verdict verdict = verdict_of(is_bad ? Outcome::failure : Outcome::ok);
            if (admission.is_admitted) {
                if (!is_bad) detector.headers_ok(admission.permit, now);
                detector.complete(admission.permit, verdict, now, shard);
            }
            if (leave.is_admitted) breaker.complete(leave.permit, verdict, now, shard);
            (void)detector.weight_permille(now);
            (void)detector.is_selectable();
            (void)detector.wants_probe(now);
            switch (random.below(200)) {
                case 0:
                    detector.leave();
                    break;
                case 1:
                    detector.rejoin();
                    break;
                case 2:
                    detector.set_available(random.below(2) == 0);
                    break;
                case 3:
                    detector.machine().force(State::open, now + 1ms, now);
                    break;
                case 4:
                    detector.machine().unforce(now);
                    break;
                case 5:
                    (void)detector.machine().snapshot(now);
                    break;
                case 6:
                    detector.tick(now);
                    break;
                default:
                    break;
            }
        }
    });

    std::uint32_t ready = 0;
    for (const auto& each : detectors) {
        each->rejoin();
        each->set_available(true);
    }
    for (const auto& each : detectors)
        ready += each->machine().state() == State::closed ? 1U : 0U;
    EXPECT_EQ(group->size().endpoints, 6U);
    EXPECT_EQ(group->size().ready, ready);
    for (const auto& each : detectors) {
        EXPECT_EQ(each->machine().snapshot(kStart).probes, 0U) << "each probe was given back";
    }
}

}  // namespace
}  // namespace weir::resilience

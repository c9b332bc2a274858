#include "weir/resilience/adaptive_limit.hpp"

#include "weir/core/random.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <cmath>
#include <queue>
#include <thread>
#include <vector>

namespace weir::resilience {
namespace {

using namespace std::chrono_literals;

// An upstream of `servers` that take a request each, others queue before them, and clients that
// ask at random times, all in simulated time.
class Model {
  public:
    Model(std::uint64_t seed,
          std::uint32_t servers,
          Duration service,
          const AdaptiveLimit::Options& options = {})
        : random_(seed), servers_(servers), service_(service), limit_(options, now_) {}

    struct Seen {
        std::uint64_t asked = 0;
        std::uint64_t refused = 0;
        std::uint64_t served = 0;
        double latency = 0;  // the sum, in seconds
        std::uint32_t least = UINT32_MAX;
        std::uint32_t most = 0;

        [[nodiscard]] double mean() const { return latency / static_cast<double>(served); }
    };

    // `load` is a share of what the servers can do.
    Seen run(Duration length, double load) {
        Seen seen;
        const TimePoint until = now_ + length;
        TimePoint next = now_ + gap(load);
        while (now_ < until) {
            if (!busy_.empty() && busy_.top().at <= next) {
                finish(seen);
                continue;
            }
            now_ = next;
            next = now_ + gap(load);
            ++seen.asked;
            auto slot = limit_.try_acquire();
            seen.least = std::min(seen.least, limit_.limit());
            seen.most = std::max(seen.most, limit_.limit());
            if (!slot) {
                ++seen.refused;
                continue;
            }
            waiting_.push({now_, std::move(*slot)});
            serve();
        }
        return seen;
    }
    void set_servers(std::uint32_t servers) { servers_ = servers; }
    void set_service(Duration service) { service_ = service; }
    void let_time_pass(Duration by) { now_ += by; }
    [[nodiscard]] AdaptiveLimit& limit() { return limit_; }
    [[nodiscard]] double seconds() const { return std::chrono::duration<double>(service_).count(); }

  private:
    struct Request {
        TimePoint asked;
        AdaptiveLimit::Slot slot;
    };
    struct Done {
        TimePoint at;
        std::size_t request;
        bool operator<(const Done& other) const { return at > other.at; }
    };

    Duration exponential(double mean) {
        return Duration{static_cast<Duration::rep>(-mean * std::log(1.0 - random_.uniform()))};
    }
    Duration gap(double load) {
        return exponential(static_cast<double>(service_.count()) / servers_ / load) + 1ns;
    }
    void serve() {
        while (!waiting_.empty() && busy_.size() < servers_) {
            const std::size_t at = free_.empty() ? running_.size() : free_.back();
            if (free_.empty()) {
                running_.emplace_back();
            } else {
                free_.pop_back();
            }
            running_[at] = std::move(waiting_.front());
            waiting_.pop();
            busy_.push({now_ + exponential(static_cast<double>(service_.count())), at});
        }
    }
    void finish(Seen& seen) {
        const Done done = busy_.top();
        busy_.pop();
        now_ = done.at;
        Request& request = running_[done.request];
        const Duration latency = now_ - request.asked;
        request.slot.finish(latency, now_);
        free_.push_back(done.request);
        ++seen.served;
        seen.latency += std::chrono::duration<double>(latency).count();
        serve();
    }

    Random random_;
    std::uint32_t servers_;
    Duration service_;
    TimePoint now_{1h};
    AdaptiveLimit limit_;
    std::queue<Request> waiting_;
    std::vector<Request> running_;
    std::vector<std::size_t> free_;
    std::priority_queue<Done> busy_;
};

struct Case {
    std::uint32_t servers;
    Duration service;
};

class AdaptiveLimitOf : public ::testing::TestWithParam<Case> {};

// Twice what the upstream can do, for a minute to settle and a minute to look.
TEST_P(AdaptiveLimitOf, ConvergesNearTheKnee) {
    const auto [servers, service] = GetParam();
    for (std::uint64_t seed = 0; seed < 5; ++seed) {
        Model model(seed, servers, service);
        model.run(60s, 2.0);
        const Model::Seen seen = model.run(60s, 2.0);
        const double capacity = 60.0 * servers / model.seconds();
        EXPECT_GT(static_cast<double>(seen.served), 0.93 * capacity) << "seed " << seed;
        EXPECT_LT(seen.mean(), 2.5 * model.seconds() + 0.5 * model.seconds() * 4 / servers)
            << "seed " << seed;
        EXPECT_LE(seen.most, 1.6 * servers + 3 * std::sqrt(servers) + 3) << "seed " << seed;
        EXPECT_GE(seen.least, 0.6 * servers) << "never pinned to the minimum";
    }
}

INSTANTIATE_TEST_SUITE_P(Upstreams,
                         AdaptiveLimitOf,
                         ::testing::Values(Case{1, 2ms},
                                           Case{4, 10ms},
                                           Case{10, 10ms},
                                           Case{10, 100ms},
                                           Case{50, 20ms},
                                           Case{200, 50ms}));

// What the gradient is there for: the same with a limit that is fixed far too high.
TEST(AdaptiveLimit, WithoutItTheQueueAtTheUpstreamIsAsLongAsItMayBe) {
    Model model(1, 10, 10ms, {.initial = 1000, .least = 1000, .most = 1000});
    model.run(60s, 2.0);
    EXPECT_GT(model.run(60s, 2.0).mean(), 50 * model.seconds());
}

TEST(AdaptiveLimit, UsesAnUpstreamThatBecameFaster) {
    for (std::uint64_t seed = 0; seed < 10; ++seed) {
        Model model(seed, 10, 40ms);
        model.run(60s, 2.0);
        model.set_service(10ms);
        model.run(5s, 2.0);
        const auto seen = model.run(20s, 2.0);
        EXPECT_GT(static_cast<double>(seen.served), 0.93 * 20 * 10 / 0.010) << "seed " << seed;
    }
}

TEST(AdaptiveLimit, UsesAnUpstreamThatBecameSlower) {
    for (std::uint64_t seed = 0; seed < 10; ++seed) {
        Model model(seed, 10, 10ms);
        model.run(60s, 2.0);
        model.set_service(40ms);
        model.run(15s, 2.0);
        const auto seen = model.run(60s, 2.0);
        EXPECT_GT(static_cast<double>(seen.served), 0.9 * 60 * 10 / 0.040) << "seed " << seed;
        EXPECT_LT(seen.mean(), 2.5 * 0.040) << "seed " << seed;
    }
}

TEST(AdaptiveLimit, FollowsAnUpstreamThatGrowsAndShrinks) {
    for (std::uint64_t seed = 0; seed < 10; ++seed) {
        Model model(seed, 10, 10ms);
        model.run(60s, 2.0);
        model.set_servers(80);
        model.run(10s, 2.0);
        const auto grown = model.run(20s, 2.0);
        EXPECT_GT(static_cast<double>(grown.served), 0.9 * 20 * 80 / 0.010) << "seed " << seed;
        model.set_servers(10);
        model.run(10s, 2.0);
        const auto shrunk = model.run(60s, 2.0);
        EXPECT_GT(static_cast<double>(shrunk.served), 0.9 * 60 * 10 / 0.010) << "seed " << seed;
        EXPECT_LT(shrunk.mean(), 3 * 0.010) << "seed " << seed;
    }
}

TEST(AdaptiveLimit, RefusesNobodyWhereTheUpstreamHasRoom) {
    for (std::uint64_t seed = 0; seed < 5; ++seed) {
        Model model(seed, 50, 20ms);
        model.run(30s, 0.5);
        const auto seen = model.run(60s, 0.5);
        EXPECT_LT(static_cast<double>(seen.refused), 0.01 * static_cast<double>(seen.asked))
            << "seed " << seed;
    }
}

TEST(AdaptiveLimit, DoesNotCollapseAtIdle) {
    for (std::uint64_t seed = 0; seed < 10; ++seed) {
        Model model(seed, 50, 20ms);
        model.run(30s, 2.0);
        const std::uint32_t before = model.limit().limit();
        model.run(600s, 0.02);
        EXPECT_GE(model.limit().limit(), before * 7 / 10) << "seed " << seed;
        model.let_time_pass(1h);
        const auto seen = model.run(20s, 2.0);
        EXPECT_GT(static_cast<double>(seen.served), 0.9 * 20 * 50 / 0.020) << "seed " << seed;
    }
}

TEST(AdaptiveLimit, OnlyGrowsWhenItIsUsed) {
    Model model(3, 50, 20ms);
    model.run(600s, 0.1);
    EXPECT_LE(model.limit().limit(), 50U);
    EXPECT_GE(model.limit().limit(), 20U);
}

TEST(AdaptiveLimit, AnswersThatRefuseLowerIt) {
    AdaptiveLimit limit({.initial = 100}, TimePoint{1h});
    TimePoint now{1h};
    for (int round = 0; round < 20; ++round) {
        std::vector<AdaptiveLimit::Slot> slots;
        while (auto slot = limit.try_acquire())
            slots.push_back(std::move(*slot));
        now += 150ms;
        for (std::size_t i = 0; i < slots.size(); ++i) {
            if (i % 2 == 0) {
                slots[i].refused(now);
            } else {
                slots[i].finish(10ms, now);
            }
        }
    }
    EXPECT_LT(limit.limit(), 80U);
}

TEST(AdaptiveLimit, WhatSaysNothingChangesNothing) {
    AdaptiveLimit limit({}, TimePoint{1h});
    for (int i = 0; i < 100'000; ++i)
        EXPECT_TRUE(limit.try_acquire());
    EXPECT_EQ(limit.limit(), 20U);
    EXPECT_EQ(limit.in_flight(), 0U);
    EXPECT_EQ(limit.base(), 0ns);
}

// "no limit ever exceeded with 8 threads (property test)", for the one that moves: with a limit
// that may only be 7, there are never 8.
TEST(AdaptiveLimit, IsNeverExceededWithEightThreads) {
    AdaptiveLimit limit({.initial = 7, .least = 7, .most = 7, .window = 1ms}, TimePoint{1h});
    std::atomic<std::uint32_t> held{0};
    std::atomic<std::uint32_t> most{0};
    std::atomic<std::uint64_t> refused{0};
    std::vector<std::thread> threads;
    for (std::uint64_t id = 0; id < 8; ++id) {
        threads.emplace_back([&, id] {
            Random random(id);
            TimePoint now{1h};
            std::vector<AdaptiveLimit::Slot> mine;
            for (int i = 0; i < 20'000; ++i) {
                now += 10us;
                if (random.below(2) == 0 && !mine.empty()) {
                    held.fetch_sub(1);
                    mine.back().finish(1ms, now);
                    mine.pop_back();
                    continue;
                }
                auto slot = limit.try_acquire();
                if (!slot) {
                    refused.fetch_add(1);
                    continue;
                }
                const std::uint32_t holding = held.fetch_add(1) + 1;
                std::uint32_t seen = most.load();
                while (holding > seen && !most.compare_exchange_weak(seen, holding)) {
                }
                mine.push_back(std::move(*slot));
            }
            held.fetch_sub(static_cast<std::uint32_t>(mine.size()));
        });
    }
    for (std::thread& thread : threads)
        thread.join();
    EXPECT_LE(most.load(), 7U);
    EXPECT_GT(most.load(), 0U);
    EXPECT_EQ(limit.rejected_total(), refused.load());
    EXPECT_EQ(limit.in_flight(), 0U);
}

}  // namespace
}  // namespace weir::resilience

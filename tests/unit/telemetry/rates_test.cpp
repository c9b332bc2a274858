#include "weir/telemetry/rates.hpp"

#include "weir/telemetry/handles.hpp"

#include <gtest/gtest.h>

#include <array>

namespace weir::telemetry {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

class RatesTest : public testing::Test {
  protected:
    // So many requests of that time, then a second passes.
    void second(int requests, Duration time = milliseconds{3}, int failures = 0) {
        for (int i = 0; i < requests; ++i)
            record(orders_, i < failures, time);
        pass();
    }
    void pass(Duration time = seconds{1}) {
        now_ += time;
        rates_.sample(now_);
    }
    void record(const RequestMetrics& metrics, bool is_failure, Duration time) {
        RequestEnd end;
        end.status = is_failure ? 500 : 200;
        end.outcome = is_failure ? Outcome::failure : Outcome::ok;
        end.duration = time;
        metrics.record(shard_, end);
    }
    [[nodiscard]] Rate orders() const { return rates_.of("orders"); }

    TimePoint now_{};
    Registry registry_;
    Shard& shard_ = registry_.make_shard();
    RequestMetrics orders_{registry_, "in", "a", "orders"};
    Rates rates_{registry_};
};

TEST_F(RatesTest, AreNothingWithoutRequestsOrName) {
    second(0);
    second(0);
    for (const Rate& rate : {orders(), rates_.of("unheard"), rates_.of(kNone)}) {
        EXPECT_EQ(rate.rps, 0);
        EXPECT_EQ(rate.error_rate, 0);
        EXPECT_FALSE(rate.p50);
        EXPECT_FALSE(rate.p99);
    }
}

TEST_F(RatesTest, CountTheLastTenSeconds) {
    second(0);
    second(100);
    EXPECT_DOUBLE_EQ(orders().rps, 100);
    for (int i = 0; i < 3; ++i)
        second(20);
    EXPECT_DOUBLE_EQ(orders().rps, 160.0 / 4);
    for (int i = 0; i < 10; ++i)
        second(7);
    EXPECT_DOUBLE_EQ(orders().rps, 7) << "the hundred left the span";
    for (int i = 0; i < 10; ++i)
        second(0);
    EXPECT_EQ(orders().rps, 0);
    EXPECT_FALSE(orders().p50);
}

TEST_F(RatesTest, AreRightIfASampleComesLate) {
    second(0);
    for (int i = 0; i < 30; ++i)
        record(orders_, false, milliseconds{1});
    pass(seconds{3});
    EXPECT_DOUBLE_EQ(orders().rps, 10);
    for (int i = 0; i < 40; ++i)
        record(orders_, false, milliseconds{1});
    pass(seconds{20});
    EXPECT_DOUBLE_EQ(orders().rps, 2) << "of the gap, as there is nothing newer";
}

TEST_F(RatesTest, GiveTheShareOfFailures) {
    second(0);
    second(10, milliseconds{3}, 4);
    EXPECT_DOUBLE_EQ(orders().error_rate, 0.4);
    second(30, milliseconds{3}, 0);
    EXPECT_DOUBLE_EQ(orders().error_rate, 0.1);
}

TEST_F(RatesTest, InterpolateQuantilesWithinTheirBucket) {
    second(0);
    second(100, milliseconds{4});  // all in 2.5-5 ms
    EXPECT_NEAR(static_cast<double>(orders().p50.value().count()), 3.75e6, 1);
    EXPECT_NEAR(static_cast<double>(orders().p99.value().count()), 4.975e6, 1);
    for (int i = 0; i < 100; ++i)
        record(orders_, false, milliseconds{400});  // 250-500 ms
    pass();
    EXPECT_NEAR(static_cast<double>(orders().p50.value().count()), 5e6, 1);
    EXPECT_NEAR(static_cast<double>(orders().p99.value().count()), 495e6, 1);
}

TEST_F(RatesTest, SayTheLastBoundForWhatIsSlowerStill) {
    second(0);
    second(5, seconds{90});
    EXPECT_EQ(orders().p50, seconds{10});
    EXPECT_EQ(orders().p99, seconds{10});
}

TEST_F(RatesTest, AddUpListenersRoutesAndWorkers) {
    const RequestMetrics other(registry_, "out", "b", "orders");
    const RequestMetrics stranger(registry_, "out", "b", "users");
    Shard& second_worker = registry_.make_shard();
    second(0);
    record(other, true, milliseconds{1});
    record(stranger, false, milliseconds{1});
    RequestEnd end;
    end.status = 200;
    orders_.record(second_worker, end);
    pass();
    EXPECT_DOUBLE_EQ(orders().rps, 2);
    EXPECT_DOUBLE_EQ(orders().error_rate, 0.5);
    EXPECT_DOUBLE_EQ(rates_.of("users").rps, 1);
}

TEST_F(RatesTest, KnowClustersThatComeLater) {
    second(10);
    const RequestMetrics late(registry_, "in", "late", "late");
    pass();
    for (int i = 0; i < 8; ++i)
        record(late, false, milliseconds{1});
    pass();
    EXPECT_DOUBLE_EQ(rates_.of("late").rps, 8);
}

TEST_F(RatesTest, BeginAnewWhenTheBoundsChange) {
    second(0);
    second(100);
    const std::array<Duration, 2> bounds{milliseconds{10}, milliseconds{20}};
    registry_.set_buckets(bounds);
    pass();
    EXPECT_EQ(orders().rps, 0);
    second(6, milliseconds{15});
    EXPECT_DOUBLE_EQ(orders().rps, 6);
    EXPECT_EQ(orders().p50, milliseconds{15});
}

}  // namespace
}  // namespace weir::telemetry

#include "weir/transport/task.hpp"

#include "support/control_loop.hpp"
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <gtest/gtest.h>

#include <array>
#include <memory>
#include <stdexcept>
#include <unistd.h>

namespace weir::transport {
namespace {

using namespace std::chrono_literals;
using boost::asio::as_tuple;
using boost::asio::use_awaitable;
using Descriptor = boost::asio::posix::stream_descriptor;

TEST(Task, RunsFromTheLoopsNextTurnOn) {
    test::ControlLoop loop;
    bool has_run = false;
    const TaskHandle task = spawn(loop.context().get_executor(), "test", [&](TaskScope&) -> Task<> {
        has_run = true;
        co_return;
    });
    EXPECT_FALSE(has_run);
    EXPECT_TRUE(task.is_running());
    EXPECT_TRUE(loop.run_until([&] { return has_run; }));
    EXPECT_TRUE(loop.run_until([&] { return !task.is_running(); }));
}

TEST(Task, SleepsBySimulatedTime) {
    test::SimulatedClock clock;
    test::ControlLoop loop;
    int wakes = 0;
    const TaskHandle task =
        spawn(loop.context().get_executor(), "test", [&](TaskScope& scope) -> Task<> {
            for (;;) {
                co_await scope.sleep_for(10s);
                ++wakes;
            }
        });
    loop.run_due();
    loop.advance(clock, 10s - 1ms);
    EXPECT_EQ(wakes, 0);
    loop.advance(clock, 1ms);
    EXPECT_EQ(wakes, 1);
    loop.advance(clock, 10s);
    EXPECT_EQ(wakes, 2);
}

TEST(Task, AnExceptionEndsThatTaskAlone) {
    test::ControlLoop loop;
    const auto executor = loop.context().get_executor();
    bool other_ran = false;
    const TaskHandle bad = spawn(executor, "bad", [](TaskScope& scope) -> Task<> {
        co_await scope.sleep_for(1ns);
        throw std::runtime_error("thrown on purpose");
    });
    const TaskHandle other = spawn(executor, "other", [&](TaskScope& scope) -> Task<> {
        co_await scope.sleep_for(2ms);
        other_ran = true;
    });
    EXPECT_TRUE(loop.run_until([&] { return other_ran && !bad.is_running(); }));
}

// Counts the frames that are alive by what lives in them.
struct Guard {
    explicit Guard(int& count) : count_(count) { ++count_; }
    Guard(const Guard&) = delete;
    Guard& operator=(const Guard&) = delete;
    ~Guard() { --count_; }
    int& count_;
};

TEST(Task, EndsWithItsHandleWhileItSleeps) {
    test::ControlLoop loop;
    int frames = 0;
    bool was_resumed = false;
    auto task = std::make_unique<TaskHandle>(
        spawn(loop.context().get_executor(), "test", [&](TaskScope& scope) -> Task<> {
            const Guard guard(frames);
            co_await scope.sleep_for(1h);
            was_resumed = true;
        }));
    ASSERT_TRUE(loop.run_until([&] { return frames == 1; }));
    task.reset();
    EXPECT_TRUE(loop.run_until([&] { return frames == 0; }));
    EXPECT_FALSE(was_resumed);
}

TEST(Task, NeverRunsIfItsHandleGoesBeforeItsFirstTurn) {
    test::ControlLoop loop;
    bool has_run = false;
    {
        const TaskHandle task =
            spawn(loop.context().get_executor(), "test", [&](TaskScope&) -> Task<> {
                has_run = true;
                co_return;
            });
    }
    loop.run_due();
    EXPECT_FALSE(has_run);
}

// The wait has succeeded and its completion is queued when the owner goes: too late to cancel it,
// so the task itself must see that its owner, freed memory by now, is not to be touched.
TEST(Task, DoesNotTouchItsOwnerWhenAWaitSucceededJustBefore) {
    test::ControlLoop loop;
    std::array<int, 2> fds{};
    ASSERT_EQ(::pipe(fds.data()), 0);
    struct Owner {
        Owner(boost::asio::io_context& context, int fd) : descriptor(context, fd) {
            task = spawn(context.get_executor(), "test", [this](TaskScope& scope) -> Task<> {
                is_waiting = true;
                co_await scope.run(descriptor, descriptor.async_wait(Descriptor::wait_read,
                                                                     as_tuple(use_awaitable)));
                ++wakes;
            });
        }
        bool is_waiting = false;
        int wakes = 0;
        Descriptor descriptor;
        TaskHandle task;
    };
    auto owner = std::make_unique<Owner>(loop.context(), fds[0]);
    auto killer = spawn(loop.context().get_executor(), "killer", [&](TaskScope& scope) -> Task<> {
        Descriptor other(scope.executor(), ::dup(fds[0]));
        co_await scope.run(other, other.async_wait(Descriptor::wait_read, as_tuple(use_awaitable)));
        owner.reset();
    });
    ASSERT_TRUE(loop.run_until([&] { return owner->is_waiting; }));
    loop.run_due();
    ASSERT_EQ(::write(fds[1], "x", 1), 1);
    EXPECT_TRUE(loop.run_until([&] { return !owner && !killer.is_running(); }));
    loop.run_due();
    ::close(fds[1]);
}

TEST(Task, ACancelledTaskWaitsNoMore) {
    test::ControlLoop loop;
    int frames = 0;
    TaskHandle task;
    bool went_on = false;
    task = spawn(loop.context().get_executor(), "test", [&](TaskScope& scope) -> Task<> {
        const Guard guard(frames);
        task.cancel();  // from within
        co_await scope.sleep_for(1h);
        went_on = true;
    });
    loop.run_due();
    EXPECT_EQ(frames, 0);
    EXPECT_FALSE(went_on);
}

TEST(Task, AssigningAHandleEndsTheTaskItHeld) {
    test::ControlLoop loop;
    int first = 0;
    int second = 0;
    const auto sleeper = [](int& frames) {
        return [&frames](TaskScope& scope) -> Task<> {
            const Guard guard(frames);
            co_await scope.sleep_for(1h);
        };
    };
    TaskHandle task = spawn(loop.context().get_executor(), "first", sleeper(first));
    ASSERT_TRUE(loop.run_until([&] { return first == 1; }));
    task = spawn(loop.context().get_executor(), "second", sleeper(second));
    EXPECT_TRUE(loop.run_until([&] { return first == 0 && second == 1; }));
    EXPECT_TRUE(task.is_running());
}

TEST(Task, ItsFramesGoWithTheLoop) {
    int frames = 0;
    TaskHandle task;
    {
        test::ControlLoop loop;
        task = spawn(loop.context().get_executor(), "test", [&](TaskScope& scope) -> Task<> {
            const Guard guard(frames);
            co_await scope.sleep_for(1h);
        });
        ASSERT_TRUE(loop.run_until([&] { return frames == 1; }));
    }
    EXPECT_EQ(frames, 0);
}

}  // namespace
}  // namespace weir::transport

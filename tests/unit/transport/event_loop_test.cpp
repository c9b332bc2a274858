#include "weir/transport/event_loop.hpp"

#include "support/clock.hpp"
#include <gtest/gtest.h>

#include <array>
#include <functional>
#include <sys/socket.h>
#include <thread>
#include <unistd.h>

namespace weir::transport {
namespace {

using namespace std::chrono_literals;

// Two ends of a Unix stream: what one writes the other has at once.
struct Pair {
    Pair() { socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds.data()); }
    Pair(const Pair&) = delete;
    Pair& operator=(const Pair&) = delete;
    ~Pair() {
        close_fd(0);
        close_fd(1);
    }
    void close_fd(std::size_t end) {
        if (fds[end] >= 0) ::close(std::exchange(fds[end], -1));
    }
    void write(std::string_view text) {
        ASSERT_EQ(::write(fds[1], text.data(), text.size()), static_cast<ssize_t>(text.size()));
    }
    [[nodiscard]] int fd() const { return fds[0]; }

    std::array<int, 2> fds{-1, -1};
};

struct Recorder final : IoHandler {
    void on_ready(Readiness readiness) override {
        told.push_back(readiness);
        if (then) then();
    }
    std::vector<Readiness> told;
    std::function<void()> then;
};

class EventLoopTest : public ::testing::Test {
  protected:
    bool turn() { return loop.turn(Duration::zero()); }

    EventLoop loop;
    Pair pair;
    Recorder recorder;
};

TEST_F(EventLoopTest, TellsAnEdgeOnce) {
    loop.watch(pair.fd(), recorder, EventLoop::Interest::reads);
    EXPECT_FALSE(turn());
    pair.write("a");
    EXPECT_TRUE(turn());
    EXPECT_FALSE(turn());  // still unread, but told
    ASSERT_EQ(recorder.told.size(), 1U);
    EXPECT_TRUE(recorder.told[0].readable);
    EXPECT_FALSE(recorder.told[0].peer_closed);
    pair.write("b");
    EXPECT_TRUE(turn());
    EXPECT_EQ(recorder.told.size(), 2U);
}

TEST_F(EventLoopTest, TellsALevelAgainAndAgain) {
    loop.watch(pair.fd(), recorder, EventLoop::Interest::level_reads);
    pair.write("a");
    turn();
    turn();
    EXPECT_EQ(recorder.told.size(), 2U);
}

TEST_F(EventLoopTest, TellsTheEndOfThePeer) {
    loop.watch(pair.fd(), recorder, EventLoop::Interest::reads);
    shutdown(pair.fds[1], SHUT_WR);
    turn();
    ASSERT_EQ(recorder.told.size(), 1U);
    EXPECT_TRUE(recorder.told[0].readable);
    EXPECT_TRUE(recorder.told[0].peer_closed);
}

TEST_F(EventLoopTest, WatchingAgainChangesTheInterestAndTellsWhatHolds) {
    loop.watch(pair.fd(), recorder, EventLoop::Interest::reads);
    turn();
    EXPECT_TRUE(recorder.told.empty());
    loop.rewatch(pair.fd(), recorder, EventLoop::Interest::reads_and_writes);
    turn();
    ASSERT_EQ(recorder.told.size(), 1U);
    EXPECT_TRUE(recorder.told[0].writable);
    loop.rewatch(pair.fd(), recorder, EventLoop::Interest::none);
    pair.write("a");
    EXPECT_FALSE(turn());
    EXPECT_EQ(recorder.told.size(), 1U);
}

TEST_F(EventLoopTest, WhatIsUnwatchedInABatchIsNotToldInIt) {
    Pair other;
    Recorder second;
    loop.watch(pair.fd(), recorder, EventLoop::Interest::reads);
    loop.watch(other.fd(), second, EventLoop::Interest::reads);
    recorder.then = [&] { loop.unwatch(other.fd(), second); };
    second.then = [&] { loop.unwatch(pair.fd(), recorder); };
    pair.write("a");
    other.write("b");
    turn();
    EXPECT_EQ(recorder.told.size() + second.told.size(), 1U);
}

TEST_F(EventLoopTest, RunsWhatIsScheduledAtTheEndOfTheTurnOnce) {
    loop.schedule(recorder);
    loop.schedule(recorder);
    EXPECT_TRUE(recorder.told.empty());
    EXPECT_TRUE(turn());
    EXPECT_FALSE(turn());
    EXPECT_EQ(recorder.told.size(), 1U);
}

TEST_F(EventLoopTest, WhatIsScheduledWhileTheScheduledRunWaitsForTheNextTurn) {
    recorder.then = [&] { loop.schedule(recorder); };
    loop.schedule(recorder);
    turn();
    EXPECT_EQ(recorder.told.size(), 1U);
    EXPECT_TRUE(turn());  // without waiting, although nothing is ready
    EXPECT_EQ(recorder.told.size(), 2U);
    recorder.then = nullptr;
}

TEST_F(EventLoopTest, UnwatchingTakesBackWhatWasScheduled) {
    Recorder second;
    recorder.then = [&] { loop.unwatch(-1, second); };
    loop.schedule(recorder);
    loop.schedule(second);
    turn();
    EXPECT_TRUE(second.told.empty());
    EXPECT_FALSE(turn());
}

TEST_F(EventLoopTest, RunsLettersInOrder) {
    std::string order;
    loop.post([&] { order += 'a'; });
    loop.post([&] {
        order += 'b';
        loop.post([&] { order += 'd'; });
    });
    loop.post([&] { order += 'c'; });
    turn();
    EXPECT_EQ(order, "abc");
    turn();
    EXPECT_EQ(order, "abcd");
}

TEST_F(EventLoopTest, ALetterFromAnotherThreadWakesIt) {
    constexpr int kLetters = 1000;
    int count = 0;
    std::thread::id ran_on;
    std::thread poster([&] {
        for (int i = 0; i < kLetters; ++i)
            loop.post([&] { ++count; });
        loop.post([&] { ran_on = std::this_thread::get_id(); });
        loop.stop();
    });
    loop.run();  // would sleep for an hour
    poster.join();
    turn();
    EXPECT_EQ(count, kLetters);
    EXPECT_EQ(ran_on, std::this_thread::get_id());
}

struct Mortal final : Retired {
    explicit Mortal(std::function<void()> last) : last_words(std::move(last)) {}
    ~Mortal() override { last_words(); }
    std::function<void()> last_words;
};

TEST_F(EventLoopTest, WhatIsRetiredDiesAtTheEndOfTheTurn) {
    std::string order;
    loop.set_end_of_turn([&] { order += "end "; });
    recorder.then = [&] {
        loop.retire(std::make_unique<Mortal>([&] { order += "dead "; }));
        order += "told ";
    };
    loop.watch(pair.fd(), recorder, EventLoop::Interest::reads);
    pair.write("a");
    turn();
    EXPECT_EQ(order, "told end dead ");
}

TEST_F(EventLoopTest, WhatDiesMayRetireMore) {
    int dead = 0;
    loop.retire(std::make_unique<Mortal>([&] {
        ++dead;
        loop.retire(std::make_unique<Mortal>([&] { ++dead; }));
    }));
    turn();
    EXPECT_EQ(dead, 2);
}

TEST(EventLoopEnd, BuriesWhatIsStillRetired) {
    int dead = 0;
    {
        EventLoop loop;
        loop.retire(std::make_unique<Mortal>([&] { ++dead; }));
    }
    EXPECT_EQ(dead, 1);
}

struct Alarm {
    void on_timer() { ++rung; }
    int rung = 0;
    TimerOf<Alarm, &Alarm::on_timer> timer{*this};
};

TEST(EventLoopTimers, FireBySimulatedTime) {
    test::SimulatedClock clock;
    EventLoop loop;
    Alarm alarm;
    loop.timers().arm(alarm.timer, clock.now() + 10ms);
    clock.advance(9ms);
    loop.turn(Duration::zero());
    EXPECT_EQ(alarm.rung, 0);
    clock.advance(2ms);
    loop.turn(Duration::zero());
    EXPECT_EQ(alarm.rung, 1);
}

TEST(EventLoopTimers, BoundTheWaitOfATurn) {
    EventLoop loop;
    Alarm alarm;
    loop.timers().arm(alarm.timer, Clock::refresh() + 5ms);
    while (alarm.rung == 0)
        loop.turn(1h);  // hangs if the timer did not end the wait
    EXPECT_EQ(alarm.rung, 1);
}

}  // namespace
}  // namespace weir::transport

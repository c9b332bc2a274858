#include "weir/transport/listener.hpp"

#include "support/clock.hpp"
#include <gtest/gtest.h>

#include <fcntl.h>
#include <sys/resource.h>
#include <vector>

namespace weir::transport {
namespace {

using namespace std::chrono_literals;

class ListenerTest : public ::testing::Test {
  protected:
    void listen() {
        listener = std::make_unique<Listener>(
            loop, std::move(*Socket::listen(*Address::parse("127.0.0.1:0"), false)),
            [this](Socket socket, const Address& peer) {
                accepted.push_back(std::move(socket));
                peers.push_back(peer);
            });
    }
    Socket connect() { return std::move(*Socket::connect(listener->local_address())); }

    template <typename Predicate>
    bool until(Predicate holds) {
        for (int i = 0; i < 5000 && !holds(); ++i)
            loop.turn(1ms);
        return holds();
    }

    test::SimulatedClock clock;
    EventLoop loop;
    std::unique_ptr<Listener> listener;
    std::vector<Socket> accepted;
    std::vector<Address> peers;
};

TEST_F(ListenerTest, AcceptsWhoComes) {
    listen();
    const Socket first = connect();
    const Socket second = connect();
    EXPECT_TRUE(until([&] { return accepted.size() == 2; }));
    EXPECT_EQ(peers[0], first.local_address());
    EXPECT_EQ(peers[1], second.local_address());
}

TEST_F(ListenerTest, SaysWhenItLastAccepted) {
    listen();
    const TimePoint made = clock.now();
    EXPECT_EQ(listener->last_accept(), made);
    clock.advance(5s);
    const Socket client = connect();
    EXPECT_TRUE(until([&] { return accepted.size() == 1; }));
    EXPECT_EQ(listener->last_accept(), made + 5s);
}

TEST_F(ListenerTest, AcceptsAllThatWaitsBeforeItCloses) {
    listen();
    const Socket first = connect();
    const Socket second = connect();
    listener->accept_waiting();
    listener.reset();
    EXPECT_EQ(accepted.size(), 2U);
}

// AddressSanitizer's runtime needs descriptors of its own; the other builds run this.
#if !defined(__SANITIZE_ADDRESS__)
TEST_F(ListenerTest, RestsWithoutDescriptorsAndGoesOnAfterwards) {
    listen();
    const Socket client = connect();
    rlimit before{};
    getrlimit(RLIMIT_NOFILE, &before);
    rlimit none = before;
    none.rlim_cur = static_cast<rlim_t>(fcntl(client.fd(), F_DUPFD, 0));  // the lowest free one
    ::close(static_cast<int>(none.rlim_cur));
    setrlimit(RLIMIT_NOFILE, &none);
    loop.turn(1ms);
    EXPECT_FALSE(loop.turn(1ms));  // the queue is not empty, but nobody spins on it
    setrlimit(RLIMIT_NOFILE, &before);
    EXPECT_TRUE(accepted.empty());

    clock.advance(99ms);
    loop.turn(1ms);
    EXPECT_TRUE(accepted.empty());
    clock.advance(2ms);
    EXPECT_TRUE(until([&] { return accepted.size() == 1; }));
}
#endif

}  // namespace
}  // namespace weir::transport

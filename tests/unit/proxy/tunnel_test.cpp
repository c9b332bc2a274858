#include "proxy/tunnel.hpp"

#include "support/clock.hpp"
#include <gtest/gtest.h>

#include <array>
#include <optional>
#include <string>
#include <sys/socket.h>
#include <unistd.h>

namespace weir::proxy {
namespace {

using namespace std::chrono_literals;

// Nobody listens while a stream belongs to no tunnel yet.
struct Silent final : transport::StreamHandler {
    void on_bytes(std::string_view /*bytes*/) override {}
    void on_eof() override {}
    void on_broken(int /*error*/) override {}
};

class TunnelTest : public ::testing::Test {
  protected:
    TunnelTest() {
        tunnel.emplace(loop, stream(client), stream(origin), 60s,
                       [this](std::uint64_t up, std::uint64_t down) {
                           ended = {up, down};
                       });
    }
    ~TunnelTest() override {
        close(client);
        close(origin);
    }
    std::unique_ptr<transport::Stream> stream(int& other_end) {
        std::array<int, 2> fds{};
        EXPECT_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds.data()), 0);
        other_end = fds[1];
        return std::make_unique<transport::Stream>(loop, transport::Socket(fds[0]), silent, false);
    }
    void settle() {
        while (loop.turn(Duration::zero())) {
        }
    }
    void say(int fd, std::string_view text) {
        ASSERT_EQ(write(fd, text.data(), text.size()), static_cast<ssize_t>(text.size()));
        settle();
    }
    // "" for the end, "-" for nothing.
    static std::string hear(int fd) {
        std::array<char, 100> buffer;
        const ssize_t size = read(fd, buffer.data(), buffer.size());
        return size < 0 ? "-" : std::string(buffer.data(), static_cast<std::size_t>(size));
    }

    test::SimulatedClock clock;
    transport::EventLoop loop;
    Silent silent;
    int client = -1;
    int origin = -1;
    std::optional<std::pair<std::uint64_t, std::uint64_t>> ended;
    std::optional<Tunnel> tunnel;
};

TEST_F(TunnelTest, PassesBytesInBothDirections) {
    say(client, "up");
    EXPECT_EQ(hear(origin), "up");
    say(origin, "down");
    EXPECT_EQ(hear(client), "down");
    EXPECT_FALSE(ended);
}

TEST_F(TunnelTest, PassesWhatWasReadBefore) {
    tunnel->write_up("early");
    tunnel->write_down("hello");
    EXPECT_EQ(hear(origin), "early");
    EXPECT_EQ(hear(client), "hello");
}

TEST_F(TunnelTest, PassesAnEndOnAndEndsWithBoth) {
    say(client, "up");
    shutdown(client, SHUT_WR);
    settle();
    EXPECT_EQ(hear(origin), "up");
    EXPECT_EQ(hear(origin), "");
    EXPECT_FALSE(ended);
    say(origin, "after");  // the other half still works
    EXPECT_EQ(hear(client), "after");
    shutdown(origin, SHUT_WR);
    settle();
    ASSERT_TRUE(ended);
    EXPECT_EQ(*ended, (std::pair<std::uint64_t, std::uint64_t>{2, 5}));
}

TEST_F(TunnelTest, StopsWhoIsFasterAndLosesNothing) {
    std::size_t sent = 0;
    const std::string piece(10'000, 'x');
    for (ssize_t size = 1; size > 0; settle()) {
        size = write(client, piece.data(), piece.size());
        if (size > 0) sent += static_cast<std::size_t>(size);
    }
    std::size_t heard = 0;
    shutdown(client, SHUT_WR);
    for (std::string got = hear(origin); !got.empty(); got = hear(origin)) {
        if (got != "-") heard += got.size();
        settle();
    }
    EXPECT_EQ(heard, sent);
}

TEST_F(TunnelTest, EndsWhenNothingMoves) {
    clock.advance(50s);
    say(client, "alive");
    clock.advance(59s);
    settle();
    EXPECT_FALSE(ended);
    clock.advance(2s);
    settle();
    EXPECT_TRUE(ended);
}

TEST_F(TunnelTest, ClosingEndsItOnce) {
    tunnel->close();
    ASSERT_TRUE(ended);
    ended.reset();
    tunnel->close();
    EXPECT_FALSE(ended);
}

}  // namespace
}  // namespace weir::proxy

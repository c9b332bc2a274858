#include "weir/transport/tunnel.hpp"

#include "support/clock.hpp"
#include <gtest/gtest.h>

#include <array>
#include <optional>
#include <string>
#include <sys/socket.h>
#include <unistd.h>
#include <vector>

namespace weir::transport {
namespace {

using namespace std::chrono_literals;

// Nobody listens while a stream belongs to no tunnel yet.
struct Silent final : StreamHandler {
    void on_bytes(std::string_view /*bytes*/) override {}
    void on_eof() override {}
    void on_broken(int /*error*/) override {}
};

class TunnelTest : public ::testing::Test {
  protected:
    TunnelTest() {
        tunnel.emplace(loop, stream(client), stream(origin), 60s,
                       [this](const TunnelEnd& end) { ended = end; });
        tunnel->start({});
    }
    ~TunnelTest() override {
        close(client);
        close(origin);
    }
    std::unique_ptr<Stream> stream(int& other_end) {
        std::array<int, 2> fds{};
        EXPECT_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds.data()), 0);
        other_end = fds[1];
        return std::make_unique<Stream>(loop, Socket(fds[0]), silent, false);
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
    EventLoop loop;
    Silent silent;
    int client = -1;
    int origin = -1;
    std::optional<TunnelEnd> ended;
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
    tunnel->start("early");
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
    EXPECT_EQ(ended->how, TunnelEnd::How::closed);
    EXPECT_EQ(ended->up, 2U);
    EXPECT_EQ(ended->down, 5U);
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

// Runs longer than the scratch buffer go through a pipe: every byte, in order, in both directions
// at once, whoever stops reading in between.
TEST_F(TunnelTest, CarriesLongRunsWhole) {
    constexpr std::size_t kSize = 3'000'000;
    std::string run(kSize, '\0');
    for (std::size_t i = 0; i < kSize; ++i)
        run[i] = static_cast<char>((i * 2654435761U) >> 13U);
    struct Flow {
        int from, to;
        std::size_t sent = 0;
        std::string got{};
    };
    std::array<Flow, 2> flows{Flow{client, origin}, Flow{origin, client}};
    std::string buffer(200'000, '\0');
    for (int round = 0; round < 20'000; ++round) {
        for (Flow& flow : flows) {
            if (flow.sent < kSize) {
                const ssize_t size = write(flow.from, run.data() + flow.sent, kSize - flow.sent);
                if (size > 0) flow.sent += static_cast<std::size_t>(size);
                if (flow.sent == kSize) shutdown(flow.from, SHUT_WR);
            }
            if (round % 7 == 3) continue;  // not reading now
            const ssize_t size = read(flow.to, buffer.data(), buffer.size());
            if (size > 0) flow.got.append(buffer, 0, static_cast<std::size_t>(size));
        }
        settle();
        if (ended) break;
    }
    for (Flow& flow : flows) {
        for (ssize_t size = 1; size > 0;) {
            size = read(flow.to, buffer.data(), buffer.size());
            if (size > 0) flow.got.append(buffer, 0, static_cast<std::size_t>(size));
        }
        EXPECT_TRUE(flow.got == run) << flow.got.size();
    }
    ASSERT_TRUE(ended);
    EXPECT_EQ(ended->up, kSize);
    EXPECT_EQ(ended->down, kSize);
}

TEST_F(TunnelTest, PassesOnTheLastWordOfWhoTakesNoMore) {
    say(origin, "refused: too large");
    EXPECT_EQ(hear(client), "refused: too large");
    ASSERT_EQ(write(origin, "bye", 3), 3);
    shutdown(origin, SHUT_RD);  // what is sent to it fails from now on
    ASSERT_EQ(write(client, "more", 4), 4);
    settle();
    EXPECT_EQ(hear(client), "bye");
    close(origin);
    origin = -1;
    settle();
    ASSERT_TRUE(ended);
    EXPECT_EQ(ended->down, 21U);
}

TEST_F(TunnelTest, TellsWhoBegan) {
    std::vector<bool> told;
    tunnel->on_begin([&](bool is_upstream) { told.push_back(is_upstream); });
    say(origin, "220 ready");
    say(client, "EHLO");
    EXPECT_EQ(told, std::vector<bool>{true});
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
    EXPECT_EQ(ended->how, TunnelEnd::How::abandoned);
    ended.reset();
    tunnel->close();
    EXPECT_FALSE(ended);
}

}  // namespace
}  // namespace weir::transport

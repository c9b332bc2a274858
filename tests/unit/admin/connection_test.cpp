#include "admin/connection.hpp"

#include "weir/transport/task.hpp"

#include <boost/asio/io_context.hpp>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <string>
#include <sys/socket.h>
#include <sys/uio.h>

namespace weir::admin {
namespace {

using namespace std::chrono_literals;

// One connection over a pair of sockets, its server's answers at hand.
class ConnectionTest : public testing::Test {
  protected:
    void open(ConnectionLimits limits = {}) {
        int pair[2];
        ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair), 0);
        client_ = transport::Socket(pair[0]);
        connection_ = std::make_unique<Connection>(main_.get_executor(), transport::Socket(pair[1]),
                                                   "a peer", service_, limits);
        task_ = transport::spawn(main_.get_executor(), "connection",
                                 [this](auto& scope) { return connection_->run(scope); });
    }

    void send(std::string_view text) {
        const iovec part{const_cast<char*>(text.data()), text.size()};
        ASSERT_EQ(client_.send(std::span(&part, 1)).bytes, text.size());
    }

    void turn() {
        main_.restart();
        main_.run_one_for(5ms);
        main_.poll();
    }

    // What came until it holds `text`, or the connection ended.
    const std::string& await(std::string_view text) {
        for (int i = 0; i < 4000 && in_.find(text) == std::string::npos && !has_ended_; ++i) {
            turn();
            std::array<char, 4096> buffer;
            const auto result = client_.receive(buffer);
            if (result.state == transport::IoResult::State::done) {
                in_.append(buffer.data(), result.bytes);
            }
            has_ended_ = result.state == transport::IoResult::State::eof;
        }
        return in_;
    }

    boost::asio::io_context main_;
    Response response_ = text_response(200, "fine\n");
    std::vector<Request> requests_;
    std::optional<Response> refusal_;
    int delays_ = 0;  // to be asked for before each turn
    const Service service_{
        .admit =
            [this](Request& request, std::size_t& limit) {
                limit = 16;
                if (refusal_) requests_.push_back(request);
                return refusal_;
            },
        .answer =
            [this](Request& request) {
                requests_.push_back(request);
                return response_;
            },
        .delay = [this](const Request*) -> Duration { return delays_-- > 0 ? 1ms : 0ms; }};
    transport::Socket client_;
    std::string in_;
    bool has_ended_ = false;
    std::unique_ptr<Connection> connection_;
    transport::TaskHandle task_;
};

constexpr std::string_view kGet = "GET /x HTTP/1.1\r\nHost: a\r\n\r\n";

TEST_F(ConnectionTest, SaysWhoAsks) {
    open();
    send(kGet);
    await("fine");
    ASSERT_EQ(requests_.size(), 1U);
    EXPECT_EQ(requests_[0].peer, "a peer");
}

TEST_F(ConnectionTest, WaitsForItsTurn) {
    open();
    delays_ = 5;
    send(kGet);
    await("fine");
    EXPECT_LE(delays_, 0);
    EXPECT_EQ(requests_.size(), 1U);
}

TEST_F(ConnectionTest, ARefusalWaitsForItsTurnToo) {
    refusal_ = error_response(404, "not_found", "no");
    open();
    delays_ = 5;
    send(kGet);
    await("no\"");
    EXPECT_LE(delays_, 0);
    delays_ = 5;
    send("no request\r\n\r\n");
    await("bad_request");
    EXPECT_LE(delays_, 0);
}

TEST_F(ConnectionTest, RequestsWithoutAPauseLeaveTurnsToOthers) {
    constexpr std::size_t kRequests = 50;
    open();
    for (std::size_t i = 0; i < kRequests; ++i)
        send(kGet);
    std::size_t most_at_once = 0;
    for (int i = 0; i < 4000 && requests_.size() < kRequests; ++i) {
        const std::size_t before = requests_.size();
        main_.restart();
        main_.run_one_for(5ms);
        most_at_once = std::max(most_at_once, requests_.size() - before);
    }
    EXPECT_EQ(requests_.size(), kRequests);
    EXPECT_EQ(most_at_once, 1U);
}

TEST_F(ConnectionTest, TakesAnEncodedSlashForASlashHoweverItComes) {
    const std::string request = "GET /a%2Fb%2fc%252F?d=%2F HTTP/1.1\r\nHost: a%2Fb\r\n\r\n";
    for (std::size_t cut = 0; cut < request.size(); cut += 3) {
        requests_.clear();
        in_.clear();
        open();
        send(std::string_view(request).substr(0, cut));
        turn();
        send(std::string_view(request).substr(cut));
        await("\n\r\n");
        EXPECT_THAT(in_, testing::HasSubstr(" 400 ")) << "only in the first line";
        EXPECT_TRUE(requests_.empty());
    }
    in_.clear();
    open();
    send("GET /a%2Fb%2fc%252F?d=%2F HTTP/1.1\r\nHost: a\r\n\r\n");
    await("fine");
    ASSERT_EQ(requests_.size(), 1U);
    EXPECT_EQ(requests_[0].path, "/a/b/c%252F");
    EXPECT_EQ(requests_[0].query, "d=/");
}

TEST_F(ConnectionTest, ARefusalComesBeforeTheBodyAndEndsTheConnectionIfThereIsOne) {
    refusal_ = error_response(415, "unsupported_media_type", "no");
    open();
    send("POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\n");
    EXPECT_THAT(await("no\""), testing::HasSubstr("Connection: close"));
    in_.clear();
    open();
    send(kGet);
    EXPECT_THAT(await("no\""), testing::Not(testing::HasSubstr("Connection: close")));
    refusal_.reset();
    in_.clear();
    send(kGet);
    EXPECT_THAT(await("fine"), testing::HasSubstr(" 200 "));
}

TEST_F(ConnectionTest, AFeedBeatsWhenItHasNothingToSay) {
    response_.feed = Feed{1ms, [](TimePoint) { return std::string(); }};
    open({.heartbeat = 2ms});
    send(kGet);
    EXPECT_THAT(await(": heartbeat\n\n: heartbeat\n\n"),
                testing::EndsWith("fine\n: heartbeat\n\n: heartbeat\n\n"));
}

TEST_F(ConnectionTest, AFeedEndsWhenItsReaderIsTooSlow) {
    int told = 0;
    response_.feed = Feed{1ms, [&told](TimePoint) {
                              ++told;
                              return std::string(std::size_t{1} << 20U, 'x');
                          }};
    open({.linger = 1ms, .feed = 20ms});
    send(kGet);
    for (int i = 0; i < 4000 && task_.is_running(); ++i)
        turn();
    EXPECT_FALSE(task_.is_running());
    EXPECT_LE(told, 2) << "nothing is gathered for it meanwhile";
}

TEST_F(ConnectionTest, AFeedEndsWhenItsReaderLeavesOrSpeaks) {
    for (const bool speaks : {true, false}) {
        response_.feed = Feed{1h, [](TimePoint) { return std::string(); }};
        in_.clear();
        open({.linger = 1ms});
        send(kGet);
        await("fine");
        if (speaks) {
            send("x");
        } else {
            client_.shutdown_send();
        }
        for (int i = 0; i < 4000 && task_.is_running(); ++i)
            turn();
        EXPECT_FALSE(task_.is_running());
    }
}

TEST_F(ConnectionTest, HeadOfAFeedIsItsHead) {
    response_.feed = Feed{1h, [](TimePoint) { return std::string("never"); }};
    open({.linger = 1ms});
    send("HEAD /x HTTP/1.1\r\nHost: a\r\n\r\n");
    await("\r\n\r\n");
    for (int i = 0; i < 4000 && task_.is_running(); ++i)
        turn();
    EXPECT_FALSE(task_.is_running());
    EXPECT_THAT(in_, testing::EndsWith("\r\n\r\n"));
}

}  // namespace
}  // namespace weir::admin

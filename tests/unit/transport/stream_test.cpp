#include "weir/transport/stream.hpp"

#include <gtest/gtest.h>

#include <array>
#include <functional>
#include <memory>
#include <string>
#include <sys/socket.h>
#include <unistd.h>

namespace weir::transport {
namespace {

// A stream and the plain socket at its other end.
class StreamTest : public ::testing::Test, public StreamHandler {
  protected:
    void SetUp() override { connect(); }
    void TearDown() override {
        Socket::set_fail_point(nullptr);
        close_peer();
    }

    void connect() {
        auto listener = Socket::listen(*Address::parse("127.0.0.1:0"), false);
        auto socket = Socket::connect(listener->local_address());
        ASSERT_TRUE(socket);
        stream = std::make_unique<Stream>(loop, std::move(*socket), *this, true);
        peer = accept(listener->fd(), nullptr, nullptr);
        ASSERT_GE(peer, 0);
        ASSERT_TRUE(until([&] { return is_connected; }));
    }
    template <typename Predicate>
    bool until(Predicate holds) {
        for (int i = 0; i < 5000 && !holds(); ++i)
            loop.turn(std::chrono::milliseconds{1});
        return holds();
    }
    void settle() {
        while (loop.turn(std::chrono::milliseconds{1})) {
        }
    }
    void peer_says(std::string_view text) {
        ASSERT_EQ(::send(peer, text.data(), text.size(), MSG_NOSIGNAL),
                  static_cast<ssize_t>(text.size()));
    }
    // Reads until the stream has no more to send, turning the loop meanwhile.
    std::string peer_hears(std::size_t size) {
        std::string all;
        std::array<char, 65536> buffer;
        until([&] {
            const ssize_t got = recv(peer, buffer.data(), buffer.size(), MSG_DONTWAIT);
            if (got > 0) all.append(buffer.data(), static_cast<std::size_t>(got));
            return all.size() >= size;
        });
        return all;
    }
    void close_peer() {
        if (peer >= 0) ::close(std::exchange(peer, -1));
    }
    void reset_peer() {
        const linger abort{.l_onoff = 1, .l_linger = 0};
        setsockopt(peer, SOL_SOCKET, SO_LINGER, &abort, sizeof abort);
        close_peer();
    }

    void on_connected() override { is_connected = true; }
    void on_bytes(std::string_view bytes) override {
        heard.append(bytes);
        events += 'b';
        if (then) then();
    }
    void on_eof() override {
        events += 'e';
        if (then) then();
    }
    void on_broken(int error) override {
        events += 'x';
        broken = error;
        if (then) return then();
        stream->close();  // as every owner does
    }
    void on_write_failed() override {
        events += 'w';
        if (then) then();
    }
    void on_drained() override {
        events += 'd';
        if (then) then();
    }

    EventLoop loop;
    std::unique_ptr<Stream> stream;
    int peer = -1;
    bool is_connected = false;
    std::string heard;
    std::string events;  // a letter a callback
    int broken = 0;
    std::function<void()> then;
};

std::string pattern(std::size_t size) {
    std::string text(size, '\0');
    for (std::size_t i = 0; i < size; ++i)
        text[i] = static_cast<char>('a' + i * 31 / 7 % 26);
    return text;
}

TEST_F(StreamTest, WritesAtOnceWhatTheKernelTakes) {
    stream->write({"one ", "", "two"});
    EXPECT_EQ(stream->pending(), 0U);
    EXPECT_EQ(peer_hears(7), "one two");
    settle();
    EXPECT_EQ(events, "");  // on_drained() is for what had to wait
}

TEST_F(StreamTest, WritesTheRestWhenThereIsRoomAndSaysSo) {
    const std::string much = pattern(20'000'000);
    stream->write({std::string_view(much).substr(0, 1000), std::string_view(much).substr(1000)});
    EXPECT_GT(stream->pending(), 0U);
    stream->write({"the end"});  // behind what waits
    EXPECT_TRUE(peer_hears(much.size() + 7) == much + "the end");
    EXPECT_TRUE(until([&] { return events == "d"; })) << events;
    EXPECT_EQ(stream->pending(), 0U);
}

TEST_F(StreamTest, WritesWhatWasSaidBeforeItWasConnected) {
    auto listener = Socket::listen(*Address::parse("127.0.0.1:0"), false);
    stream = std::make_unique<Stream>(loop, std::move(*Socket::connect(listener->local_address())),
                                      *this, true);
    stream->write({"early"});
    close_peer();
    peer = accept(listener->fd(), nullptr, nullptr);
    EXPECT_EQ(peer_hears(5), "early");
}

TEST_F(StreamTest, SaysThatAConnectionWasRefused) {
    const Socket reserved(::socket(AF_INET, SOCK_STREAM, 0));
    sockaddr_storage storage;
    const socklen_t size = Address::parse("127.0.0.1:0")->to_socket(storage);
    ASSERT_EQ(bind(reserved.fd(), reinterpret_cast<const sockaddr*>(&storage), size), 0);
    auto socket = Socket::connect(reserved.local_address());
    ASSERT_TRUE(socket);
    is_connected = false;
    stream = std::make_unique<Stream>(loop, std::move(*socket), *this, true);
    EXPECT_TRUE(until([&] { return events == "x"; }));
    EXPECT_EQ(broken, ECONNREFUSED);
    EXPECT_FALSE(is_connected);
}

TEST_F(StreamTest, HandsOverBytesThenTheEnd) {
    peer_says("hello");
    shutdown(peer, SHUT_WR);
    EXPECT_TRUE(until([&] { return events == "be"; })) << events;
    EXPECT_EQ(heard, "hello");
    EXPECT_TRUE(stream->has_eof());
    stream->write({"bye"});  // half-closed: our side still may
    EXPECT_EQ(peer_hears(3), "bye");
}

TEST_F(StreamTest, LosesNothingBetweenPauseAndResume) {
    const std::string much = pattern(3'000'000);
    then = [&] { stream->pause(); };
    std::size_t sent = 0;
    int resumed = 0;
    ASSERT_TRUE(until([&] {
        const ssize_t size =
            ::send(peer, much.data() + sent, much.size() - sent, MSG_DONTWAIT | MSG_NOSIGNAL);
        if (size > 0) sent += static_cast<std::size_t>(size);
        if (stream->is_paused()) {
            ++resumed;
            stream->resume();
        }
        return heard.size() == much.size();
    }));
    EXPECT_TRUE(heard == much);
    EXPECT_GT(resumed, 10);
}

TEST_F(StreamTest, PausedItSaysNothingButTheEndIsNotLost) {
    stream->pause();
    peer_says("hello");
    shutdown(peer, SHUT_WR);
    settle();
    EXPECT_EQ(events, "");
    stream->resume();
    EXPECT_EQ(events, "");  // not from inside resume()
    EXPECT_TRUE(until([&] { return events == "be"; })) << events;
}

TEST_F(StreamTest, TellsOfAResetAfterTheBytesBeforeIt) {
    peer_says("last words");
    reset_peer();
    EXPECT_TRUE(until([&] { return !events.empty() && events.back() == 'x'; })) << events;
    EXPECT_EQ(broken, ECONNRESET);
}

TEST_F(StreamTest, PausedItTellsOfAResetOnlyIfAsked) {
    stream->pause();
    reset_peer();
    settle();
    EXPECT_EQ(events, "");
    stream->resume();
    EXPECT_TRUE(until([&] { return events == "x"; }));

    events.clear();
    is_connected = false;
    connect();
    stream->report_reset_while_paused();
    stream->pause();
    reset_peer();
    EXPECT_TRUE(until([&] { return events == "x"; }));
}

TEST_F(StreamTest, AFailedWriteLeavesTheAnswerToBeRead) {
    FailPoint point{0};
    peer_says("an answer");
    Socket::set_fail_point(&point);
    stream->write({"a request"});
    EXPECT_EQ(events, "");  // not from inside write()
    shutdown(peer, SHUT_WR);
    EXPECT_TRUE(until([&] { return events.size() == 3; }));
    EXPECT_EQ(events, "wbx");
    EXPECT_EQ(heard, "an answer");
}

TEST_F(StreamTest, AFailedWriteOfTheRestIsToldOnce) {
    const std::string much = pattern(20'000'000);
    stream->write({much});
    ASSERT_GT(stream->pending(), 0U);
    reset_peer();
    // A reset, not the end of a peer that has said all: an answer that lasts until the end is cut.
    EXPECT_TRUE(until([&] { return events.find('x') != std::string::npos; })) << events;
    settle();
    EXPECT_EQ(events.find('e'), std::string::npos) << events;
    EXPECT_LE(std::count(events.begin(), events.end(), 'w'), 1);
    EXPECT_EQ(events.find('d'), std::string::npos);
    stream->write({"ignored"});
    settle();
}

TEST_F(StreamTest, AnEndFollowsWhatWaits) {
    const std::string much = pattern(10'000'000);
    stream->write({much});
    stream->shutdown_send();
    EXPECT_TRUE(peer_hears(much.size()) == much);
    char byte = 0;
    ssize_t got = -1;
    EXPECT_TRUE(until([&] {
        got = recv(peer, &byte, 1, MSG_DONTWAIT);
        return got == 0;
    }));
}

TEST_F(StreamTest, MayBeClosedAndRetiredInEveryCallback) {
    struct Grave final : Retired {
        explicit Grave(std::unique_ptr<Stream> dead) : stream(std::move(dead)) {}
        std::unique_ptr<Stream> stream;
    };
    const std::string much = pattern(20'000'000);
    for (const char callback : {'b', 'e', 'x', 'w', 'd'}) {
        SCOPED_TRACE(callback);
        FailPoint point{0};
        events.clear();
        then = nullptr;
        is_connected = false;
        close_peer();
        connect();
        then = [&] {
            if (!stream || events.back() != callback) return;
            stream->close();
            loop.retire(std::make_unique<Grave>(std::move(stream)));
        };
        if (callback == 'b') peer_says("bytes");
        if (callback == 'e') shutdown(peer, SHUT_WR);
        if (callback == 'x') reset_peer();
        if (callback == 'w') {
            Socket::set_fail_point(&point);
            stream->write({"lost"});
        }
        if (callback == 'd') {
            stream->write({much});
            EXPECT_EQ(peer_hears(much.size()).size(), much.size());
        }
        EXPECT_TRUE(until([&] { return stream == nullptr; }));
        Socket::set_fail_point(nullptr);
        settle();
        EXPECT_EQ(events.back(), callback);
    }
}

TEST_F(StreamTest, AfterCloseNothingIsTold) {
    peer_says("too late");
    stream->close();
    settle();
    EXPECT_EQ(events, "");
    stream->write({"x"});
    stream->shutdown_send();
    stream->close();
    EXPECT_FALSE(stream->is_open());
}

TEST_F(StreamTest, CloseWithResetTellsThePeerThatSomethingIsMissing) {
    stream->write({"half an answ"});
    stream->close_with_reset();
    std::array<char, 100> buffer;
    ssize_t got = 1;
    while (got > 0)
        got = recv(peer, buffer.data(), buffer.size(), 0);
    EXPECT_EQ(got, -1);
    EXPECT_EQ(errno, ECONNRESET);
}

TEST_F(StreamTest, AFloodedStreamLetsOthersHaveTheirTurn) {
    const std::string much = pattern(EventLoop::kScratchSize * 8);
    std::size_t sent = 0;
    until([&] {  // paused, so that all of it waits in the kernel
        stream->pause();
        const ssize_t size = ::send(peer, much.data() + sent, much.size() - sent, MSG_DONTWAIT);
        if (size > 0) sent += static_cast<std::size_t>(size);
        return size <= 0;
    });
    stream->resume();
    loop.turn(Duration::zero());
    EXPECT_LE(heard.size(), 4 * EventLoop::kScratchSize);
    EXPECT_TRUE(until([&] { return heard.size() == sent; }));
    EXPECT_TRUE(heard == much.substr(0, sent));
}

}  // namespace
}  // namespace weir::transport

#include "weir/transport/tls.hpp"

#include "weir/transport/stream.hpp"

#include "unit/config/support.hpp"

#include <sys/socket.h>

namespace weir::transport {
namespace {

using config::test::Folder;

// One side of a connection, and what it was told.
class Side final : public StreamHandler {
  public:
    void on_connected() override { events += 'c'; }
    void on_bytes(std::string_view bytes) override { heard.append(bytes); }
    void on_eof() override { events += 'e'; }
    void on_broken(int error) override {
        events += error == kTlsError ? 't' : 'x';
        stream->close();  // as every owner does
    }
    void on_write_failed() override { events += 'w'; }
    void on_drained() override { events += 'd'; }

    // It is over for it, and said once.
    [[nodiscard]] bool has_ended() const {
        return events.find_first_of("etx") != std::string::npos;
    }

    std::unique_ptr<Stream> stream;
    std::string heard;
    std::string events;
};

// Two streams, one the other's peer, under TLS.
class TlsStreams : public ::testing::Test {
  protected:
    void SetUp() override {
        config::test::make_certificate(folder_.path() / "here", "here", 30);
        const std::string stem = (folder_.path() / "here").string();
        server_.certs.push_back({.subject = "listeners[0].tls",
                                 .cert = "here.crt",
                                 .key = "here.key",
                                 .cert_path = stem + ".crt",
                                 .key_path = stem + ".key"});
        client_.ca = {"here.crt", stem + ".crt", {}};
        client_.verify = config::Tls::Verify::ca;
        make_contexts();
    }
    void TearDown() override { Socket::set_fail_point(nullptr); }

    void make_contexts() {
        server_context_ = TlsContext::make_server(server_, "in", registry_, tickets_);
        client_context_ = TlsContext::make_client(client_, registry_);
    }

    void connect() {
        auto listener = Socket::listen(*Address::parse("127.0.0.1:0"), false);
        auto socket = Socket::connect(listener->local_address());
        ASSERT_TRUE(socket);
        near_ = std::make_unique<Side>();
        far_ = std::make_unique<Side>();
        near_->stream =
            std::make_unique<Stream>(loop_, std::move(*socket), *near_, true,
                                     TlsStart{client_context_, &shard_, "here", memory_});
        Socket accepted(::accept4(listener->fd(), nullptr, nullptr, SOCK_NONBLOCK));
        far_->stream = std::make_unique<Stream>(loop_, std::move(accepted), *far_, false,
                                                TlsStart{server_context_, &shard_, {}, {}});
    }
    template <typename Predicate>
    bool until(Predicate holds) {
        for (int i = 0; i < 5000 && !holds(); ++i)
            loop_.turn(std::chrono::milliseconds{1});
        return holds();
    }
    bool are_connected() {
        return until([&] { return near_->events == "c" && far_->events == "c"; });
    }
    std::int64_t handshakes(const char* side, const char* result) {
        return registry_.value(telemetry::Family::tls_handshakes, {side, result});
    }

    Folder folder_;
    config::Tls server_;
    config::Tls client_;
    telemetry::Registry registry_;
    telemetry::Shard& shard_ = registry_.make_shard();
    EventLoop loop_;
    std::shared_ptr<const TlsTickets> tickets_ = std::make_shared<const TlsTickets>();
    std::shared_ptr<TlsMemory> memory_ = std::make_shared<TlsMemory>();
    std::shared_ptr<const TlsContext> server_context_;
    std::shared_ptr<const TlsContext> client_context_;
    std::unique_ptr<Side> near_;
    std::unique_ptr<Side> far_;
};

TEST_F(TlsStreams, CarryBytesBothWaysAndEndsApart) {
    connect();
    ASSERT_TRUE(are_connected());
    const std::string much(5'000'000, 'x');
    near_->stream->write({"one ", "", "two"});
    far_->stream->write({much, "!"});
    ASSERT_TRUE(until([&] { return near_->heard.size() > much.size(); }));
    EXPECT_EQ(far_->heard, "one two");
    EXPECT_TRUE(near_->heard == much + "!");
    near_->stream->shutdown_send();
    ASSERT_TRUE(until([&] { return far_->has_ended(); }));
    EXPECT_TRUE(far_->stream->has_eof());
    far_->stream->write({"late"});
    far_->stream->close();
    ASSERT_TRUE(until([&] { return near_->has_ended(); }));
    EXPECT_TRUE(near_->heard.ends_with("!late"));
    EXPECT_TRUE(near_->stream->has_eof());
}

TEST_F(TlsStreams, SpeakWhatBothKnow) {
    connect();
    ASSERT_TRUE(are_connected());
    EXPECT_EQ(near_->stream->alpn(), "h2");
    EXPECT_EQ(far_->stream->alpn(), "h2");
    EXPECT_EQ(near_->stream->peer(), "CN=here");
    EXPECT_EQ(far_->stream->peer(), "");
}

TEST_F(TlsStreams, ResumeASession) {
    for (const char* const result : {"ok", "resumed"}) {
        connect();
        ASSERT_TRUE(are_connected());
        far_->stream->write({"x"});  // behind the tickets
        ASSERT_TRUE(until([&] { return near_->heard == "x"; }));
        EXPECT_EQ(handshakes("upstream", result), 1) << result;
        EXPECT_EQ(handshakes("downstream", result), 1) << result;
        near_->stream->close();
        ASSERT_TRUE(until([&] { return far_->has_ended(); }));
    }
}

TEST_F(TlsStreams, TakeNoTicketOfOtherRules) {
    connect();
    ASSERT_TRUE(are_connected());
    far_->stream->write({"x"});
    ASSERT_TRUE(until([&] { return near_->heard == "x"; }));
    server_context_ = TlsContext::make_server(server_, "other", registry_, tickets_);
    connect();
    ASSERT_TRUE(are_connected());
    EXPECT_EQ(handshakes("downstream", "resumed"), 0);
}

TEST_F(TlsStreams, AreCutOffWithoutAnEnd) {
    connect();
    ASSERT_TRUE(are_connected());
    ::shutdown(near_->stream->socket().fd(), SHUT_WR);
    ASSERT_TRUE(until([&] { return far_->has_ended(); }));
    EXPECT_EQ(far_->events, "cx");
}

TEST_F(TlsStreams, AreRefusedByAClientThatDoesNotTrust) {
    config::test::make_certificate(folder_.path() / "other", "other", 30);
    client_.ca.path = (folder_.path() / "other.crt").string();
    make_contexts();
    connect();
    ASSERT_TRUE(until([&] { return near_->has_ended() && far_->has_ended(); }));
    EXPECT_EQ(near_->events, "t");
    EXPECT_EQ(handshakes("upstream", "untrusted"), 1);
}

// Whatever call fails, each side is told of it once, and nobody hears more than was said.
TEST_F(TlsStreams, SurviveAFailureOfAnyCall) {
    for (std::int64_t calls = 0; calls < 40; ++calls) {
        FailPoint point{calls};
        connect();
        Socket::set_fail_point(&point);
        bool has_asked = false;
        bool has_answered = false;
        const auto is_over = [](const Side& side) {
            return side.has_ended() || side.events.find('w') != std::string::npos;
        };
        EXPECT_TRUE(until([&] {
            if (near_->events == "c" && !std::exchange(has_asked, true))
                near_->stream->write({"question"});
            if (far_->events == "c" && !std::exchange(has_answered, true))
                far_->stream->write({"answer"});
            return is_over(*near_) || is_over(*far_) ||
                   (near_->heard == "answer" && far_->heard == "question");
        })) << calls;
        Socket::set_fail_point(nullptr);
        EXPECT_TRUE(std::string_view("question").starts_with(far_->heard));
        EXPECT_TRUE(std::string_view("answer").starts_with(near_->heard));
        near_->stream->close();
        until([&] { return far_->has_ended(); });
        EXPECT_TRUE(far_->has_ended()) << calls << ' ' << far_->events;
        far_->stream->close();
        loop_.turn(std::chrono::milliseconds{1});
    }
}

}  // namespace
}  // namespace weir::transport

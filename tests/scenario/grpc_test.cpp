#include "support/h2_peer.hpp"
#include "world.hpp"

namespace weir::test {
namespace {

using namespace std::chrono_literals;
using resilience::State;
using telemetry::Family;

constexpr std::string_view kCall = "Content-Type: application/grpc\r\nTE: trailers\r\n";
constexpr std::string_view kService = "/shop.Orders/Get";

// All there is of an answer: its head.
Act only_head(int code, std::string_view fields = {}) {
    return answer(200, "",
                  "Content-Type: application/grpc\r\nGrpc-Status: " + std::to_string(code) +
                      "\r\n" + std::string(fields));
}

// A message, and the status in trailers, if there is one.
Act with_trailers(int code, bool has_status = true) {
    std::string bytes =
        "HTTP/1.1 200 OK\r\nContent-Type: application/grpc\r\nTransfer-Encoding: chunked\r\n\r\n"
        "3\r\nabc\r\n0\r\n";
    if (has_status) bytes += "Grpc-Status: " + std::to_string(code) + "\r\n";
    return {.bytes = bytes + "\r\n"};
}

class Grpc : public ::testing::Test {
  protected:
    Client& call(std::string_view more = {}) {
        Client& client = world.client();
        client.request("POST", kService, "abc", std::string(kCall) + std::string(more));
        return client;
    }
    void expect_ended(Client& client, int code, std::string_view reason) {
        const Message got = client.await();
        EXPECT_EQ(got.status, 200) << got.head;
        EXPECT_EQ(got.field("content-type"), "application/grpc");
        EXPECT_EQ(got.field("grpc-status"), std::to_string(code)) << got.head;
        EXPECT_EQ(got.field("weir-error"), reason);
        EXPECT_NE(got.field("grpc-message").find("weir: "), std::string::npos);
        EXPECT_EQ(got.body, "");
    }
    std::string timeout_at(std::size_t request) {
        const std::string& head = origin.requests().at(request).head;
        const std::size_t at = head.find("grpc-timeout: ");
        if (at == std::string::npos) return {};
        EXPECT_EQ(head.find("grpc-timeout", at + 1), std::string::npos) << head;
        return head.substr(at + 14, head.find("\r\n", at) - at - 14);
    }

    World world;
    Origin& origin = world.origin();
};

TEST_F(Grpc, ACallIsRefusedInItsOwnWords) {
    world.start_cluster("    retry: off\n");
    origin.refuse();
    expect_ended(call(), 14, "upstream_connect_refused");
    origin.accept_again();
    origin.usually(reset_unanswered());
    expect_ended(call(), 14, "upstream_reset");
    world.expect_nothing_leaks();
}

TEST_F(Grpc, ADeadlineEndsItsCall) {
    world.start_cluster();
    origin.usually(hang());
    Client& client = call("Grpc-Timeout: 250m\r\n");
    world.advance(245ms);
    EXPECT_EQ(client.received(), "");
    world.advance(10ms);
    expect_ended(client, 4, "upstream_timeout");
    EXPECT_EQ(timeout_at(0), "250m");
    EXPECT_EQ(origin.requests()[0].head.find("x-weir-deadline-ms"), std::string::npos);
    world.expect_nothing_leaks();
}

TEST_F(Grpc, WithoutADeadlineACallIsWaitedForWithoutEnd) {
    world.start_cluster("    timeout: {request: 3s}\n");
    origin.usually(hang());
    Client& client = call();
    world.advance(1h);
    EXPECT_EQ(client.received(), "");
    EXPECT_EQ(timeout_at(0), "");
    client.reset();
    world.expect_nothing_leaks();
}

TEST_F(Grpc, TheTimeoutOfTheConfigurationIsNoneOfACalls) {
    world.start_cluster("    timeout: {request: 3s}\n");
    origin.usually(with_trailers(0).after(10s));
    Client& client = call("Grpc-Timeout: 1M\r\n");
    world.advance(11s);
    EXPECT_NE(client.received().find("Grpc-Status: 0"), std::string::npos);
    world.expect_nothing_leaks();
}

TEST_F(Grpc, ADeadlineThatIsNoneIsLeftToTheServer) {
    world.start_cluster();
    for (const std::string_view text : {"1", "1s", "123456789S", "-1S"}) {
        call("Grpc-Timeout: " + std::string(text) + "\r\n").await();
        EXPECT_NE(origin.requests().back().head.find("Grpc-Timeout: " + std::string(text) + "\r\n"),
                  std::string::npos)
            << origin.requests().back().head;
    }
    world.expect_nothing_leaks();
}

TEST_F(Grpc, WhatIsNoCallHasNoDeadlineOfACall) {
    world.start_cluster("    timeout: {request: 3s}\n");
    origin.usually(hang());
    Client& client = world.client();
    client.request("GET", "/", "", "Grpc-Timeout: 1S\r\n");
    world.advance(2s);
    EXPECT_EQ(client.received(), "");
    EXPECT_NE(origin.requests()[0].head.find("Grpc-Timeout: 1S\r\n"), std::string::npos);
    world.advance(2s);
    EXPECT_EQ(client.await().status, 504);
    world.expect_nothing_leaks();
}

TEST_F(Grpc, EachTrySaysWhatIsLeft) {
    world.start_cluster("    retry: {per_try_timeout: 400ms, on: [timeout], methods: [POST]}\n");
    origin.usually(hang());
    Client& client = call("Grpc-Timeout: 1S\r\n");
    world.advance(1100ms);
    expect_ended(client, 4, "upstream_timeout");
    ASSERT_EQ(origin.requests().size(), 3U);
    EXPECT_EQ(timeout_at(0), "1000m");
    const int second = std::stoi(timeout_at(1));
    const int third = std::stoi(timeout_at(2));
    EXPECT_GT(second, 570);
    EXPECT_LE(second, 600);
    EXPECT_GT(third, 100);
    EXPECT_LE(third, second - 400);
    world.expect_nothing_leaks();
}

TEST_F(Grpc, ADeadlineEndsACallThatIsUnderWay) {
    world.start_cluster();
    origin.usually(with_trailers(0).cut(95, Act::Then::keep));
    Client& client = call("Grpc-Timeout: 2S\r\n");
    world.advance(1900ms);
    EXPECT_FALSE(client.has_ended());
    EXPECT_NE(client.received().find("200 OK"), std::string::npos);
    world.advance(200ms);
    EXPECT_EQ(client.end(), Peer::End::reset);
    world.expect_nothing_leaks();
}

TEST_F(Grpc, ADeadlineEndsACallThatIsStillBeingSaid) {
    world.start_cluster();
    Client& client = world.client();
    client.send("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n" +
                std::string(kCall) + "Grpc-Timeout: 2S\r\n\r\n3\r\nabc\r\n");
    world.advance(1900ms);
    EXPECT_EQ(client.received(), "");
    world.advance(200ms);
    expect_ended(client, 4, "upstream_timeout");
    world.expect_nothing_leaks();
}

TEST_F(Grpc, UnavailableInTrailersOpensTheBreaker) {
    world.start_cluster("    retry: off\n");
    origin.usually(with_trailers(14));
    for (int i = 0; i < 5; ++i) {
        EXPECT_EQ(world.breaker(), State::closed);
        EXPECT_EQ(call().await().body, "abc");
        world.advance(25ms);
    }
    EXPECT_EQ(world.breaker(), State::open);
    Client& refused = call();
    const Message got = refused.await();
    EXPECT_EQ(got.field("grpc-status"), "14");
    EXPECT_EQ(got.field("weir-error"), "breaker_open");
    EXPECT_GT(std::stoi(got.field("grpc-retry-pushback-ms")), 0);
    EXPECT_EQ(got.field("retry-after"), "");
    world.expect_nothing_leaks();
}

TEST_F(Grpc, AnEndWithoutAStatusIsUnknownToTheBreaker) {
    world.start_cluster("    retry: off\n");
    origin.usually(with_trailers(0, false));
    for (int i = 0; i < 6; ++i) {
        call().await();
        world.advance(25ms);
    }
    EXPECT_EQ(world.breaker(), State::open);
}

TEST_F(Grpc, GoodCallsKeepTheBreakerClosed) {
    world.start_cluster("    retry: off\n");
    for (const int code : {0, 1, 3, 5, 6, 7, 9, 10, 11, 12, 16}) {
        origin.usually(with_trailers(code));
        for (int i = 0; i < 6; ++i) {
            call().await();
            world.advance(25ms);
        }
        EXPECT_EQ(world.breaker(), State::closed) << code;
    }
}

TEST_F(Grpc, UnavailableInTrailersEjectsItsEndpoint) {
    Origin& other = world.origin();
    world.start_cluster("    retry: off\n    lb: round_robin\n");
    origin.usually(with_trailers(14));
    other.usually(with_trailers(0));
    for (int i = 0; i < 14; ++i) {
        call().await();
        world.advance(25ms);
    }
    EXPECT_EQ(world.state(origin), "ejected");
    EXPECT_EQ(world.breaker(), State::closed);
}

TEST_F(Grpc, UnavailableThatIsOnlyAHeadIsTriedAgainWherePostIsListed) {
    world.start_cluster("    retry: {methods: [POST]}\n");
    origin.next(only_head(14)).usually(with_trailers(0));
    Client& client = call();
    world.advance(100ms);
    EXPECT_NE(client.received().find("Grpc-Status: 0"), std::string::npos);
    EXPECT_EQ(origin.requests().size(), 2U);
    world.expect_nothing_leaks();
}

TEST_F(Grpc, UnavailableIsNotTriedAgainElsewise) {
    world.start_cluster();
    origin.usually(only_head(14));
    EXPECT_EQ(call().await().field("grpc-status"), "14");
    EXPECT_EQ(origin.requests().size(), 1U);
    world.expect_nothing_leaks();
}

TEST_F(Grpc, AServerSaysWhenACallMayBeTriedAgain) {
    world.start_cluster("    retry: {methods: [POST]}\n");
    origin.next(only_head(14, "Grpc-Retry-Pushback-Ms: 700\r\n")).usually(with_trailers(0));
    Client& client = call();
    world.advance(690ms);
    EXPECT_EQ(origin.requests().size(), 1U);
    world.advance(40ms);
    EXPECT_EQ(origin.requests().size(), 2U);
    client.await();
    origin.next(only_head(14, "Grpc-Retry-Pushback-Ms: -1\r\n"));
    EXPECT_EQ(call().await().field("grpc-status"), "14");
    EXPECT_EQ(origin.requests().size(), 3U);
    world.expect_nothing_leaks();
}

TEST_F(Grpc, AFailedLastTryAnswersWithItsCode) {
    world.start_cluster(
        "    retry: {methods: [POST], on: [grpc:internal]}\n    breaker: {consecutive_failures: 1, "
        "consecutive_for: 0ms}\n");
    origin.usually(only_head(13));
    Client& client = call();
    world.advance(50ms);
    expect_ended(client, 13, "breaker_open");
    EXPECT_EQ(origin.requests().size(), 1U);
    world.expect_nothing_leaks();
}

TEST_F(Grpc, ADeadlineOfAnImpatientCallerIsNobodysFailure) {
    world.start_cluster("    retry: off\n");
    origin.usually(with_trailers(4).after(100ms));
    for (int i = 0; i < 8; ++i) {
        Client& client = call("Grpc-Timeout: 101m\r\n");
        world.advance(101ms);
        client.reset();
        world.settle();
    }
    EXPECT_EQ(world.breaker(), State::closed);
    origin.usually(hang());
    for (int i = 0; i < 8; ++i) {
        Client& client = call("Grpc-Timeout: 50m\r\n");
        world.advance(51ms);
        expect_ended(client, 4, "upstream_timeout");
    }
    EXPECT_EQ(world.breaker(), State::closed);
    world.expect_nothing_leaks();
}

TEST_F(Grpc, AnAnswerThatIsNoneOfGrpcPassesAsItIs) {
    world.start_cluster("    retry: off\n");
    origin.usually(answer(503, "<html>", "Content-Type: text/html\r\n"));
    const Message got = call().await();
    EXPECT_EQ(got.status, 503);
    EXPECT_EQ(got.body, "<html>");
    EXPECT_EQ(got.field("grpc-status"), "");
    world.expect_nothing_leaks();
}

TEST_F(Grpc, MetricsKnowTheStatusAndTheReason) {
    world.start_cluster("    retry: off\n");
    origin.refuse();
    expect_ended(call(), 14, "upstream_connect_refused");
    EXPECT_EQ(world.value(Family::requests,
                          {"in", "default", "app", "200", "failure", "upstream_connect_refused"}),
              1);
}

// ---- over HTTP/2

class Http2Client final : public Peer {
  public:
    Http2Client(World& world) : Peer(world.loop(), world.listen_address()), world_(world) { say(); }
    H2Peer::Stream& call(std::string_view more = {}, bool ends = true) {
        H2Peer::Stream& stream = mine_.emplace_back();
        const std::string head = "POST " + std::string(kService) + " HTTP/1.1\r\nHost: h\r\n" +
                                 "Content-Type: application/grpc\r\n" + std::string(more) + "\r\n";
        EXPECT_TRUE(peer.codec.open(stream, head, "http", ends));
        say();
        return stream;
    }
    void say() {
        const std::string bytes = peer.speak();
        if (!bytes.empty() && is_open()) send(bytes);
    }
    [[nodiscard]] bool await(std::string_view told) {
        return world_.until([&] { return peer.told.find(told) != std::string::npos; });
    }

    H2Peer peer{http::H2Codec::Side::client};

  private:
    void on_input() override {
        peer.hear(std::exchange(input_, {}));
        say();
    }

    World& world_;
    std::list<H2Peer::Stream> mine_;
};

TEST_F(Grpc, OverHttp2ARefusalIsOneHead) {
    world.start_cluster("    retry: off\n");
    origin.refuse();
    Http2Client client(world);
    client.call();
    ASSERT_TRUE(client.await("closed 1 0")) << client.peer.told;
    EXPECT_NE(client.peer.told.find("response 1 200"), std::string::npos) << client.peer.told;
    EXPECT_NE(client.peer.told.find("grpc-status=14"), std::string::npos) << client.peer.told;
    EXPECT_EQ(client.peer.told.find("content-length"), std::string::npos) << client.peer.told;
    EXPECT_EQ(client.peer.told.find("body"), std::string::npos) << client.peer.told;
    client.reset();
    world.expect_nothing_leaks();
}

// What its head says before it is refused is enough to know.
TEST_F(Grpc, OverHttp2ACallWhoseHeadIsRefusedIsToldSo) {
    world.start_cluster();
    Http2Client client(world);
    client.call("X: " + std::string(40'000, 'x') + "\r\n", false);
    ASSERT_TRUE(client.await("response 1 200")) << client.peer.told;
    EXPECT_NE(client.peer.told.find("grpc-status=8"), std::string::npos) << client.peer.told;
    EXPECT_NE(client.peer.told.find("weir-error=headers_too_large"), std::string::npos)
        << client.peer.told;
    EXPECT_NE(client.peer.told.find("grpc-message=weir: "), std::string::npos) << client.peer.told;
    EXPECT_EQ(world.value(Family::protocol_refused, {"in", "headers_too_large", "enforce"}), 1);
    client.reset();
    world.expect_nothing_leaks();
}

TEST_F(Grpc, OverHttp2AnAnswerThatIsCutOffIsNoGoodEnd) {
    world.start_cluster("    retry: off\n");
    const Act whole = with_trailers(0);
    for (std::size_t size = 90; size < whole.bytes.size(); ++size) {
        for (const auto then : {Act::Then::close, Act::Then::reset}) {
            origin.usually(whole.cut(size, then));
            Http2Client client(world);
            client.call();
            ASSERT_TRUE(client.await("closed 1 ")) << client.peer.told;
            const bool has_begun = client.peer.told.find("application/grpc") != std::string::npos &&
                                   client.peer.told.find("grpc-status") == std::string::npos;
            const std::string_view end = has_begun ? "closed 1 2" : "closed 1 0";
            EXPECT_NE(client.peer.told.find(end), std::string::npos) << size << client.peer.told;
            client.reset();
            world.settle();
            world.advance(1s);
        }
    }
    world.expect_nothing_leaks();
}

TEST_F(Grpc, OverHttp2ADeadlineThatPassesMidwayIsACancel) {
    world.start_cluster();
    origin.usually(with_trailers(0).cut(95, Act::Then::keep));
    Http2Client client(world);
    client.call("Grpc-Timeout: 2S\r\n");
    world.advance(1900ms);
    EXPECT_EQ(client.peer.told.find("closed"), std::string::npos) << client.peer.told;
    world.advance(200ms);
    EXPECT_TRUE(client.await("closed 1 8")) << client.peer.told;
    client.reset();
    world.expect_nothing_leaks();
}

}  // namespace
}  // namespace weir::test

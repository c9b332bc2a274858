#include "world.hpp"

// Either side leaves at every byte, and every read and write of Weir fails once.
namespace weir::test {
namespace {

using namespace std::chrono_literals;

const std::string kBody = "what the origin says, in some more bytes than one or two";
const std::string kUpload = "what the client says";

struct Case {
    const char* name;
    const char* method;
    bool is_chunked_request;
    bool is_chunked_answer;
};

constexpr std::array kCases{Case{"get", "GET", false, false}, Case{"put", "PUT", false, true},
                            Case{"post", "POST", true, false}};

std::string request_text(const Case& each) {
    std::string text = std::string(each.method) + " / HTTP/1.1\r\nHost: a\r\n";
    if (each.is_chunked_request) {
        return text + "Transfer-Encoding: chunked\r\n\r\n4\r\nwhat\r\n10\r\n the client says\r\n" +
               "0\r\n\r\n";
    }
    if (each.method == std::string_view("GET")) return text + "\r\n";
    return text + "Content-Length: " + std::to_string(kUpload.size()) + "\r\n\r\n" + kUpload;
}

Act answer_of(const Case& each) {
    return each.is_chunked_answer ? answer_chunked(kBody, 7) : answer(200, kBody);
}

// A whole correct answer, a well-formed error of Weir's, or a closed connection.
void expect_honest(Client& client) {
    const auto got = client.take();
    if (!got) {
        EXPECT_TRUE(client.has_ended()) << "still open, with: " << client.received();
        return;
    }
    if (got->status == 200) {
        EXPECT_EQ(got->body, kBody);
    } else {
        EXPECT_GE(got->status, 500);
        EXPECT_NE(got->field("weir-error"), "");
    }
    EXPECT_EQ(client.received(), "");
}

class Broken : public ::testing::TestWithParam<Case> {
  protected:
    // In two pieces, so that Weir sees something in between.
    static void send_in_two(Client& client, World& world, const std::string& text) {
        client.send(std::string_view(text).substr(0, text.size() / 2));
        world.settle();
        client.send(std::string_view(text).substr(text.size() / 2));
    }
};

TEST_P(Broken, AClientMayLeaveAtEveryByteOfItsRequest) {
    const std::string text = request_text(GetParam());
    for (const bool is_reset : {false, true}) {
        World world;
        Origin& origin = world.origin();
        world.start_cluster();
        origin.usually(answer_of(GetParam()));
        for (std::size_t size = 0; size <= text.size(); ++size) {
            SCOPED_TRACE(size);
            Client& client = world.client();
            client.send(std::string_view(text).substr(0, size));
            if (size % 2 == 0) world.settle();
            is_reset ? client.reset() : client.close();
            ASSERT_TRUE(world.until([&] { return world.begun() == 0; }));
        }
        EXPECT_EQ(world.state(origin), "healthy");
        EXPECT_EQ(world.ask().body, kBody);
        world.expect_nothing_leaks();
    }
}

TEST_P(Broken, AClientMayLeaveBetweenAnyTwoTurns) {
    const std::string text = request_text(GetParam());
    bool was_done = false;
    for (int turns = 0; turns < 200 && !was_done; ++turns) {
        SCOPED_TRACE(turns);
        World world;
        Origin& origin = world.origin();
        world.start_cluster();
        origin.usually(answer_of(GetParam()));
        Client& client = world.client();
        client.send(text);
        for (int i = 0; i < turns; ++i)
            world.turn();
        was_done = client.take().has_value();
        client.reset();
        world.expect_nothing_leaks();
        EXPECT_EQ(world.state(origin), "healthy");
    }
    EXPECT_TRUE(was_done);
}

TEST_P(Broken, AnOriginMayLeaveAtEveryByteOfItsAnswer) {
    const Act whole = answer_of(GetParam());
    for (const Act::Then how : {Act::Then::close, Act::Then::reset}) {
        World world;
        Origin& origin = world.origin();
        world.start_cluster("    breaker: off\n    outlier: off\n    retry: off\n");
        for (std::size_t size = 0; size < whole.bytes.size(); ++size) {
            SCOPED_TRACE(size);
            origin.next(whole.cut(size, how));
            Client& client = world.client();
            send_in_two(client, world, request_text(GetParam()));
            world.settle();
            const auto got = client.take();
            EXPECT_TRUE(got ? got->status == 502 : client.end() == Peer::End::reset)
                << (got ? got->head : client.received());
            client.close();
            ASSERT_TRUE(world.until([&] { return world.begun() == 0; }));
        }
        EXPECT_EQ(world.ask().status, 200);
        world.expect_nothing_leaks();
    }
}

TEST_P(Broken, EveryReadAndWriteMayFail) {
    for (const std::string_view retry : {"    retry: off\n", ""}) {
        std::int64_t calls = 0;
        for (bool was_hit = true; was_hit; ++calls) {
            ASSERT_LT(calls, 300);
            SCOPED_TRACE(calls);
            World world;
            Origin& origin = world.origin();
            world.start_cluster(std::string(retry));
            origin.usually(answer_of(GetParam()));
            ASSERT_EQ(world.ask().status, 200);  // the failure meets a reused connection

            transport::FailPoint point{calls};
            transport::Socket::set_fail_point(&point);
            Client& client = world.client();
            send_in_two(client, world, request_text(GetParam()));
            // A failed write with a living connection behind it: ended by timeout.request at last.
            world.advance(61s);
            transport::Socket::set_fail_point(nullptr);
            was_hit = point.calls_until_failure < 0;

            expect_honest(client);
            EXPECT_TRUE(was_hit || !client.has_ended());
            EXPECT_EQ(world.ask().status, 200);
            world.expect_nothing_leaks();
        }
        EXPECT_GT(calls, 4);
    }
}

INSTANTIATE_TEST_SUITE_P(Exchanges, Broken, ::testing::ValuesIn(kCases), [](const auto& each) {
    return std::string(each.param.name);
});

class BrokenTunnel : public ::testing::Test {
  protected:
    World world;
    Origin& origin = world.origin();

    void SetUp() override {
        world.start_cluster();
        Act act;
        act.bytes = "HTTP/1.1 101 Switching\r\nConnection: upgrade\r\nUpgrade: echo\r\n\r\n";
        origin.usually(act);
    }
    Client& tunnel() {
        Client& client = world.client();
        client.request("GET", "/", {}, "Connection: upgrade\r\nUpgrade: echo\r\n");
        EXPECT_EQ(client.await().status, 101);
        return client;
    }
};

TEST_F(BrokenTunnel, EitherSideMayReset) {
    tunnel().reset();
    EXPECT_TRUE(world.until([&] { return world.begun() == 0; }));
    Client& client = tunnel();
    origin.reset_connections();
    EXPECT_TRUE(world.until([&] { return client.has_ended(); }));
    EXPECT_EQ(client.end(), Peer::End::reset);
    world.expect_nothing_leaks();
}

TEST_F(BrokenTunnel, EveryReadAndWriteMayFail) {
    bool was_hit = true;
    for (std::int64_t calls = 0; was_hit; ++calls) {
        ASSERT_LT(calls, 100);
        Client& client = tunnel();
        transport::FailPoint point{calls};
        transport::Socket::set_fail_point(&point);
        client.send("ping");
        world.settle();
        client.shutdown_send();
        world.settle();
        transport::Socket::set_fail_point(nullptr);
        was_hit = point.calls_until_failure < 0;
        EXPECT_TRUE(client.has_ended());
        client.close();
        ASSERT_TRUE(world.until([&] { return world.begun() == 0; }));
    }
    world.expect_nothing_leaks();
}

}  // namespace
}  // namespace weir::test

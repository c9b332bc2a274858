#include "world.hpp"

// What a route does besides forwarding, while either side leaves at any moment.
namespace weir::test {
namespace {

using namespace std::chrono_literals;

struct Case {
    const char* name;
    const char* keys;  // of the route
};
constexpr std::array kCases{
    Case{"compressed", "compress: [gzip]"}, Case{"mirrored", "mirror: other"},
    Case{"delayed", "fault: {delay: 1ms}"}, Case{"aborted", "fault: {delay: 1ms, abort: 503}"},
    Case{"edited", "headers: {set: {x-a: b}}, cors: {origins: [\"*\"]}"}};

const std::string kUpload = "what the client says";
const std::string kRequest =
    "PUT / HTTP/1.1\r\nHost: a\r\nAccept-Encoding: gzip\r\nContent-Length: " +
    std::to_string(kUpload.size()) + "\r\n\r\n" + kUpload;

std::string page() {
    std::string body;
    while (body.size() < 1500)
        body += "All work and no play makes Jack a dull boy. ";
    return body;
}

class Actions : public ::testing::TestWithParam<Case> {
  protected:
    // The app, and who gets copies.
    struct Bed {
        World world;
        Origin& app = world.origin();
        Origin& other = world.origin();

        explicit Bed(const Case& each) {
            world.start(std::string("version: 1\nlisteners:\n  - name: in\n    listen: "
                                    "127.0.0.1:1\n    routes:\n      - {to: app, ") +
                        each.keys +
                        "}\nclusters:\n  app: {endpoints: [\"${A}\"], breaker: off, outlier: off, "
                        "retry: off}\n  other: {endpoints: [\"${B}\"], breaker: off, outlier: "
                        "off, retry: off}\n");
            app.usually(answer(200, page(), "Content-Type: text/plain\r\n"));
            other.usually(answer(200, page()));
        }
        // Until nothing of the request is left, whatever it waits for.
        [[nodiscard]] bool is_over() {
            world.advance(5ms);
            return world.until([&] { return world.begun() == 0; });
        }
    };
};

TEST_P(Actions, AClientMayLeaveAtEveryByteOfItsRequest) {
    for (const bool is_reset : {false, true}) {
        Bed bed(GetParam());
        for (std::size_t size = 0; size <= kRequest.size(); ++size) {
            SCOPED_TRACE(size);
            Client& client = bed.world.client();
            client.send(std::string_view(kRequest).substr(0, size));
            if (size % 2 == 0) bed.world.settle();
            is_reset ? client.reset() : client.close();
            ASSERT_TRUE(bed.is_over());
        }
        bed.world.expect_nothing_leaks();
    }
}

TEST_P(Actions, AClientMayLeaveBetweenAnyTwoTurns) {
    bool was_done = false;
    for (int turns = 0; turns < 200 && !was_done; ++turns) {
        SCOPED_TRACE(turns);
        Bed bed(GetParam());
        Client& client = bed.world.client();
        client.send(kRequest);
        for (int i = 0; i < turns; ++i) {
            if (!bed.world.turn()) bed.world.advance(1ms);
        }
        was_done = client.take().has_value();
        client.reset();
        ASSERT_TRUE(bed.is_over());
        bed.world.expect_nothing_leaks();
    }
    EXPECT_TRUE(was_done);
}

TEST_P(Actions, AnOriginMayLeaveAtEveryByteOfItsAnswer) {
    const Act whole = answer_chunked("some bytes", 3);
    Act text = whole;
    text.bytes.insert(text.bytes.find("\r\n") + 2, "Content-Type: text/plain\r\n");
    for (const Act::Then how : {Act::Then::close, Act::Then::reset}) {
        Bed bed(GetParam());
        for (std::size_t size = 0; size < text.bytes.size(); ++size) {
            SCOPED_TRACE(size);
            bed.app.next(text.cut(size, how));
            bed.other.next(text.cut(size, how));
            Client& client = bed.world.client();
            client.send(kRequest);
            bed.world.settle();
            bed.world.advance(2ms);
            const auto got = client.take();
            if (got) {
                EXPECT_GE(got->status, 500) << got->head;
            } else {
                EXPECT_TRUE(client.has_ended()) << client.received();
            }
            client.close();
            ASSERT_TRUE(bed.is_over());
        }
        bed.world.expect_nothing_leaks();
    }
}

TEST_P(Actions, EveryReadAndWriteMayFail) {
    std::int64_t calls = 0;
    for (bool was_hit = true; was_hit; ++calls) {
        ASSERT_LT(calls, 300);
        SCOPED_TRACE(calls);
        Bed bed(GetParam());
        transport::FailPoint point{calls};
        transport::Socket::set_fail_point(&point);
        Client& client = bed.world.client();
        client.send(kRequest);
        bed.world.settle();
        bed.world.advance(61s);
        transport::Socket::set_fail_point(nullptr);
        was_hit = point.calls_until_failure < 0;
        client.close();
        ASSERT_TRUE(bed.is_over());
        bed.world.expect_nothing_leaks();
    }
    EXPECT_GE(calls, 3);
}

TEST_P(Actions, TheSameConnectionServesTheNextRequest) {
    Bed bed(GetParam());
    Client& client = bed.world.client();
    for (int i = 0; i < 5; ++i) {
        client.request("GET", "/", {}, "Accept-Encoding: gzip\r\n");
        bed.world.settle();
        bed.world.advance(2ms);
        const Message got = client.await();
        EXPECT_EQ(got.status, std::string_view(GetParam().name) == "aborted" ? 503 : 200);
    }
    client.close();
    ASSERT_TRUE(bed.is_over());
    bed.world.expect_nothing_leaks();
}

INSTANTIATE_TEST_SUITE_P(Routes, Actions, ::testing::ValuesIn(kCases), [](const auto& each) {
    return std::string(each.param.name);
});

TEST(Mirrors, AMirrorThatNeverAnswersEndsByItsTimeout) {
    World world;
    Origin& app = world.origin();
    Origin& other = world.origin();
    world.start(
        "version: 1\nlisteners:\n  - name: in\n    listen: 127.0.0.1:1\n    routes: [{to: "
        "app, mirror: other}]\nclusters:\n  app: {endpoints: [\"${A}\"]}\n  other: "
        "{endpoints: [\"${B}\"], timeout: 2s}\n");
    app.usually(answer(200));
    other.usually(hang());
    EXPECT_EQ(world.ask().status, 200);
    EXPECT_EQ(world.value(telemetry::Family::mirrored, {"other", "failure"}), 0);
    world.advance(3s);
    EXPECT_EQ(world.value(telemetry::Family::mirrored, {"other", "failure"}), 1);
    EXPECT_EQ(world.ask().status, 200);
    world.advance(3s);
    world.expect_nothing_leaks();
}

TEST(Mirrors, AreBounded) {
    World world;
    Origin& app = world.origin();
    Origin& other = world.origin();
    world.start(
        "version: 1\nlisteners:\n  - name: in\n    listen: 127.0.0.1:1\n    routes: [{to: "
        "app, mirror: other}]\nclusters:\n  app: {endpoints: [\"${A}\"]}\n  other: "
        "{endpoints: [\"${B}\"], breaker: off, outlier: off, limits: {max_connections: "
        "unlimited, max_connecting: unlimited}}\n");
    app.usually(answer(200));
    other.usually(hang());
    for (int i = 0; i < 140; ++i)
        ASSERT_EQ(world.ask().status, 200);
    EXPECT_EQ(world.value(telemetry::Family::mirrored, {"other", "dropped"}), 12);
    world.advance(61s);
    world.expect_nothing_leaks();
}

}  // namespace
}  // namespace weir::test

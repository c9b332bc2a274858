#include "weir/core/json.hpp"

#include "admin/handlers.hpp"
#include "unit/admin/support.hpp"
#include <gtest/gtest.h>

namespace weir::admin {
namespace {

using namespace std::chrono_literals;
using resilience::FailureKind;
using resilience::Outcome;
using telemetry::Failure;

constexpr TimePoint kBegan{1h};

class Stories : public ::testing::Test {
  protected:
    Stories() {
        failure.began = kBegan;
        failure.duration = 4ms;
        failure.request_id = "the-id";
        failure.cluster = "orders";
        failure.status = 502;
        failure.reason = Reason::upstream_reset;
    }

    telemetry::AttemptRecord& attempt(FailureKind kind, Outcome outcome = Outcome::failure) {
        telemetry::AttemptRecord& made = *failure.add_attempt();
        made.endpoint = "10.0.0.1:80";
        made.began = kBegan;
        made.ended = kBegan + 3ms;
        made.verdict = {.outcome = outcome, .kind = kind};
        return made;
    }
    JsonValue told() {
        process.failures.add(failure);
        Request request;
        request.query = "id=the-id";
        const Response response = failures(request, process.context());
        EXPECT_EQ(response.status, 200);
        const auto list = JsonValue::parse(response.body);
        EXPECT_TRUE(list && list->items().size() == 1) << response.body;
        return list ? list->items().front() : JsonValue{};
    }
    std::string story() { return told()["story"].text(); }

    FakeProcess process;
    Failure failure;
};

TEST_F(Stories, EachEndIsASentence) {
    const std::pair<FailureKind, const char*> rows[] = {
        {FailureKind::connect_refused, "10.0.0.1:80 refused the connection after 3ms"},
        {FailureKind::connect_timeout,
         "10.0.0.1:80 took no connection (timeout.connect) after 3ms"},
        {FailureKind::reset, "10.0.0.1:80 broke off before it answered after 3ms"},
        {FailureKind::timeout, "10.0.0.1:80 did not answer in time after 3ms"},
        {FailureKind::protocol, "10.0.0.1:80 answered what is no HTTP after 3ms"}};
    for (const auto& [kind, text] : rows) {
        failure.clear();
        failure.request_id = "the-id";
        failure.reason = Reason::upstream_reset;
        attempt(kind);
        process.failures.add(failure);
        Request request;
        request.query = "id=the-id&n=1";
        const auto list = JsonValue::parse(failures(request, process.context()).body);
        ASSERT_TRUE(list && !list->items().empty());
        EXPECT_EQ(list->items()[0]["story"].text(), text);
    }
}

TEST_F(Stories, AttemptsFollowOneAnotherAndSayWhatTheyWere) {
    attempt(FailureKind::status_503).status = 503;
    telemetry::AttemptRecord& second = attempt(FailureKind::reset);
    second.role = telemetry::AttemptRole::retry;
    second.is_reused = second.is_endpoint_probe = true;
    failure.refusal = resilience::RetryRefusal::budget;
    EXPECT_EQ(
        story(),
        "10.0.0.1:80 answered 503 after 3ms; 10.0.0.1:80 broke off before it answered after "
        "3ms (retry, its probe, on a reused connection); not tried again: the retry budget is "
        "used up");
}

TEST_F(Stories, OneWithoutAttemptsHasTheReasonsSentence) {
    failure.reason = Reason::no_route;
    failure.cluster.clear();
    EXPECT_EQ(story(), info(Reason::no_route).sentence);
}

TEST_F(Stories, ExcludedEndpointsAreApartAndCounted) {
    attempt(FailureKind::reset);
    failure.candidates_total = 3;
    *failure.add_candidate() = {"10.0.0.1:80", "healthy", "", ""};
    *failure.add_candidate() = {"10.0.0.2:80", "ejected", "ejected", "consecutive"};
    const JsonValue one = told();
    ASSERT_EQ(one["candidates"].items().size(), 1U);
    ASSERT_EQ(one["excluded"].items().size(), 1U);
    EXPECT_EQ(one["excluded"].items()[0]["reason"].text(), "ejected");
    EXPECT_EQ(one["excluded"].items()[0]["why"].text(), "consecutive");
    EXPECT_NE(one["story"].text().find("1 of 3 endpoints took no requests"), std::string::npos);
}

TEST_F(Stories, AttemptsBeyondTheBoundAreCounted) {
    for (int i = 0; i < 10; ++i)
        static_cast<void>(failure.add_attempt());
    EXPECT_NE(story().find("; and 2 more"), std::string::npos);
}

TEST_F(Stories, ATraceEndsWithItsTimeOrItsLines) {
    Request request;
    request.query = "for=1m&n=2";
    Response response = trace_export(request, process.context());
    EXPECT_EQ(response.content_type, "application/x-ndjson");
    ASSERT_TRUE(response.feed);
    EXPECT_TRUE(process.trace.is_on());
    const TimePoint now = Clock::refresh();
    for (std::uint64_t i = 0; i < 3; ++i)
        process.trace.add({.cluster = "orders", .began = now, .ended = now, .request = i});
    const std::string text = response.feed->next(now);
    EXPECT_EQ(std::count(text.begin(), text.end(), '\n'), 2);
    EXPECT_TRUE(response.feed->is_over());
    response.feed.reset();
    EXPECT_FALSE(process.trace.is_on());

    response = trace_export(request, process.context());
    EXPECT_EQ(response.feed->next(now), "");
    EXPECT_FALSE(response.feed->is_over());
    EXPECT_NE(response.feed->next(now + 20s), "");  // a sign of life
    static_cast<void>(response.feed->next(now + 2min));
    EXPECT_TRUE(response.feed->is_over());
    for (const char* bad : {"for=2h", "for=x"}) {
        request.query = bad;
        EXPECT_EQ(trace_export(request, process.context()).status, 400);
    }
}

}  // namespace
}  // namespace weir::admin

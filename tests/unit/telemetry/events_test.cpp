#include "weir/telemetry/events.hpp"

#include <gtest/gtest.h>

namespace weir::telemetry {
namespace {

Event about(std::string cluster, std::string to = {}) {
    Event event;
    event.kind = Event::Kind::breaker;
    event.cluster = std::move(cluster);
    event.to = std::move(to);
    return event;
}

std::vector<std::string> targets(const std::vector<Event>& events) {
    std::vector<std::string> all;
    for (const Event& event : events)
        all.push_back(event.to);
    return all;
}

using Texts = std::vector<std::string>;

TEST(EventLog, KeepsTheNewestInTheirOrder) {
    EventLog log(3);
    for (const char* to : {"a", "b", "c", "d"})
        log.add(about("shop", to));
    EXPECT_EQ(targets(log.recent(10)), (Texts{"b", "c", "d"}));
    EXPECT_EQ(targets(log.recent(2)), (Texts{"c", "d"}));
    EXPECT_TRUE(log.recent(0).empty());
}

TEST(EventLog, TellsOneClustersEvents) {
    EventLog log;
    log.add(about("shop", "a"));
    log.add(about("pay", "b"));
    log.add(about("shop", "c"));
    EXPECT_EQ(targets(log.recent(10, "shop")), (Texts{"a", "c"}));
    EXPECT_EQ(targets(log.recent(1, "shop")), (Texts{"c"}));
}

TEST(EventLog, NumbersItsEventsSoThatAReaderGoesOn) {
    EventLog log(2);
    log.add(about("shop", "a"));
    log.add(about("shop", "b"));
    const auto seen = log.since(0);
    ASSERT_EQ(seen.size(), 2U);
    EXPECT_EQ(seen.back().sequence, 2U);
    EXPECT_TRUE(log.since(2).empty());
    for (const char* to : {"c", "d", "e"})
        log.add(about("shop", to));
    EXPECT_EQ(targets(log.since(2)), (Texts{"d", "e"})) << "c was overwritten";
}

TEST(EventLog, TellsItsListenerOfEachEventWithItsNumber) {
    EventLog log(1);
    std::vector<std::uint64_t> heard;
    log.set_listener([&](const Event& event) {
        heard.push_back(event.sequence);
        EXPECT_EQ(log.recent(1).size(), 1U) << "the lock is not held";
    });
    log.add(about("shop"));
    log.add(about("shop"));
    EXPECT_EQ(heard, (std::vector<std::uint64_t>{1, 2}));
}

}  // namespace
}  // namespace weir::telemetry

#include "discovery/endpoint_slice.hpp"

#include "support/source_tree.hpp"
#include <gtest/gtest.h>

#include <fstream>
#include <sstream>

namespace weir::discovery {
namespace {

std::vector<std::string> recorded(const std::string& name) {
    std::ifstream file(test::source_tree() / "tests/recorded/kubernetes" / name);
    std::vector<std::string> lines;
    for (std::string line; std::getline(file, line);)
        lines.push_back(line);
    return lines;
}

Slice::Endpoint endpoint(const std::string& ip) {
    return {.ip = ip,
            .state = Found::State::serving,
            .zone = {},
            .uid = "u" + ip,
            .for_zones = {},
            .for_nodes = {}};
}

SliceSet::Wish wish() {
    return {.service = "orders.shop.svc", .port = "http", .number = 0, .zone = "a", .node = "n1"};
}

Slice slice(std::vector<Slice::Endpoint> endpoints) {
    return {{{"http", 8080, false}}, std::move(endpoints)};
}

std::string texts(const std::vector<Found>& found) {
    std::string text;
    for (const Found& each : found) {
        text += (text.empty() ? "" : " ") + each.address.to_string() + "/" +
                std::to_string(each.priority) +
                (each.state == Found::State::terminating ? "t" : "");
    }
    return text;
}

std::string endpoints_of(const SliceSet& set, const SliceSet::Wish& by = wish()) {
    std::string problem;
    const auto found = set.endpoints(by, problem);
    return problem.empty() ? texts(found) : problem;
}

TEST(WatchEvents, ReadWhatTheServerSends) {
    const auto lines = recorded("initial.ndjson");
    ASSERT_EQ(lines.size(), 3U);
    const auto added = read_watch_event(lines[0]);
    ASSERT_TRUE(added);
    EXPECT_EQ(added->kind, WatchEvent::Kind::put);
    EXPECT_EQ(added->name, "orders-x7k2p");
    EXPECT_EQ(added->version, "668");
    ASSERT_EQ(added->slice.ports.size(), 1U);
    EXPECT_EQ(added->slice.ports[0].name, "http");
    EXPECT_EQ(added->slice.ports[0].number, 8080);
    ASSERT_EQ(added->slice.endpoints.size(), 2U);
    EXPECT_EQ(added->slice.endpoints[1].ip, "10.244.0.6");
    EXPECT_EQ(added->slice.endpoints[1].uid, "9b1d6a52-0000-4000-8000-000000000002");
    EXPECT_EQ(added->slice.endpoints[1].zone, "zone-a");
    const auto bookmark = read_watch_event(lines[2]);
    ASSERT_TRUE(bookmark);
    EXPECT_EQ(bookmark->kind, WatchEvent::Kind::bookmark);
    EXPECT_TRUE(bookmark->ends_initial);
    EXPECT_EQ(bookmark->version, "672");
}

TEST(WatchEvents, ReadChanges) {
    const auto lines = recorded("changes.ndjson");
    const auto modified = read_watch_event(lines[0]);
    ASSERT_TRUE(modified);
    EXPECT_EQ(modified->slice.endpoints.at(1).state, Found::State::terminating);
    EXPECT_FALSE(read_watch_event(lines[1])->ends_initial);
    const auto removed = read_watch_event(lines[3]);
    EXPECT_EQ(removed->kind, WatchEvent::Kind::removed);
    EXPECT_EQ(removed->name, "orders-q9d4z");
}

TEST(WatchEvents, ReadThatAVersionIsTooOld) {
    const auto expired = read_watch_event(recorded("expired.ndjson").at(0));
    ASSERT_TRUE(expired);
    EXPECT_EQ(expired->kind, WatchEvent::Kind::error);
    EXPECT_EQ(expired->code, 410U);
    EXPECT_EQ(expired->message, "too old resource version: 1 (672)");
}

TEST(WatchEvents, AreNotWhatIsOdd) {
    for (const char* text :
         {"", "{}", "[]", "null", "{\"type\":\"ADDED\"}", "{\"type\":\"ADDED\",\"object\":[]}",
          "{\"type\":\"ADDED\",\"object\":{}}", "{\"type\":\"ADDED\",\"object\":{\"metadata\":{}}}",
          "{\"type\":\"NEW\",\"object\":{\"metadata\":{\"name\":\"a\"}}}",
          "{\"object\":{\"metadata\":{\"name\":\"a\"}}}"}) {
        EXPECT_FALSE(read_watch_event(text)) << text;
    }
}

TEST(WatchEvents, CutAnywhereAreNone) {
    const std::string line = recorded("initial.ndjson").at(0);
    for (std::size_t size = 0; size < line.size(); ++size)
        ASSERT_FALSE(read_watch_event(std::string_view(line).substr(0, size))) << size;
}

TEST(WatchEvents, TakeNullForAnEmptySlice) {
    const auto event = read_watch_event(recorded("empty.ndjson").at(0));
    ASSERT_TRUE(event);
    EXPECT_TRUE(event->slice.ports.empty());
    EXPECT_TRUE(event->slice.endpoints.empty());
}

TEST(SliceLists, ReadPages) {
    const auto list = read_slice_list(recorded("list.json").at(0));
    ASSERT_TRUE(list);
    EXPECT_EQ(list->version, "672");
    EXPECT_EQ(list->next, "");
    ASSERT_TRUE(list->slices.contains("orders-x7k2p"));
    EXPECT_EQ(list->slices.at("orders-x7k2p").endpoints.size(), 2U);
    EXPECT_EQ(read_slice_list("{\"metadata\":{\"continue\":\"c\"},\"items\":null}")->next, "c");
    EXPECT_FALSE(read_slice_list("{\"items\":[]}"));
    EXPECT_FALSE(read_slice_list("{\"metadata\":{},\"items\":{}}"));
    EXPECT_FALSE(read_slice_list("{\"metadata\":{},\"items\":[{}]}"));
}

TEST(Services, NameTheirPorts) {
    const std::string service = recorded("service.json").at(0);
    EXPECT_EQ(read_service_port(service, 80), "http");
    EXPECT_EQ(read_service_port(service, 8080), std::nullopt);
    EXPECT_EQ(read_service_port("{}", 80), std::nullopt);
    EXPECT_EQ(read_service_port("{\"spec\":{\"ports\":[{\"port\":80}]}}", 80), "");
}

TEST(Conditions, ReadAsTheApiMeansThem) {
    const struct {
        const char* conditions;
        const char* expected;
    } cases[] = {{"{}", "10.0.0.1:8080/0"},
                 {"{\"ready\":true}", "10.0.0.1:8080/0"},
                 {"{\"ready\":false}", ""},
                 {"{\"ready\":false,\"terminating\":true}", "10.0.0.1:8080/0t"},
                 {"{\"ready\":false,\"serving\":true,\"terminating\":true}", "10.0.0.1:8080/0t"},
                 {"{\"ready\":false,\"serving\":false,\"terminating\":true}", ""},
                 {"{\"ready\":false,\"serving\":true,\"terminating\":false}", ""},
                 {"{\"ready\":true,\"serving\":true,\"terminating\":true}", "10.0.0.1:8080/0"},
                 {"null", "10.0.0.1:8080/0"}};
    for (const auto& [conditions, expected] : cases) {
        const std::string line =
            std::string(
                "{\"type\":\"ADDED\",\"object\":{\"metadata\":{\"name\":\"s\"},"
                "\"endpoints\":[{\"addresses\":[\"10.0.0.1\"],\"conditions\":") +
            conditions + "}],\"ports\":[{\"name\":\"http\",\"port\":8080}]}}";
        auto event = read_watch_event(line);
        ASSERT_TRUE(event) << line;
        SliceSet set;
        set.put(event->name, std::move(event->slice));
        EXPECT_EQ(endpoints_of(set), expected) << conditions;
    }
}

TEST(SliceSet, FindsThePort) {
    SliceSet set;
    Slice two{{{"http", 8080, false}, {"grpc", 9090, true}}, {endpoint("10.0.0.1")}};
    set.put("s", two);
    SliceSet::Wish by = wish();
    EXPECT_EQ(endpoints_of(set, by), "10.0.0.1:8080/0");
    by.port = "grpc";
    std::string problem;
    const auto found = set.endpoints(by, problem);
    EXPECT_EQ(texts(found), "10.0.0.1:9090/0");
    EXPECT_EQ(found[0].speaks, Found::Speaks::h2c);
    EXPECT_EQ(found[0].name, "orders.shop.svc:9090");
    EXPECT_EQ(found[0].uid, "u10.0.0.1");
    by.port = "admin";
    EXPECT_EQ(endpoints_of(set, by), "orders.shop.svc has no port 'admin': grpc 9090, http 8080");
    by.port = std::nullopt;
    EXPECT_EQ(endpoints_of(set, by),
              "orders.shop.svc has several ports, write which one: grpc 9090, http 8080");
    by.number = 9090;
    EXPECT_EQ(endpoints_of(set, by), "10.0.0.1:9090/0");
    by.number = 80;
    EXPECT_EQ(endpoints_of(set, by), "orders.shop.svc has no port 80: grpc 9090, http 8080");
    by.number = 0;
    set.put("s", slice({endpoint("10.0.0.1")}));
    EXPECT_EQ(endpoints_of(set, by), "10.0.0.1:8080/0");
}

TEST(SliceSet, HasNobodyWhereASliceHasNoPorts) {
    SliceSet set;
    set.put("s", {{}, {endpoint("10.0.0.1")}});
    EXPECT_EQ(endpoints_of(set), "");
}

TEST(SliceSet, PutsTheOwnZoneFirstWhereAllHaveHints) {
    auto a = endpoint("10.0.0.1");
    auto b = endpoint("10.0.0.2");
    a.for_zones = {"a"};
    b.for_zones = {"b", "c"};
    SliceSet set;
    set.put("s", slice({a, b}));
    EXPECT_EQ(endpoints_of(set), "10.0.0.1:8080/0 10.0.0.2:8080/1");
    SliceSet::Wish by = wish();
    by.zone = "c";
    EXPECT_EQ(endpoints_of(set, by), "10.0.0.1:8080/1 10.0.0.2:8080/0");
    by.zone = "d";  // nobody is for us
    EXPECT_EQ(endpoints_of(set, by), "10.0.0.1:8080/0 10.0.0.2:8080/0");
    by.zone = "";
    EXPECT_EQ(endpoints_of(set, by), "10.0.0.1:8080/0 10.0.0.2:8080/0");
    set.put("t", slice({endpoint("10.0.0.3")}));
    EXPECT_EQ(endpoints_of(set), "10.0.0.1:8080/0 10.0.0.2:8080/0 10.0.0.3:8080/0");
}

TEST(SliceSet, PutsTheOwnNodeBeforeTheOwnZone) {
    auto a = endpoint("10.0.0.1");
    auto b = endpoint("10.0.0.2");
    a.for_zones = b.for_zones = {"a"};
    a.for_nodes = {"n1"};
    b.for_nodes = {"n2"};
    SliceSet set;
    set.put("s", slice({a, b}));
    EXPECT_EQ(endpoints_of(set), "10.0.0.1:8080/0 10.0.0.2:8080/1");
}

TEST(SliceSet, HeedsNoHintsOfThoseOnTheirWayOut) {
    auto a = endpoint("10.0.0.1");
    auto b = endpoint("10.0.0.2");
    auto leaving = endpoint("10.0.0.3");
    a.for_zones = {"a"};
    b.for_zones = {"b"};
    leaving.state = Found::State::terminating;
    SliceSet set;
    set.put("s", slice({a, b, leaving}));
    EXPECT_EQ(endpoints_of(set), "10.0.0.1:8080/0 10.0.0.2:8080/1 10.0.0.3:8080/0t");
}

TEST(SliceSet, LeavesOutWhatIsNoAddress) {
    SliceSet set;
    set.put("s", slice({endpoint("pod.example"), endpoint(""), endpoint("fd00::1")}));
    EXPECT_EQ(endpoints_of(set), "[fd00::1]:8080/0");
}

}  // namespace
}  // namespace weir::discovery

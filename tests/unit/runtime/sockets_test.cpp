#include "runtime/sockets.hpp"

#include "weir/decode/load.hpp"

#include <gtest/gtest.h>

#include <stdexcept>

namespace weir::runtime {
namespace {

std::shared_ptr<const config::Config> config_of(const std::string& listeners) {
    const auto loaded = config::load_text(
        "version: 1\nadmin: {listen: off}\ntelemetry: {listen: off}\nlisteners:\n" + listeners,
        "weir.yaml");
    EXPECT_TRUE(loaded) << config::render(loaded.report, loaded.sources);
    return loaded.config;
}

std::string listener(const std::string& name, const std::string& listen) {
    return "  - {name: " + name + ", listen: \"" + listen + "\", to: \"127.0.0.1:9\"}\n";
}

TEST(SocketTable, BindsEachAddressOnceForEachWorkerOnOnePort) {
    SocketTable table;
    const auto plan = table.plan(*config_of(listener("a", "127.0.0.1:0")), 3);
    ASSERT_EQ(plan.by_worker.size(), 3U);
    const std::uint16_t port = plan.by_worker[0].at(0).socket.local_address().port();
    EXPECT_NE(port, 0);
    for (const auto& sockets : plan.by_worker) {
        ASSERT_EQ(sockets.size(), 1U);
        EXPECT_EQ(sockets[0].socket.local_address().port(), port);
    }
}

TEST(SocketTable, PlansOnlyWhatIsNewAfterACommit) {
    SocketTable table;
    table.commit(table.plan(*config_of(listener("a", "127.0.0.1:0")), 1));
    const Address before = table.addresses("a").at(0);
    const auto plan =
        table.plan(*config_of(listener("a", "127.0.0.1:0") + listener("b", "127.0.0.2:0")), 1);
    ASSERT_EQ(plan.by_worker[0].size(), 1U);
    EXPECT_EQ(plan.by_worker[0][0].key, "b 127.0.0.2:0");
    table.commit(plan);
    EXPECT_EQ(table.addresses("a").at(0), before);
    EXPECT_EQ(table.addresses("b").size(), 1U);
}

TEST(SocketTable, ForgetsWhatTheConfigurationNamesNoLonger) {
    SocketTable table;
    table.commit(table.plan(*config_of(listener("a", "127.0.0.1:0")), 1));
    table.commit(table.plan(*config_of(listener("b", "127.0.0.1:0")), 1));
    EXPECT_TRUE(table.addresses("a").empty());
}

TEST(SocketTable, KeepsAnAddressThatAnotherListenerHasNow) {
    SocketTable table;
    auto first = table.plan(*config_of(listener("a", "127.0.0.1:0")), 1);
    const std::string address = first.by_worker[0][0].socket.local_address().to_string();
    first.by_worker.clear();  // closes it: the port is free
    table.commit(table.plan(*config_of(listener("a", address)), 1));
    const auto plan = table.plan(*config_of(listener("b", address)), 1);
    EXPECT_TRUE(plan.by_worker[0].empty());
    table.commit(plan);
    EXPECT_TRUE(table.addresses("a").empty());
    ASSERT_EQ(table.addresses("b").size(), 1U);
    EXPECT_EQ(table.addresses("b")[0].to_string(), address);
}

// With SO_REUSEPORT a second process would share the port unnoticed.
TEST(SocketTable, RefusesAnOccupiedPortWithItsName) {
    for (const unsigned workers : {1U, 2U}) {
        auto other = transport::Socket::listen(*Address::parse("127.0.0.1:0"), false);
        ASSERT_TRUE(other);
        const std::string address = other->local_address().to_string();
        SocketTable table;
        try {
            static_cast<void>(table.plan(*config_of(listener("a", address)), workers));
            FAIL() << "bound " << address;
        } catch (const std::runtime_error& error) {
            EXPECT_EQ(error.what(), "cannot listen on " + address + ": the address is in use");
        }
    }
}

TEST(UsableProcessors, IsAtLeastOne) {
    EXPECT_GE(usable_processors(), 1U);
}

}  // namespace
}  // namespace weir::runtime

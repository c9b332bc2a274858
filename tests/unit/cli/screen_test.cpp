#include "cli/screen.hpp"

#include "weir/core/version.hpp"

#include "cli/configuration.hpp"
#include <gtest/gtest.h>

namespace weir::cli {
namespace {

using namespace std::chrono_literals;

TEST(Screen, SaysWhatItDoesWhereToLookAndWhatToTry) {
    const auto loaded = load_text(
        "version: 1\nlisteners:\n  - listen: :8080\n    to: 127.0.0.1:9000\n", "weir.yaml");
    ASSERT_TRUE(loaded);
    Screen screen;
    screen.file = "weir.yaml";
    screen.lines = 4;
    screen.ready_in = 9ms;
    screen.config = loaded.config.get();
    screen.listeners = {{&loaded.config->listeners.front(), {*Address::parse("[::]:8080")}}};
    screen.admin = Address::parse("127.0.0.1:9347");
    screen.telemetry = Address::parse("127.0.0.1:9348");
    const std::string text = render(screen);
    EXPECT_EQ(text, "weir " + std::string(kVersion) + "  config weir.yaml ok (4 lines)" +
                        std::string(39 - kVersion.size(), ' ') +
                        "ready in 9 ms\n"
                        "  in    http://0.0.0.0:8080  →  127.0.0.1:9000   1 endpoint, breaker on, "
                        "timeout 60s\n"
                        "  admin http://127.0.0.1:9347/api/v1/status     "
                        "metrics  http://127.0.0.1:9348/metrics\n"
                        "  next  curl -i localhost:8080/    edit weir.yaml (reloads by itself)\n");
}

TEST(Screen, CountsRoutesAndClustersWhereThereAreSeveral) {
    const auto loaded = load_text(
        "version: 1\nlisteners:\n  - listen: 127.0.0.1:80\n    routes:\n"
        "      - {path: /a/, to: 127.0.0.1:1}\n      - {to: 127.0.0.1:2}\n",
        "x");
    ASSERT_TRUE(loaded);
    Screen screen;
    screen.config = loaded.config.get();
    screen.listeners = {{&loaded.config->listeners.front(), {*Address::parse("127.0.0.1:80")}}};
    const std::string text = render(screen);
    EXPECT_NE(text.find("config from the command line ok"), std::string::npos);
    EXPECT_NE(text.find("http://127.0.0.1:80  →  2 routes to 2 clusters\n"), std::string::npos);
    EXPECT_EQ(text.find("edit"), std::string::npos) << "there is no file to edit";
    EXPECT_EQ(text.find("admin"), std::string::npos) << "it is off";
}

TEST(Screen, NamesAddressesAsPeopleUseThem) {
    EXPECT_EQ(url_of(*Address::parse("[::]:80")), "http://0.0.0.0:80");
    EXPECT_EQ(url_of(*Address::parse("[::1]:80")), "http://[::1]:80");
    EXPECT_EQ(url_of(*Address::parse("unix:/run/x")), "unix:/run/x");
    EXPECT_EQ(local_name_of(*Address::parse("[::]:80")), "localhost:80");
    EXPECT_EQ(local_name_of(*Address::parse("127.0.0.1:80")), "localhost:80");
    EXPECT_EQ(local_name_of(*Address::parse("10.0.0.1:80")), "10.0.0.1:80");
}

}  // namespace
}  // namespace weir::cli

#include "proxy/limit_text.hpp"

#include "weir/decode/load.hpp"

#include <gtest/gtest.h>

namespace weir::proxy {
namespace {

class LimitText : public ::testing::Test {
  protected:
    [[nodiscard]] std::string of(std::string_view limit) const {
        return limit_text(limit, *loaded.config, loaded.config->clusters.at("app"), 37);
    }

    const config::LoadResult loaded = config::load_text(
        "version: 1\n"
        "listeners:\n"
        "  - {name: in, listen: \":8080\", to: app}\n"
        "clusters:\n"
        "  app:\n"
        "    endpoints: [\"127.0.0.1:1\"]\n"
        "    limits:\n"
        "      max_requests: 100\n"
        "      queue_timeout: 300ms\n"
        "      adaptive: true\n",
        "/etc/weir/weir.yaml");
};

TEST_F(LimitText, NamesLimitValueAndPlace) {
    EXPECT_EQ(of("limits.max_requests"), "limits.max_requests is 100 (weir.yaml:8)");
    EXPECT_EQ(of("limits.queue_timeout"), "limits.queue_timeout is 300ms (weir.yaml:9)");
}

TEST_F(LimitText, SaysWhatIsBuiltIn) {
    EXPECT_EQ(of("limits.max_pending"), "limits.max_pending is 1024 by default");
    EXPECT_EQ(of("limits.max_connections"), "limits.max_connections is 1024 by default");
    EXPECT_EQ(of("limits.max_connecting"), "limits.max_connecting is 64 by default");
}

TEST_F(LimitText, TheAdaptiveLimitIsWhatItIsNow) {
    EXPECT_EQ(of("limits.adaptive"), "limits.adaptive is 37 now (weir.yaml:10)");
}

TEST_F(LimitText, LeavesOtherTextsAlone) {
    EXPECT_EQ(of("timeout.request"), "timeout.request");
    EXPECT_EQ(of(""), "");
}

}  // namespace
}  // namespace weir::proxy

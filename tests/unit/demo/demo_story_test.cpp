#include "weir/demo/demo_story.hpp"

#include <gtest/gtest.h>

namespace weir::demo {
namespace {

TEST(DemoStory, SumsTheSamplesOfAFamily) {
    const std::string_view metrics =
        "# HELP weir_x_total cluster=\"a\" 5\n"
        "weir_x_total{cluster=\"a\",to=\"open\"} 2\n"
        "weir_x_total{cluster=\"a\",to=\"closed\"} 3\n"
        "weir_x_total{cluster=\"b\",to=\"open\"} 7\n"
        "weir_x_total_more{cluster=\"a\"} 11\n"
        "weir_plain 1.5";
    EXPECT_EQ(sum_of(metrics, "weir_x_total", {}), 12);
    EXPECT_EQ(sum_of(metrics, "weir_x_total", {"cluster=\"a\""}), 5);
    EXPECT_EQ(sum_of(metrics, "weir_x_total", {"cluster=\"a\"", "to=\"open\""}), 2);
    EXPECT_EQ(sum_of(metrics, "weir_plain", {}), 1.5);
    EXPECT_EQ(sum_of(metrics, "weir_none", {}), 0);
    EXPECT_EQ(sum_of("", "weir_none", {}), 0);
}

TEST(DemoStory, FindsATextBehindItsAnchor) {
    const std::string_view json = R"([{"id":"a","state":"open"},{"id":"b","state":"closed"}])";
    EXPECT_EQ(text_after(json, R"("id":"a")", "state"), "open");
    EXPECT_EQ(text_after(json, R"("id":"b")", "state"), "closed");
    EXPECT_EQ(text_after(json, R"("id":"c")", "state"), "");
    EXPECT_EQ(text_after(json, R"("id":"b")", "none"), "");
}

}  // namespace
}  // namespace weir::demo

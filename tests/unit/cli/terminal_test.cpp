#include "cli/terminal.hpp"

#include <gtest/gtest.h>

#include <csignal>
#include <unistd.h>

namespace weir::cli {
namespace {

using namespace std::chrono_literals;

TEST(Terminal, ShowsAsManyRowsAsItHas) {
    const std::string text = "1\n2\n3\n4\n5\n";
    EXPECT_EQ(first_rows(text, 6), text);
    EXPECT_EQ(first_rows(text, 5), "1\n2\n3\n(2 more lines)\n") << "the cursor stands on the last";
    EXPECT_EQ(first_rows(text, 3), "1\n(4 more lines)\n");
    EXPECT_EQ(first_rows("", 3), "");
}

TEST(Terminal, AnInterruptEndsAWaitAndNotTheProcess) {
    const Interrupts interrupts;
    EXPECT_FALSE(interrupts.wait_for(0s));
    ::raise(SIGINT);
    EXPECT_TRUE(interrupts.wait_for(10s));
}

TEST(Terminal, WatchingEndsWithNothingToShow) {
    const Interrupts interrupts;
    testing::internal::CaptureStdout();
    watch(interrupts, [] { return std::optional<std::string>{}; });
    EXPECT_EQ(testing::internal::GetCapturedStdout(), "");
}

TEST(Terminal, WatchingEndsWithAnInterrupt) {
    const Interrupts interrupts;
    testing::internal::CaptureStdout();
    watch(interrupts, [] {
        ::raise(SIGTERM);
        return std::optional<std::string>("now\n");
    });
    EXPECT_EQ(testing::internal::GetCapturedStdout(), "now\n");
}

}  // namespace
}  // namespace weir::cli

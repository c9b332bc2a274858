#include "runtime/terminal.hpp"

#include <gtest/gtest.h>

namespace weir::runtime {
namespace {

using telemetry::Event;

TEST(TerminalLine, TellsABreakersTransitionAndWhy) {
    EXPECT_EQ(terminal_line({.kind = Event::Kind::breaker,
                             .cluster = "legacy",
                             .from = "closed",
                             .to = "open",
                             .reason = "consecutive",
                             .detail = "5 failures in a row; next try in 0.50s"}),
              "●  breaker legacy  closed → open  (5 failures in a row; next try in 0.50s)");
}

TEST(TerminalLine, NamesTheEndpointOfAnEjectionAndFallsBackToTheReason) {
    EXPECT_EQ(terminal_line({.kind = Event::Kind::ejection,
                             .cluster = "pair",
                             .endpoint = "127.0.0.1:9001",
                             .from = "healthy",
                             .to = "ejected",
                             .reason = "consecutive_local"}),
              "●  endpoint pair 127.0.0.1:9001  healthy → ejected  (consecutive_local)");
}

TEST(TerminalLine, LeavesOutWhatIsNotThere) {
    EXPECT_EQ(terminal_line({.kind = Event::Kind::drain, .to = "draining"}), "●  drain  draining");
}

}  // namespace
}  // namespace weir::runtime

#include "weir/resilience/explain.hpp"

#include "machine_fixture.hpp"

namespace weir::resilience {
namespace {

class Keep final : public TripGate {
  public:
    Answer may_trip(TripReason, TimePoint) override { return Answer::penalize; }
};

class ExplainTest : public MachineTest {
  protected:
    [[nodiscard]] Explanation told(Subject subject = Subject::breaker) const {
        return explain(subject, machine->snapshot(now), machine->options(), now);
    }
    [[nodiscard]] RuleView rule(TripReason wanted) const {
        for (const RuleView& view : told().rules) {
            if (view.rule == wanted) return view;
        }
        ADD_FAILURE() << "no rule " << word(wanted);
        return {};
    }
};

TEST_F(ExplainTest, AClosedMachineSaysWhatEachRuleStillNeeds) {
    EXPECT_EQ(told().why, "it has never been open");
    EXPECT_EQ(told(Subject::endpoint).why, "it has never been ejected");
    EXPECT_EQ(told().rules.size(), 2U);
    EXPECT_EQ(rule(TripReason::consecutive).text,
              "0 of 5 failures in a row lasting 100ms, or 20 at once");
    EXPECT_EQ(rule(TripReason::failure_rate).text,
              "no requests in the window, 50% trips from 20 requests on; window 10s");
    EXPECT_FALSE(told().probe_at);
    EXPECT_EQ(told().probe, "");
}

TEST_F(ExplainTest, ARunIsCountedAndTimed) {
    fail(3);
    advance(30ms);
    const RuleView view = rule(TripReason::consecutive);
    EXPECT_EQ(view.value, 3);
    EXPECT_EQ(view.threshold, 5);
    EXPECT_FALSE(view.is_met);
    EXPECT_EQ(view.text, "3 of 5 failures in a row, for " + span_text(2 * gap + 30ms) +
                             " of 100ms, or 20 at once");
}

TEST_F(ExplainTest, ARunThatIsLongEnoughButTooShortIsMet) {
    gap = 1ms;
    fail(7);
    EXPECT_EQ(machine->state(), State::closed);
    EXPECT_TRUE(rule(TripReason::consecutive).is_met);
    EXPECT_EQ(rule(TripReason::consecutive).text,
              "7 of 5 failures in a row, for 6ms of 100ms, or 20 at once");
}

TEST_F(ExplainTest, ARateSaysOfHowMany) {
    for (int i = 0; i < 10; ++i) {
        ok(3);
        fail();
    }
    const RuleView view = rule(TripReason::failure_rate);
    EXPECT_DOUBLE_EQ(view.value, 0.25);
    EXPECT_DOUBLE_EQ(view.threshold, 0.5);
    EXPECT_FALSE(view.is_met);
    EXPECT_EQ(view.text, "10 of 40 requests failed (25%), 50% trips; window 10s");
}

TEST_F(ExplainTest, RulesThatAreOffAreNotTold) {
    Options options = Options::breaker();
    options.failure_rate = 0;
    options.consecutive_failures = 0;
    options.slow_rate = 0.8;
    make(options);
    ASSERT_EQ(told().rules.size(), 1U);
    EXPECT_EQ(told().rules[0].rule, TripReason::slow_rate);
}

TEST_F(ExplainTest, ADetectorCountsConnectsApart) {
    make(Options::outlier());
    fail_locally(2);
    EXPECT_EQ(rule(TripReason::consecutive_local).value, 2);
    EXPECT_EQ(rule(TripReason::consecutive).value, 0);
    EXPECT_NE(rule(TripReason::consecutive_local).text.find("2 of 3 failures to connect in a row"),
              std::string::npos);
}

TEST_F(ExplainTest, AnOpenMachineSaysWhatTrippedItAndWhenItIsTried) {
    fail(5);
    ASSERT_EQ(machine->state(), State::open);
    advance(200ms);
    EXPECT_EQ(told().why, "5 failures in a row within " + span_text(4 * gap) + ", 200ms ago");
    EXPECT_TRUE(told().rules.empty());
    EXPECT_EQ(told().probe_at, machine->next_probe_at());
    EXPECT_EQ(told().probe, "the next request");
}

TEST_F(ExplainTest, FailedProbesDoNotHideWhatTrippedIt) {
    fail(5);
    for (int i = 0; i < 2; ++i) {
        wait_for_probe();
        finish(take(), Outcome::failure);
    }
    ASSERT_EQ(machine->state(), State::open);
    EXPECT_NE(told().why.find("5 failures in a row"), std::string::npos) << told().why;
    EXPECT_NE(told().why.find("; 2 probes have failed since"), std::string::npos) << told().why;
}

TEST_F(ExplainTest, OnTrialItCountsGoodProbes) {
    fail(5);
    wait_for_probe();
    EXPECT_EQ(told().why.find("on trial: 0 of 2 good probes in a row"), 0U) << told().why;
    EXPECT_EQ(told().probe_at, now);
    EXPECT_EQ(rule(TripReason::probe_failed).text, "one probe that fails");
    const Permit probe = take();
    EXPECT_FALSE(told().probe_at);
    EXPECT_EQ(told().probe, "a request that is under way");
    EXPECT_NE(rule(TripReason::probe_timeout).text.find("; one is under way"), std::string::npos);
    finish(probe, Outcome::ok);
    EXPECT_EQ(told().why.find("on trial: 1 of 2 good probes in a row"), 0U) << told().why;
}

TEST_F(ExplainTest, AnEndpointIsTriedByWhatMayBeSentAgain) {
    make(Options::outlier());
    gap = 60ms;
    fail_locally(3);
    ASSERT_EQ(machine->state(), State::open);
    EXPECT_EQ(told(Subject::endpoint).probe,
              "the next request that may be sent again, or after 1s without one any request");
    EXPECT_EQ(told(Subject::endpoint).why.find("3 failures to connect in a row"), 0U);
}

TEST_F(ExplainTest, BackItSaysThatItsProbesWereGood) {
    fail(5);
    wait_for_probe();
    finish(take(), Outcome::ok);
    finish(take(), Outcome::ok);
    ASSERT_EQ(machine->state(), State::closed);
    EXPECT_EQ(told().why, "its probes were good");
}

TEST_F(ExplainTest, APenaltyNamesTheRuleThatWasMet) {
    Keep gate;
    make(Options::outlier(), 7, &gate);
    gap = 60ms;
    fail_locally(3);
    ASSERT_TRUE(machine->is_penalized());
    const std::string why = told(Subject::endpoint).why;
    EXPECT_NE(why.find("it should be ejected (consecutive_local)"), std::string::npos) << why;
    EXPECT_NE(why.find("good answers in a row since: 0"), std::string::npos) << why;
}

TEST_F(ExplainTest, WhatIsOffOrForcedSaysSo) {
    machine->force(State::open, now + 1min, now);
    EXPECT_EQ(told().why, "an operator opened it");
    EXPECT_EQ(told().probe, "nothing before the operator's order ends");
    machine->force(State::closed, now + 1min, now);
    EXPECT_EQ(told().why, "closed by an operator, whatever happens");
    EXPECT_TRUE(told().rules.empty());
    Options options = Options::breaker();
    options.mode = Mode::off;
    make(options);
    EXPECT_EQ(told().why, "it is off: nothing trips it");
}

TEST(Explain, EvidenceIsOfEachRule) {
    Transition transition{.reason = TripReason::failure_rate};
    transition.seen.ok = 8;
    transition.seen.fail = 12;
    EXPECT_EQ(evidence(transition), "12 of 20 requests failed (60%)");
    transition.reason = TripReason::consecutive;
    transition.run = 1;
    EXPECT_EQ(evidence(transition), "1 failure in a row");
}

TEST(Explain, NumbersAreShort) {
    EXPECT_EQ(share_text(0.5), "50%");
    EXPECT_EQ(share_text(0.004), "0.4%");
    EXPECT_EQ(share_text(1.0 / 3), "33%");
    const std::pair<Duration, const char*> rows[] = {
        {0s, "0s"},       {420us, "0.42ms"}, {5ms, "5ms"}, {120ms, "120ms"},
        {1500ms, "1.5s"}, {59s, "59s"},      {60s, "1m"},  {90s, "1m30s"},
        {3600s, "1h"},    {3725s, "1h2m"},   {-5ms, "0s"}};
    for (const auto& [span, text] : rows)
        EXPECT_EQ(span_text(span), text);
}

}  // namespace
}  // namespace weir::resilience

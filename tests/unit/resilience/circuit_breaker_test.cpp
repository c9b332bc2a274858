#include "weir/resilience/circuit_breaker.hpp"

#include "machine_fixture.hpp"

#include <algorithm>
#include <vector>

namespace weir::resilience {
namespace {

// Opening, waiting, probing, closing. What trips it is in circuit_breaker_rules_test.cpp.
class CircuitBreakerTest : public MachineTest {};

TEST_F(CircuitBreakerTest, HasTheDefaultsOfTheReference) {
    const Options breaker = Options::breaker();
    EXPECT_EQ(breaker.consecutive_failures, 5U);
    EXPECT_EQ(breaker.consecutive_for, 100ms);
    EXPECT_EQ(breaker.failure_rate, 0.5);
    EXPECT_EQ(breaker.window, 10s);
    EXPECT_EQ(breaker.min_requests, 20U);
    EXPECT_EQ(breaker.open_for, 500ms);
    EXPECT_EQ(breaker.max_open_for, 750ms);
    EXPECT_EQ(breaker.half_open_requests, 1U);
    EXPECT_EQ(breaker.successes_to_close, 2U);
    EXPECT_FALSE(breaker.are_locals_apart);
    const Options outlier = Options::outlier();
    EXPECT_EQ(outlier.consecutive_local, 3U);
    EXPECT_TRUE(outlier.are_locals_apart);
    EXPECT_EQ(outlier.open_for, 1s);
    EXPECT_EQ(outlier.max_open_for, 1500ms);
}

TEST_F(CircuitBreakerTest, IsClosedAndAdmitsAtFirst) {
    expect_closed();
    const auto admission = machine->acquire(now);
    EXPECT_TRUE(admission.is_admitted);
    EXPECT_TRUE(static_cast<bool>(admission));
    EXPECT_FALSE(admission.permit.is_probe);
    EXPECT_FALSE(admission.would_refuse);
    EXPECT_FALSE(machine->wants_probe(now));
}

TEST_F(CircuitBreakerTest, RefusesWhileOpenAndSaysWhenToAskAgain) {
    trip();
    const auto admission = machine->acquire(now);
    EXPECT_FALSE(admission.is_admitted);
    EXPECT_TRUE(is_wait(admission.retry_after, 500ms));
    advance(200ms);
    EXPECT_EQ(machine->acquire(now).retry_after, admission.retry_after - 200ms);
}

TEST_F(CircuitBreakerTest, LetsOneProbeThroughWhenItsTimeHasPassedAndNotBefore) {
    trip();
    now = machine->next_probe_at() - 1ns;
    EXPECT_FALSE(machine->wants_probe(now));
    expect_refused();
    expect_open();
    advance(1ns);
    EXPECT_TRUE(machine->wants_probe(now));
    const Permit probe = take();
    EXPECT_TRUE(probe.is_probe);
    expect_half_open();
    EXPECT_FALSE(machine->wants_probe(now));
    expect_refused();
}

TEST_F(CircuitBreakerTest, ClosesAfterTwoGoodProbesInARow) {
    trip();
    wait_for_probe();
    ok();
    expect_half_open();
    ok();
    expect_closed();
    expect_reason(TripReason::probe_ok);
}

TEST_F(CircuitBreakerTest, OpensAgainWhenAProbeFailsAlsoAfterAGoodOne) {
    trip();
    wait_for_probe();
    ok();
    fail();
    expect_open();
    expect_reason(TripReason::probe_failed);
    wait_for_probe();
    ok();
    expect_half_open();
}

TEST_F(CircuitBreakerTest, OpensAgainWhenAProbeFailsLocallyOrIsThrottled) {
    for (const Outcome outcome : {Outcome::local_failure, Outcome::throttled}) {
        make(Options::breaker());
        trip();
        wait_for_probe();
        answer(outcome, 1);
        expect_open();
        expect_reason(TripReason::probe_failed);
    }
}

TEST_F(CircuitBreakerTest, StartsWithEmptyWindowsWhenItClosesAgain) {
    gap = 10ms;
    fail(20);
    expect_open();
    wait_for_probe();
    ok(2);
    expect_closed();
    EXPECT_EQ(machine->counts(now).total(), 0U);
    fail(4);
    expect_closed();
    fail(10);
    EXPECT_EQ(machine->snapshot(now).opens_total, 2U) << "five in a row, not eighty per cent of 24";
}

// A breaker's permits double with each ok.
TEST_F(CircuitBreakerTest, AdmitsOneThenTwoThenFourProbesAtATime) {
    Options options;
    options.successes_to_close = 10;
    make(options);
    trip();
    wait_for_probe();
    std::size_t expected = 1;
    for (int round = 0; round < 3; ++round) {
        std::vector<Permit> probes;
        for (auto admission = machine->acquire(now); admission; admission = machine->acquire(now)) {
            probes.push_back(admission.permit);
        }
        EXPECT_EQ(probes.size(), expected);
        finish(probes.back(), Outcome::ok);
        for (std::size_t i = 0; i + 1 < probes.size(); ++i)
            machine->release(probes[i]);
        expected *= 2;
    }
}

TEST_F(CircuitBreakerTest, AdmitsNoMoreProbesAtAnEndpointAfterAnOk) {
    Options options = Options::outlier();
    options.successes_to_close = 10;
    options.half_open_requests = 2;
    make(options);
    trip();
    wait_for_probe();
    ok(3);
    (void)take();
    (void)take();
    expect_refused();
}

TEST_F(CircuitBreakerTest, TreatsNoProbesAtATimeAsOne) {
    Options options;
    options.half_open_requests = 0;
    make(options);
    trip();
    wait_for_probe();
    EXPECT_TRUE(take().is_probe);
}

// --- answers from another epoch ---

TEST_F(CircuitBreakerTest, IgnoresAGoodAnswerFromBeforeItOpened) {
    const Permit early = take();
    const Permit late = take();
    trip();
    finish(early, Outcome::ok);
    expect_open();
    wait_for_probe();
    const Permit probe = take();
    finish(late, Outcome::ok);
    EXPECT_EQ(machine->snapshot(now).probes, 1U);
    finish(probe, Outcome::ok);
    expect_half_open();
}

TEST_F(CircuitBreakerTest, IgnoresABadAnswerFromBeforeItOpened) {
    std::vector<Permit> old;
    for (int i = 0; i < 30; ++i)
        old.push_back(take());
    trip();
    wait_for_probe();
    finish(old[0], Outcome::failure);
    expect_half_open();
    ok(2);
    expect_closed();
    for (const Permit& permit : old)
        finish(permit, Outcome::failure);
    expect_closed();
    EXPECT_EQ(machine->counts(now).total(), 0U);
}

TEST_F(CircuitBreakerTest, LosesNoCountByAnAnswerFromBeforeItOpened) {
    const Permit old = take();
    trip();
    wait_for_probe();
    ok(2);
    ok(3);
    finish(old, Outcome::failure);
    finish(old, Outcome::ok);
    EXPECT_EQ(machine->counts(now).ok, 3U);
    EXPECT_EQ(machine->counts(now).total(), 3U);
}

TEST_F(CircuitBreakerTest, IgnoresTheSecondOfTwoProbesWhenTheFirstHasFailed) {
    Options options;
    options.half_open_requests = 2;
    make(options);
    trip();
    wait_for_probe();
    const Permit a = take();
    const Permit b = take();
    finish(a, Outcome::failure);
    expect_open();
    const auto opens = machine->snapshot(now).opens_total;
    finish(b, Outcome::failure);
    EXPECT_EQ(machine->snapshot(now).opens_total, opens);
    wait_for_probe();
    finish(b, Outcome::ok);
    EXPECT_EQ(machine->snapshot(now).probes, 0U);
    ok();
    expect_half_open();
}

// --- probes that do not end ---

TEST_F(CircuitBreakerTest, ProbeCancelledByTheClientGivesThePermitBackWithoutAVerdict) {
    trip();
    wait_for_probe();
    const Permit probe = take();
    expect_refused();
    machine->release(probe);
    expect_half_open();
    EXPECT_TRUE(machine->wants_probe(now));
    ok(2);
    expect_closed();
    EXPECT_EQ(machine->snapshot(now).opens_total, 1U);
}

TEST_F(CircuitBreakerTest, TakesIgnoredAndStaleProbesForCancelled) {
    trip();
    wait_for_probe();
    for (const Outcome outcome : {Outcome::ignored, Outcome::stale}) {
        finish(take(), outcome);
        expect_half_open();
        EXPECT_TRUE(machine->wants_probe(now));
    }
}

TEST_F(CircuitBreakerTest, ProbeHangsUntilItsLeaseRunsOutAndThatIsAFailure) {
    trip();
    wait_for_probe();
    (void)take();
    advance(5s - 1ns);
    machine->tick(now);
    expect_half_open();
    expect_refused();
    advance(1ns);
    machine->tick(now);
    expect_open();
    expect_reason(TripReason::probe_timeout);
}

TEST_F(CircuitBreakerTest, NoticesAnExpiredLeaseAtTheNextRequestWithoutAnyTick) {
    trip();
    wait_for_probe();
    const TimePoint asked = now;
    (void)take();
    advance(1min);
    EXPECT_TRUE(machine->wants_probe(now));
    const Permit next = take();
    EXPECT_TRUE(next.is_probe) << "it opened at the lease's end, and that wait is over too";
    const auto history = machine->snapshot(now).history;
    ASSERT_EQ(history.size(), 4U);
    EXPECT_EQ(history[2].reason, TripReason::probe_timeout);
    EXPECT_EQ(history[2].at, asked + 5s);
    EXPECT_EQ(history[3].reason, TripReason::elapsed);
    EXPECT_EQ(history[3].at, asked + 5s + history[2].open_for);
}

TEST_F(CircuitBreakerTest, IgnoresAProbesAnswerAfterItsLease) {
    trip();
    wait_for_probe();
    const Permit probe = take();
    advance(5s);
    finish(probe, Outcome::ok);
    expect_open();
    expect_reason(TripReason::probe_timeout);
}

TEST_F(CircuitBreakerTest, LeasesAProbeForAsLongAsTheRequestAsks) {
    trip();
    wait_for_probe();
    CircuitBreaker::AcquireOptions options;
    options.probe_timeout = 800ms;
    ASSERT_TRUE(machine->acquire(now, options).is_admitted);
    advance(799ms);
    machine->tick(now);
    expect_half_open();
    advance(1ms);
    machine->tick(now);
    expect_open();
}

TEST_F(CircuitBreakerTest, ExpiresTheLeaseOfAnyProbe) {
    Options options;
    options.half_open_requests = 2;
    make(options);
    trip();
    wait_for_probe();
    const Permit a = take();
    advance(3s);
    (void)take();
    machine->release(a);
    advance(4s);
    machine->tick(now);
    expect_half_open();
    advance(1s);
    machine->tick(now);
    expect_open();
}

TEST_F(CircuitBreakerTest, DoesNotSayToAskAgainAtTheLeasesEnd) {
    trip();
    wait_for_probe();
    (void)take();
    EXPECT_LE(machine->acquire(now).retry_after, 500ms);
}

// --- good response headers ---

TEST_F(CircuitBreakerTest, EndsAProbeAtGoodHeadersSoThatLongBodiesDoNotHoldIt) {
    trip();
    wait_for_probe();
    Permit first = take();
    machine->headers_ok(first, now);
    expect_half_open();
    EXPECT_TRUE(first.is_settled);
    Permit second = take();
    machine->headers_ok(second, now);
    expect_closed();
    advance(1h);
    machine->tick(now);
    expect_closed();
}

TEST_F(CircuitBreakerTest, CountsASettledProbeOnce) {
    Options options;
    options.successes_to_close = 3;
    make(options);
    trip();
    wait_for_probe();
    Permit probe = take();
    machine->headers_ok(probe, now);
    machine->headers_ok(probe, now);
    finish(probe, Outcome::ok);
    expect_half_open();
    ok();
    expect_half_open();
    ok();
    expect_closed();
}

TEST_F(CircuitBreakerTest, OpensWhenTheBodyOfASettledProbeBreaksOffWhileHalfOpen) {
    trip();
    wait_for_probe();
    Permit probe = take();
    machine->headers_ok(probe, now);
    finish(probe, Outcome::failure);
    expect_open();
    expect_reason(TripReason::probe_failed);
}

TEST_F(CircuitBreakerTest, OpensWhenTheBodyOfTheProbeThatClosedItBreaksOffWithinTheLease) {
    trip();
    wait_for_probe();
    ok();
    Permit probe = take();
    machine->headers_ok(probe, now);
    expect_closed();
    advance(20ms);
    finish(probe, Outcome::failure);
    expect_open();
    expect_reason(TripReason::probe_failed);
}

TEST_F(CircuitBreakerTest, TakesALateBreakOfThatBodyForAFailureLikeOthers) {
    trip();
    wait_for_probe();
    ok();
    Permit probe = take();
    machine->headers_ok(probe, now);
    advance(5s);
    finish(probe, Outcome::failure);
    expect_closed();
    EXPECT_EQ(machine->snapshot(now).fail_run, 1U);
    EXPECT_EQ(machine->counts(now).fail, 1U);
}

// Each probe has the lease its route needs, the option's only where nobody says.
TEST_F(CircuitBreakerTest, TheLeaseOfThatBodyIsItsRequests) {
    trip();
    wait_for_probe();
    ok();
    Permit probe = machine->acquire(now, {.probe_timeout = 30s}).permit;
    machine->headers_ok(probe, now);
    expect_closed();
    advance(20s);
    finish(probe, Outcome::failure);
    expect_open();
    expect_reason(TripReason::probe_failed);
}

TEST_F(CircuitBreakerTest, ForgetsThatBodyWhenItHasOpenedSince) {
    trip();
    wait_for_probe();
    ok();
    Permit probe = take();
    machine->headers_ok(probe, now);
    trip();
    wait_for_probe();
    finish(probe, Outcome::failure);
    expect_half_open();
}

TEST_F(CircuitBreakerTest, SaysNothingByACancelledBodyOfASettledProbe) {
    trip();
    wait_for_probe();
    Permit probe = take();
    machine->headers_ok(probe, now);
    Permit other = take();
    machine->release(probe);
    EXPECT_EQ(machine->snapshot(now).probes, 1U);
    machine->headers_ok(other, now);
    expect_closed();
}

// --- back-off ---

TEST_F(CircuitBreakerTest, WaitsLongerAfterEachFailedProbeUpToTheLongest) {
    trip();
    std::vector<Duration> waits;
    for (int i = 0; i < 4; ++i) {
        waits.push_back(machine->snapshot(now).history.back().open_for);
        wait_for_probe();
        fail();
    }
    EXPECT_TRUE(is_wait(waits[0], 500ms));
    for (int i = 1; i < 4; ++i)
        EXPECT_TRUE(is_wait(waits[static_cast<std::size_t>(i)], 750ms)) << i;
}

TEST_F(CircuitBreakerTest, WaitsForOpenForWhenThatIsLongerThanTheLongest) {
    Options options;
    options.open_for = 4s;
    options.max_open_for = 750ms;
    make(options);
    trip();
    for (int i = 0; i < 3; ++i) {
        EXPECT_TRUE(is_wait(machine->next_probe_at() - now, 4s));
        wait_for_probe();
        gap = 0ms;
        fail();
    }
}

TEST_F(CircuitBreakerTest, JittersItsWaitOverThirtyPerCent) {
    Duration least = 1h;
    Duration most = 0s;
    for (std::uint64_t seed = 0; seed < 300; ++seed) {
        make(Options::breaker(), seed);
        trip();
        const Duration wait = machine->next_probe_at() - now;
        EXPECT_TRUE(is_wait(wait, 500ms));
        least = std::min(least, wait);
        most = std::max(most, wait);
    }
    EXPECT_LT(least, 510ms);
    EXPECT_GT(most, 640ms);
}

// A host failing at 0.1 requests/s escalates.
TEST_F(CircuitBreakerTest, EscalatesAHostFailingAtATenthOfARequestASecond) {
    struct Row {
        Duration longest;
        std::vector<Duration> waits;
    };
    for (const Row& row : {Row{1500ms, {1s, 1500ms, 1500ms}}, Row{60s, {1s, 2s, 4s}}}) {
        Options options = Options::outlier();
        options.max_open_for = row.longest;
        make(options);
        gap = 10s;
        fail(5);
        expect_open();
        for (const Duration expected : row.waits) {
            EXPECT_TRUE(is_wait(machine->snapshot(now).history.back().open_for, expected));
            fail();
            expect_open();
        }
    }
}

TEST_F(CircuitBreakerTest, TakesTheUpstreamsHintForALongerWaitWithinItsBounds) {
    struct Row {
        Duration hint;
        Duration wait;
    };
    Options options;
    options.open_for = 1s;
    options.max_open_for = 20s;
    for (const Row& row : {Row{0s, 1s}, Row{200ms, 1s}, Row{7s, 7s}, Row{1h, 20s}}) {
        make(options);
        fail(4);
        advance(gap);
        finish(take(), Outcome::failure, row.hint);
        expect_open();
        EXPECT_TRUE(is_wait(machine->next_probe_at() - now, row.wait));
    }
}

TEST_F(CircuitBreakerTest, TakesTheHintOfAThrottledProbe) {
    Options options;
    options.open_for = 1s;
    options.max_open_for = 20s;
    make(options);
    trip();
    wait_for_probe();
    finish(take(), Outcome::throttled, 9s);
    EXPECT_TRUE(is_wait(machine->next_probe_at() - now, 9s));
}

// --- who may probe ---

class ReplayedProbeTest : public MachineTest {
  protected:
    ReplayedProbeTest() {
        make(Options::outlier());
        trip();
    }
    [[nodiscard]] bool may_probe(bool is_replay_safe) {
        CircuitBreaker::AcquireOptions options;
        options.is_replay_safe = is_replay_safe;
        const auto admission = machine->acquire(now, options);
        EXPECT_EQ(admission.permit.is_probe, admission.is_admitted);
        last = admission.permit;
        return admission.is_admitted;
    }
    Permit last;
};

TEST_F(ReplayedProbeTest, OffersAProbeToAReplaySafeRequestAtOnce) {
    wait_for_probe();
    EXPECT_TRUE(machine->wants_probe(now, true));
    EXPECT_TRUE(may_probe(true));
}

TEST_F(ReplayedProbeTest, TakesAnOrdinaryRequestWhenNoOtherCameForASecond) {
    wait_for_probe();
    EXPECT_FALSE(may_probe(false));
    advance(1s - 1ns);
    EXPECT_FALSE(machine->wants_probe(now, false));
    EXPECT_FALSE(may_probe(false));
    advance(1ns);
    EXPECT_TRUE(machine->wants_probe(now, false));
    EXPECT_TRUE(may_probe(false));
}

TEST_F(ReplayedProbeTest, CountsThatSecondFromWhenTheProbeIsDueAlsoIfNobodyAskedSince) {
    now = machine->next_probe_at();
    EXPECT_FALSE(machine->wants_probe(now, false));
    advance(1s - 1ns);
    EXPECT_FALSE(may_probe(false));
    expect_open();
    advance(1ns);
    EXPECT_TRUE(machine->wants_probe(now, false));
    EXPECT_TRUE(may_probe(false));
}

TEST_F(ReplayedProbeTest, TakesAnOrdinaryRequestOnceInItsOpenTime) {
    const Duration open_for = machine->snapshot(now).history.back().open_for;
    wait_for_probe();
    advance(1s);
    ASSERT_TRUE(may_probe(false));
    machine->release(last);
    advance(open_for - 1ns);
    EXPECT_FALSE(may_probe(false));
    EXPECT_TRUE(machine->wants_probe(now, true));
    advance(1ns);
    EXPECT_TRUE(may_probe(false));
}

TEST_F(ReplayedProbeTest, SaysWhenAnOrdinaryRequestMayAskAgain) {
    wait_for_probe();
    CircuitBreaker::AcquireOptions options;
    options.is_replay_safe = false;
    const Duration wait = machine->acquire(now, options).retry_after;
    EXPECT_GT(wait, 0s);
    EXPECT_LE(wait, 1s);
}

TEST_F(ReplayedProbeTest, ReturnsAnEndpointThatGetsNothingButPosts) {
    wait_for_probe();
    const TimePoint due = now;
    int probes = 0;
    while (machine->state() == State::half_open && now - due < 10s) {
        advance(10ms);
        if (!may_probe(false)) continue;
        ++probes;
        finish(last, Outcome::ok);
    }
    expect_closed();
    EXPECT_EQ(probes, 2);
    EXPECT_LT(now - due, 2400ms);
}

TEST_F(ReplayedProbeTest, TakesAnyRequestForABreaker) {
    make(Options::breaker());
    trip();
    wait_for_probe();
    EXPECT_TRUE(may_probe(false));
}

// --- time ---

TEST_F(CircuitBreakerTest, ComesBackWithOneRequestAMinute) {
    gap = 1min;
    trip();
    ok();
    expect_half_open();
    ok();
    expect_closed();
    fail(4);
    expect_closed();
    ok();
    fail(4);
    expect_closed();
    fail();
    expect_open();
}

TEST_F(CircuitBreakerTest, SurvivesJumpsOfTheClock) {
    trip();
    advance(24h * 365);
    EXPECT_TRUE(machine->wants_probe(now));
    const Permit probe = take();
    advance(24h * 365);
    finish(probe, Outcome::ok);
    EXPECT_NE(machine->state(), State::closed) << "its lease is long over";
    const Permit again = take();
    EXPECT_TRUE(again.is_probe);
    finish(again, Outcome::ok);
    ok();
    expect_closed();
}

TEST_F(CircuitBreakerTest, TakesAnswersOfAThreadWhoseClockIsReadLater) {
    std::vector<Permit> permits;
    for (int i = 0; i < 30; ++i)
        permits.push_back(take());
    for (std::size_t i = 0; i < permits.size(); ++i) {
        const Duration behind = i % 2 == 0 ? 3ms : 0ms;
        machine->complete(permits[i], verdict_of(Outcome::failure), now - behind, 0);
        advance(1ms);
    }
    expect_open();
    machine->tick(now - 5ms);
    expect_open();
    EXPECT_FALSE(machine->acquire(now - 5ms).is_admitted);
}

// --- modes ---

TEST_F(CircuitBreakerTest, AdmitsAllAndDecidesNothingWhenOff) {
    Options options;
    options.mode = Mode::off;
    make(options);
    for (int i = 0; i < 100; ++i) {
        advance(gap);
        Permit permit = take();
        machine->headers_ok(permit, now);
        finish(permit, Outcome::failure);
        machine->release(permit);
    }
    machine->tick(now);
    expect_closed();
    EXPECT_TRUE(machine->acquire(now).is_admitted);
    EXPECT_TRUE(sink.transitions.empty());
}

TEST_F(CircuitBreakerTest, HoldsAnOperatorsForceEvenWhenOff) {
    Options options;
    options.mode = Mode::off;
    make(options);
    machine->force(State::open, now + 1h, now);
    EXPECT_FALSE(machine->acquire(now).is_admitted);
    advance(1h);
    machine->tick(now);
    expect_closed();  // it has no probes
    EXPECT_TRUE(machine->acquire(now).is_admitted);
    EXPECT_EQ(sink.transitions.size(), 2U);
}

TEST_F(CircuitBreakerTest, RefusesNothingInShadowButSaysThatItWould) {
    Options options;
    options.mode = Mode::shadow;
    make(options);
    trip();
    const auto admission = machine->acquire(now);
    EXPECT_TRUE(admission.is_admitted);
    EXPECT_TRUE(admission.would_refuse);
    finish(admission.permit, Outcome::ok);
    Permit permit = admission.permit;
    machine->headers_ok(permit, now);
    machine->release(permit);
    expect_open();
}

TEST_F(CircuitBreakerTest, ShadowTakesTheSameDecisionsAsEnforceOnTheSameTrace) {
    Options enforce_options;
    Options shadow_options;
    shadow_options.mode = Mode::shadow;
    CircuitBreaker enforce(enforce_options, 5, now);
    CircuitBreaker shadow(shadow_options, 5, now);
    Random random(21);
    double failing = 0;
    std::uint64_t refusals = 0;
    for (int step = 0; step < 200000; ++step) {
        if (step % 5000 == 0) failing = random.uniform();
        now += Duration{static_cast<Duration::rep>(random.below(20'000'000))};
        const auto a = enforce.acquire(now);
        const auto b = shadow.acquire(now);
        ASSERT_TRUE(b.is_admitted);
        ASSERT_EQ(a.is_admitted, !b.would_refuse) << step;
        refusals += a.is_admitted ? 0 : 1;
        const Verdict verdict =
            verdict_of(random.uniform() < failing ? Outcome::failure : Outcome::ok);
        if (a.is_admitted) enforce.complete(a.permit, verdict, now, 0);
        shadow.complete(b.permit, verdict, now, 0);
        ASSERT_EQ(enforce.state(), shadow.state()) << step;
    }
    EXPECT_GT(refusals, 1000U);
    EXPECT_GT(enforce.snapshot(now).opens_total, 50U);
    EXPECT_EQ(enforce.snapshot(now).opens_total, shadow.snapshot(now).opens_total);
}

}  // namespace
}  // namespace weir::resilience

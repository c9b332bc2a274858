#pragma once

#include "weir/balance/chooser.hpp"

#include <gtest/gtest.h>

#include <memory>
#include <vector>

namespace weir::balance {

// Endpoints as `upstream` puts them together: a detector, its standing and one worker's candidate.
class Fleet {
  public:
    class Member final : public resilience::TransitionSink {
      public:
        Member(Fleet& fleet, std::uint32_t weight, std::uint64_t seed)
            : detector(fleet.options, seed, fleet.now, fleet.group, this),
              standing(fleet.roster, detector, fleet.now),
              candidate(standing, weight) {}

        void on_transition(const resilience::Transition& transition) override {
            standing.refresh(transition.at);
        }
        void on_penalty(bool /*is_penalized*/, TimePoint at) override { standing.refresh(at); }

        resilience::OutlierDetector detector;
        Standing standing;
        Candidate candidate;
    };

    explicit Fleet(resilience::DetectorGroup::Options guard = {})
        : group(std::make_shared<resilience::DetectorGroup>(guard)),
          roster(std::make_shared<Roster>(group)) {}

    void add(std::uint32_t weight = 100) {
        members.push_back(std::make_unique<Member>(*this, weight, members.size() + 1));
    }
    void add_many(std::size_t count) {
        for (std::size_t i = 0; i < count; ++i)
            add();
    }
    [[nodiscard]] Chooser::Candidates candidates() const {
        Chooser::Candidates all;
        for (const auto& member : members)
            all.push_back(&member->candidate);
        return all;
    }

    void answer(std::size_t index, resilience::Outcome outcome) {
        auto& detector = members[index]->detector;
        const auto admission = detector.acquire(now, {});
        if (admission) detector.complete(admission.permit, {.outcome = outcome}, now, 0);
    }
    void ok(std::size_t index) { answer(index, resilience::Outcome::ok); }
    // Enough of them for the rules to say trip.
    void fail(std::size_t index) {
        for (int i = 0; i < 20; ++i)
            answer(index, resilience::Outcome::failure);
    }
    void force_out(std::size_t index) {
        members[index]->detector.machine().force(resilience::State::open,
                                                 now + std::chrono::hours{1}, now);
    }
    void succeed_as_probe(std::size_t index) {
        now += std::chrono::seconds{2};
        ok(index);
        ok(index);
    }

    TimePoint now{std::chrono::hours{1}};
    resilience::OutlierDetector::Options options;
    std::shared_ptr<resilience::DetectorGroup> group;
    std::shared_ptr<Roster> roster;
    std::vector<std::unique_ptr<Member>> members;
};

}  // namespace weir::balance

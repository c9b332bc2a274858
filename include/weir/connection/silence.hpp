#pragma once

#include "weir/core/clock.hpp"

#include <algorithm>
#include <chrono>

namespace weir::connection {

// When a peer that says nothing is asked by PING whether it is there, and when it is given up. A
// peer that is silent for kQuiet while streams are open is asked; one that has not answered within
// kPatience is gone. It is not asked again for kAskAgain unless it has sent something else: gRPC
// servers close on clients that ask more often. Time is passed in. Thread: worker.
class Silence {
  public:
    static constexpr Duration kQuiet = std::chrono::seconds{20};
    static constexpr Duration kPatience = std::chrono::seconds{5};
    static constexpr Duration kAskAgain = std::chrono::seconds{310};
    // Who left after so long without a word of the upstream may have met a dead connection.
    static constexpr Duration kDoubtful = std::chrono::seconds{1};

    // Anything came; of a stream.
    void heard(TimePoint now) {
        heard_at_ = now;
        is_asked_ = is_suspected_ = false;
    }
    void told() { told_at_ = heard_at_; }
    // The first stream begins.
    void busy(TimePoint now) { busy_since_ = now; }

    struct Step {
        enum class Kind : std::uint8_t { wait, ask, gone } kind;
        TimePoint at;  // when to look again
    };
    // While there are streams.
    [[nodiscard]] Step look(TimePoint now) const {
        const TimePoint due =
            is_asked_ ? asked_at_ + kPatience
                      : std::max(std::max(heard_at_, busy_since_) + kQuiet, may_ask_at());
        if (now < due) return {Step::Kind::wait, due};
        return {is_asked_ ? Step::Kind::gone : Step::Kind::ask, now};
    }
    // A PING goes out. When to look again.
    [[nodiscard]] TimePoint ask(TimePoint now) {
        is_asked_ = true;
        asked_at_ = now;
        return now + kPatience;
    }

    // Nothing came since that was written, for long: is anybody there?
    [[nodiscard]] bool is_doubtful(TimePoint written, TimePoint now) const {
        return heard_at_ <= written && now - written >= kDoubtful;
    }
    [[nodiscard]] bool may_ask(TimePoint now) const { return is_asked_ || now >= may_ask_at(); }
    [[nodiscard]] bool is_asked() const { return is_asked_; }
    // It left somebody without an answer.
    void suspect() { is_suspected_ = true; }
    [[nodiscard]] bool is_suspected() const { return is_suspected_; }

  private:
    [[nodiscard]] TimePoint may_ask_at() const {
        return told_at_ >= asked_at_ ? TimePoint{} : asked_at_ + kAskAgain;
    }

    TimePoint heard_at_;
    TimePoint told_at_;
    TimePoint busy_since_;
    TimePoint asked_at_;
    bool is_asked_ = false;  // a PING is out
    bool is_suspected_ = false;
};

}  // namespace weir::connection

#pragma once

#include <cstdint>

namespace weir::resilience {

// What active checks of one endpoint say: it takes `unhealthy_after` failing ones in a row to make
// it unhealthy and `healthy_after` passing ones to make it healthy again. Until one has passed the
// next decides alone: nothing speaks for an endpoint that nobody knows. Thread: its owner's.
class HealthVerdict {
  public:
    struct Options {
        std::uint32_t healthy_after = 2;
        std::uint32_t unhealthy_after = 3;
    };

    explicit HealthVerdict(const Options& options) : options_(options) {}
    // Checked by other rules now; what was found stays until they have found something else.
    HealthVerdict(const Options& options, const HealthVerdict& before)
        : options_(options), has_passed_(before.has_passed_), is_unhealthy_(before.is_unhealthy_) {}

    // One more check. True if the verdict is another now.
    bool add(bool has_passed) {
        run_ = has_passed == last_passed_ ? run_ + 1 : 1;
        last_passed_ = has_passed;
        const auto needed = has_passed ? options_.healthy_after : options_.unhealthy_after;
        const bool decides = !has_passed_ || run_ >= needed;
        has_passed_ = has_passed_ || has_passed;
        if (!decides || is_unhealthy_ != has_passed) return false;
        is_unhealthy_ = !has_passed;
        return true;
    }

    [[nodiscard]] bool is_unhealthy() const { return is_unhealthy_; }
    [[nodiscard]] std::uint32_t run() const { return run_; }  // alike, the last one included

  private:
    Options options_;
    bool has_passed_ = false;
    bool is_unhealthy_ = false;
    bool last_passed_ = false;
    std::uint32_t run_ = 0;
};

}  // namespace weir::resilience

#pragma once

#include "weir/core/clock.hpp"

#include <optional>
#include <utility>
#include <vector>

namespace weir::discovery {

// What to believe of a source that answers, says "none", or fails.
//
//   answer         believed at once
//   empty answer   believed at once if there was nothing; else when the source has said nothing
//   else
//                  for empty_hold
//   failure        changes nothing, or with keep_last off empties the set
//
// Pure: reads no clock. Thread: its owner's.
template <typename Item>
class LastGood {
  public:
    struct Options {
        bool keep_last = true;
        Duration empty_hold = std::chrono::seconds{10};
    };

    explicit LastGood(const Options& options) : options_(options) {}

    [[nodiscard]] const std::vector<Item>& items() const { return items_; }

    void answered(std::vector<Item> items, TimePoint now) {
        if (!items.empty() || items_.empty()) {
            items_ = std::move(items);
            empty_since_.reset();
            return;
        }
        if (!empty_since_) empty_since_ = now;
        if (now - *empty_since_ < options_.empty_hold) return;
        items_.clear();
        empty_since_.reset();
    }

    // A failure neither confirms nor refutes an empty answer before it.
    void failed() {
        if (options_.keep_last) return;
        items_.clear();
        empty_since_.reset();
    }

    // When an empty answer that is held back may be believed: ask again then.
    [[nodiscard]] std::optional<TimePoint> recheck_at() const {
        if (!empty_since_) return std::nullopt;
        return *empty_since_ + options_.empty_hold;
    }

  private:
    Options options_;
    std::vector<Item> items_;
    std::optional<TimePoint> empty_since_;
};

}  // namespace weir::discovery

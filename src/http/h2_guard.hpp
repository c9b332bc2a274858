#pragma once

#include "weir/http/h2.hpp"

#include <cstdint>

namespace weir::http {

// So many at once, and so many a second.
class H2Bucket {
  public:
    H2Bucket(double burst, double rate) : burst_(burst), rate_(rate), tokens_(burst) {}

    void refill(TimePoint now);
    [[nodiscard]] bool take() {
        if (tokens_ < 1) return false;
        tokens_ -= 1;
        return true;
    }

  private:
    double burst_;
    double rate_;
    double tokens_;
    TimePoint filled_{};
};

// Counts what a peer does that costs more than it is worth. Resets: streams that it resets, or
// makes us reset. Glitches: frames that move nothing; a window update is one beyond what the
// streams and the data that was sent can call for. Thread: its owner's.
class H2Guard {
  public:
    static constexpr double kGlitches = 1000;
    static constexpr double kGlitchRate = 100;
    static constexpr double kResetBurst = 6;  // times the rate

    explicit H2Guard(const H2Limits& limits)
        : resets_(kResetBurst * limits.resets, limits.resets), glitches_(kGlitches, kGlitchRate) {}

    // Bytes came.
    void begin(TimePoint now) {
        resets_.refill(now);
        glitches_.refill(now);
    }
    struct Frame {
        std::uint8_t type;
        std::uint8_t flags;
        std::size_t length;
    };
    [[nodiscard]] bool is_glitch(const Frame& frame);
    // False: above the limit.
    [[nodiscard]] bool take_glitch() { return glitches_.take(); }
    [[nodiscard]] bool take_reset() { return resets_.take(); }

    void count_stream() { credit_ += 2; }
    void count_data() { credit_ += 20; }
    void expect_pong() { ++pongs_; }

  private:
    H2Bucket resets_;
    H2Bucket glitches_;
    std::uint64_t credit_ = 5;  // of window updates
    std::uint32_t pongs_ = 0;
    bool has_settings_ = false;
};

}  // namespace weir::http

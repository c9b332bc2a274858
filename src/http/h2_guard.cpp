#include "http/h2_guard.hpp"

#include <algorithm>
#include <array>
#include <chrono>

namespace weir::http {
namespace {

// RFC 9113, 6.
enum Type : std::uint8_t {
    data = 0,
    headers = 1,
    reset = 3,
    settings = 4,
    ping = 6,
    goaway = 7,
    window_update = 8,
    continuation = 9,
};
constexpr std::uint8_t kEndStream = 1;
constexpr std::uint8_t kAck = 1;

}  // namespace

std::string_view word(H2Fault fault) {
    constexpr std::array<std::string_view, kH2Faults> kWords{"h2_protocol", "h2_resets",
                                                             "h2_glitches", "h2_headers"};
    return kWords[static_cast<std::size_t>(fault)];
}

void H2Bucket::refill(TimePoint now) {
    if (filled_ != TimePoint{}) {
        const double seconds = std::chrono::duration<double>(now - filled_).count();
        tokens_ = std::min(burst_, tokens_ + std::max(seconds, 0.0) * rate_);
    }
    filled_ = now;
}

bool H2Guard::is_glitch(const Frame& frame) {
    switch (frame.type) {
        case data:
            return frame.length == 0 && (frame.flags & kEndStream) == 0;
        case headers:
        case reset:  // has its own limit
        case continuation:
            return false;
        case settings:
            return std::exchange(has_settings_, true) && (frame.flags & kAck) == 0;
        case ping:
            if ((frame.flags & kAck) == 0 || pongs_ == 0) return true;
            --pongs_;
            return false;
        case window_update:
            if (credit_ == 0) return true;
            --credit_;
            return false;
        default:
            return true;
    }
}

}  // namespace weir::http

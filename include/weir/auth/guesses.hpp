#pragma once

#include "weir/core/clock.hpp"

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <unordered_map>

namespace weir::auth {

// Bounds how often one may guess: of a key (a user, an address) so many failures at once, and one
// more each `again`. Whoever succeeds costs nothing. Bounded: of too many keys those go first that
// may guess again anyway. The caller has its lock. Thread: any, under that lock.
class Guesses {
  public:
    struct Options {
        std::uint32_t most = 10;
        Duration again = std::chrono::seconds{6};
        std::size_t keys = 16'384;
    };

    explicit Guesses(const Options& options) : options_(options) {}

    // How long it must wait; zero: it may guess.
    [[nodiscard]] Duration wait_of(std::string_view key, TimePoint now) const;
    // It guesses, wrongly for all that is known; taken back by on_right().
    void on_guess(std::string_view key, TimePoint now);
    void on_right(std::string_view key);

    [[nodiscard]] std::size_t size() const { return full_at_.size(); }

  private:
    const Options options_;
    // When all its guesses will be there again.
    std::unordered_map<std::string, TimePoint> full_at_;
};

}  // namespace weir::auth

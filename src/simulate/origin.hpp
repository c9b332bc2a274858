#pragma once

#include "weir/core/error.hpp"
#include "weir/core/random.hpp"
#include "weir/simulate/scenario.hpp"

#include <optional>
#include <queue>
#include <vector>

namespace weir::simulate {

// What an endpoint makes of an attempt.
struct Answer {
    std::uint16_t status = 200;
    Reason reason = Reason::none;  // instead of an answer, or after its headers
    bool is_cut = false;
    bool is_by_fault = false;
    Duration hint{0};
};

// The endpoints: how they answer, when, under their faults. Work goes on when its caller has left,
// as origins do. Thread: its owner's.
class Origins {
  public:
    Origins(const Scenario& scenario, std::uint64_t seed);

    struct Reply {
        std::optional<Duration> at;  // none: never
        Answer answer;
    };
    // What comes of an attempt that begins at `at` since the begin.
    [[nodiscard]] Reply serve(std::uint32_t endpoint, Duration at);
    // Does any fault hold there?
    [[nodiscard]] bool is_faulty(std::uint32_t endpoint, Duration at) const;

  private:
    [[nodiscard]] Duration draw();
    // When it is done, if it takes `work` from `at` on and others are before it.
    [[nodiscard]] Duration finish(std::uint32_t endpoint, Duration at, Duration work);

    const Scenario& scenario_;
    Random random_;
    // When each of the `concurrency` workers of an endpoint is free.
    using Workers = std::priority_queue<Duration, std::vector<Duration>, std::greater<>>;
    std::vector<Workers> workers_;
};

}  // namespace weir::simulate

#pragma once

#include "weir/quota/algorithm.hpp"
#include "weir/quota/key_table.hpp"

#include <cstdint>
#include <variant>

namespace weir::quota {

// A rule and all of its keys, for the whole process. Never more is admitted than the rule says,
// whoever asks. Thread: any.
class Limiter {
  public:
    using Algorithm = std::variant<Gcra, SlidingWindow, Concurrency>;

    Limiter(const Algorithm& algorithm, std::uint32_t max_keys)
        : algorithm_(algorithm), table_(max_keys) {}

    [[nodiscard]] Decision take(std::uint64_t key, TimePoint now, std::uint32_t cost);
    // Of Concurrency: what was taken is over. Of others nothing comes back.
    void give_back(std::uint64_t key, std::uint32_t cost);

    [[nodiscard]] Promise promise() const;
    [[nodiscard]] bool is_concurrency() const {
        return std::holds_alternative<Concurrency>(algorithm_);
    }
    [[nodiscard]] const KeyTable& keys() const { return table_; }

  private:
    const Algorithm algorithm_;
    KeyTable table_;
};

}  // namespace weir::quota

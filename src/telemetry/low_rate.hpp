#pragma once

#include "telemetry/model.hpp"
#include <prometheus/collectable.h>

#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace weir::telemetry {

class SeriesBudget;

// The families looked up by label at each use, in prometheus-cpp's registry, and those of the
// process itself. Thread: any (its locks).
class LowRate final : public prometheus::Collectable {
  public:
    using Values = std::span<const std::string>;

    explicit LowRate(SeriesBudget& budget);
    ~LowRate() override;
    LowRate(const LowRate&) = delete;
    LowRate& operator=(const LowRate&) = delete;

    void count(const FamilyInfo& family, Values labels, double n);
    void set(const FamilyInfo& family, Values labels, double value);
    void set_info(const FamilyInfo& family, Values labels);
    [[nodiscard]] std::optional<double> value(const FamilyInfo& family, Values labels) const;

    [[nodiscard]] std::vector<prometheus::MetricFamily> Collect() const override;

  private:
    struct State;
    std::unique_ptr<State> state_;
};

}  // namespace weir::telemetry

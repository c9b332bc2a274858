#pragma once

#include "telemetry/model.hpp"

#include <memory>
#include <optional>
#include <span>
#include <string>

namespace weir::telemetry {

// The families looked up by label at each use, in prometheus-cpp's registry, whose types stay in
// low_rate.cpp. Thread: any (its locks).
class LowRate {
  public:
    using Values = std::span<const std::string>;

    LowRate();
    ~LowRate();
    LowRate(const LowRate&) = delete;
    LowRate& operator=(const LowRate&) = delete;

    void count(const FamilyInfo& family, Values labels, double n);
    void set(const FamilyInfo& family, Values labels, double value);
    void set_info(const FamilyInfo& family, Values labels);
    [[nodiscard]] std::optional<double> value(const FamilyInfo& family, Values labels) const;

    // Adds its series, and those of the process itself, to a scrape.
    void collect(Scrape& scrape) const;

  private:
    struct State;
    std::unique_ptr<State> state_;
};

}  // namespace weir::telemetry

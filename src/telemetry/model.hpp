#pragma once

#include "weir/telemetry/families.hpp"
#include "weir/telemetry/metrics.hpp"

#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

// What one scrape found, before it becomes text.
namespace weir::telemetry {

struct Series {
    std::vector<std::string> labels;     // values, in the family's order
    double value = 0;                    // counters and gauges; a histogram's sum
    std::vector<std::uint64_t> buckets;  // histograms: not cumulated, +Inf last
};

using Scrape = std::array<std::vector<Series>, kFamilyCount>;

// Families without series are left out.
[[nodiscard]] std::string write_exposition(const Scrape& scrape, Exposition format);

// Text that any scraper takes: bytes that are no UTF-8 (RFC 3629) become U+FFFD. Go's scraper
// refuses the whole page for one of them.
[[nodiscard]] std::string valid_utf8(std::string_view text);

struct RegistryAccess {
    [[nodiscard]] static Scrape scrape(Registry& registry);
};

}  // namespace weir::telemetry

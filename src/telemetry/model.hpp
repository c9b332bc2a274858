#pragma once

#include "weir/telemetry/families.hpp"
#include "weir/telemetry/metrics.hpp"

#include <prometheus/client_metric.h>
#include <prometheus/metric_family.h>

#include <span>
#include <string>
#include <string_view>
#include <vector>

// What one scrape found, before it becomes text: prometheus-cpp's model, so that its own writer can
// be asked for a second opinion.
namespace weir::telemetry {

// In the order of families(), those without series left out.
using Page = std::vector<prometheus::MetricFamily>;

[[nodiscard]] std::string write_exposition(const Page& page, Exposition format);

// A family of the table without series yet.
[[nodiscard]] prometheus::MetricFamily empty_family(const FamilyInfo& family);

// Label values as the model holds them, names included. `values` in the family's order.
[[nodiscard]] std::vector<prometheus::ClientMetric::Label> to_labels(
    const FamilyInfo& family, std::span<const std::string> values);

// Text that any scraper takes: bytes that are no UTF-8 (RFC 3629) become U+FFFD. Go's scraper
// refuses the whole page for one of them.
[[nodiscard]] std::string valid_utf8(std::string_view text);

class SeriesTable;

// For telemetry itself and its tests.
struct RegistryAccess {
    [[nodiscard]] static Page scrape(Registry& registry);
    [[nodiscard]] static const SeriesTable& table(const Registry& registry);
};

}  // namespace weir::telemetry

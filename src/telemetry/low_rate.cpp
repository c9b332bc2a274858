#include "telemetry/low_rate.hpp"

#include "telemetry/process.hpp"
#include "telemetry/series_table.hpp"
#include <prometheus/counter.h>
#include <prometheus/family.h>
#include <prometheus/gauge.h>
#include <prometheus/registry.h>

#include <algorithm>
#include <array>
#include <mutex>

namespace weir::telemetry {
namespace {

using Counters = prometheus::Family<prometheus::Counter>;
using Gauges = prometheus::Family<prometheus::Gauge>;

prometheus::Labels to_map(const FamilyInfo& family, LowRate::Values values) {
    prometheus::Labels labels;
    for (std::size_t i = 0; i < values.size(); ++i) {
        labels.emplace(std::string(family.labels[i]), values[i]);
    }
    return labels;
}

// The process itself, read anew for each scrape.
void add_process(std::vector<prometheus::MetricFamily>& page) {
    for (const auto& [family, value] : read_process()) {
        prometheus::ClientMetric metric;
        metric.gauge.value = value;
        metric.counter.value = value;
        page.push_back(empty_family(info(family)));
        page.back().metric.push_back(std::move(metric));
    }
}

// prometheus-cpp keeps its label sets in a hash map; a page that keeps its order is easier to read.
void put_in_order(prometheus::MetricFamily& family) {
    std::sort(family.metric.begin(), family.metric.end(),
              [](const auto& a, const auto& b) { return a.label < b.label; });
}

}  // namespace

struct LowRate::State {
    explicit State(SeriesBudget& max_series) : budget(max_series) {}

    // Whether the series exists or may come to be.
    template <typename T>
    bool admits(prometheus::Family<T>& family, const prometheus::Labels& labels) {
        return family.Has(labels) || budget.take(1);
    }

    SeriesBudget& budget;
    prometheus::Registry registry;
    std::array<Counters*, kFamilyCount> counters{};
    std::array<Gauges*, kFamilyCount> gauges{};
    std::mutex mutex;  // for set_info, which is two steps
    std::array<prometheus::Gauge*, kFamilyCount> infos{};

    [[nodiscard]] Counters& counter(const FamilyInfo& family) const {
        return *counters[static_cast<std::size_t>(family.family)];
    }
    [[nodiscard]] Gauges& gauge(const FamilyInfo& family) const {
        return *gauges[static_cast<std::size_t>(family.family)];
    }
};

LowRate::LowRate(SeriesBudget& budget) : state_(std::make_unique<State>(budget)) {
    for (const FamilyInfo& family : families()) {
        if (!family.is_low_rate || family.name.starts_with("process_")) continue;
        const auto index = static_cast<std::size_t>(family.family);
        const std::string name(family.name);
        const std::string help(family.help);
        if (family.type == Type::counter) {
            state_->counters[index] =
                &prometheus::BuildCounter().Name(name).Help(help).Register(state_->registry);
        } else {
            state_->gauges[index] =
                &prometheus::BuildGauge().Name(name).Help(help).Register(state_->registry);
        }
    }
}

LowRate::~LowRate() = default;

void LowRate::count(const FamilyInfo& family, Values labels, double n) {
    auto& counters = state_->counter(family);
    const auto set = to_map(family, labels);
    if (state_->admits(counters, set)) counters.Add(set).Increment(n);
}

void LowRate::set(const FamilyInfo& family, Values labels, double value) {
    auto& gauges = state_->gauge(family);
    const auto set = to_map(family, labels);
    if (state_->admits(gauges, set)) gauges.Add(set).Set(value);
}

void LowRate::set_info(const FamilyInfo& family, Values labels) {
    const std::lock_guard lock(state_->mutex);
    auto& current = state_->infos[static_cast<std::size_t>(family.family)];
    prometheus::Gauge& next = state_->gauge(family).Add(to_map(family, labels));
    next.Set(1);
    if (current != nullptr && current != &next) state_->gauge(family).Remove(current);
    current = &next;
}

std::optional<double> LowRate::value(const FamilyInfo& family, Values labels) const {
    const auto wanted = to_map(family, labels);
    if (family.type == Type::counter) {
        if (!state_->counter(family).Has(wanted)) return std::nullopt;
        return state_->counter(family).Add(wanted).Value();
    }
    if (!state_->gauge(family).Has(wanted)) return std::nullopt;
    return state_->gauge(family).Add(wanted).Value();
}

std::vector<prometheus::MetricFamily> LowRate::Collect() const {
    auto page = state_->registry.Collect();
    for (auto& family : page)
        put_in_order(family);
    add_process(page);
    return page;
}

}  // namespace weir::telemetry

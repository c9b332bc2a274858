#include "telemetry/low_rate.hpp"

#include "telemetry/process.hpp"
#include <prometheus/collectable.h>
#include <prometheus/counter.h>
#include <prometheus/family.h>
#include <prometheus/gauge.h>
#include <prometheus/registry.h>

#include <array>
#include <mutex>

namespace weir::telemetry {
namespace {

using Counters = prometheus::Family<prometheus::Counter>;
using Gauges = prometheus::Family<prometheus::Gauge>;

prometheus::Labels to_labels(const FamilyInfo& family, LowRate::Values values) {
    prometheus::Labels labels;
    for (std::size_t i = 0; i < values.size(); ++i) {
        labels.emplace(std::string(family.labels[i]), values[i]);
    }
    return labels;
}

// The process itself, read anew for each scrape.
class ProcessCollectable final : public prometheus::Collectable {
  public:
    [[nodiscard]] std::vector<prometheus::MetricFamily> Collect() const override {
        std::vector<prometheus::MetricFamily> collected;
        for (const auto& [family, value] : read_process()) {
            prometheus::ClientMetric metric;
            metric.gauge.value = value;
            metric.counter.value = value;
            const FamilyInfo& row = info(family);
            const auto type = row.type == Type::counter ? prometheus::MetricType::Counter
                                                        : prometheus::MetricType::Gauge;
            collected.push_back({std::string(row.name), std::string(row.help), type, {metric}});
        }
        return collected;
    }
};

const FamilyInfo* find_family(std::string_view name) {
    for (const FamilyInfo& family : families()) {
        if (family.name == name) return &family;
    }
    return nullptr;
}

Series to_series(const FamilyInfo& family, const prometheus::ClientMetric& metric) {
    Series series;
    for (const std::string_view name : family.labels) {
        auto& value = series.labels.emplace_back();
        for (const auto& label : metric.label) {
            if (label.name == name) value = label.value;
        }
    }
    series.value = family.type == Type::counter ? metric.counter.value : metric.gauge.value;
    return series;
}

void add_all(Scrape& scrape, const prometheus::Collectable& source) {
    for (const auto& collected : source.Collect()) {
        const FamilyInfo* const family = find_family(collected.name);
        if (family == nullptr) continue;
        auto& all = scrape[static_cast<std::size_t>(family->family)];
        for (const auto& metric : collected.metric)
            all.push_back(to_series(*family, metric));
        // prometheus-cpp hashes label sets; a page that keeps its order is easier to compare.
        std::sort(all.begin(), all.end(),
                  [](const Series& a, const Series& b) { return a.labels < b.labels; });
    }
}

}  // namespace

struct LowRate::State {
    prometheus::Registry registry;
    ProcessCollectable process;
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

LowRate::LowRate() : state_(std::make_unique<State>()) {
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
    state_->counter(family).Add(to_labels(family, labels)).Increment(n);
}

void LowRate::set(const FamilyInfo& family, Values labels, double value) {
    state_->gauge(family).Add(to_labels(family, labels)).Set(value);
}

void LowRate::set_info(const FamilyInfo& family, Values labels) {
    const std::lock_guard lock(state_->mutex);
    auto& current = state_->infos[static_cast<std::size_t>(family.family)];
    prometheus::Gauge& next = state_->gauge(family).Add(to_labels(family, labels));
    next.Set(1);
    if (current != nullptr && current != &next) state_->gauge(family).Remove(current);
    current = &next;
}

std::optional<double> LowRate::value(const FamilyInfo& family, Values labels) const {
    const auto wanted = to_labels(family, labels);
    if (family.type == Type::counter) {
        if (!state_->counter(family).Has(wanted)) return std::nullopt;
        return state_->counter(family).Add(wanted).Value();
    }
    if (!state_->gauge(family).Has(wanted)) return std::nullopt;
    return state_->gauge(family).Add(wanted).Value();
}

void LowRate::collect(Scrape& scrape) const {
    add_all(scrape, state_->registry);
    add_all(scrape, state_->process);
}

}  // namespace weir::telemetry

#include "weir/telemetry/metrics.hpp"

#include "weir/core/error.hpp"

#include "telemetry/low_rate.hpp"
#include "telemetry/model.hpp"
#include "telemetry/series_table.hpp"

#include <algorithm>
#include <array>
#include <map>
#include <mutex>

namespace weir::telemetry {
namespace {

constexpr std::string_view kMaxSeriesReason = "max_series";

std::vector<std::string> clean(const FamilyInfo& family, Labels labels) {
    WEIR_ASSERT(labels.size() == family.labels.size());
    std::vector<std::string> values;
    values.reserve(labels.size());
    for (const std::string_view label : labels)
        values.push_back(valid_utf8(label));
    return values;
}

// Families by their place in the table, while a page is put together.
using Parts = std::array<std::vector<prometheus::ClientMetric>, kFamilyCount>;

Page to_page(Parts& parts) {
    Page page;
    for (const FamilyInfo& family : families()) {
        auto& metrics = parts[static_cast<std::size_t>(family.family)];
        if (metrics.empty()) continue;
        page.push_back(empty_family(family));
        page.back().metric = std::move(metrics);
    }
    return page;
}

void add(Parts& parts, Page&& page) {
    for (auto& found : page) {
        const auto row =
            std::find_if(families().begin(), families().end(),
                         [&](const auto& family) { return family.name == found.name; });
        WEIR_ASSERT(row != families().end());
        auto& metrics = parts[static_cast<std::size_t>(row->family)];
        if (metrics.empty()) {
            metrics = std::move(found.metric);
        } else {
            std::move(found.metric.begin(), found.metric.end(), std::back_inserter(metrics));
        }
    }
}

// What collectors say at a scrape.
class LiveSeries final : public Collector {
  public:
    LiveSeries(Parts& parts, std::size_t room) : parts_(parts), room_(room) {}

    void gauge(Family family, Labels labels, double value) override { add(family, labels, value); }
    void counter(Family family, Labels labels, std::uint64_t value) override {
        add(family, labels, static_cast<double>(value));
    }
    [[nodiscard]] std::size_t added() const { return added_; }
    [[nodiscard]] std::size_t refused() const { return refused_; }

  private:
    void add(Family family, Labels labels, double value) {
        if (added_ == room_) {
            ++refused_;
            return;
        }
        ++added_;
        prometheus::ClientMetric metric;
        metric.label = to_labels(info(family), clean(info(family), labels));
        metric.gauge.value = value;
        metric.counter.value = value;
        parts_[static_cast<std::size_t>(family)].push_back(std::move(metric));
    }

    Parts& parts_;
    std::size_t room_;
    std::size_t added_ = 0;
    std::size_t refused_ = 0;
};

}  // namespace

struct Registry::State {
    explicit State(std::size_t max_series) : budget(max_series) {}

    void collect(Parts& parts);

    SeriesBudget budget;
    SeriesTable table{budget};
    LowRate low_rate{budget};

    std::mutex scrape_mutex;  // held for a whole scrape; no worker takes it
    std::map<std::uint64_t, std::function<void(Collector&)>> collectors;
    std::uint64_t next_collector = 0;
};

void Registry::State::collect(Parts& parts) {
    LiveSeries live(parts, budget.room_for_collectors());
    for (const auto& [id, collect] : collectors)
        collect(live);
    budget.set_collected(live.added(), live.refused());
}

Page RegistryAccess::scrape(Registry& registry) {
    Registry::State& state = *registry.state_;
    const std::lock_guard scraping(state.scrape_mutex);
    Parts parts;
    state.collect(parts);
    add(parts, state.table.Collect());
    add(parts, state.low_rate.Collect());
    prometheus::ClientMetric dropped;
    dropped.label = {{"reason", std::string(kMaxSeriesReason)}};
    dropped.counter.value = static_cast<double>(state.budget.dropped());
    parts[static_cast<std::size_t>(Family::metrics_series_dropped)].push_back(std::move(dropped));
    return to_page(parts);
}

const SeriesTable& RegistryAccess::table(const Registry& registry) {
    return registry.state_->table;
}

Registry::Registry(std::size_t max_series) : state_(std::make_unique<State>(max_series)) {}

Registry::~Registry() = default;

void Registry::set_max_series(std::size_t most) {
    state_->table.set_max_series(most);
}

void Registry::set_buckets(std::span<const Duration> bounds) {
    std::vector<std::int64_t> nanoseconds;
    for (const Duration bound : bounds)
        nanoseconds.push_back(bound.count());
    WEIR_ASSERT(std::is_sorted(nanoseconds.begin(), nanoseconds.end()));
    state_->table.set_buckets(nanoseconds);
}

CellId Registry::counter(Family family, Labels labels, Show show) {
    WEIR_ASSERT(info(family).type == Type::counter && !info(family).is_low_rate);
    return CellId{state_->table.add(family, clean(info(family), labels), show).cell};
}

CellId Registry::gauge(Family family, Labels labels, Show show) {
    WEIR_ASSERT(info(family).type == Type::gauge && !info(family).is_low_rate);
    return CellId{state_->table.add(family, clean(info(family), labels), show).cell};
}

CellId Registry::counter(Family family, Labels labels, HistogramId with) {
    WEIR_ASSERT(info(family).type == Type::counter && !info(family).is_low_rate);
    return CellId{
        state_->table.add(family, clean(info(family), labels), Show::once_used, with).cell};
}

CellId Registry::gauge(Family family, Labels labels, HistogramId with) {
    WEIR_ASSERT(info(family).type == Type::gauge && !info(family).is_low_rate);
    return CellId{
        state_->table.add(family, clean(info(family), labels), Show::once_used, with).cell};
}

HistogramId Registry::histogram(Family family, Labels labels, Show show) {
    WEIR_ASSERT(info(family).type == Type::histogram);
    const auto& entry = state_->table.add(family, clean(info(family), labels), show);
    return entry.histogram == nullptr ? HistogramId{} : HistogramId{&entry.histogram};
}

Shard& Registry::make_shard() {
    return state_->table.make_shard();
}

void Registry::add(CellId id, std::uint64_t n) {
    state_->table.add_to_common(id.index, n);
}

void Registry::count(Family family, Labels labels, std::uint64_t n) {
    const FamilyInfo& row = info(family);
    if (row.is_low_rate) {
        WEIR_ASSERT(row.type == Type::counter);
        state_->low_rate.count(row, clean(row, labels), static_cast<double>(n));
    } else {
        add(counter(family, labels), n);
    }
}

void Registry::set(Family family, Labels labels, double value) {
    const FamilyInfo& row = info(family);
    WEIR_ASSERT(row.type == Type::gauge && row.is_low_rate);
    state_->low_rate.set(row, clean(row, labels), value);
}

void Registry::set_info(Family family, Labels labels) {
    const FamilyInfo& row = info(family);
    WEIR_ASSERT(row.type == Type::gauge && row.is_low_rate);
    state_->low_rate.set_info(row, clean(row, labels));
}

Registry::CollectorToken Registry::add_collector(std::function<void(Collector&)> collect) {
    const std::lock_guard lock(state_->scrape_mutex);
    const std::uint64_t id = state_->next_collector++;
    state_->collectors.emplace(id, std::move(collect));
    return {this, id};
}

Registry::CollectorToken& Registry::CollectorToken::operator=(CollectorToken&& other) noexcept {
    std::swap(registry_, other.registry_);
    std::swap(id_, other.id_);
    return *this;
}

Registry::CollectorToken::~CollectorToken() {
    if (registry_ == nullptr) return;
    const std::lock_guard lock(registry_->state_->scrape_mutex);
    registry_->state_->collectors.erase(id_);
}

std::string Registry::expose(Exposition format) {
    return write_exposition(RegistryAccess::scrape(*this), format);
}

std::int64_t Registry::value(Family family, Labels labels) const {
    const FamilyInfo& row = info(family);
    const auto values = clean(row, labels);
    if (row.is_low_rate) {
        return static_cast<std::int64_t>(state_->low_rate.value(row, values).value_or(0));
    }
    if (family == Family::metrics_series_dropped) {
        return static_cast<std::int64_t>(state_->budget.dropped());
    }
    return state_->table.value(family, values).value_or(0);
}

}  // namespace weir::telemetry

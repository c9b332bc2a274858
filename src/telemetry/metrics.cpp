#include "weir/telemetry/metrics.hpp"

#include "weir/core/error.hpp"

#include "telemetry/low_rate.hpp"
#include "telemetry/model.hpp"

#include <algorithm>
#include <deque>
#include <map>
#include <mutex>
#include <optional>
#include <unordered_map>

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

std::string key_of(Family family, const std::vector<std::string>& labels) {
    std::string key(1, static_cast<char>(family));
    for (const std::string& label : labels) {
        key += std::to_string(label.size());
        key += ':';
        key += label;
    }
    return key;
}

// Lines of exposition, which is what max_series counts.
std::size_t lines_of(const FamilyInfo& family) {
    return family.type == Type::histogram ? family.buckets->text.size() + 3 : 1;
}

std::uint32_t cells_of(const FamilyInfo& family) {
    if (family.type != Type::histogram) return 1;
    return static_cast<std::uint32_t>(family.buckets->text.size()) + 2;  // +Inf and the sum
}

}  // namespace

Shard::Shard() = default;

Shard::~Shard() {
    for (auto& chunk : chunks_)
        delete chunk.load(std::memory_order_relaxed);
}

// Two locks, so that a worker which meets a new combination never waits for a scrape: `mutex`
// guards the tables and is held for a lookup; `scrape_mutex` is held for a scrape and taken first.
struct Registry::State {
    enum class Export : std::uint8_t { hidden, shown, dropped };

    struct Entry {
        Family family;
        std::vector<std::string> labels;
        std::uint32_t first;
        Export state;
    };

    explicit State(std::size_t max) : max_series(max) {}

    Entry& add_entry(Family family, std::vector<std::string> labels, Show show);
    bool grow(std::uint32_t cells);
    void export_series(Entry& entry);
    std::uint64_t sum(std::uint32_t index, const std::vector<Shard*>& all) const;
    std::vector<Shard*> all_shards() const;
    void scrape_entry(Entry& entry, const std::vector<Shard*>& all, Scrape& scrape);
    void scrape_collectors(Scrape& scrape);

    const std::size_t max_series;
    LowRate low_rate;

    mutable std::mutex mutex;
    std::deque<Entry> entries;
    std::unordered_map<std::string, Entry*> by_key;
    std::vector<std::unique_ptr<Shard>> shards;
    Shard* common = nullptr;      // of the threads without a shard: atomic increments
    std::uint32_t next_cell = 1;  // 0 is the sink
    std::size_t exported = 0;
    std::uint64_t dropped = 0;

    std::mutex scrape_mutex;
    std::map<std::uint64_t, std::function<void(Collector&)>> collectors;
    std::uint64_t next_collector = 0;
    std::uint64_t dropped_by_collectors = 0;  // the most in one scrape
};

// Makes the chunks that hold the next cells; false if there is no room for them.
bool Registry::State::grow(std::uint32_t cells) {
    const std::uint32_t last = next_cell + cells - 1;
    if (last >= Shard::kChunkCells * Shard::kMaxChunks) return false;
    for (std::uint32_t chunk = next_cell >> Shard::kChunkBits; chunk <= last >> Shard::kChunkBits;
         ++chunk) {
        for (const auto& shard : shards) {
            auto& slot = shard->chunks_[chunk];
            if (slot.load(std::memory_order_relaxed) != nullptr) continue;
            slot.store(new Shard::Chunk, std::memory_order_release);
        }
    }
    return true;
}

void Registry::State::export_series(Entry& entry) {
    const std::size_t lines = lines_of(info(entry.family));
    if (exported + lines > max_series) {
        entry.state = Export::dropped;
        dropped += lines;
        return;
    }
    entry.state = Export::shown;
    exported += lines;
}

Registry::State::Entry& Registry::State::add_entry(Family family,
                                                   std::vector<std::string> labels,
                                                   Show show) {
    const std::lock_guard lock(mutex);
    std::string key = key_of(family, labels);
    if (const auto found = by_key.find(key); found != by_key.end()) {
        Entry& entry = *found->second;
        if (show == Show::always && entry.state == Export::hidden) export_series(entry);
        return entry;
    }
    const std::uint32_t cells = cells_of(info(family));
    Entry& entry = entries.emplace_back(Entry{family, std::move(labels), 0, Export::hidden});
    by_key.emplace(std::move(key), &entry);
    if (!grow(cells)) {
        entry.state = Export::dropped;
        dropped += lines_of(info(family));
        return entry;
    }
    entry.first = next_cell;
    next_cell += cells;
    if (show == Show::always) export_series(entry);
    return entry;
}

std::vector<Shard*> Registry::State::all_shards() const {
    const std::lock_guard lock(mutex);
    std::vector<Shard*> all;
    for (const auto& shard : shards)
        all.push_back(shard.get());
    return all;
}

std::uint64_t Registry::State::sum(std::uint32_t index, const std::vector<Shard*>& all) const {
    std::uint64_t total = 0;
    for (const Shard* shard : all)
        total += shard->cell(index).load(std::memory_order_relaxed);
    return total;
}

void Registry::State::scrape_entry(Entry& entry, const std::vector<Shard*>& all, Scrape& scrape) {
    const FamilyInfo& family = info(entry.family);
    Series series;
    bool is_used = false;
    if (family.type == Type::histogram) {
        const std::uint32_t buckets = cells_of(family) - 1;
        for (std::uint32_t i = 0; i < buckets; ++i) {
            series.buckets.push_back(sum(entry.first + i, all));
            is_used = is_used || series.buckets.back() != 0;
        }
        series.value = static_cast<double>(sum(entry.first + buckets, all)) * 1e-9;
    } else {
        const std::uint64_t total = sum(entry.first, all);
        is_used = total != 0;
        series.value = family.type == Type::gauge
                           ? static_cast<double>(static_cast<std::int64_t>(total))
                           : static_cast<double>(total);
    }
    {
        const std::lock_guard lock(mutex);
        if (entry.state == Export::hidden && is_used) export_series(entry);
        if (entry.state != Export::shown) return;
    }
    series.labels = entry.labels;
    scrape[static_cast<std::size_t>(entry.family)].push_back(std::move(series));
}

namespace {

class ScrapeCollector final : public Collector {
  public:
    ScrapeCollector(Scrape& scrape, std::size_t room) : scrape_(scrape), room_(room) {}

    void gauge(Family family, Labels labels, double value) override { add(family, labels, value); }
    void counter(Family family, Labels labels, std::uint64_t value) override {
        add(family, labels, static_cast<double>(value));
    }
    [[nodiscard]] std::uint64_t dropped() const { return dropped_; }

  private:
    void add(Family family, Labels labels, double value) {
        if (room_ == 0) {
            ++dropped_;
            return;
        }
        --room_;
        scrape_[static_cast<std::size_t>(family)].push_back(
            {clean(info(family), labels), value, {}});
    }

    Scrape& scrape_;
    std::size_t room_;
    std::uint64_t dropped_ = 0;
};

}  // namespace

void Registry::State::scrape_collectors(Scrape& scrape) {
    std::size_t room = 0;
    {
        const std::lock_guard lock(mutex);
        room = max_series - std::min(exported, max_series);
    }
    ScrapeCollector collector(scrape, room);
    for (const auto& [id, collect] : collectors)
        collect(collector);
    dropped_by_collectors = std::max(dropped_by_collectors, collector.dropped());
}

Scrape RegistryAccess::scrape(Registry& registry) {
    Registry::State& state = *registry.state_;
    const std::lock_guard scraping(state.scrape_mutex);
    Scrape scrape;
    std::vector<Registry::State::Entry*> entries;
    {
        const std::lock_guard lock(state.mutex);
        for (auto& entry : state.entries)
            entries.push_back(&entry);
    }
    const auto shards = state.all_shards();
    for (auto* entry : entries)
        state.scrape_entry(*entry, shards, scrape);
    state.scrape_collectors(scrape);
    state.low_rate.collect(scrape);

    const std::lock_guard lock(state.mutex);
    const auto dropped = static_cast<double>(state.dropped + state.dropped_by_collectors);
    scrape[static_cast<std::size_t>(Family::metrics_series_dropped)] = {
        {{std::string(kMaxSeriesReason)}, dropped, {}}};
    return scrape;
}

Registry::Registry(std::size_t max_series) : state_(std::make_unique<State>(max_series)) {
    state_->common = &make_shard();
}

Registry::~Registry() = default;

CellId Registry::counter(Family family, Labels labels, Show show) {
    WEIR_ASSERT(info(family).type == Type::counter && !info(family).is_low_rate);
    return CellId{state_->add_entry(family, clean(info(family), labels), show).first};
}

CellId Registry::gauge(Family family, Labels labels, Show show) {
    WEIR_ASSERT(info(family).type == Type::gauge && !info(family).is_low_rate);
    return CellId{state_->add_entry(family, clean(info(family), labels), show).first};
}

HistogramId Registry::histogram(Family family, Labels labels, Show show) {
    WEIR_ASSERT(info(family).type == Type::histogram);
    const auto& entry = state_->add_entry(family, clean(info(family), labels), show);
    return entry.first == 0 ? HistogramId{} : HistogramId{entry.first, info(family).buckets};
}

Shard& Registry::make_shard() {
    const std::lock_guard lock(state_->mutex);
    state_->shards.push_back(std::unique_ptr<Shard>(new Shard));
    Shard& shard = *state_->shards.back();
    for (std::uint32_t chunk = 0; chunk <= (state_->next_cell - 1) >> Shard::kChunkBits; ++chunk) {
        shard.chunks_[chunk].store(new Shard::Chunk, std::memory_order_release);
    }
    return shard;
}

void Registry::add(CellId id, std::uint64_t n) {
    state_->common->cell(id.index).fetch_add(n, std::memory_order_relaxed);
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
    const auto shards = state_->all_shards();
    const std::lock_guard lock(state_->mutex);
    const auto found = state_->by_key.find(key_of(family, values));
    if (found == state_->by_key.end() || row.type == Type::histogram) return 0;
    return static_cast<std::int64_t>(state_->sum(found->second->first, shards));
}

}  // namespace weir::telemetry

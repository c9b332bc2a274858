#include "telemetry/series_table.hpp"

#include "weir/core/error.hpp"
#include "weir/core/log.hpp"

#include <algorithm>
#include <array>
#include <limits>
#include <unordered_set>
#include <utility>

namespace weir::telemetry {
namespace {

std::string key_of(Family family, const std::vector<std::string>& labels) {
    std::string key(1, static_cast<char>(family));
    for (const std::string& label : labels) {
        key += std::to_string(label.size());
        key += ':';
        key += label;
    }
    return key;
}

// Lines of exposition, which is what max_series counts: a histogram's buckets, +Inf, sum and count.
std::size_t lines_of(const SeriesTable::Entry& entry) {
    const HistogramCells* const histogram = entry.histogram.load(std::memory_order_acquire);
    return histogram == nullptr ? 1 : histogram->buckets->nanoseconds.size() + 3;
}

bool is_same(const Buckets& buckets, std::span<const std::int64_t> bounds) {
    return std::equal(buckets.nanoseconds.begin(), buckets.nanoseconds.end(), bounds.begin(),
                      bounds.end());
}

}  // namespace

// ---- the budget

bool SeriesBudget::take(std::size_t lines) {
    const std::lock_guard lock(mutex_);
    if (taken_ + collected_ + lines > most_) {
        dropped_ += lines;
        return false;
    }
    taken_ += lines;
    return true;
}

void SeriesBudget::give_back(std::size_t lines) {
    const std::lock_guard lock(mutex_);
    taken_ -= lines;
}

std::size_t SeriesBudget::room_for_collectors() const {
    const std::lock_guard lock(mutex_);
    return most_ - std::min(taken_, most_);
}

void SeriesBudget::set_collected(std::size_t lines, std::size_t refused) {
    const std::lock_guard lock(mutex_);
    collected_ = lines;
    refused_ = std::max<std::uint64_t>(refused_, refused);
}

void SeriesBudget::set_most(std::size_t most) {
    const std::lock_guard lock(mutex_);
    most_ = most;
}

void SeriesBudget::add_dropped(std::size_t lines) {
    const std::lock_guard lock(mutex_);
    dropped_ += lines;
}

void SeriesBudget::forget_dropped(std::size_t lines) {
    const std::lock_guard lock(mutex_);
    dropped_ -= lines;
}

std::uint64_t SeriesBudget::dropped() const {
    const std::lock_guard lock(mutex_);
    return dropped_ + refused_;
}

// ---- the table

Shard::Shard() = default;

Shard::~Shard() {
    for (auto& chunk : chunks_)
        delete chunk.load(std::memory_order_relaxed);
}

SeriesTable::SeriesTable(SeriesBudget& budget)
    : budget_(budget), request_buckets_(info(Family::request_duration).buckets) {
    common_ = &make_shard();
}

SeriesTable::~SeriesTable() = default;

Shard& SeriesTable::make_shard() {
    const std::lock_guard lock(mutex_);
    shards_.push_back(std::unique_ptr<Shard>(new Shard));
    Shard& shard = *shards_.back();
    for (std::uint32_t chunk = 0; chunk <= (next_cell_ - 1) >> Shard::kChunkBits; ++chunk) {
        shard.chunks_[chunk].store(new Shard::Chunk, std::memory_order_release);
    }
    return shard;
}

void SeriesTable::add_to_common(std::uint32_t cell, std::uint64_t n) {
    common_->cell(cell).fetch_add(n, std::memory_order_relaxed);
}

// The first of so many cells, with the chunks that hold them; 0 if there is no room.
std::uint32_t SeriesTable::take_cells(std::uint32_t count) {
    const std::uint32_t last = next_cell_ + count - 1;
    if (last >= Shard::kChunkCells * Shard::kMaxChunks) return 0;
    for (std::uint32_t chunk = next_cell_ >> Shard::kChunkBits; chunk <= last >> Shard::kChunkBits;
         ++chunk) {
        for (const auto& shard : shards_) {
            auto& slot = shard->chunks_[chunk];
            if (slot.load(std::memory_order_relaxed) != nullptr) continue;
            slot.store(new Shard::Chunk, std::memory_order_release);
        }
    }
    return std::exchange(next_cell_, next_cell_ + count);
}

const HistogramCells* SeriesTable::make_cells(const Buckets& buckets) {
    // +Inf and the sum.
    const auto count = static_cast<std::uint32_t>(buckets.nanoseconds.size()) + 2;
    const std::uint32_t first = take_cells(count);
    if (first == 0) return nullptr;
    return &histograms_.emplace_back(HistogramCells{first, &buckets});
}

// Under the mutex.
void SeriesTable::show(const Entry& entry) const {
    const bool has_room = budget_.take(lines_of(entry));
    entry.state.store(has_room ? Export::shown : Export::dropped, std::memory_order_relaxed);
}

SeriesTable::Entry& SeriesTable::add(Family family,
                                     const std::vector<std::string>& labels,
                                     Show show_when,
                                     HistogramId with) {
    const std::lock_guard lock(mutex_);
    std::string key = key_of(family, labels);
    if (const auto found = by_key_.find(key); found != by_key_.end()) {
        Entry& entry = *found->second;
        if (show_when == Show::always && entry.state == Export::hidden) show(entry);
        return entry;
    }
    Entry& entry = entries_.emplace_back();
    by_key_.emplace(std::move(key), &entry);
    entry.family = family;
    entry.labels = to_labels(info(family), labels);
    entry.with = with;
    bool has_cells = false;
    if (info(family).type == Type::histogram) {
        const Buckets& buckets =
            takes_configured_buckets(family) ? *request_buckets_ : *info(family).buckets;
        entry.histogram = make_cells(buckets);
        has_cells = entry.histogram != nullptr;
    } else {
        entry.cell = take_cells(1);
        has_cells = entry.cell != 0;
    }
    if (!has_cells) {
        entry.state = Export::dropped;
        budget_.add_dropped(1);
    } else if (show_when == Show::always) {
        show(entry);
    }
    return entry;
}

// A histogram whose bounds change begins at nothing, as after a restart: its cells are new ones. A
// worker in the middle of an observation may still write to the old ones, which nobody reads again.
void SeriesTable::set_buckets(std::span<const std::int64_t> bounds) {
    const std::lock_guard lock(mutex_);
    if (is_same(*request_buckets_, bounds)) return;
    const auto& kept = bounds_.emplace_back(bounds.begin(), bounds.end());
    request_buckets_ = &configured_.emplace_back(Buckets{kept});
    for (Entry& entry : entries_) {
        if (!takes_configured_buckets(entry.family) || entry.histogram == nullptr) continue;
        const HistogramCells* const cells = make_cells(*request_buckets_);
        if (cells == nullptr) {
            log::warn("telemetry.buckets changed too often: some histograms keep theirs", {});
            return;
        }
        if (entry.state == Export::shown) budget_.give_back(lines_of(entry));
        entry.state = Export::hidden;
        entry.histogram.store(cells, std::memory_order_release);
    }
}

// Decided anew, in the order in which the series came.
void SeriesTable::set_max_series(std::size_t most) {
    const std::lock_guard lock(mutex_);
    budget_.set_most(most);
    std::vector<Entry*> candidates;
    for (Entry& entry : entries_) {
        const Export state = entry.state;
        const bool has_cells = entry.cell != 0 || entry.histogram != nullptr;
        if (state == Export::hidden || !has_cells) continue;
        if (state == Export::shown) budget_.give_back(lines_of(entry));
        candidates.push_back(&entry);
    }
    for (Entry* const entry : candidates) {
        const bool was_dropped = entry->state == Export::dropped;
        show(*entry);
        // What is still without room was counted before.
        if (was_dropped && entry->state == Export::dropped)
            budget_.forget_dropped(lines_of(*entry));
    }
}

std::vector<const SeriesTable::Entry*> SeriesTable::entries_from(std::size_t n) const {
    const std::lock_guard lock(mutex_);
    std::vector<const Entry*> found;
    if (n >= entries_.size()) return found;
    found.reserve(entries_.size() - n);
    for (auto entry = entries_.begin() + static_cast<std::ptrdiff_t>(n); entry != entries_.end();
         ++entry)
        found.push_back(&*entry);
    return found;
}

std::vector<const Shard*> SeriesTable::shards() const {
    const std::lock_guard lock(mutex_);
    std::vector<const Shard*> all;
    for (const auto& shard : shards_)
        all.push_back(shard.get());
    return all;
}

std::uint64_t SeriesTable::sum(std::uint32_t cell, const std::vector<const Shard*>& shards) {
    std::uint64_t total = 0;
    for (const Shard* const shard : shards)
        total += shard->cell(cell).load(std::memory_order_relaxed);
    return total;
}

namespace {

// False if nothing was counted yet.
bool read(const HistogramCells& cells,
          const std::vector<const Shard*>& shards,
          prometheus::ClientMetric::Histogram& out) {
    const auto& bounds = cells.buckets->nanoseconds;
    const auto infinite = static_cast<std::uint32_t>(bounds.size());
    std::uint64_t count = 0;
    out.bucket.resize(bounds.size() + 1);
    for (std::uint32_t i = 0; i <= infinite; ++i) {
        count += SeriesTable::sum(cells.first + i, shards);
        out.bucket[i] = {count, i < infinite ? static_cast<double>(bounds[i]) / 1e9
                                             : std::numeric_limits<double>::infinity()};
    }
    out.sample_count = count;
    out.sample_sum =
        static_cast<double>(SeriesTable::sum(cells.first + infinite + 1, shards)) / 1e9;
    return count != 0;
}

bool read(const SeriesTable::Entry& entry,
          const std::vector<const Shard*>& shards,
          prometheus::ClientMetric& out) {
    if (const auto* const cells = entry.histogram.load(std::memory_order_acquire)) {
        return read(*cells, shards, out.histogram);
    }
    const std::uint64_t total = SeriesTable::sum(entry.cell, shards);
    if (info(entry.family).type == Type::gauge) {
        out.gauge.value = static_cast<double>(static_cast<std::int64_t>(total));
    } else {
        out.counter.value = static_cast<double>(total);
    }
    return total != 0;
}

}  // namespace

std::vector<prometheus::MetricFamily> SeriesTable::Collect() const {
    std::array<std::vector<prometheus::ClientMetric>, kFamilyCount> found;
    const auto all = shards();
    std::unordered_set<const void*> used;  // histograms, which come before what is shown with them
    for (const Entry* const entry : entries_from(0)) {
        if (entry->state == Export::dropped) continue;
        prometheus::ClientMetric metric;
        const bool has_value = read(*entry, all, metric);
        if (has_value && entry->histogram != nullptr) used.insert(&entry->histogram);
        const bool is_used = has_value || used.contains(entry->with.cells);
        if (is_used && entry->state == Export::hidden) {
            const std::lock_guard lock(mutex_);
            if (entry->state == Export::hidden) show(*entry);
        }
        if (entry->state != Export::shown) continue;
        metric.label = entry->labels;
        found[static_cast<std::size_t>(entry->family)].push_back(std::move(metric));
    }
    std::vector<prometheus::MetricFamily> page;
    for (const FamilyInfo& family : families()) {
        auto& metrics = found[static_cast<std::size_t>(family.family)];
        if (metrics.empty()) continue;
        page.push_back(empty_family(family));
        page.back().metric = std::move(metrics);
    }
    return page;
}

std::optional<std::int64_t> SeriesTable::value(Family family,
                                               const std::vector<std::string>& labels) const {
    const auto all = shards();
    const std::lock_guard lock(mutex_);
    const auto found = by_key_.find(key_of(family, labels));
    if (found == by_key_.end() || found->second->cell == 0) return std::nullopt;
    return static_cast<std::int64_t>(sum(found->second->cell, all));
}

}  // namespace weir::telemetry

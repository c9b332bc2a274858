#pragma once

#include "weir/telemetry/families.hpp"
#include "weir/telemetry/metrics.hpp"

#include "telemetry/model.hpp"
#include <prometheus/collectable.h>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

namespace weir::telemetry {

// How many series a page may have, and how many it could not take. Thread: any (a lock held for an
// addition).
class SeriesBudget {
  public:
    explicit SeriesBudget(std::size_t most) : most_(most) {}

    // False, and counted as dropped, if there is no room.
    [[nodiscard]] bool take(std::size_t lines);
    void give_back(std::size_t lines);

    // The collectors' part: granted anew at each scrape, and kept free for the next one.
    [[nodiscard]] std::size_t room_for_collectors() const;
    void set_collected(std::size_t lines, std::size_t refused);

    void set_most(std::size_t most);
    void add_dropped(std::size_t lines);
    void forget_dropped(std::size_t lines);
    [[nodiscard]] std::uint64_t dropped() const;

  private:
    mutable std::mutex mutex_;
    std::size_t most_;
    std::size_t taken_ = 0;
    std::size_t collected_ = 0;
    std::uint64_t dropped_ = 0;
    std::uint64_t refused_ = 0;  // of the collectors, the most in one scrape
};

// The series of the path: which cells of the shards belong to which family and labels.
// Thread: any. Adding takes a lock for a lookup; Collect() takes it only to learn what there is, so
// that a worker which meets a new combination never waits for a scrape.
class SeriesTable final : public prometheus::Collectable {
  public:
    enum class Export : std::uint8_t { hidden, shown, dropped };

    struct Entry {
        Family family;
        std::vector<prometheus::ClientMetric::Label> labels;
        std::uint32_t cell = 0;  // counters and gauges; 0: no cell was left
        std::atomic<const HistogramCells*> histogram{nullptr};
        HistogramId with;  // shown from when that one is used
        // Mutable: a scrape, which reads the table, shows what it finds used for the first time.
        mutable std::atomic<Export> state{Export::hidden};
    };

    explicit SeriesTable(SeriesBudget& budget);
    ~SeriesTable() override;

    // The present values of what is shown. One scrape at a time.
    [[nodiscard]] std::vector<prometheus::MetricFamily> Collect() const override;

    Entry& add(Family family,
               const std::vector<std::string>& labels,
               Show show,
               HistogramId with = {});
    Shard& make_shard();
    void add_to_common(std::uint32_t cell, std::uint64_t n);

    void set_buckets(std::span<const std::int64_t> bounds);
    void set_max_series(std::size_t most);

    [[nodiscard]] std::optional<std::int64_t> value(Family family,
                                                    const std::vector<std::string>& labels) const;

    // Entries are only added and never move: those from the nth on.
    [[nodiscard]] std::vector<const Entry*> entries_from(std::size_t n) const;
    [[nodiscard]] std::vector<const Shard*> shards() const;
    [[nodiscard]] static std::uint64_t sum(std::uint32_t cell,
                                           const std::vector<const Shard*>& shards);

  private:
    const HistogramCells* make_cells(const Buckets& buckets);
    std::uint32_t take_cells(std::uint32_t count);
    void show(const Entry& entry) const;

    SeriesBudget& budget_;
    mutable std::mutex mutex_;
    std::deque<Entry> entries_;
    std::unordered_map<std::string, Entry*> by_key_;
    std::vector<std::unique_ptr<Shard>> shards_;
    Shard* common_;                // of the threads without a shard: atomic increments
    std::uint32_t next_cell_ = 1;  // 0 is the sink
    std::deque<HistogramCells> histograms_;
    std::deque<std::vector<std::int64_t>> bounds_;  // that were ever configured
    std::deque<Buckets> configured_;
    const Buckets* request_buckets_;
};

}  // namespace weir::telemetry

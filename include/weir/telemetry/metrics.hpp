#pragma once

#include "weir/core/clock.hpp"
#include "weir/telemetry/families.hpp"

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <initializer_list>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>

// Numbers for the metrics endpoint. Each worker counts in a shard of its own, with plain loads and
// stores; a scrape, on another thread, adds the shards up.
namespace weir::telemetry {

// A counter or gauge of one label set. The default one is a sink: counted into, never shown.
struct CellId {
    std::uint32_t index = 0;
};

// Where a histogram counts: its buckets, +Inf, then the sum of nanoseconds. Immutable.
struct HistogramCells {
    std::uint32_t first = 0;
    const Buckets* buckets = nullptr;
};

// A histogram of one label set. The default one is a sink. It points to the place that names its
// cells, as a reload may give it others (telemetry.buckets).
struct HistogramId {
    const std::atomic<const HistogramCells*>* cells = nullptr;
};

// The values of a family's labels, in the order of its table row.
using Labels = std::initializer_list<std::string_view>;

// Whether a series is exported before it was first used. Alerts need `always`: the increase from
// nothing to 1 is no increase to Prometheus.
enum class Show : std::uint8_t { always, once_used };

// The cells of one worker. Written by its worker only, read by the scrape: each access is a relaxed
// atomic, so a scrape may see a histogram's sum without its last bucket; the next one sees both.
// Growing never moves a cell: the registry fills in the chunk before it gives out an id in it.
// Thread: its worker's. Costs a few ns; no lock, no allocation.
class Shard {
  public:
    Shard(const Shard&) = delete;
    Shard& operator=(const Shard&) = delete;

    void add(CellId id, std::uint64_t n = 1) { add(id.index, n); }
    void sub(CellId id, std::uint64_t n = 1) {
        add(id.index, ~n + 1);
    }  // gauges wrap; their sum does not

    void observe(HistogramId id, Duration value) {
        if (id.cells == nullptr) return;
        const HistogramCells& cells = *id.cells->load(std::memory_order_acquire);
        const auto nanoseconds = value.count() < 0 ? 0 : value.count();
        std::uint32_t bucket = 0;
        for (const std::int64_t bound : cells.buckets->nanoseconds) {
            if (nanoseconds <= bound) break;
            ++bucket;
        }
        const auto sum = static_cast<std::uint32_t>(cells.buckets->nanoseconds.size()) + 1;
        add(cells.first + bucket, 1);
        add(cells.first + sum, static_cast<std::uint64_t>(nanoseconds));
    }

  private:
    friend class SeriesTable;
    static constexpr std::uint32_t kChunkBits = 8;
    static constexpr std::uint32_t kChunkCells = 1U << kChunkBits;
    static constexpr std::uint32_t kMaxChunks = 1024;
    using Cell = std::atomic<std::uint64_t>;
    struct alignas(64) Chunk {
        std::array<Cell, kChunkCells> cells{};
    };

    Shard();
    ~Shard();
    friend struct std::default_delete<Shard>;

    [[nodiscard]] Cell& cell(std::uint32_t index) const {
        // Acquire pairs with the registry's release; on x86 it is a plain load.
        Chunk* const chunk = chunks_[index >> kChunkBits].load(std::memory_order_acquire);
        return chunk->cells[index & (kChunkCells - 1)];
    }
    void add(std::uint32_t index, std::uint64_t n) {
        Cell& at = cell(index);
        at.store(at.load(std::memory_order_relaxed) + n, std::memory_order_relaxed);
    }

    std::array<std::atomic<Chunk*>, kMaxChunks> chunks_{};
};

// What a collector adds to a scrape: values computed from live state.
class Collector {
  public:
    virtual ~Collector() = default;
    virtual void gauge(Family family, Labels labels, double value) = 0;
    virtual void counter(Family family, Labels labels, std::uint64_t value) = 0;
};

enum class Exposition : std::uint8_t { text, openmetrics };

// All series of the process. The same family and labels are always the same series, also after a
// reload; series never expire. Thread: any, by a lock: for set-up, low rates and scrapes, not for a
// request's path. Costs a hash lookup.
class Registry {
  public:
    // max_series bounds what is exported, the process_* and its own families excepted; series
    // beyond it are counted in weir_metrics_series_dropped_total and not shown.
    explicit Registry(std::size_t max_series = 10'000);
    ~Registry();
    Registry(const Registry&) = delete;
    Registry& operator=(const Registry&) = delete;

    // telemetry.max_series and telemetry.buckets, at start and at each reload; both hold at once.
    // Bounds are ascending. A histogram whose bounds change begins at 0, as after a restart.
    void set_max_series(std::size_t most);
    void set_buckets(std::span<const Duration> bounds);

    [[nodiscard]] CellId counter(Family family, Labels labels, Show show = Show::always);
    [[nodiscard]] CellId gauge(Family family, Labels labels, Show show = Show::always);
    [[nodiscard]] HistogramId histogram(Family family, Labels labels, Show show = Show::once_used);

    // Exported from when that histogram, which was made before, is used: what an idle cluster or
    // route need not cost, and an active one has at 0.
    [[nodiscard]] CellId counter(Family family, Labels labels, HistogramId with);
    [[nodiscard]] CellId gauge(Family family, Labels labels, HistogramId with);

    // One for each worker; lives as long as the registry.
    [[nodiscard]] Shard& make_shard();

    // From any thread that has no shard of its own. Lock-free.
    void add(CellId id, std::uint64_t n = 1);

    // Low rates: looked up by labels at each call. count() takes any counter family (n = 0 shows
    // the series); set() only low-rate gauges; set_info() makes this label set the family's only
    // one, with value 1.
    void count(Family family, Labels labels, std::uint64_t n = 1);
    void set(Family family, Labels labels, double value);
    void set_info(Family family, Labels labels);

    // Called at each scrape, on its thread: it may register and count, but not scrape or add
    // collectors. The token's destructor takes the collector out, and waits for a scrape under way.
    class [[nodiscard]] CollectorToken {
      public:
        CollectorToken() = default;
        CollectorToken(Registry* registry, std::uint64_t id) : registry_(registry), id_(id) {}
        CollectorToken(CollectorToken&& other) noexcept
            : registry_(std::exchange(other.registry_, nullptr)), id_(other.id_) {}
        CollectorToken& operator=(CollectorToken&& other) noexcept;
        ~CollectorToken();

      private:
        Registry* registry_ = nullptr;
        std::uint64_t id_ = 0;
    };
    CollectorToken add_collector(std::function<void(Collector&)> collect);

    // The whole exposition. Off the workers: it takes as long as the series are many.
    [[nodiscard]] std::string expose(Exposition format = Exposition::text);

    // The present value of one counter or gauge, all shards together; 0 if there is none. For
    // status pages and tests.
    [[nodiscard]] std::int64_t value(Family family, Labels labels) const;

  private:
    friend class CollectorToken;
    friend struct RegistryAccess;  // the scrape's model, for telemetry itself and its tests
    struct State;
    std::unique_ptr<State> state_;
};

}  // namespace weir::telemetry

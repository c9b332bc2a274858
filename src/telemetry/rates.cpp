#include "weir/telemetry/rates.hpp"

#include "telemetry/model.hpp"
#include "telemetry/series_table.hpp"

#include <algorithm>
#include <deque>
#include <map>
#include <string>
#include <vector>

namespace weir::telemetry {
namespace {

std::string_view label(const SeriesTable::Entry& entry, std::string_view name) {
    for (const auto& each : entry.labels) {
        if (each.name == name) return each.value;
    }
    return {};
}

// The time below which the share q of the counts lies: linear within a bucket, as
// histogram_quantile() does it.
Duration quantile(double q,
                  const std::vector<std::uint64_t>& counts,
                  std::uint64_t total,
                  std::span<const std::int64_t> bounds) {
    const double rank = q * static_cast<double>(total);
    double below = 0;
    for (std::size_t i = 0; i < bounds.size(); ++i) {
        const auto count = static_cast<double>(counts[i]);
        if (count == 0 || below + count < rank) {
            below += count;
            continue;
        }
        const auto from = static_cast<double>(i == 0 ? 0 : bounds[i - 1]);
        const auto width = static_cast<double>(bounds[i]) - from;
        return Duration{static_cast<std::int64_t>(from + width * (rank - below) / count)};
    }
    return Duration{bounds.empty() ? 0 : bounds.back()};
}

}  // namespace

struct Rates::State {
    struct Sample {
        TimePoint at;
        std::uint64_t failures = 0;
        std::vector<std::uint64_t> buckets;  // +Inf last
    };
    struct Cluster {
        std::vector<std::uint32_t> failures;             // cells of weir_requests_total
        std::vector<const SeriesTable::Entry*> latency;  // of weir_request_duration_seconds
        const Buckets* buckets = nullptr;                // of the samples
        std::deque<Sample> samples;
    };

    void learn(const SeriesTable& table);
    static void take(Cluster& cluster, const std::vector<const Shard*>& shards, TimePoint now);

    const Registry& registry;
    std::size_t known = 0;  // entries of the table looked at
    std::map<std::string, Cluster, std::less<>> clusters;
};

Rates::Rates(const Registry& registry) : state_(new State{.registry = registry}) {}

Rates::~Rates() = default;

// Series are only added: what is new is after what is known.
void Rates::State::learn(const SeriesTable& table) {
    for (const SeriesTable::Entry* const entry : table.entries_from(known)) {
        ++known;
        const bool is_request = entry->family == Family::requests;
        if (!is_request && entry->family != Family::request_duration) continue;
        const std::string_view name = label(*entry, "cluster");
        if (name == kNone) continue;
        auto cluster = clusters.find(name);
        if (cluster == clusters.end()) cluster = clusters.try_emplace(std::string(name)).first;
        if (!is_request && entry->histogram != nullptr) cluster->second.latency.push_back(entry);
        if (is_request && label(*entry, "outcome") == "failure") {
            cluster->second.failures.push_back(entry->cell);
        }
    }
}

void Rates::State::take(Cluster& cluster, const std::vector<const Shard*>& shards, TimePoint now) {
    if (cluster.latency.empty()) return;
    Sample sample{.at = now, .failures = 0, .buckets = {}};
    const Buckets* const buckets = cluster.latency.front()->histogram.load()->buckets;
    if (cluster.buckets != buckets) cluster.samples.clear();
    cluster.buckets = buckets;
    sample.buckets.resize(buckets->nanoseconds.size() + 1);
    for (const SeriesTable::Entry* const entry : cluster.latency) {
        const HistogramCells& cells = *entry->histogram.load(std::memory_order_acquire);
        if (cells.buckets != buckets) continue;
        for (std::uint32_t i = 0; i < sample.buckets.size(); ++i)
            sample.buckets[i] += SeriesTable::sum(cells.first + i, shards);
    }
    for (const std::uint32_t cell : cluster.failures)
        sample.failures += SeriesTable::sum(cell, shards);
    cluster.samples.push_back(std::move(sample));
    // One sample at or before the span's begin stays, so that the span is covered.
    while (cluster.samples.size() > kSamples ||
           (cluster.samples.size() > 2 && cluster.samples[1].at + kSpan <= now))
        cluster.samples.pop_front();
}

void Rates::sample(TimePoint now) {
    const SeriesTable& table = RegistryAccess::table(state_->registry);
    state_->learn(table);
    const auto shards = table.shards();
    for (auto& [name, cluster] : state_->clusters)
        State::take(cluster, shards, now);
}

Rate Rates::of(std::string_view cluster) const {
    Rate rate;
    const auto found = state_->clusters.find(cluster);
    if (found == state_->clusters.end() || found->second.samples.size() < 2) return rate;
    const State::Sample& first = found->second.samples.front();
    const State::Sample& last = found->second.samples.back();
    const double seconds = std::chrono::duration<double>(last.at - first.at).count();
    std::vector<std::uint64_t> counts(last.buckets.size());
    std::uint64_t total = 0;
    for (std::size_t i = 0; i < counts.size(); ++i) {
        counts[i] = last.buckets[i] - first.buckets[i];
        total += counts[i];
    }
    if (total == 0 || seconds <= 0) return rate;
    const auto requests = static_cast<double>(total);
    rate.rps = requests / seconds;
    // A request whose failure is counted and its duration not yet, at the moment of a sample.
    rate.error_rate = std::min(static_cast<double>(last.failures - first.failures) / requests, 1.0);
    const auto& bounds = found->second.buckets->nanoseconds;
    rate.p50 = quantile(0.5, counts, total, bounds);
    rate.p99 = quantile(0.99, counts, total, bounds);
    return rate;
}

}  // namespace weir::telemetry

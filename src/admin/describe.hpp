#pragma once

#include "weir/config/config.hpp"
#include "weir/core/clock.hpp"
#include "weir/core/json.hpp"
#include "weir/upstream/cluster.hpp"

#include <array>
#include <optional>
#include <string>
#include <string_view>

// The words and small shapes that several answers share.
namespace weir::admin {

[[nodiscard]] std::string percent_of(double fraction);  // "50%"

// "2026-11-23T02:07:36.412Z"
[[nodiscard]] std::string iso_time(WallTime at);

// Monotonic times as wall times, by one reading of both clocks.
class WallClock {
  public:
    WallClock(TimePoint now, WallTime wall) : now_(now), wall_(wall) {}

    [[nodiscard]] WallTime operator()(TimePoint at) const {
        return wall_ + std::chrono::duration_cast<WallTime::duration>(at - now_);
    }
    [[nodiscard]] TimePoint now() const { return now_; }

  private:
    TimePoint now_;
    WallTime wall_;
};
[[nodiscard]] WallClock refresh_clocks();

// "5m", "1h30m", "90s", "250ms"; nothing for anything else. A unit is needed.
[[nodiscard]] std::optional<Duration> duration_from(std::string_view text);

// null for none.
void write_time(JsonWriter& json, std::string_view key, std::optional<WallTime> at);
void write_duration(JsonWriter& json, std::string_view key, std::optional<Duration> duration);
void write_milliseconds(JsonWriter& json, std::string_view key, Duration duration);
void write_limit(JsonWriter& json, std::string_view key, std::optional<std::uint64_t> limit);

[[nodiscard]] std::string_view word(config::Enforcement mode);
[[nodiscard]] std::string_view word(config::Policy policy);
[[nodiscard]] std::string_view word(config::Discovery::Type type);
[[nodiscard]] std::string_view word(config::Mode mode);

// Every state an endpoint can be in, whether there is one in it or not.
inline constexpr std::array<std::string_view, 6> kEndpointStates{
    "healthy", "penalized", "half_open", "ejected", "unhealthy", "draining"};

// A cluster's endpoints, counted.
struct EndpointCounts {
    std::array<std::uint32_t, kEndpointStates.size()> by_state{};
    std::uint32_t total = 0;
    std::uint32_t selectable = 0;  // requests are balanced to them

    [[nodiscard]] std::uint32_t healthy() const { return by_state[0]; }
};
[[nodiscard]] EndpointCounts count_endpoints(const upstream::Cluster& cluster);

// down: the breaker is open, or no endpoint is ready. degraded: it is not closed, or an endpoint is
// not healthy.
[[nodiscard]] std::string_view cluster_state(const upstream::Cluster& cluster,
                                             const EndpointCounts& counts);

}  // namespace weir::admin

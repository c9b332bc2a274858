#include "admin/describe.hpp"

#include "weir/config/values.hpp"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdio>
#include <limits>
#include <utility>

namespace weir::admin {

std::optional<Duration> duration_from(std::string_view text) {
    const auto read = config::read_duration(text);
    const auto* const duration = std::get_if<Duration>(&read);
    return duration == nullptr ? std::nullopt : std::optional<Duration>(*duration);
}

std::string percent_of(double fraction) {
    std::array<char, 32> text{};
    std::snprintf(text.data(), text.size(), "%.6g%%", fraction * 100);
    return text.data();
}

std::string iso_time(WallTime at) {
    const auto day = std::chrono::floor<std::chrono::days>(at);
    const std::chrono::year_month_day date(day);
    const std::chrono::hh_mm_ss time(std::chrono::floor<std::chrono::milliseconds>(at - day));
    std::array<char, 64> text{};
    std::snprintf(text.data(), text.size(), "%04d-%02u-%02uT%02d:%02d:%02d.%03dZ",
                  static_cast<int>(date.year()), static_cast<unsigned>(date.month()),
                  static_cast<unsigned>(date.day()), static_cast<int>(time.hours().count()),
                  static_cast<int>(time.minutes().count()),
                  static_cast<int>(time.seconds().count()),
                  static_cast<int>(time.subseconds().count()));
    return text.data();
}

WallClock refresh_clocks() {
    const TimePoint now = Clock::refresh();
    return {now, Clock::wall()};
}

void write_time(JsonWriter& json, std::string_view key, std::optional<WallTime> at) {
    json.key(key);
    if (at) {
        json.value(iso_time(*at));
    } else {
        json.null();
    }
}

void write_duration(JsonWriter& json, std::string_view key, std::optional<Duration> duration) {
    json.key(key);
    if (duration) {
        json.value(config::to_text(*duration));
    } else {
        json.null();
    }
}

void write_milliseconds(JsonWriter& json, std::string_view key, Duration duration) {
    const double microseconds = std::round(static_cast<double>(duration.count()) / 1e3);
    json.field(key, microseconds / 1e3);
}

void write_limit(JsonWriter& json, std::string_view key, std::optional<std::uint64_t> limit) {
    json.key(key);
    if (limit) {
        json.value(*limit);
    } else {
        json.value("unlimited");
    }
}

std::string_view word(config::Enforcement mode) {
    switch (mode) {
        case config::Enforcement::enforce:
            return "enforce";
        case config::Enforcement::shadow:
            return "shadow";
        case config::Enforcement::off:
            break;
    }
    return "off";
}

std::string_view word(config::Policy policy) {
    switch (policy) {
        case config::Policy::p2c_ewma:
            return "p2c_ewma";
        case config::Policy::round_robin:
            return "round_robin";
        case config::Policy::least_request:
            return "least_request";
        case config::Policy::maglev:
            return "maglev";
        case config::Policy::ring_hash:
            return "ring_hash";
        case config::Policy::random:
            break;
    }
    return "random";
}

std::string_view word(config::Discovery::Type type) {
    switch (type) {
        case config::Discovery::Type::static_list:
            return "static";
        case config::Discovery::Type::file:
            return "file";
        case config::Discovery::Type::dns:
            return "dns";
        case config::Discovery::Type::kubernetes:
            return "kubernetes";
        case config::Discovery::Type::dns_srv:
            return "dns-srv";
        case config::Discovery::Type::plugin:
            return "plugin";
        case config::Discovery::Type::registry:
            return "registry";
        case config::Discovery::Type::etcd:
            return "etcd";
        case config::Discovery::Type::consul:
            break;
    }
    return "consul";
}

std::string_view word(config::Mode mode) {
    switch (mode) {
        case config::Mode::gateway:
            return "gateway";
        case config::Mode::inbound:
            return "inbound";
        case config::Mode::outbound:
            break;
    }
    return "outbound";
}

EndpointCounts count_endpoints(const upstream::Cluster& cluster) {
    EndpointCounts counts;
    for (const auto& endpoint : cluster.endpoints()->endpoints) {
        const auto state =
            std::find(kEndpointStates.begin(), kEndpointStates.end(), endpoint->state_word());
        if (state != kEndpointStates.end()) {
            ++counts.by_state[static_cast<std::size_t>(state - kEndpointStates.begin())];
        }
        ++counts.total;
        if (endpoint->is_selectable()) ++counts.selectable;
    }
    return counts;
}

std::string_view cluster_state(const upstream::Cluster& cluster, const EndpointCounts& counts) {
    const resilience::CircuitBreaker& breaker = cluster.breaker();
    const bool is_enforced =
        breaker.options().mode == resilience::Mode::enforce || breaker.is_forced();
    const auto state = is_enforced ? breaker.state() : resilience::State::closed;
    if (state == resilience::State::open || counts.selectable == 0) return "down";
    if (state == resilience::State::half_open || counts.healthy() < counts.total) return "degraded";
    return "ok";
}

}  // namespace weir::admin

#include "limit_text.hpp"

#include "weir/config/values.hpp"

namespace weir::proxy {
namespace {

using Limits = config::ClusterLimits;

struct Row {
    std::string_view detail;
    config::Place Limits::Places::*place;
    std::string (*value)(const Limits& limits, std::uint32_t adaptive);
};

std::string number(const std::optional<std::uint32_t>& count) {
    return count ? std::to_string(*count) : "unlimited";
}

constexpr Row kRows[] = {
    {"limits.max_connections", &Limits::Places::max_connections,
     [](const Limits& limits, std::uint32_t) { return number(limits.max_connections); }},
    {"limits.max_connecting", &Limits::Places::max_connecting,
     [](const Limits& limits, std::uint32_t) { return number(limits.max_connecting); }},
    {"limits.max_requests", &Limits::Places::max_requests,
     [](const Limits& limits, std::uint32_t) { return number(limits.max_requests); }},
    {"limits.max_pending", &Limits::Places::max_pending,
     [](const Limits& limits, std::uint32_t) { return std::to_string(limits.max_pending); }},
    {"limits.queue_timeout", &Limits::Places::queue_timeout,
     [](const Limits& limits, std::uint32_t) { return config::to_text(limits.queue_timeout); }},
    {"limits.adaptive", &Limits::Places::adaptive,
     [](const Limits&, std::uint32_t adaptive) { return std::to_string(adaptive) + " now"; }},
};

// The file without its folders: a client need not know those.
std::string where(const config::Place& place, const config::Config& config) {
    if (place.is_built_in()) return " by default";
    std::string file;
    if (place.file < config.source.files.size()) file = config.source.files[place.file];
    const std::size_t slash = file.rfind('/');
    if (slash != std::string::npos) file.erase(0, slash + 1);
    return " (" + file + ":" + std::to_string(place.line) + ")";
}

}  // namespace

std::string limit_text(std::string_view limit,
                       const config::Config& config,
                       const config::Cluster& cluster,
                       std::uint32_t adaptive) {
    std::string text(limit);
    for (const Row& row : kRows) {
        if (row.detail != limit) continue;
        text.append(" is ").append(row.value(cluster.limits, adaptive));
        text.append(where(cluster.limits.places.*row.place, config));
    }
    return text;
}

}  // namespace weir::proxy

#include "cli/screen.hpp"

#include "weir/core/version.hpp"

#include <array>
#include <charconv>
#include <set>

namespace weir::cli {
namespace {

constexpr std::size_t kWidth = 88;  // of the first line

bool is_any(const Address& address) {
    return address.ip() == "::" || address.ip() == "0.0.0.0";
}

std::string counted(std::size_t count, const std::string& noun) {
    return std::to_string(count) + " " + noun + (count == 1 ? "" : "s");
}

std::string milliseconds(Duration duration) {
    const auto count = std::chrono::duration_cast<std::chrono::milliseconds>(duration).count();
    return std::to_string(count) + " ms";
}

std::string seconds(Duration duration) {
    std::array<char, 32> text{};
    const double count = std::chrono::duration<double>(duration).count();
    return std::string(text.data(), std::to_chars(text.begin(), text.end(), count).ptr) + "s";
}

std::set<std::string> clusters_of(const config::Listener& listener) {
    std::set<std::string> names;
    for (const config::Route& route : listener.routes) {
        const auto* forward = std::get_if<config::Forward>(&route.action);
        if (forward == nullptr) continue;
        for (const config::Target& target : forward->targets)
            names.insert(target.cluster);
    }
    return names;
}

std::string endpoints_of(const config::Cluster& cluster) {
    if (cluster.discovery.type == config::Discovery::Type::file) {
        return "endpoints of " + cluster.discovery.path;
    }
    return counted(cluster.endpoints.size(), "endpoint");
}

std::string describe(const config::Config& config, const config::Listener& listener) {
    const auto names = clusters_of(listener);
    if (listener.routes.size() != 1 || names.size() != 1) {
        return counted(listener.routes.size(), "route") + " to " + counted(names.size(), "cluster");
    }
    const auto found = config.clusters.find(*names.begin());
    if (found == config.clusters.end()) return *names.begin();
    const config::Cluster& cluster = found->second;
    const auto& target = std::get<config::Forward>(listener.routes.front().action).targets.front();
    const bool has_breaker = cluster.breaker.mode == config::Enforcement::enforce;
    std::string text = cluster.name + "   " + endpoints_of(cluster);
    text += has_breaker ? ", breaker on" : ", breaker off";
    if (target.timeout.request) text += ", timeout " + seconds(*target.timeout.request);
    return text;
}

std::string first_line(const Screen& screen) {
    std::string line = "weir " + std::string(kVersion) + "  config ";
    line += screen.file.empty() ? "from the command line ok"
                                : screen.file + " ok (" + counted(screen.lines, "line") + ")";
    const std::string ready = "ready in " + milliseconds(screen.ready_in);
    line.append(line.size() + ready.size() + 2 < kWidth ? kWidth - line.size() - ready.size() : 2,
                ' ');
    return line + ready + "\n";
}

}  // namespace

std::string url_of(const Address& address) {
    if (address.is_unix()) return address.to_string();
    const std::string port = std::to_string(address.port());
    return "http://" + (is_any(address) ? "0.0.0.0:" + port : address.to_string());
}

std::string local_name_of(const Address& address) {
    const bool is_here = is_any(address) || address.is_loopback();
    if (address.is_unix() || !is_here) return address.to_string();
    return "localhost:" + std::to_string(address.port());
}

std::string render(const Screen& screen) {
    std::string text = first_line(screen);
    std::string first_name;
    for (const auto& listener : screen.listeners) {
        for (const Address& address : listener.addresses) {
            text += "  in    " + url_of(address) + "  →  ";
            text += describe(*screen.config, *listener.config) + "\n";
            if (first_name.empty()) first_name = local_name_of(address);
        }
    }
    std::string look;
    if (screen.admin) look += "admin " + url_of(*screen.admin) + "/api/v1/status";
    if (screen.telemetry) {
        look += std::string(look.empty() ? "" : "     ") + "metrics  " + url_of(*screen.telemetry);
        look += "/metrics";
    }
    if (!look.empty()) text += "  " + look + "\n";
    text += "  next  curl -i " + first_name + "/";
    if (!screen.file.empty()) text += "    edit " + screen.file + " (reloads by itself)";
    return text + "\n";
}

}  // namespace weir::cli

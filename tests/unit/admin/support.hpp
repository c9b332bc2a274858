#pragma once

#include "weir/admin/server.hpp"
#include "weir/decode/load.hpp"

#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

namespace weir::admin {

// A process as the admin server sees it, without workers: two clusters, "orders" of two endpoints
// and "127.0.0.1:9000" of one. What it answers can be set.
struct FakeProcess {
    // `more` are lines at the end of the configuration.
    explicit FakeProcess(const std::string& more = {}) {
        auto loaded = config::load_text(
            "version: 1\n"
            "node: {name: here}\n"
            "listeners:\n"
            "  - name: in\n"
            "    listen: 127.0.0.1:8080\n"
            "    routes:\n"
            "      - {path: /orders/, method: GET, to: orders}\n"
            "      - {path: /gone, respond: {status: 410}}\n"
            "      - {to: 127.0.0.1:9000}\n"
            "clusters:\n"
            "  orders:\n"
            "    endpoints: [127.0.0.1:9001, 127.0.0.1:9002]\n"
            "    breaker: {consecutive_for: 0s}\n"
            "    metrics_per_endpoint: true\n" +
                more,
            "weir.yaml");
        if (!loaded) throw std::logic_error(config::render(loaded.report, loaded.sources));
        const TimePoint now = Clock::refresh();
        for (const auto& [name, section] : loaded.config->clusters) {
            const upstream::Cluster::Surroundings surroundings{.registry = registry,
                                                               .events = events};
            auto cluster = std::make_shared<upstream::Cluster>(section, surroundings, now);
            discovery::Update update;
            for (const auto& endpoint : section.endpoints)
                update.endpoints.push_back({*endpoint.address, endpoint.text, endpoint.weight});
            cluster->set_endpoints(update, now);
            clusters.push_back(cluster);
        }
        snapshot = std::make_shared<proxy::Snapshot>(loaded.config, clusters, registry);
        document = loaded.document;
    }

    [[nodiscard]] upstream::Cluster& cluster(std::string_view name) const {
        return *snapshot->find_cluster(name);
    }

    // Failures in a row, as many as trip by default.
    static void trip(resilience::CircuitBreaker& breaker, TimePoint now) {
        for (std::uint64_t i = 0; i < 5; ++i) {
            const auto admission = breaker.acquire(now);
            breaker.complete(admission.permit,
                             {.outcome = resilience::Outcome::failure,
                              .kind = resilience::FailureKind::status_500},
                             now, 0, {i + 1});
        }
    }

    [[nodiscard]] Context context() {
        return {.snapshot = [this] { return snapshot; },
                .readiness = [this] { return readiness; },
                .config_state = [this] { return config_state; },
                .discovery = [this](std::string_view name) -> std::optional<discovery::Status> {
                    const auto found = sources.find(name);
                    if (found == sources.end()) return std::nullopt;
                    return found->second;
                },
                .reload = [this] { return result; },
                .apply =
                    [this](const ConfigText& text) {
                        applied = std::string(text.text);
                        if_match = std::string(text.if_match);
                        is_persistent = text.is_persistent;
                        return result;
                    },
                .validate =
                    [this](std::string_view text) {
                        applied = std::string(text);
                        return result;
                    },
                .document = [this] { return document; },
                .drain = [this] { readiness.is_draining = true; },
                .shut_down = [this] { readiness.is_draining = has_shut_down = true; },
                .reopen_logs =
                    [this] {
                        if (!reopen_failure.empty()) throw std::runtime_error(reopen_failure);
                        ++reopened;
                    },
                .registry = registry,
                .events = events,
                .failures = failures,
                .trace = trace,
                .faults = faults,
                .started = Clock::wall() - std::chrono::seconds{90},
                .workers = 1};
    }

    telemetry::Registry registry;
    telemetry::EventLog events;
    telemetry::FailureLog failures;
    telemetry::AttemptTrace trace;
    filter::LiveFaults faults;
    std::vector<std::shared_ptr<upstream::Cluster>> clusters;
    std::shared_ptr<const proxy::Snapshot> snapshot;
    Readiness readiness{.is_ready = true, .is_draining = false, .waiting = {}};
    ConfigState config_state{.hash = "0123456789abcdef",
                             .file = "weir.yaml",
                             .last_error = {},
                             .loaded_at = Clock::wall()};
    std::map<std::string, discovery::Status, std::less<>> sources;
    std::shared_ptr<const config::Document> document;
    ConfigResult result;  // of reload, apply and validate
    std::string applied;
    std::string if_match;
    bool is_persistent = false;
    bool has_shut_down = false;
    std::string reopen_failure;
    int reopened = 0;
};

}  // namespace weir::admin

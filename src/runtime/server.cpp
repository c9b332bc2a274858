#include "weir/runtime/server.hpp"

#include "weir/admin/collect.hpp"
#include "weir/admin/server.hpp"
#include "weir/core/log.hpp"
#include "weir/core/version.hpp"
#include "weir/discovery/provider.hpp"
#include "weir/route/route_table.hpp"
#include "weir/transport/task.hpp"

#include "drain.hpp"
#include "sockets.hpp"
#include "terminal.hpp"
#include "worker.hpp"
#include <boost/asio/io_context.hpp>

#include <algorithm>
#include <cstdio>
#include <map>
#include <stdexcept>
#include <unistd.h>

namespace weir::runtime {
namespace {

// A source that has not answered by then does not keep us from being ready.
constexpr Duration kReadyAfter = std::chrono::seconds{10};
constexpr Duration kTick = std::chrono::milliseconds{250};

telemetry::AccessLog::Options log_options(const config::AccessLog& log) {
    using Format = telemetry::AccessLog::Format;
    const Format format = log.format == config::LogFormat::text   ? Format::text
                          : log.format == config::LogFormat::json ? Format::json
                                                                  : Format::auto_detect;
    return {.to = log.to, .format = format, .buffer = log.buffer};
}

double seconds_since_epoch(WallTime at) {
    return std::chrono::duration<double>(at.time_since_epoch()).count();
}

}  // namespace

// A cluster and who finds its endpoints.
struct ClusterSlot {
    std::shared_ptr<upstream::Cluster> cluster;
    std::unique_ptr<discovery::Provider> provider;
};

struct Server::State {
    State(boost::asio::io_context& main_loop, Options server_options);

    void make_clusters(const config::Config& next);
    void install(std::shared_ptr<const config::Config> next, SocketTable::Plan plan);
    bool try_reload();
    void note_reload(bool is_success, std::string error);
    [[nodiscard]] admin::Context admin_context();
    [[nodiscard]] admin::Readiness readiness() const;
    [[nodiscard]] std::optional<discovery::Status> discovery_status(std::string_view cluster) const;
    void warn_of_restarts(const config::Config& next) const;
    transport::Task<> tick(transport::TaskScope& scope);

    boost::asio::io_context& main;
    Options options;
    const WallTime started = Clock::wall();
    const TimePoint began = Clock::refresh();
    std::shared_ptr<const config::Config> config;
    telemetry::Registry registry;
    telemetry::EventLog events;
    telemetry::AccessLog access_log;
    unsigned worker_count;
    std::atomic<std::uint64_t> connections{0};
    SocketTable sockets;
    std::map<std::string, ClusterSlot, std::less<>> clusters;
    std::map<std::string, ClusterSlot, std::less<>> next_clusters;  // while a reload is made
    std::shared_ptr<const proxy::Snapshot> snapshot;
    WallTime loaded_at = started;
    std::string last_error;
    bool is_draining = false;
    std::vector<std::unique_ptr<Worker>> workers;
    telemetry::Registry::CollectorToken collector;
    std::unique_ptr<admin::Server> admin_server;
    std::unique_ptr<admin::Server> telemetry_server;
    std::unique_ptr<Drain> drain;
    transport::TaskHandle ticker;
};

Server::State::State(boost::asio::io_context& main_loop, Options server_options)
    : main(main_loop),
      options(std::move(server_options)),
      config(options.config),
      access_log(log_options(config->access_log), registry),
      worker_count(config->threads.value_or(usable_processors())) {
    events.set_listener([this](const telemetry::Event& event) {
        if (access_log.is_text()) access_log.write_line(terminal_line(event), event.at);
        if (options.on_event) options.on_event(event);
    });
    registry.set_info(telemetry::Family::build_info, {kVersion, kCommit});
    for (unsigned number = 0; number < worker_count; ++number) {
        workers.push_back(std::make_unique<Worker>(number, connections, registry, access_log));
    }
    SocketTable::Plan plan = sockets.plan(*config, worker_count);
    make_clusters(*config);
    install(config, std::move(plan));
    note_reload(true, {});
    collector = admin::collect(
        registry, [this] { return snapshot; },
        [this](std::string_view cluster) { return discovery_status(cluster); });
    if (config->admin_listen) {
        admin_server = std::make_unique<admin::Server>(main, config->admin_listen->address,
                                                       admin::Server::Port::admin, admin_context());
    }
    if (config->telemetry_listen) {
        telemetry_server =
            std::make_unique<admin::Server>(main, config->telemetry_listen->address,
                                            admin::Server::Port::telemetry, admin_context());
    }
}

// A section that is as it was keeps its cluster, with breaker, endpoints and pools.
void Server::State::make_clusters(const config::Config& next) {
    next_clusters.clear();
    for (const auto& [name, section] : next.clusters) {
        const auto known = clusters.find(name);
        if (known != clusters.end() && known->second.cluster->config() == section) {
            next_clusters[name].cluster = known->second.cluster;
            continue;
        }
        const upstream::Cluster::Surroundings surroundings{.registry = registry,
                                                           .events = events,
                                                           .workers = worker_count,
                                                           .seed = Random::from_system()()};
        ClusterSlot& slot = next_clusters[name];
        slot.cluster = std::make_shared<upstream::Cluster>(section, surroundings, Clock::now());
        slot.provider = discovery::make_provider(section, main);
    }
}

// The point of no return: everything that could fail has been done.
void Server::State::install(std::shared_ptr<const config::Config> next, SocketTable::Plan plan) {
    std::vector<std::shared_ptr<upstream::Cluster>> ordered;
    for (const auto& [name, section] : next->clusters)
        ordered.push_back(next_clusters[name].cluster);
    auto made = std::make_shared<const proxy::Snapshot>(next, std::move(ordered), registry);
    for (auto& [name, slot] : next_clusters) {
        if (!slot.provider) slot.provider = std::move(clusters[name].provider);
    }
    clusters.swap(next_clusters);
    next_clusters.clear();
    for (auto& [name, slot] : clusters) {
        if (slot.provider->status().updates > 0 || slot.provider->status().has_answered) continue;
        const std::weak_ptr<upstream::Cluster> cluster = slot.cluster;
        slot.provider->start([cluster](const discovery::Update& update) {
            if (const auto found = cluster.lock()) found->set_endpoints(update, Clock::refresh());
        });
    }
    config = std::move(next);
    snapshot = std::move(made);
    loaded_at = Clock::wall();
    sockets.commit(plan);
    for (unsigned number = 0; number < worker_count; ++number) {
        workers[number]->use(snapshot, std::move(plan.by_worker[number]));
    }
}

void Server::State::note_reload(bool is_success, std::string error) {
    last_error = std::move(error);
    registry.set(telemetry::Family::config_last_reload_success, {}, is_success ? 1 : 0);
    registry.count(telemetry::Family::config_reloads, {is_success ? "success" : "failure"});
    if (!is_success) return;
    registry.set(telemetry::Family::config_last_reload_success_timestamp, {},
                 seconds_since_epoch(loaded_at));
    registry.set_info(telemetry::Family::config_info, {config->source.hash});
}

void Server::State::warn_of_restarts(const config::Config& next) const {
    const auto warn = [](bool has_changed, const char* key) {
        if (has_changed) log::warn("a key changed that needs a restart", {{"key", key}});
    };
    warn(next.threads != config->threads, "threads");
    warn(next.admin_listen != config->admin_listen, "admin.listen");
    warn(next.telemetry_listen != config->telemetry_listen, "telemetry.listen");
    warn(next.access_log != config->access_log, "access_log");
}

bool Server::State::try_reload() {
    config::LoadResult loaded = config::load_file(options.file);
    if (loaded) route::check(*loaded.config, loaded.report);
    if (!loaded || loaded.report.has_errors()) {
        const std::string outcome =
            "nothing was changed (running config " + config->source.hash + " keeps serving)";
        const std::string text = config::render(loaded.report, loaded.sources, outcome);
        std::fputs(text.c_str(), stderr);
        note_reload(false, text);
        return false;
    }
    try {
        SocketTable::Plan plan = sockets.plan(*loaded.config, worker_count);
        make_clusters(*loaded.config);
        warn_of_restarts(*loaded.config);
        install(loaded.config, std::move(plan));
    } catch (const std::runtime_error& error) {
        next_clusters.clear();
        note_reload(false, error.what());
        return false;
    }
    note_reload(true, {});
    return true;
}

admin::Context Server::State::admin_context() {
    return {.snapshot = [this] { return snapshot; },
            .readiness = [this] { return readiness(); },
            .config_state =
                [this] {
                    return admin::ConfigState{.hash = config->source.hash,
                                              .file = options.file,
                                              .last_error = last_error,
                                              .loaded_at = loaded_at};
                },
            .discovery = [this](std::string_view cluster) { return discovery_status(cluster); },
            .reload = {},
            .apply = {},
            .validate = {},
            .document = {},
            .drain = {},
            .shut_down = {},
            .reopen_logs = {},
            .registry = registry,
            .events = events,
            .started = started,
            .workers = worker_count,
            .listen_addresses =
                [this](std::string_view listener) { return sockets.addresses(listener); }};
}

admin::Readiness Server::State::readiness() const {
    admin::Readiness readiness{.is_ready = !is_draining, .is_draining = is_draining, .waiting = {}};
    if (Clock::refresh() - began >= kReadyAfter) return readiness;
    for (const auto& [name, slot] : clusters) {
        if (slot.provider->status().has_answered) continue;
        readiness.is_ready = false;
        readiness.waiting.push_back("cluster " + name + ": no endpoints yet");
    }
    return readiness;
}

std::optional<discovery::Status> Server::State::discovery_status(std::string_view cluster) const {
    const auto found = clusters.find(cluster);
    if (found == clusters.end() || !found->second.provider) return std::nullopt;
    return found->second.provider->status();
}

transport::Task<> Server::State::tick(transport::TaskScope& scope) {
    while (true) {
        co_await scope.sleep_for(kTick);
        admin::tick(*snapshot, Clock::refresh());
    }
}

Server::Server(boost::asio::io_context& main, Options options)
    : state_(std::make_unique<State>(main, std::move(options))) {}

Server::~Server() {
    state_->drain.reset();
    for (const auto& worker : state_->workers)
        worker->stop();
    for (const auto& worker : state_->workers)
        worker->join();
    // Providers call into clusters, the collector reads the snapshot: both go before what they use.
    state_->clusters.clear();
    state_->collector = {};
}

void Server::start() {
    for (const auto& worker : state_->workers)
        worker->start();
    state_->ticker =
        transport::spawn(state_->main.get_executor(), "tick",
                         [this](transport::TaskScope& scope) { return state_->tick(scope); });
}

bool Server::reload() {
    if (state_->options.file.empty()) {
        log::warn("nothing to reload: there is no configuration file");
        return false;
    }
    const bool is_success = state_->try_reload();
    const std::string& hash = state_->config->source.hash;
    if (is_success) {
        log::info("configuration reloaded", {{"file", state_->options.file}, {"hash", hash}});
    } else {
        log::error("configuration refused, the old one keeps serving",
                   {{"file", state_->options.file}, {"running", hash}});
    }
    state_->events.add({.kind = telemetry::Event::Kind::config,
                        .at = Clock::wall(),
                        .to = is_success ? "reloaded" : "refused",
                        .detail = is_success ? hash : "the old one keeps serving"});
    return is_success;
}

void Server::drain() {
    state_->is_draining = true;
    for (const auto& worker : state_->workers)
        worker->drain();
    state_->events.add(
        {.kind = telemetry::Event::Kind::drain, .at = Clock::wall(), .to = "draining"});
}

void Server::shut_down() {
    if (state_->drain) return;
    drain();
    state_->drain = std::make_unique<Drain>(state_->main, state_->workers, state_->config->drain,
                                            [this] { state_->options.on_stopped(); });
}

std::shared_ptr<const proxy::Snapshot> Server::snapshot() const {
    return state_->snapshot;
}

std::vector<Address> Server::listen_addresses(std::string_view listener) const {
    return state_->sockets.addresses(listener);
}

std::optional<Address> Server::admin_address() const {
    if (!state_->admin_server) return std::nullopt;
    return state_->admin_server->local_address();
}

std::optional<Address> Server::telemetry_address() const {
    if (!state_->telemetry_server) return std::nullopt;
    return state_->telemetry_server->local_address();
}

unsigned Server::workers() const {
    return state_->worker_count;
}

}  // namespace weir::runtime

#include "weir/runtime/server.hpp"

#include "weir/admin/collect.hpp"
#include "weir/admin/server.hpp"
#include "weir/core/log.hpp"
#include "weir/core/version.hpp"
#include "weir/proxy/passthrough.hpp"
#include "weir/transport/task.hpp"
#include "weir/upstream/health_checks.hpp"

#include "cluster_table.hpp"
#include "configurator.hpp"
#include "drain.hpp"
#include "logs.hpp"
#include "redis_names.hpp"
#include "service_manager.hpp"
#include "sockets.hpp"
#include "terminal.hpp"
#include "worker.hpp"
#include <boost/asio/io_context.hpp>

#include <atomic>
#include <malloc.h>
#include <map>
#include <stdexcept>
#include <sys/resource.h>
#include <unistd.h>

namespace weir::runtime {
namespace {

// A source that has not answered by then does not keep us from being ready.
constexpr Duration kReadyAfter = std::chrono::seconds{10};
// Usually a turn of its loop.
constexpr Duration kFollows = std::chrono::seconds{1};
constexpr Duration kTrimEvery = std::chrono::seconds{1};
constexpr int kTrims = 3;
constexpr Duration kTick = std::chrono::milliseconds{250};

// Of the thread that calls: where it shares a core with a worker, what operators ask waits for
// requests, and not the other way round. Best effort.
void step_back() {
    constexpr int kMore = 10;
    const auto self = static_cast<id_t>(gettid());
    setpriority(PRIO_PROCESS, self, getpriority(PRIO_PROCESS, self) + kMore);
}

}  // namespace

struct Server::State {
    State(boost::asio::io_context& main_loop, Options server_options);

    void install(const std::shared_ptr<const config::Config>& next);
    void tell_certificates();
    void use_logs(const config::Config& next);
    [[nodiscard]] admin::Context admin_context();
    [[nodiscard]] admin::Readiness readiness() const;
    void begin_drain(proxy::Draining draining);
    void shut_down();
    void reopen_logs();
    bool reload();
    void tell_ready();
    transport::Task<> tick(transport::TaskScope& scope);
    void trim(TimePoint now);

    boost::asio::io_context& main;
    Options options;
    const WallTime started = Clock::wall();
    const TimePoint began = Clock::refresh();
    std::shared_ptr<const config::Config> config;  // in force; none yet
    telemetry::Registry registry;
    const std::shared_ptr<filter::Stores> stores = filter::make_stores();
    RedisNames redis_names{main, registry, stores};
    const std::shared_ptr<const transport::TlsTickets> tickets =
        std::make_shared<const transport::TlsTickets>();
    struct KnownCertificate {
        std::string fingerprint;
        std::uint64_t reloads = 0;
    };
    std::map<std::string, KnownCertificate> known_certificates;  // by where it is named
    telemetry::EventLog events;
    telemetry::AccessLog access_log;
    telemetry::FailureLog failures;
    telemetry::AttemptTrace trace;
    unsigned worker_count;
    std::atomic<std::uint64_t> connections{0};
    SocketTable sockets;
    finders::Registry registrations{Clock::refresh()};
    ClusterTable clusters;
    proxy::Passthrough passthrough;
    filter::LiveFaults faults;
    upstream::HealthChecks health;
    std::shared_ptr<const proxy::Snapshot> snapshot;
    const ServiceManager manager;
    bool is_told_ready = false;
    bool is_started = false;
    bool is_draining = false;
    std::vector<std::unique_ptr<Worker>> workers;
    std::optional<Configurator> configurator;
    telemetry::Registry::CollectorToken collector;
    telemetry::Registry::CollectorToken stores_collector;
    std::unique_ptr<admin::Server> admin_server;
    std::unique_ptr<admin::Server> telemetry_server;
    std::unique_ptr<Drain> drain;
    // Which snapshot memory was given back for, and how often.
    std::weak_ptr<const proxy::Snapshot> trimmed_for;
    int trims = 0;
    TimePoint trimmed_at{};
    transport::TaskHandle ticker;
};

Server::State::State(boost::asio::io_context& main_loop, Options server_options)
    : main(main_loop),
      options(std::move(server_options)),
      access_log(telemetry::AccessLog::options(options.config->access_log), registry),
      worker_count(options.config->threads.value_or(usable_processors())),
      clusters(main,
               {.registry = registry, .events = events, .workers = worker_count},
               registrations,
               options.state_dir),
      passthrough({.registry = registry, .events = events, .workers = worker_count}),
      health(main.get_executor(), registry) {
    events.set_listener([this](const telemetry::Event& event) {
        if (access_log.is_text()) access_log.write_line(terminal_line(event), event.at);
        if (options.on_event) options.on_event(event);
    });
    registry.set_info(telemetry::Family::build_info, {kVersion, kCommit});
    for (unsigned number = 0; number < worker_count; ++number) {
        workers.push_back(std::make_unique<Worker>(
            number, connections,
            Worker::Records{registry, access_log, failures, trace, passthrough, faults}));
    }
    install(options.config);
    configurator.emplace(
        Configurator::Options{.config = options.config,
                              .document = options.document,
                              .file = options.file,
                              .install = [this](const auto& next) { install(next); },
                              .on_result = options.on_reload,
                              .registry = registry,
                              .events = events});
    collector = admin::collect(
        registry, [this] { return snapshot; },
        [this](std::string_view cluster) { return clusters.status(cluster); });
    stores_collector = registry.add_collector([this](auto& out) { filter::collect(*stores, out); });
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

// First what this machine may refuse, then what cannot fail.
void Server::State::install(const std::shared_ptr<const config::Config>& next) {
    // An address that the reload before gave up is free when the workers have followed.
    for (const auto& worker : workers) {
        if (is_started && !worker->wait_for_use(kFollows))
            log::warn("a worker is late with the configuration before");
    }
    SocketTable::Plan plan = sockets.plan(*next, worker_count);
    use_logs(*next);

    const bool has_new_buckets = !config || config->telemetry.buckets != next->telemetry.buckets;
    registry.set_max_series(next->telemetry.max_series);
    if (has_new_buckets) registry.set_buckets(next->telemetry.buckets);
    ClusterTable::Plan made = clusters.plan(*next, has_new_buckets);
    snapshot = std::make_shared<const proxy::Snapshot>(next, ClusterTable::clusters(made), registry,
                                                       tickets, stores);
    const auto all = ClusterTable::clusters(made);
    clusters.commit(std::move(made));
    redis_names.follow(*next);
    health.follow(all, Clock::refresh());
    config = next;
    registry.set_info(telemetry::Family::target_info, {config->node_name});
    tell_certificates();
    sockets.commit(plan);
    for (unsigned number = 0; number < worker_count; ++number) {
        workers[number]->use(snapshot, std::move(plan.by_worker[number]));
    }
}

void Server::State::tell_certificates() {
    const auto tell = [this](const std::shared_ptr<const transport::TlsContext>& tls) {
        if (!tls) return;
        for (const transport::TlsCertificate& each : tls->certificates()) {
            const std::chrono::duration<double> at = each.not_after.time_since_epoch();
            registry.set(telemetry::Family::tls_certificate_not_after, {each.subject_name},
                         at.count());
            auto& known = known_certificates[each.subject_name];
            if (known.fingerprint == each.fingerprint) continue;
            if (!known.fingerprint.empty()) {
                ++known.reloads;
                log::info("certificate replaced",
                          {{"name", each.subject_name}, {"file", each.file}});
            }
            known.fingerprint = each.fingerprint;
        }
    };
    for (const auto& listener : snapshot->listeners())
        tell(listener->tls);
    for (const auto& cluster : snapshot->clusters())
        tell(cluster->tls());
}

// Only what has changed: an unchanged file is not opened again. Both or none.
void Server::State::use_logs(const config::Config& next) {
    const bool has_new_log = options.configures_log && (!config || !(config->log == next.log));
    if (has_new_log) log::configure(log_options(next.log, options.has_screen));
    try {
        access_log.configure(telemetry::AccessLog::options(next.access_log));
    } catch (const std::runtime_error&) {
        if (has_new_log && config) log::configure(log_options(config->log, options.has_screen));
        throw;
    }
}

admin::Context Server::State::admin_context() {
    return {.snapshot = [this] { return snapshot; },
            .readiness = [this] { return readiness(); },
            .config_state = [this] { return configurator->state(); },
            .discovery = [this](std::string_view cluster) { return clusters.status(cluster); },
            .reload = [this] { return configurator->reload(); },
            .apply = [this](const auto& text) { return configurator->apply(text); },
            .validate = [this](std::string_view text) { return configurator->validate(text); },
            .document = [this] { return configurator->document(); },
            .drain = [this] { begin_drain(proxy::Draining::all_but_outbound); },
            .shut_down = [this] { shut_down(); },
            .reopen_logs = [this] { reopen_logs(); },
            .registry = registry,
            .events = events,
            .failures = failures,
            .trace = trace,
            .faults = faults,
            .stores = stores.get(),
            .started = started,
            .workers = worker_count,
            .listen_addresses =
                [this](std::string_view listener) { return sockets.addresses(listener); },
            .certificate_reloads =
                [this](const std::string& name) {
                    const auto known = known_certificates.find(name);
                    return known == known_certificates.end() ? 0 : known->second.reloads;
                },
            .registrations = &registrations};
}

admin::Readiness Server::State::readiness() const {
    admin::Readiness readiness{.is_ready = !is_draining, .is_draining = is_draining, .waiting = {}};
    if (Clock::refresh() - began >= kReadyAfter) return readiness;
    for (const std::string& name : clusters.waiting()) {
        readiness.is_ready = false;
        readiness.waiting.push_back("cluster " + name + ": no endpoints yet");
    }
    return readiness;
}

void Server::State::begin_drain(proxy::Draining draining) {
    if (drain) return;  // as everything does already
    for (const auto& worker : workers)
        worker->drain(draining);
    if (std::exchange(is_draining, true)) return;
    events.add({.kind = telemetry::Event::Kind::drain, .at = Clock::wall(), .to = "draining"});
}

void Server::State::shut_down() {
    if (drain) return;
    manager.stopping();
    begin_drain(proxy::Draining::all);
    drain = std::make_unique<Drain>(main, workers, config->drain, [this] { options.on_stopped(); });
}

void Server::State::reopen_logs() {
    access_log.reopen();
    if (options.configures_log) log::reopen();
}

bool Server::State::reload() {
    manager.reloading(Clock::refresh());
    const auto status = configurator->reload().status;
    const bool is_accepted = status == admin::ConfigResult::Status::accepted;
    if (status == admin::ConfigResult::Status::no_file)
        log::warn("nothing to reload: there is no configuration file");
    const std::string& hash = config->source.hash;
    manager.ready(is_accepted ? "serving configuration " + hash : "refused: " + unchanged(hash));
    return is_accepted;
}

// Once: what is told later is of reloads and the end.
void Server::State::tell_ready() {
    if (is_told_ready || !readiness().is_ready) return;
    is_told_ready = true;
    manager.ready("serving configuration " + config->source.hash);
}

transport::Task<> Server::State::tick(transport::TaskScope& scope) {
    while (true) {
        co_await scope.sleep_for(kTick);
        const TimePoint now = Clock::refresh();
        registrations.expire(now);
        admin::tick(*snapshot, now);
        health.tick(now);
        trim(now);
        tell_ready();
    }
}

// What a reload replaced is free within two seconds, but stays with the allocator: its pages go
// back to the system. Once a second at most, as it holds up who allocates for tens of microseconds.
void Server::State::trim(TimePoint now) {
    if (now - trimmed_at < kTrimEvery) return;
    if (trimmed_for.lock() != snapshot) {
        trimmed_for = snapshot;
        trims = 0;
    }
    if (trims == kTrims) return;
    ++trims;
    trimmed_at = now;
    ::malloc_trim(0);
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
    state_->health.follow({}, Clock::refresh());
    state_->clusters.clear();
    state_->redis_names.clear();
    state_->collector = {};
    state_->stores_collector = {};
}

void Server::start() {
    for (const auto& worker : state_->workers)
        worker->start();
    step_back();
    state_->is_started = true;
    state_->ticker =
        transport::spawn(state_->main.get_executor(), "tick",
                         [this](transport::TaskScope& scope) { return state_->tick(scope); });
    state_->configurator->watch(state_->main.get_executor(), {});
    state_->tell_ready();
}

bool Server::reload() {
    return state_->reload();
}

void Server::reopen_logs() {
    state_->reopen_logs();
}

void Server::drain() {
    state_->begin_drain(proxy::Draining::all_but_outbound);
}

void Server::shut_down() {
    state_->shut_down();
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

std::string unchanged(std::string_view hash) {
    return "nothing was changed (running config " + std::string(hash.substr(0, 4)) +
           "… keeps serving)";
}

}  // namespace weir::runtime

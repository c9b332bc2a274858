#include "local_endpoint.hpp"

#include <algorithm>

namespace weir::upstream {
LocalEndpoint::LocalEndpoint(LocalContext& context,
                             LocalCluster& cluster,
                             std::shared_ptr<Endpoint> endpoint)
    : candidate_(endpoint->standing(), endpoint->weight()),
      context_(context),
      tls_memory_(std::make_shared<transport::TlsMemory>()),
      cluster_(&cluster),
      shared_cluster_(cluster.shared()),
      endpoint_(std::move(endpoint)),
      stats_(endpoint_->stats(context.worker)) {}

LocalEndpoint::~LocalEndpoint() {
    cluster_ = nullptr;
    while (!connections_.empty())
        connections_.back()->abandon();
}

void LocalEndpoint::move_to(LocalCluster& next) {
    const auto before = std::exchange(shared_cluster_, next.shared());
    cluster_ = &next;
    const auto& old_tls = before->config().tls;
    const auto& new_tls = shared_cluster_->config().tls;
    // New certificates alone are for new connections.
    const bool is_same = old_tls ? new_tls && old_tls->has_same_settings(*new_tls) : !new_tls;
    if (is_same) return;
    ++tls_epoch_;
    close_idle();
}

void LocalEndpoint::remove() {
    cluster_ = nullptr;
    close_idle();
}

void LocalEndpoint::close_idle() {
    while (!idle_.is_empty())
        idle_.oldest()->abandon();
}

void LocalEndpoint::request_began() {
    candidate_.request_began();
    stats_.active.store(candidate_.active(), std::memory_order_relaxed);
}

void LocalEndpoint::request_ended(const resilience::Verdict& verdict) {
    candidate_.request_ended();
    stats_.active.store(candidate_.active(), std::memory_order_relaxed);
    const auto bump = [](std::atomic<std::uint64_t>& counter) {
        counter.store(counter.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
    };
    bump(stats_.requests);
    if (verdict.outcome != resilience::Outcome::failure &&
        verdict.outcome != resilience::Outcome::local_failure) {
        return;
    }
    bump(stats_.errors);
    stats_.last_failure.store(verdict.kind, std::memory_order_relaxed);
    stats_.failed_at.store(Clock::now().time_since_epoch().count(), std::memory_order_relaxed);
}

void LocalEndpoint::answered(TimePoint now) {
    const Duration::rep at = now.time_since_epoch().count();
    const Duration::rep last = stats_.answered_at.load(std::memory_order_relaxed);
    stats_.answered_at.store(at, std::memory_order_relaxed);
    if (last == 0) return;
    const Duration mean{stats_.mean_gap.load(std::memory_order_relaxed)};
    stats_.mean_gap.store(resilience::next_gap(mean, Duration{at - last}).count(),
                          std::memory_order_relaxed);
}

void LocalEndpoint::publish_stalled(std::uint32_t waiting, TimePoint now) {
    stats_.stalled.store(waiting, std::memory_order_relaxed);
    stats_.stalled_at.store(now.time_since_epoch().count(), std::memory_order_release);
}

void LocalEndpoint::observe(Duration latency, TimePoint now) {
    const Duration usual = cluster_ != nullptr ? cluster_->latency() : Duration::zero();
    endpoint_->detector().observe(latency, usual, now, context_.worker);
    candidate_.observe(latency, now);
    if (cluster_ != nullptr) cluster_->observe_latency(latency);
    stats_.ewma_ns.store(candidate_.ewma().count(), std::memory_order_relaxed);
}

H1Connection* LocalEndpoint::take_idle(Reuse reuse, TimePoint now) {
    H1Connection* const connection = idle_.freshest();
    if (connection == nullptr) return nullptr;
    const Duration age = now - connection->idle_since();
    if (age > fresh_for_ && age > good_for(reuse, *connection, now)) return nullptr;
    idle_.remove(*connection);
    return connection;
}

Duration LocalEndpoint::good_for(Reuse reuse, const H1Connection& connection, TimePoint now) {
    resilience::IdleTimeout& timeout = endpoint_->idle_timeout();
    if (reuse == Reuse::proven) return fresh_for_;
    if (reuse == Reuse::repeatable)
        return timeout.good_for(connection.promised(), connection.connect_time());
    timeout.open_after(now - idle_.oldest()->idle_since());
    return timeout.good_without_repeat(connection.promised());
}

void LocalEndpoint::on_idle_closed(Duration age, TimePoint now) {
    resilience::IdleTimeout& timeout = endpoint_->idle_timeout();
    timeout.closed(age, now);
    const auto learned = timeout.learned();
    fresh_for_ = learned ? std::min(resilience::IdleTimeout::kFresh, *learned / 2)
                         : resilience::IdleTimeout::kFresh;
}

// One of those that grow old stays to show when the upstream really closes: else nobody would learn
// that it waits longer now.
Duration LocalEndpoint::may_stay_idle(const H1Connection& connection, Duration age) {
    resilience::IdleTimeout& timeout = endpoint_->idle_timeout();
    const Duration most = shared_cluster_->config().timeout.idle;
    const Duration good = timeout.good_for(connection.promised(), connection.connect_time());
    if (good >= most || age < good) return std::min(good, most);
    const bool is_witness = &connection == idle_.oldest() && timeout.learned();
    if (!is_witness) return good;
    timeout.open_after(age);
    return std::min(most, *timeout.learned() * 3 / 2);
}

Result<H1Connection*> LocalEndpoint::open() {
    auto opened = try_open();
    if (opened || opened.error().reason != Reason::limit_exceeded) return opened;
    if (full_limit_ == telemetry::Limit::max_connecting) return opened;
    if (idle_.is_empty()) {
        shared_cluster_->ask_for_connection(endpoint_, context_.worker);
        return opened;
    }
    idle_.oldest()->abandon();
    return try_open();
}

Result<H1Connection*> LocalEndpoint::try_open() {
    const TimePoint now = Clock::now();
    const Error full{Reason::limit_exceeded, Error::Origin::local, Error::Retry::safe,
                     "limits of connections"};
    auto connection_slot = shared_cluster_->acquire(endpoint_->connections(), now);
    full_limit_ = telemetry::Limit::max_connections;
    if (!connection_slot) return full;
    auto connecting_slot = shared_cluster_->acquire(endpoint_->connecting(), now);
    full_limit_ = telemetry::Limit::max_connecting;
    if (!connecting_slot) return full;
    auto socket = transport::Socket::connect(endpoint_->address());
    if (!socket) return socket.error();
    ConnectionToken token(context_.shard, shared_cluster_->metrics(), std::move(*connection_slot));
    auto connection = std::make_unique<H1Connection>(
        context_, *this, std::move(*socket), std::move(token), std::move(*connecting_slot),
        transport::TlsStart{.context = shared_cluster_->tls(),
                            .shard = &context_.shard,
                            .server_name = endpoint_->host(),
                            .memory = tls_memory_});
    connection->tls_epoch = tls_epoch_;
    connection->index = connections_.size();
    connections_.push_back(std::move(connection));
    stats_.connections.store(static_cast<std::uint32_t>(connections_.size()),
                             std::memory_order_relaxed);
    return connections_.back().get();
}

void LocalEndpoint::give_up_idle() {
    if (!idle_.is_empty()) idle_.oldest()->abandon();
}

void LocalEndpoint::on_connected(Duration took) {
    context_.shard.observe(shared_cluster_->metrics().connect_duration, took);
    // The slot of a handshake is free again.
    if (cluster_ != nullptr) cluster_->serve_waiting_later();
}

bool LocalEndpoint::put_idle(H1Connection& connection) {
    if (connection.tls_epoch != tls_epoch_) return false;
    if (cluster_ == nullptr || endpoint_->is_drained() || is_wanted_elsewhere()) return false;
    const std::uint32_t most = shared_cluster_->config().limits.idle_connections;
    if (most == 0) return false;
    if (idle_.size() >= most) idle_.oldest()->abandon();
    idle_.push(connection);
    cluster_->serve_waiting_later();
    return true;
}

// No request waits here, but on another worker one does for the slot of such a connection.
bool LocalEndpoint::is_wanted_elsewhere() const {
    if (!shared_cluster_->has_waiting() || cluster_->has_waiting()) return false;
    const auto most = endpoint_->connections().max();
    return most && endpoint_->connections().in_use() >= *most;
}

void LocalEndpoint::take_out_of_idle(H1Connection& connection) {
    if (connection.newer == nullptr && idle_.freshest() != &connection) return;
    idle_.remove(connection);
}

void LocalEndpoint::forget(H1Connection& connection) {
    const std::size_t index = connection.index;
    std::swap(connections_[index], connections_.back());
    connections_[index]->index = index;
    context_.loop.retire(std::move(connections_.back()));
    connections_.pop_back();
    stats_.connections.store(static_cast<std::uint32_t>(connections_.size()),
                             std::memory_order_relaxed);
    if (cluster_ != nullptr) cluster_->serve_waiting_later();
    shared_cluster_->connection_freed();
}

}  // namespace weir::upstream

#include "local_endpoint.hpp"

#include <algorithm>

namespace weir::upstream {
LocalEndpoint::LocalEndpoint(LocalContext& context,
                             LocalCluster& cluster,
                             std::shared_ptr<Endpoint> endpoint)
    : candidate_(endpoint->standing(), endpoint->weight()),
      context_(context),
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
    cluster_ = &next;
    shared_cluster_ = next.shared();
}

void LocalEndpoint::remove() {
    cluster_ = nullptr;
    close_idle();
}

void LocalEndpoint::close_idle() {
    while (!idle_.empty())
        idle_.back()->abandon();
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

H1Connection* LocalEndpoint::take_idle() {
    if (idle_.empty()) return nullptr;
    H1Connection* const connection = idle_.back();
    idle_.pop_back();
    return connection;
}

Result<H1Connection*> LocalEndpoint::open() {
    const TimePoint now = Clock::now();
    const Error full{Reason::limit_exceeded, Error::Origin::local, Error::Retry::safe,
                     "limits of connections"};
    auto connection_slot = endpoint_->connections().try_acquire(now);
    if (!connection_slot) {
        context_.shard.add(shared_cluster_->metrics().of(telemetry::Limit::max_connections));
        return full;
    }
    auto connecting_slot = endpoint_->connecting().try_acquire(now);
    if (!connecting_slot) {
        context_.shard.add(shared_cluster_->metrics().of(telemetry::Limit::max_connecting));
        return full;
    }
    auto socket = transport::Socket::connect(endpoint_->address());
    if (!socket) return socket.error();
    ConnectionToken token(context_.shard, shared_cluster_->metrics(), std::move(*connection_slot));
    auto connection = std::make_unique<H1Connection>(context_, *this, std::move(*socket),
                                                     std::move(token), std::move(*connecting_slot),
                                                     shared_cluster_->config().timeout.idle);
    connection->index = connections_.size();
    connections_.push_back(std::move(connection));
    stats_.connections.store(static_cast<std::uint32_t>(connections_.size()),
                             std::memory_order_relaxed);
    return connections_.back().get();
}

void LocalEndpoint::on_connected(Duration took) {
    context_.shard.observe(shared_cluster_->metrics().connect_duration, took);
    // The slot of a handshake is free again.
    if (cluster_ != nullptr) cluster_->serve_waiting_later();
}

bool LocalEndpoint::put_idle(H1Connection& connection) {
    if (cluster_ == nullptr || endpoint_->is_drained()) return false;
    if (idle_.size() >= shared_cluster_->config().limits.idle_connections) return false;
    connection.idle_index = idle_.size();
    idle_.push_back(&connection);
    cluster_->serve_waiting_later();
    return true;
}

void LocalEndpoint::take_out_of_idle(H1Connection& connection) {
    const std::size_t index = connection.idle_index;
    if (index >= idle_.size() || idle_[index] != &connection) return;
    idle_[index] = idle_.back();
    idle_[index]->idle_index = index;
    idle_.pop_back();
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

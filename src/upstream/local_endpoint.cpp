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
      stats_(endpoint_->stats(context.worker)),
      wire_(wire_of(shared_cluster_->config(), *endpoint_)) {}

LocalEndpoint::~LocalEndpoint() {
    cluster_ = nullptr;
    while (!connections_.empty())
        connections_.back()->abandon();
    while (!h2_connections_.empty())
        h2_connections_.back()->abandon();
}

LocalEndpoint::Wire LocalEndpoint::wire_of(const config::Cluster& config,
                                           const Endpoint& endpoint) {
    switch (config.protocol) {
        case config::ClusterProtocol::http1:
            return Wire::h1;
        case config::ClusterProtocol::h2:
        case config::ClusterProtocol::h2c:
            return Wire::h2;
        case config::ClusterProtocol::automatic:
            break;
    }
    if (!config.tls) return endpoint.speaks_h2c() ? Wire::h2 : Wire::h1;
    const auto& alpn = config.tls->alpn;
    return std::find(alpn.begin(), alpn.end(), "h2") == alpn.end() ? Wire::h1 : Wire::by_alpn;
}

void LocalEndpoint::move_to(LocalCluster& next) {
    const auto before = std::exchange(shared_cluster_, next.shared());
    cluster_ = &next;
    const auto& old_tls = before->config().tls;
    const auto& new_tls = shared_cluster_->config().tls;
    // New certificates alone are for new connections.
    const bool is_same = old_tls ? new_tls && old_tls->has_same_settings(*new_tls) : !new_tls;
    if (is_same && before->config().protocol == shared_cluster_->config().protocol) return;
    wire_ = wire_of(shared_cluster_->config(), *endpoint_);
    ++tls_epoch_;
    close_idle();
}

void LocalEndpoint::follow() {
    if (endpoint_->is_drained()) close_idle();
    candidate_.set_weight(endpoint_->weight());
}

void LocalEndpoint::remove() {
    cluster_ = nullptr;
    close_idle();
}

void LocalEndpoint::close_idle() {
    while (!idle_.is_empty())
        idle_.oldest()->abandon();
    for (const auto& connection : h2_connections_)
        connection->drain();
}

void LocalEndpoint::request_began() {
    candidate_.request_began();
    stats_.active.store(candidate_.active(), std::memory_order_relaxed);
}

void LocalEndpoint::request_left() {
    candidate_.request_ended();
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

connection::H1Connection* LocalEndpoint::take_idle(Reuse reuse, TimePoint now) {
    connection::H1Connection* const connection = idle_.freshest();
    if (connection == nullptr) return nullptr;
    const Duration age = now - connection->idle_since();
    if (age > fresh_for_ && age > good_for(reuse, *connection, now)) return nullptr;
    idle_.remove(*connection);
    return connection;
}

Duration LocalEndpoint::good_for(Reuse reuse,
                                 const connection::H1Connection& connection,
                                 TimePoint now) {
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
Duration LocalEndpoint::may_stay_idle(const connection::H1Connection& connection, Duration age) {
    resilience::IdleTimeout& timeout = endpoint_->idle_timeout();
    const Duration most = shared_cluster_->config().timeout.idle;
    const Duration good = timeout.good_for(connection.promised(), connection.connect_time());
    if (good >= most || age < good) return std::min(good, most);
    const bool is_witness = &connection == idle_.oldest() && timeout.learned();
    if (!is_witness) return good;
    timeout.open_after(age);
    return std::min(most, *timeout.learned() * 3 / 2);
}

connection::Carrier* LocalEndpoint::take_stream(Use use) {
    for (const auto& connection : h2_connections_) {
        if (connection->has_room()) return &connection->add_stream(use == Use::upgrade);
    }
    return nullptr;
}

Result<connection::Carrier*> LocalEndpoint::open(Use use) {
    auto opened = try_open(use);
    if (opened || opened.error().reason != Reason::limit_exceeded) return opened;
    if (full_limit_ == telemetry::Limit::max_connecting) return opened;
    if (!idle_.is_empty()) {
        idle_.oldest()->abandon();
    } else if (!close_idle_stream_connection()) {
        shared_cluster_->ask_for_connection(endpoint_, context_.worker);
        return opened;
    }
    return try_open(use);
}

Result<connection::Carrier*> LocalEndpoint::try_open(Use use) {
    const TimePoint now = Clock::now();
    const Error full{Reason::limit_exceeded, Error::Origin::local, Error::Retry::safe,
                     "limits of connections"};
    full_limit_ = telemetry::Limit::max_connections;
    // It takes none at the moment, whatever their number.
    const bool is_stream = is_multiplexed(use);
    if (is_stream && expected_streams_ == 0 && !h2_connections_.empty()) return full;
    auto connection_slot = shared_cluster_->acquire(endpoint_->connections(), now);
    if (!connection_slot) return full;
    auto connecting_slot = shared_cluster_->acquire(endpoint_->connecting(), now);
    full_limit_ = telemetry::Limit::max_connecting;
    if (!connecting_slot) return full;
    auto socket = transport::Socket::connect(endpoint_->address());
    if (!socket) return socket.error();
    connection::Hold hold{
        .token = {context_.shard, shared_cluster_->metrics(), std::move(*connection_slot)},
        .connecting = std::move(*connecting_slot)};
    const transport::TlsStart tls{.context = shared_cluster_->tls(),
                                  .shard = &context_.shard,
                                  .server_name = endpoint_->host(),
                                  .memory = tls_memory_,
                                  .only_http1 = use == Use::upgrade && !is_stream,
                                  .is_opaque = use == Use::opaque};
    if (is_stream) {
        connection::H2Connection& made = add_h2(std::move(hold));
        made.connect(std::move(*socket), tls);
        return &made.add_stream(use == Use::upgrade);
    }
    connection::H1Connection& made = add_h1(std::move(hold));
    made.connect(std::move(*socket), tls);
    return &made;
}

connection::H1Connection& LocalEndpoint::add_h1(connection::Hold hold) {
    connections_.push_back(
        std::make_unique<connection::H1Connection>(context_.connections, *this, std::move(hold)));
    connection::H1Connection& made = *connections_.back();
    made.tls_epoch = tls_epoch_;
    made.index = connections_.size() - 1;
    count_connections();
    return made;
}

connection::H2Connection& LocalEndpoint::add_h2(connection::Hold hold) {
    h2_connections_.push_back(
        std::make_unique<connection::H2Connection>(context_.connections, *this, std::move(hold)));
    count_connections();
    return *h2_connections_.back();
}

void LocalEndpoint::count_connections() {
    stats_.connections.store(
        static_cast<std::uint32_t>(connections_.size() + h2_connections_.size()),
        std::memory_order_relaxed);
}

void LocalEndpoint::speak_h2(connection::H1Connection& connection, connection::User* user) {
    endpoint_->note_speaks_h1(false);
    const Duration took = connection.connect_time();
    auto [stream, token] = connection.take_stream();
    connection::H2Connection& made = add_h2({.token = std::move(token), .connecting = {}});
    if (user != nullptr) {
        connection::Carrier& carrier = made.add_stream();
        carrier.attach(*user);
        user->on_moved(carrier);
    }
    made.take_over(std::move(stream), took);
}

void LocalEndpoint::speak_h1(connection::H2Connection& connection, connection::User* user) {
    endpoint_->note_speaks_h1(true);
    const Duration took = connection.connect_time();
    auto [stream, token] = connection.take_stream();
    add_h1({.token = std::move(token), .connecting = {}}).take_over(std::move(stream), took, user);
}

// One that never has no stream would never be given up to another worker that waits.
void LocalEndpoint::room_made(connection::H2Connection& connection) {
    if (cluster_ == nullptr) return;
    cluster_->serve_waiting_later();
    if (!is_wanted_elsewhere()) return;
    const bool is_done = std::any_of(h2_connections_.begin(), h2_connections_.end(),
                                     [](const auto& each) { return each->is_draining(); });
    if (!is_done) connection.drain();
}

bool LocalEndpoint::keeps(const connection::H2Connection& connection) const {
    if (cluster_ == nullptr || endpoint_->is_drained() || is_wanted_elsewhere()) return false;
    std::size_t idle = 0;
    for (const auto& other : h2_connections_)
        idle += other.get() != &connection && other->is_idle() ? 1U : 0U;
    return idle < shared_cluster_->config().limits.idle_connections;
}

bool LocalEndpoint::close_idle_stream_connection() {
    const auto found = std::find_if(h2_connections_.begin(), h2_connections_.end(),
                                    [](const auto& each) { return each->is_idle(); });
    if (found == h2_connections_.end()) return false;
    (*found)->abandon();
    return true;
}

void LocalEndpoint::give_up_idle() {
    if (!idle_.is_empty()) return idle_.oldest()->abandon();
    static_cast<void>(close_idle_stream_connection());
}

void LocalEndpoint::on_connected(Duration took) {
    context_.shard.observe(shared_cluster_->metrics().connect_duration, took);
    // The slot of a handshake is free again.
    if (cluster_ != nullptr) cluster_->serve_waiting_later();
}

bool LocalEndpoint::put_idle(connection::H1Connection& connection) {
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

void LocalEndpoint::take_out_of_idle(connection::H1Connection& connection) {
    if (connection.newer == nullptr && idle_.freshest() != &connection) return;
    idle_.remove(connection);
}

void LocalEndpoint::forget(connection::H1Connection& connection) {
    const std::size_t index = connection.index;
    std::swap(connections_[index], connections_.back());
    connections_[index]->index = index;
    context_.loop.retire(std::move(connections_.back()));
    connections_.pop_back();
    count_connections();
    if (cluster_ != nullptr) cluster_->serve_waiting_later();
    shared_cluster_->connection_freed();
}

void LocalEndpoint::forget(connection::H2Connection& connection) {
    const auto found = std::find_if(h2_connections_.begin(), h2_connections_.end(),
                                    [&](const auto& each) { return each.get() == &connection; });
    context_.loop.retire(std::move(*found));
    h2_connections_.erase(found);
    count_connections();
    if (cluster_ != nullptr) cluster_->serve_waiting_later();
    shared_cluster_->connection_freed();
}

}  // namespace weir::upstream

#include "weir/proxy/local_listener.hpp"

#include "weir/transport/own_socket.hpp"

#include "exchange.hpp"
#include "greeting.hpp"
#include "h2_session.hpp"
#include "lone_attempts.hpp"
#include "opaque_session.hpp"
#include "passthrough.hpp"
#include "session.hpp"

#include <algorithm>

namespace weir::proxy {
namespace {

constexpr std::size_t kKeptExchanges = 256;
constexpr std::size_t kKeptBuffers = 8;
constexpr std::size_t kMaxLoneProbes = 64;
constexpr std::size_t kMaxMirrored = 128;
constexpr std::size_t kMaxEncoders = 128;
constexpr std::size_t kSmallestBuffer = 1024;
constexpr std::size_t kMaxTalkers = 4096;

// A draining connection that was idle for so long is closed.
constexpr Duration kIdle = std::chrono::milliseconds{500};

}  // namespace

WorkerContext::WorkerContext(upstream::LocalContext& upstream_context,
                             telemetry::AccessLogShard& log,
                             std::atomic<std::uint64_t>& connections)
    : upstream(upstream_context),
      loop(upstream_context.loop),
      shard(upstream_context.shard),
      access_log(log),
      probes(has_ended_attempts),
      mirrored(has_ended_attempts),
      connections_(connections) {}

std::string WorkerContext::take_buffer(std::size_t size) {
    std::string buffer;
    if (!buffers_.empty()) {
        buffer = std::move(buffers_.back());
        buffers_.pop_back();
    }
    buffer.reserve(size);
    return buffer;
}

void WorkerContext::give_back(std::string buffer) {
    if (buffer.capacity() < kSmallestBuffer || buffers_.size() >= kKeptBuffers) return;
    buffer.clear();
    buffers_.push_back(std::move(buffer));
}

bool WorkerContext::admit_connection() {
    if (connections_.fetch_add(1, std::memory_order_relaxed) < connection_limit) {
        ++sessions;
        return true;
    }
    connections_.fetch_sub(1, std::memory_order_relaxed);
    return false;
}

void WorkerContext::forget_connection() {
    --sessions;
    connections_.fetch_sub(1, std::memory_order_relaxed);
}

WorkerContext::~WorkerContext() = default;

Through WorkerContext::pass_through(const ListenerState& listener,
                                    const LocalSnapshotPtr& base,
                                    const Address& address) {
    if (passthrough == nullptr) return {};
    if (!local_passthrough_)
        local_passthrough_ = std::make_unique<LocalPassthrough>(*passthrough, upstream);
    return local_passthrough_->find(listener, base, address);
}

std::unique_ptr<Exchange> WorkerContext::take_exchange() {
    if (free_.empty()) return std::make_unique<Exchange>(*this);
    auto exchange = std::move(free_.back());
    free_.pop_back();
    return exchange;
}

void WorkerContext::give_back(std::unique_ptr<Exchange> exchange) {
    given_back_.push_back(std::move(exchange));
}

void WorkerContext::end_turn() {
    for (auto& exchange : given_back_) {
        exchange->reset();
        if (free_.size() < kKeptExchanges) free_.push_back(std::move(exchange));
    }
    given_back_.clear();
    if (!has_ended_attempts) return;
    has_ended_attempts = false;
    probes.end_turn();
    mirrored.end_turn();
}

bool WorkerContext::has_room_for_probe() const {
    return probes.size() < kMaxLoneProbes;
}

bool WorkerContext::has_room_for_mirrored() const {
    return mirrored.size() < kMaxMirrored;
}

bool WorkerContext::has_room_for_encoder() const {
    return encoders < kMaxEncoders;
}

LocalListener::LocalListener(WorkerContext& context, std::string name)
    : context_(context), name_(std::move(name)) {}

LocalListener::~LocalListener() {
    close_all();
}

void LocalListener::use(LocalSnapshotPtr snapshot) {
    ++context_.upstream.changes;
    state_ = snapshot->shared->find_listener(name_);
    snapshot_ = std::move(snapshot);
}

void LocalListener::leave() {
    is_gone_ = true;
    drain();
}

void LocalListener::drain() {
    is_draining_ = true;
    for (const auto& session : sessions_)
        session->drain();
}

bool LocalListener::is_drained_by_process() const {
    return context_.draining == Draining::all || state_->config.mode != config::Mode::outbound;
}

bool LocalListener::trusts(const Address& peer) const {
    return state_->config.mode == config::Mode::outbound || is_proxy(peer);
}

bool LocalListener::is_proxy(const Address& peer) const {
    const auto& proxies = state_->config.trusted_proxies;
    return std::any_of(proxies.begin(), proxies.end(),
                       [&](const config::Cidr& range) { return range.contains(peer); });
}

void LocalListener::accept(transport::Socket socket, const Address& peer, std::uint16_t port) {
    if (!context_.admit_connection()) {
        context_.shard.add(state_->refused(Reason::overloaded));
        return;  // closed: limits.connections
    }
    Caller caller{.peer = peer, .destination = {}, .is_redirected = false, .server_name = {}};
    if (state_->config.transparent && !find_destination(socket, port, caller)) {
        context_.shard.add(state_->refused(Reason::misdirected));
        return context_.forget_connection();  // closed: it is our own, sent back to us
    }
    const bool is_opaque = is_relayed(caller) || (state_->takes_opaque && !state_->tls &&
                                                  speaks_first(caller.destination.to_string()));
    const bool has_header = state_->config.proxy_protocol && is_proxy(peer);
    if (has_header || is_looked_at(*state_)) {
        return keep(std::make_unique<Greeting>(context_, *this, std::move(socket),
                                               std::move(caller), has_header));
    }
    if (!is_opaque) {
        return keep(
            std::make_unique<Session>(context_, *this, std::move(socket), std::move(caller)));
    }
    auto made =
        std::make_unique<OpaqueSession>(context_, *this, std::move(socket), std::move(caller));
    OpaqueSession& session = *made;
    keep(std::move(made));
    session.start();
}

bool LocalListener::is_relayed(const Caller& caller) const {
    const config::Listener& config = state_->config;
    if (config.protocol == config::Protocol::tcp) return true;
    if (config.opaque_ports.empty() || !caller.is_redirected) return false;
    const std::uint16_t port = caller.destination.port();
    return config.protocol == config::Protocol::automatic &&
           std::any_of(config.opaque_ports.begin(), config.opaque_ports.end(),
                       [port](const config::PortRange& range) {
                           return range.first <= port && port <= range.last;
                       });
}

// Who came to the listener's own address was sent by nobody: to pass it on to there would be a
// loop. So would it be with a connection of our own, where the rules send everything here.
bool LocalListener::find_destination(const transport::Socket& socket,
                                     std::uint16_t port,
                                     Caller& caller) const {
    const Address own = socket.local_address();
    // As endpoints are written: IPv4 is not mapped into IPv6.
    const Address raw = socket.original_destination();
    Address meant = Address::from_ip(raw.ip(), raw.port()).value_or(raw);
    if (own.port() == port && meant.port() == port && meant.ip() == own.ip()) return true;
    const bool may_be_own = state_->config.mode == config::Mode::outbound;
    if (may_be_own && transport::is_own_connection(caller.peer, meant)) return false;
    caller.destination = std::move(meant);
    caller.is_redirected = true;
    return true;
}

Through LocalListener::pass_through(const Client& client) const {
    if (!client.destination) return {};
    Destination& destination = *client.destination;
    if (std::exchange(destination.as_of, context_.upstream.changes) != context_.upstream.changes)
        destination.route = find_route(destination.address);
    if (destination.route != Destination::kNoRoute)
        return {&state_->routes[destination.route], snapshot_};
    const config::Listener& config = state_->config;
    if (config.mode == config::Mode::gateway || !config.may_pass_through) return {};
    return context_.pass_through(*state_, snapshot_, destination.address);
}

std::uint32_t LocalListener::find_route(const Address& destination) const {
    for (std::uint32_t index = 0; index < state_->routes.size(); ++index) {
        for (const TargetState& target : state_->routes[index].targets) {
            const auto set = snapshot_->clusters[target.cluster]->cluster().endpoints();
            const bool is_there =
                std::any_of(set->endpoints.begin(), set->endpoints.end(),
                            [&](const auto& each) { return each->address() == destination; });
            if (is_there) return index;
        }
    }
    return Destination::kNoRoute;
}

void LocalListener::keep(std::unique_ptr<ClientConnection> connection) {
    connection->index = sessions_.size();
    sessions_.push_back(std::move(connection));
}

void LocalListener::go_on(ClientConnection& connection, transport::Socket socket, Caller caller) {
    const std::size_t index = connection.index;
    const auto replace = [&](std::unique_ptr<ClientConnection> made) {
        made->index = index;
        context_.loop.retire(std::exchange(sessions_[index], std::move(made)));
    };
    if (!is_relayed(caller) && !caller.is_silent)
        return replace(
            std::make_unique<Session>(context_, *this, std::move(socket), std::move(caller)));
    auto made =
        std::make_unique<OpaqueSession>(context_, *this, std::move(socket), std::move(caller));
    OpaqueSession& session = *made;
    replace(std::move(made));
    session.start();
}

void LocalListener::speak_h2(ClientConnection& connection,
                             std::unique_ptr<transport::Stream> stream,
                             Client client,
                             std::string_view bytes) {
    auto made = std::make_unique<H2Session>(context_, *this, std::move(stream), std::move(client));
    H2Session& session = *made;
    session.index = connection.index;
    context_.loop.retire(std::exchange(sessions_[connection.index], std::move(made)));
    session.on_bytes(bytes);
}

void LocalListener::relay(ClientConnection& connection,
                          std::unique_ptr<transport::Stream> stream,
                          Client client,
                          std::string_view bytes,
                          std::string server_name) {
    auto made = std::make_unique<OpaqueSession>(context_, *this, std::move(stream),
                                                std::move(client), bytes, std::move(server_name));
    OpaqueSession& session = *made;
    session.index = connection.index;
    context_.loop.retire(std::exchange(sessions_[connection.index], std::move(made)));
    session.start();
}

void LocalListener::note_first(std::string_view destination, bool is_server) {
    const auto known = talkers_.find(destination);
    if (!is_server) {
        if (known != talkers_.end()) talkers_.erase(known);
        return;
    }
    if (known != talkers_.end()) return;
    if (talkers_.size() >= kMaxTalkers) talkers_.erase(talkers_.begin());
    talkers_.emplace(destination);
}

void LocalListener::forget(ClientConnection& connection) {
    const std::size_t index = connection.index;
    std::swap(sessions_[index], sessions_.back());
    sessions_[index]->index = index;
    context_.loop.retire(std::move(sessions_.back()));
    sessions_.pop_back();
}

void LocalListener::close_idle() {
    const TimePoint before = Clock::now() - kIdle;
    for (std::size_t i = sessions_.size(); i-- > 0;) {
        if (sessions_[i]->is_idle_since(before)) sessions_[i]->close();
    }
}

void LocalListener::close_all() {
    while (!sessions_.empty())
        sessions_.back()->close_with_reset();
}

}  // namespace weir::proxy

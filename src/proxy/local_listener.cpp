#include "weir/proxy/local_listener.hpp"

#include "exchange.hpp"
#include "h2_session.hpp"
#include "lone_probe.hpp"
#include "session.hpp"

#include <algorithm>

namespace weir::proxy {
namespace {

constexpr std::size_t kKeptExchanges = 256;
constexpr std::size_t kKeptBuffers = 8;
constexpr std::size_t kMaxLoneProbes = 64;
constexpr std::size_t kSmallestBuffer = 1024;

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
    ended_probes_.clear();
}

bool WorkerContext::has_room_for_probe() const {
    return probes_.size() < kMaxLoneProbes;
}

void WorkerContext::keep(std::unique_ptr<LoneProbe> probe) {
    probes_.push_back(std::move(probe));
}

void WorkerContext::forget(LoneProbe& probe) {
    const auto at = std::find_if(probes_.begin(), probes_.end(),
                                 [&](const auto& each) { return each.get() == &probe; });
    WEIR_ASSERT(at != probes_.end());
    ended_probes_.push_back(std::move(*at));
    probes_.erase(at);
}

LocalListener::LocalListener(WorkerContext& context, std::string name)
    : context_(context), name_(std::move(name)) {}

LocalListener::~LocalListener() {
    close_all();
}

void LocalListener::use(LocalSnapshotPtr snapshot) {
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

bool LocalListener::trusts(const Address& peer) const {
    const config::Listener& config = state_->config;
    return config.mode == config::Mode::outbound ||
           std::any_of(config.trusted_proxies.begin(), config.trusted_proxies.end(),
                       [&](const config::Cidr& range) { return range.contains(peer); });
}

void LocalListener::accept(transport::Socket socket, const Address& peer) {
    if (!context_.admit_connection()) {
        context_.shard.add(state_->refused(Reason::overloaded));
        return;  // closed: limits.connections
    }
    auto session = std::make_unique<Session>(context_, *this, std::move(socket), peer);
    session->index = sessions_.size();
    sessions_.push_back(std::move(session));
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

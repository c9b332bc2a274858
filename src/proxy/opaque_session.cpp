#include "opaque_session.hpp"

#include "weir/transport/proxy_protocol.hpp"

#include <boost/smart_ptr/make_local_shared.hpp>

#include <algorithm>

namespace weir::proxy {
namespace {

std::uint8_t bit(telemetry::Flag flag) {
    return static_cast<std::uint8_t>(flag);
}

}  // namespace

OpaqueSession::OpaqueSession(WorkerContext& context, LocalListener& listener)
    : context_(context),
      listener_(listener),
      snapshot_(listener.snapshot()),
      listener_snapshot_(snapshot_),
      listener_state_(listener.state()),
      metrics_(&listener_state_.unmatched),
      attempt_(context.upstream, *this),
      name_("TCP"),
      number_(context.next_number()),
      began_(Clock::now()),
      began_wall_(Clock::wall()) {
    context_.shard.add(listener_state_.metrics.requests_active);
}

OpaqueSession::OpaqueSession(WorkerContext& context,
                             LocalListener& listener,
                             transport::Socket socket,
                             Caller caller)
    : OpaqueSession(context, listener) {
    const bool is_clear =
        caller.is_silent && listener_state_.config.protocol != config::Protocol::tcp;
    stream_ = std::make_unique<transport::Stream>(
        context.loop, std::move(socket), *this, false,
        transport::TlsStart{.context = is_clear ? nullptr : listener_state_.tls,
                            .shard = &context.shard});
    caller_ = std::move(caller);
    client_.ip = caller_.peer.ip();
    client_.is_tls = stream_->is_tls();
    if (caller_.is_redirected)
        client_.destination =
            boost::make_local_shared<Destination>(Destination{caller_.destination});
    if (caller_.destination.family() == AF_UNSPEC)
        caller_.destination = stream_->socket().local_address();
    stream_->report_reset_while_paused();
}

OpaqueSession::OpaqueSession(WorkerContext& context,
                             LocalListener& listener,
                             std::unique_ptr<transport::Stream> stream,
                             Client client,
                             std::string_view bytes,
                             std::string server_name)
    : OpaqueSession(context, listener) {
    stream_ = std::move(stream);
    stream_->set_handler(*this);
    client_ = std::move(client);
    is_counted_ = true;
    waiting_.assign(bytes);
    caller_.server_name = std::move(server_name);
}

OpaqueSession::~OpaqueSession() = default;

void OpaqueSession::start() {
    if (!stream_->is_handshaking()) return on_connected();
    const auto& timeout = snapshot_->shared->config().client_timeout;
    context_.loop.timers().arm(timer_, began_ + timeout.handshake);
}

// The handshake is over, or there was none.
void OpaqueSession::on_connected() {
    timer_.cancel();
    client_.is_tls = stream_->is_tls();
    client_.peer = stream_->peer();
    if (!is_counted_) count_connection();
    state_ = State::connecting;
    stream_->pause();
    find_route();
}

void OpaqueSession::count_connection() {
    const auto& metrics = listener_state_.metrics.of(client_.is_tls);
    is_counted_ = true;
    context_.shard.add(metrics.total);
    context_.shard.add(metrics.active);
}

void OpaqueSession::find_route() {
    http::RequestHead& head = context_.request_head;
    head.clear();
    head.authority = caller_.server_name;
    head.path = "/";
    const auto match = listener_state_.table.match(head);
    head.clear();
    if (match) route_ = &listener_state_.routes[*match];
    if (route_ == nullptr) {
        Through through = listener_.pass_through(client_);
        route_ = through.route;
        if (through.route != nullptr) snapshot_ = std::move(through.snapshot);
    }
    if (route_ == nullptr || route_->targets.empty()) {
        const bool is_lost = listener_state_.config.transparent && !client_.destination;
        const Reason reason = is_lost ? Reason::misdirected : Reason::no_route;
        context_.shard.add(listener_state_.refused(reason));
        return end(reason, telemetry::Outcome::ignored);
    }
    target_ = &route_->choose(context_.upstream.random);
    metrics_ = target_->metrics.get();
    cluster().cluster().budget().count_original(context_.upstream.worker, began_);
    start_attempt();
}

void OpaqueSession::start_attempt() {
    state_ = State::connecting;
    const upstream::Endpoint* const avoid = attempts_ > 0 ? attempt_.endpoint() : nullptr;
    ++attempts_;
    say_who_calls();
    attempt_.start(
        snapshot_->clusters[target_->cluster],
        {.head = &name_,
         .trailers = {},
         .is_replay_safe = true,
         .is_opaque = true,
         .first_bytes = first_bytes_,
         .route = target_->route.get(),
         .timeouts = &target_->config->timeout,
         .per_try_timeout = {},
         .avoid = avoid,
         .number = number_,
         .attempt = attempts_,
         .role = retries_ > 0 ? telemetry::AttemptRole::retry : telemetry::AttemptRole::first});
}

void OpaqueSession::say_who_calls() {
    first_bytes_.clear();
    const auto version = cluster().cluster().config().proxy_protocol;
    if (version == config::ProxyProtocol::off) return;
    transport::append_proxy_header(first_bytes_,
                                   version == config::ProxyProtocol::v1
                                       ? transport::ProxyVersion::v1
                                       : transport::ProxyVersion::v2,
                                   caller_.peer, caller_.destination);
}

void OpaqueSession::on_opened(upstream::Attempt& attempt) {
    state_ = State::relaying;
    settle_charge();
    if (retries_ > 0) count_retry_result(true);
    tunnel_ = std::make_unique<transport::Tunnel>(
        context_.loop, std::move(stream_), attempt.take_stream(), target_->config->timeout.tcp_idle,
        [this](const transport::TunnelEnd& how) { on_tunnel_end(how); });
    if (listener_state_.takes_opaque) {
        // What greets at once is known for it; a complaint that nothing was said comes later.
        tunnel_->on_begin([this, opened = Clock::now()](bool is_upstream) {
            const Duration most = listener_state_.config.detect_timeout;
            listener_.note_first(destination_of(client_),
                                 is_upstream && Clock::now() - opened <= most);
        });
    }
    const std::string waiting = std::exchange(waiting_, {});
    first_bytes_ = {};
    tunnel_->start(waiting);
}

void OpaqueSession::on_attempt_failed(upstream::Attempt& /*attempt*/,
                                      const upstream::AttemptFailure& failure) {
    settle_charge();
    if (retries_ > 0) count_retry_result(false);
    if (failure.error.reason == Reason::breaker_open && falls_back()) return;
    if (retries()) return;
    end(failure.error.reason, telemetry::Outcome::failure);
}

// A retry costs the budget what reached an endpoint.
void OpaqueSession::settle_charge() {
    if (charge_ && attempt_.endpoint() != nullptr) charge_->sent();
    charge_.reset();
}

// Only to another cluster: there is no answer that bytes of any kind could have.
bool OpaqueSession::falls_back() {
    if (target_->fallback == nullptr || attempts_ != 1) return false;
    context_.shard.add(target_->fallback_used);
    flags_ |= bit(telemetry::Flag::fallback);
    target_ = target_->fallback.get();
    metrics_ = target_->metrics.get();
    attempts_ = 0;
    cluster().cluster().budget().count_original(context_.upstream.worker, Clock::now());
    start_attempt();
    return true;
}

// Nothing was sent yet, so that another endpoint may be tried.
bool OpaqueSession::retries() {
    const TimePoint now = Clock::now();
    upstream::Cluster& shared = cluster().cluster();
    resilience::RetryInput input;
    attempt_.describe(input);
    input.is_method_listed = true;
    input.retries = retries_;
    input.wait =
        target_->retry.backoff.wait(retries_ + 1, input.verdict.hint, context_.upstream.random);
    resilience::RetryRefusal refusal = resilience::decide_retry(target_->retry, input).refusal;
    if (refusal == resilience::RetryRefusal::none &&
        target_->config->retry.mode == config::Enforcement::shadow) {
        shared.surroundings().registry.count(telemetry::Family::shadow,
                                             {shared.name(), "would_retry"});
        flags_ |= bit(telemetry::Flag::shadow);
        return false;
    }
    if (refusal == resilience::RetryRefusal::none) {
        charge_ = shared.budget().try_charge(now);
        if (!charge_) refusal = resilience::RetryRefusal::budget;
    }
    if (refusal != resilience::RetryRefusal::none) {
        const auto first = static_cast<unsigned>(resilience::RetryRefusal::budget);
        if (refusal >= resilience::RetryRefusal::budget) {
            context_.shard.add(
                shared.metrics().retries_refused[static_cast<unsigned>(refusal) - first]);
        }
        return false;
    }
    ++retries_;
    state_ = State::backing_off;
    context_.loop.timers().arm(timer_, now + input.wait);
    return true;
}

void OpaqueSession::count_retry_result(bool is_success) {
    const telemetry::ClusterMetrics& metrics = cluster().cluster().metrics();
    context_.shard.add(is_success ? metrics.retries_success : metrics.retries_failure);
}

void OpaqueSession::on_timer() {
    if (state_ == State::backing_off) return start_attempt();
    if (state_ != State::handshaking) return;
    stream_->give_up_handshake();
    leave();
}

void OpaqueSession::on_broken(int /*error*/) {
    if (state_ == State::handshaking) return leave();
    end(Reason::client_closed, telemetry::Outcome::ignored);
}

void OpaqueSession::on_tunnel_end(const transport::TunnelEnd& how) {
    using How = transport::TunnelEnd::How;
    request_bytes_ = how.up;
    response_bytes_ = how.down;
    attempt_.finish_tunnel();
    switch (how.how) {
        case How::closed:
        case How::idle:
            return end(Reason::none, telemetry::Outcome::ok);
        case How::downstream_broken:
            return end(Reason::client_closed, telemetry::Outcome::ignored);
        case How::upstream_broken:
            return end(Reason::upstream_reset, telemetry::Outcome::failure);
        case How::abandoned:
            return end(Reason::draining, telemetry::Outcome::failure);
    }
}

// Its one line, and its end. A client of whom nothing was relayed sees a reset: there is no other
// way to tell it.
void OpaqueSession::end(Reason reason, telemetry::Outcome outcome) {
    if (state_ == State::connecting) settle_charge();
    if (attempt_.is_running()) {
        attempt_.cancel({reason, Error::Origin::downstream, Error::Retry::never, ""}, true);
    }
    const Duration duration = Clock::now() - began_;
    metrics_->record_opaque(context_.shard, {.outcome = outcome,
                                             .reason = reason,
                                             .duration = duration,
                                             .request_bytes = request_bytes_,
                                             .response_bytes = response_bytes_});
    log_access(reason, duration);
    if (stream_) stream_->close_with_reset();
    leave();
}

void OpaqueSession::log_access(Reason reason, Duration duration) {
    const telemetry::AccessPolicy* policy = &listener_state_.unmatched_access;
    if (route_ != nullptr) policy = route_->access.get();
    if (target_ != nullptr) policy = target_->access.get();
    if (policy->is_off()) return;
    if (attempts_ > 1) flags_ |= bit(telemetry::Flag::retried);
    if (attempt_.was_none_ready()) flags_ |= bit(telemetry::Flag::none_ready);
    if (attempt_.was_shadowed()) flags_ |= bit(telemetry::Flag::shadow);
    if (attempt_.was_probe()) flags_ |= bit(telemetry::Flag::probe);
    const telemetry::AccessFields none;
    const upstream::Endpoint* const endpoint = attempt_.endpoint();
    context_.access_log.append(
        {.time = began_wall_,
         .policy = policy,
         .fields = &none,
         .endpoint = endpoint != nullptr ? std::string_view(endpoint->name()) : std::string_view(),
         .host = caller_.server_name,
         .protocol = "TCP",
         .client = client_.ip,
         .peer = client_.peer,
         .duration = duration,
         .upstream = attempt_.upstream_time(),
         .request_bytes = request_bytes_,
         .response_bytes = response_bytes_,
         .attempts = attempts_,
         .reason = reason,
         .flags = flags_});
}

void OpaqueSession::leave() {
    if (state_ == State::over) return;
    state_ = State::over;
    timer_.cancel();
    if (stream_) stream_->close();
    if (is_counted_) context_.shard.sub(listener_state_.metrics.of(client_.is_tls).active);
    context_.shard.sub(listener_state_.metrics.requests_active);
    context_.forget_connection();
    listener_.forget(*this);
}

void OpaqueSession::close() {
    close_with_reset();
}

void OpaqueSession::close_with_reset() {
    if (tunnel_) return tunnel_->close();
    if (state_ == State::over) return;
    if (state_ == State::handshaking) return leave();
    end(Reason::draining, telemetry::Outcome::failure);
}

}  // namespace weir::proxy

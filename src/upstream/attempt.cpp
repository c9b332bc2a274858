#include "weir/upstream/attempt.hpp"

#include "weir/http/grpc.hpp"
#include "weir/http/h1.hpp"
#include "weir/http/websocket.hpp"
#include "weir/upstream/stall_watch.hpp"

#include "local_endpoint.hpp"

#include <algorithm>
#include <charconv>

namespace weir::upstream {
namespace {

Error local_error(Reason reason, const char* detail) {
    return {reason, Error::Origin::local, Error::Retry::never, detail};
}

telemetry::ConnectFailure to_label(Reason reason) {
    switch (reason) {
        case Reason::upstream_connect_timeout:
            return telemetry::ConnectFailure::timeout;
        case Reason::upstream_dns:
            return telemetry::ConnectFailure::dns;
        case Reason::upstream_tls:
            return telemetry::ConnectFailure::tls;
        default:
            return telemetry::ConnectFailure::refused;
    }
}

// What each try says of itself, and the empty line.
void end_head(const AttemptRequest& request, TimePoint now, LocalCluster& cluster) {
    std::string& head = *request.head;
    head.resize(request.head_size);
    if (request.retry_depth > 0) {
        head.append(http::kRetryDepth).append(": ");
        head.append(std::to_string(request.retry_depth)).append("\r\n");
    }
    if (request.deadline == TimePoint::max()) {
        head.append("\r\n");
    } else if (request.says_grpc_timeout) {
        http::append_grpc_timeout(head, request.deadline - now);
        head.append("\r\n");
    } else {
        head.append(cluster.last_line(request.deadline - now));
    }
}

LocalEndpoint::Use use_of(const AttemptRequest& request) {
    using Use = LocalEndpoint::Use;
    return request.is_opaque ? Use::opaque : request.is_upgrade ? Use::upgrade : Use::request;
}

LocalEndpoint::Wish wish_of(const AttemptRequest& request) {
    using Reuse = LocalEndpoint::Reuse;
    return {.reuse = request.needs_fresh       ? Reuse::proven
                     : request.must_not_repeat ? Reuse::careful
                                               : Reuse::repeatable,
            .use = use_of(request)};
}

}  // namespace

Attempt::~Attempt() {
    if (is_running_) cancel(local_error(Reason::draining, "the worker ends"), true);
}

// ---- beginning

void Attempt::start(boost::local_shared_ptr<LocalCluster> cluster, const AttemptRequest& request) {
    begin(std::move(cluster), request);
    Cluster& shared = cluster_->cluster();
    if (!pass_breakers()) return;
    Error error;
    if (!is_within_limits(shared, error)) return refuse(error, {});
    switch (lease(error)) {
        case Lease::got:
            return;
        case Lease::failed:
            return fail(error);
        case Lease::must_wait:
            return wait_in_queue();
    }
}

void Attempt::wait_in_queue() {
    if (request_.is_second) {
        return refuse(local_error(Reason::limit_exceeded, "it would have to wait"), {});
    }
    if (cluster_->enqueue(*this)) return;
    context_.shard.add(cluster_->cluster().metrics().of(telemetry::Limit::max_pending));
    refuse(local_error(Reason::queue_full, "limits.max_pending"), {});
}

bool Attempt::is_within_limits(Cluster& cluster, Error& error) {
    auto slot = cluster.acquire(cluster.requests(), started_);
    if (!slot) {
        context_.shard.add(cluster.metrics().of(telemetry::Limit::max_requests));
        error = local_error(Reason::limit_exceeded, "limits.max_requests");
        return false;
    }
    request_slot_ = std::move(*slot);
    if (cluster.adaptive() == nullptr) return true;
    auto adaptive = cluster.acquire_adaptive();
    if (!adaptive) {
        context_.shard.add(cluster.metrics().of(telemetry::Limit::adaptive));
        error = local_error(Reason::limit_exceeded, "limits.adaptive");
        return false;
    }
    adaptive_slot_ = std::move(*adaptive);
    return true;
}

// The cluster's, and the route's if there is one: both must admit it.
bool Attempt::pass_breakers() {
    Cluster& shared = cluster_->cluster();
    resilience::CircuitBreaker& machine = shared.breaker();
    const bool is_fixed = shared.config().breaker.probe_timeout.has_value();
    auto admission = machine.acquire(started_, acquire_options(machine, is_fixed));
    holds_breaker_ = static_cast<bool>(admission);
    breaker_permit_ = admission.permit;
    was_breaker_probe_ = admission.permit.is_probe;
    was_shadowed_ = admission.would_refuse;
    Breaker* const own = request_.route->breaker();
    if (admission && own != nullptr) {
        const bool is_own_fixed = own->config().probe_timeout.has_value();
        admission = own->machine().acquire(started_, acquire_options(own->machine(), is_own_fixed));
        if (admission) route_breaker_ = own;
        route_permit_ = admission.permit;
        was_breaker_probe_ = was_breaker_probe_ || admission.permit.is_probe;
        was_shadowed_ = was_shadowed_ || admission.would_refuse;
    }
    if (admission) return true;
    was_breaker_probe_ = false;
    context_.shard.add(shared.metrics().breaker_rejected);
    refuse(local_error(Reason::breaker_open, holds_breaker_ ? "the breaker of its route" : ""),
           admission.retry_after);
    return false;
}

// The lease of the probe that this may become is looked up only where there are probes.
resilience::CircuitBreaker::AcquireOptions Attempt::acquire_options(
    const resilience::CircuitBreaker& machine, bool has_fixed_lease) const {
    resilience::CircuitBreaker::AcquireOptions options{.is_replay_safe = request_.is_replay_safe};
    if (machine.state() != resilience::State::closed && !has_fixed_lease) {
        options.probe_timeout =
            request_.route->probe_lease(context_.worker, Clock::now(), request_.request_timeout);
    }
    return options;
}

void Attempt::begin(boost::local_shared_ptr<LocalCluster> cluster, const AttemptRequest& request) {
    WEIR_ASSERT(!is_running_ && request.route != nullptr);
    cluster_ = std::move(cluster);
    request_ = request;
    started_ = Clock::now();
    is_running_ = true;
    is_sent_ = is_relay_ = false;
    displaced_ = 0;
    is_provably_unread_ = false;
    was_none_ready_ = was_endpoint_probe_ = was_breaker_probe_ = was_held_up_ = was_reused_ = false;
    connect_time_ = {};
    was_shadowed_ = is_grpc_ = is_start_awaited_ = false;
    route_breaker_ = nullptr;
    endpoint_.reset();
    end_ = {};
    verdict_ = {};
    upstream_time_ = {};
    context_.shard.add(cluster_->cluster().metrics().requests_active);
}

// An endpoint, its permit and a connection. Nothing is held when it must wait.
Attempt::Lease Attempt::lease(Error& error) {
    const TimePoint now = Clock::now();
    LocalCluster::Choice choice;
    if (request_.is_second || request_.is_replay)
        choice = cluster_->choose_other(now, request_.avoid, request_.key);
    if (!choice.endpoint && !request_.is_second)
        choice = cluster_->choose(now, request_.is_replay_safe, request_.avoid, request_.key);
    if (!choice.endpoint && request_.is_second) {
        error = local_error(Reason::no_healthy_endpoint, "no other endpoint is ready");
        return Lease::failed;
    }
    if (!choice.endpoint) {
        if (cluster_->cluster().is_awaited(now) || cluster_->is_behind()) return Lease::must_wait;
        const bool is_empty = cluster_->cluster().endpoints()->endpoints.empty();
        const auto otherwise = cluster_->cluster().config().when_none_ready;
        error = local_error(Reason::no_healthy_endpoint,
                            is_empty ? "the cluster is empty"
                            : otherwise == config::NoneReady::fail
                                ? "none is ready, and lb.when_none_ready is fail"
                                : "an operator holds every endpoint");
        return Lease::failed;
    }
    const auto acquire = [&] {
        resilience::OutlierDetector& detector = choice.endpoint->shared().detector();
        return detector.acquire(now, acquire_options(detector.machine(), false));
    };
    auto admission = acquire();
    if (!admission && !choice.is_none_ready) {
        // Another worker's request became its probe a moment ago.
        choice = cluster_->choose(now, false, &choice.endpoint->shared(), request_.key);
        admission = acquire();
    }
    connection::Carrier* connection = choice.endpoint->take(wish_of(request_), now);
    if (connection == nullptr) {
        auto opened = choice.endpoint->open(use_of(request_));
        if (!opened && opened.error().reason == Reason::limit_exceeded) {
            if (!std::exchange(was_held_up_, true))
                context_.shard.add(cluster_->cluster().metrics().of(choice.endpoint->full_limit()));
            if (admission) choice.endpoint->shared().detector().release(admission.permit);
            return Lease::must_wait;
        }
        if (opened) connection = *opened;
        if (!opened) error = opened.error();
    }
    endpoint_ = std::move(choice.endpoint);
    leased_ = now;
    was_none_ready_ = choice.is_none_ready;
    holds_endpoint_ = static_cast<bool>(admission);
    endpoint_permit_ = admission.permit;
    was_endpoint_probe_ = holds_endpoint_ && admission.permit.is_probe;
    endpoint_->request_began();
    if (connection == nullptr) return Lease::failed;
    use(*connection, now);
    return Lease::got;
}

void Attempt::use(connection::Carrier& connection, TimePoint now) {
    connection_ = &connection;
    connection_->attach(*this);
    if (!request_.first_bytes.empty()) connection_->send_first(request_.first_bytes);
    if (connection_->is_connected()) {
        send();
    } else {
        context_.loop.timers().arm(timer_, now + request_.timeouts->connect);
    }
}

void Attempt::on_moved(connection::Carrier& carrier) {
    connection_ = &carrier;
}

// At the same endpoint, whose permit it has, if there is a connection to be had.
void Attempt::on_displaced() {
    const TimePoint now = Clock::now();
    connection_ = nullptr;
    timer_.cancel();
    connection::Carrier* connection = endpoint_->take(wish_of(request_), now);
    if (connection != nullptr) return use(*connection, now);
    auto opened = endpoint_->open(use_of(request_));
    if (opened) return use(**opened, now);
    if (opened.error().reason != Reason::limit_exceeded) return fail(opened.error());
    leave_endpoint();
    wait_in_queue();
}

// It was never asked.
void Attempt::leave_endpoint() {
    if (holds_endpoint_) endpoint_->shared().detector().release(endpoint_permit_);
    holds_endpoint_ = was_endpoint_probe_ = was_none_ready_ = false;
    endpoint_->request_left();
    endpoint_.reset();
}

bool Attempt::on_turn() {
    if (Clock::now() >= request_.deadline) {
        on_queue_timeout();  // nobody waits for its answer: the connection is for one who does
        return true;
    }
    Error error;
    const Lease leased = lease(error);
    if (leased == Lease::must_wait) return false;
    if (is_running_) cluster_->dequeue(*this);
    if (leased == Lease::failed) fail(error);
    return true;
}

void Attempt::on_queue_timeout() {
    if (cluster_->cluster().is_awaited(started_)) {
        return fail(local_error(Reason::no_healthy_endpoint, "its source has not answered"));
    }
    context_.shard.add(cluster_->cluster().metrics().of(telemetry::Limit::queue_timeout));
    refuse(local_error(Reason::queue_timeout, "limits.queue_timeout"), {});
}

// ---- sending

void Attempt::on_ready() {
    timer_.cancel();
    if (request_.is_opaque) return opened();
    send();
}

void Attempt::send() {
    if (request_.is_upgrade && connection_->is_stream()) {
        if (request_.websocket == nullptr)
            return refuse(local_error(Reason::upstream_protocol, "HTTP/2 has no upgrade"), {});
        if (!connection_->takes_websockets())
            return refuse(local_error(Reason::upstream_protocol,
                                      "the upstream takes no WebSocket over HTTP/2"),
                          {});
    }
    sent_ = Clock::now();
    is_sent_ = true;
    was_sent_whole_ = request_.is_body_whole;
    if (request_.caller_deadline != TimePoint::max())
        end_.caller_deadline = request_.caller_deadline - sent_;
    if (request_.must_not_repeat && connection_->is_reused()) connection_->watch_acknowledgements();
    const std::string_view body =
        request_.body != nullptr ? std::string_view(*request_.body) : std::string_view();
    end_head(request_, sent_, *cluster_);
    connection_->begin({.method = request_.method,
                        .head = *request_.head,
                        .body = body,
                        .trailers = request_.trailers,
                        .is_whole = request_.is_body_whole,
                        .is_chunked = request_.is_chunked,
                        .is_websocket = request_.websocket != nullptr});
    if (connection_ == nullptr) return;  // it does not even go out
    if (request_.is_body_whole) arm_answer_timer();
    if (!request_.is_body_whole) handler_->on_request_wanted(*this);
}

// The request is whole: from here on the upstream is waited for.
void Attempt::arm_answer_timer() {
    waiting_.endpoint = endpoint_.get();
    waiting_.route = request_.route;
    waiting_.timeout = request_.request_timeout;
    cluster_->stalls().add(waiting_, Clock::now());
    const auto& header_timeout = request_.timeouts->response_header;
    const auto& per_try = request_.per_try_timeout;
    if (!header_timeout && !per_try) return;
    const Duration first =
        std::min(header_timeout.value_or(Duration::max()), per_try.value_or(Duration::max()));
    context_.loop.timers().arm(timer_, Clock::now() + first);
}

void Attempt::send_body(std::string_view data) {
    connection_->send_body(data, false, {});
}

void Attempt::finish_body(std::string_view trailers) {
    request_.is_body_whole = true;
    request_.trailers = trailers;
    if (!is_sending()) return;
    connection_->send_body({}, true, trailers);
    if (!end_.status) arm_answer_timer();
}

void Attempt::on_stuck() {
    handler_->on_attempt_stuck(*this);
}

std::size_t Attempt::pending() const {
    return connection_ == nullptr ? 0 : connection_->pending();
}

void Attempt::pause_response() {
    if (connection_ != nullptr) connection_->pause_response();
}

void Attempt::resume_response() {
    if (connection_ != nullptr) connection_->resume_response();
}

void Attempt::on_request_drained() {
    if (!request_.is_body_whole || is_relay_) handler_->on_request_wanted(*this);
}

// ---- receiving

void Attempt::on_head(const http::ResponseHead& head) {
    if (head.status < 200 && !head.is_upgrade) return handler_->on_response_head(*this, head);
    if (head.is_upgrade && !request_.is_upgrade) {
        connection_->do_not_reuse();
        return fail({Reason::upstream_protocol, Error::Origin::upstream, Error::Retry::never,
                     "a 101 nobody asked for"});
    }
    if (request_.websocket != nullptr && !is_accepted(head)) return;
    timer_.cancel();
    StallWatch::remove(waiting_);
    // The upstream may take what follows on this connection for the other protocol.
    if (request_.is_upgrade && !head.is_upgrade) connection_->do_not_reuse();
    judge_head(head, Clock::now());
    handler_->on_response_head(*this, head);
}

// What answers our own key: without it the other side means something else, and a 2xx would be
// taken for a tunnel.
bool Attempt::is_accepted(const http::ResponseHead& head) {
    const char* wrong = nullptr;
    if (request_.websocket->empty()) return true;
    if (head.is_upgrade) {
        const http::HeaderField* const said = head.headers.find(http::kWebSocketAccept);
        if (said == nullptr || said->value != *request_.websocket)
            wrong = "a wrong Sec-WebSocket-Accept";
    } else if (head.status / 100 == 2) {
        wrong = "the upstream knows no WebSocket";
    }
    if (wrong == nullptr) return true;
    connection_->do_not_reuse();
    fail({Reason::upstream_protocol, Error::Origin::upstream, Error::Retry::never, wrong});
    return false;
}

void Attempt::on_body(std::string_view data, bool is_last, std::string_view trailers) {
    if (is_start_awaited_ && !data.empty()) tell_good_start(Clock::now());
    if (is_last && !is_relay_) {
        if (is_grpc_) take_grpc_trailers(trailers);
        upstream_time_ = Clock::now() - sent_;
        report();
    }
    handler_->on_response_body(*this, data, is_last, trailers);
}

void Attempt::on_flush() {
    handler_->on_response_flush(*this);
}

// A connection that the upstream closes in good order is no try: the request goes by another one,
// if all of it is still there.
bool Attempt::goes_elsewhere() {
    constexpr std::uint8_t kOften = 5;
    if (connection_ == nullptr || !connection_->is_unprocessed()) return false;
    if (!was_sent_whole_ || displaced_ == kOften) return false;
    ++displaced_;
    is_sent_ = false;
    StallWatch::remove(waiting_);
    connection_->detach();
    on_displaced();
    return true;
}

void Attempt::on_failed(const Error& error) {
    if (is_relay_) {
        leave_connection();
        return handler_->on_attempt_failed(*this, {error, {}});
    }
    if (goes_elsewhere()) return;
    is_provably_unread_ = connection_ != nullptr && connection_->is_provably_unread();
    fail(error);
}

void Attempt::on_timer() {
    const bool was_connecting = !is_sent_;
    Error error{Reason::upstream_timeout, Error::Origin::upstream, Error::Retry::never,
                "timeout.response_header"};
    if (was_connecting) {
        error = {Reason::upstream_connect_timeout, Error::Origin::upstream, Error::Retry::safe,
                 "timeout.connect"};
    } else if (!request_.timeouts->response_header ||
               (request_.per_try_timeout &&
                *request_.per_try_timeout < *request_.timeouts->response_header)) {
        error.detail = "retry.per_try_timeout";
    }
    fail(error);
}

// ---- the end

void Attempt::cancel(const Error& why, bool client_left) {
    if (!is_running_) return;
    classify(why, client_left);
    report();
}

void Attempt::cancel_answered() {
    upstream_time_ = Clock::now() - sent_;
    report();
}

void Attempt::cancel_lost() {
    // It would have taken longer yet: the balancer must not take it for unknown, or for idle.
    const TimePoint now = Clock::now();
    if (is_sent_ && endpoint_ && now - sent_ > endpoint_->candidate().ewma())
        endpoint_->candidate().observe(now - sent_, now);
    cancel({Reason::client_closed, Error::Origin::downstream, Error::Retry::never,
            "another attempt has answered"},
           true);
}

void Attempt::hand_over(AttemptHandler& next,
                        std::string& head,
                        const std::string& body,
                        std::string_view trailers) {
    handler_ = &next;
    request_.head = &head;
    request_.body = &body;
    request_.trailers = trailers;
}

std::unique_ptr<transport::Stream> Attempt::take_stream() {
    auto [stream, token] = connection_->take_stream();
    connection_ = nullptr;
    tunnel_token_.emplace(std::move(token));
    return std::move(stream);
}

void Attempt::relay() {
    is_relay_ = true;
}

void Attempt::finish_tunnel() {
    upstream_time_ = Clock::now() - sent_;
    tunnel_token_.reset();
    report();
}

// Refused by ourselves: it says nothing about anybody's health.
void Attempt::refuse(const Error& error, Duration retry_after) {
    verdict_ = {.outcome = resilience::Outcome::ignored};
    end_.error = error;
    report();
    handler_->on_attempt_failed(*this, {error, retry_after});
}

void Attempt::fail(const Error& error) {
    classify(error, false);
    const bool is_told = connection_ != nullptr && connection_->was_told_of();
    if (!is_sent_ && endpoint_ && !is_told)
        context_.shard.add(cluster_->cluster().metrics().of(to_label(error.reason)));
    report();
    handler_->on_attempt_failed(*this, {error, {}});
}

const Endpoint* Attempt::endpoint() const {
    return endpoint_ ? &endpoint_->shared() : nullptr;
}

void Attempt::describe(resilience::RetryInput& input) const {
    input.verdict = verdict_;
    input.status = end_.status;
    input.grpc_status = end_.grpc_status;
    input.error = end_.error;
    input.is_connection_reused = end_.reused_connection;
    input.got_response_bytes = end_.got_response_bytes;
    input.is_provably_unread = is_provably_unread_;
    if (!is_sent_) input.is_body_replayable = true;
}

void Attempt::record(telemetry::AttemptRecord& record) const {
    record.endpoint.assign(endpoint_ ? std::string_view(endpoint_->shared().name())
                                     : std::string_view());
    record.began = started_;
    record.ended = ended_;
    record.queued.reset();
    if (endpoint_ && leased_ > started_) record.queued = leased_ - started_;
    record.connect.reset();
    if (is_sent_ && !was_reused_) record.connect = connect_time_;
    record.headers.reset();
    if (end_.status) record.headers = end_.waited;
    record.verdict = verdict_;
    record.error = end_.error;
    record.status = end_.status.value_or(0);
    record.role = request_.role;
    record.is_sent = is_sent_;
    record.is_reused = was_reused_;
    record.is_endpoint_probe = was_endpoint_probe_;
    record.is_breaker_probe = was_breaker_probe_;
    record.is_none_ready = was_none_ready_;
}

void Attempt::trace(TimePoint now) {
    std::optional<Duration> headers;
    if (end_.status) headers = sent_ - started_ + end_.waited;
    const RouteTarget::Section& section = request_.route->section();
    const std::string route = section.listener + "/" + section.route;
    context_.trace->add(
        {.cluster = cluster_->cluster().name(),
         .route = route,
         .endpoint = endpoint_ ? std::string_view(endpoint_->shared().name()) : std::string_view(),
         .method = std::string_view(*request_.head).substr(0, request_.head->find(' ')),
         .began = started_,
         .ended = now,
         .headers = headers,
         .verdict = verdict_,
         .request = request_.number,
         .attempt = request_.attempt,
         .status = end_.status.value_or(0),
         .is_replay_safe = request_.is_replay_safe,
         .is_probe = was_probe()});
}

}  // namespace weir::upstream

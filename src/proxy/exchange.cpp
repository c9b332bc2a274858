#include "exchange.hpp"

#include "weir/http/rules.hpp"

#include "client_address.hpp"
#include "local_reply.hpp"
#include "session.hpp"
#include "tunnel.hpp"

#include <array>
#include <charconv>

namespace weir::proxy {
namespace {

constexpr std::string_view kRetryDepth = "x-weir-retry-depth";

// Capacity kept from request to request; a string that grew beyond is given back.
constexpr std::size_t kKeptCapacity = 4096;

void recycle(std::string& text) {
    if (text.capacity() > kKeptCapacity) {
        text = {};
    } else {
        text.clear();
    }
}

void append_request_id(std::string& out, Random& random) {
    static constexpr std::string_view kHex = "0123456789abcdef";
    std::array<char, 32> id;
    std::uint64_t bits = 0;
    for (std::size_t i = 0; i < id.size(); ++i, bits >>= 4U) {
        if (i % 16 == 0) bits = random();
        id[i] = kHex[bits & 15U];
    }
    out.append(id.data(), id.size());
}

bool accepts_problem_json(const http::RequestHead& head) {
    const http::HeaderField* const accept = head.headers.find(http::HeaderId::accept);
    return accept != nullptr && accept->value.find("json") != std::string_view::npos;
}

std::uint8_t retry_depth(const http::RequestHead& head) {
    const http::HeaderField* const field = head.headers.find(kRetryDepth);
    unsigned depth = 0;
    if (field == nullptr) return 0;
    std::from_chars(field->value.data(), field->value.data() + field->value.size(), depth);
    return static_cast<std::uint8_t>(std::min(depth, 255U));
}

telemetry::Outcome to_label(const resilience::Verdict& verdict) {
    switch (verdict.outcome) {
        case resilience::Outcome::ok:
            return telemetry::Outcome::ok;
        case resilience::Outcome::throttled:
            return telemetry::Outcome::throttled;
        case resilience::Outcome::ignored:
            return telemetry::Outcome::ignored;
        default:
            return telemetry::Outcome::failure;
    }
}

// When a client may come again, where Weir itself was the one without room.
Duration usual_retry_after(Reason reason) {
    switch (reason) {
        case Reason::limit_exceeded:
        case Reason::queue_full:
        case Reason::queue_timeout:
        case Reason::overloaded:
        case Reason::draining:
            return std::chrono::seconds{1};
        default:
            return Duration::zero();
    }
}

// What Weir answers by itself: a client's mistake is nobody's failure.
telemetry::Outcome to_label(Reason reason) {
    const std::uint16_t status = info(reason).status;
    return status >= 500 ? telemetry::Outcome::failure : telemetry::Outcome::ignored;
}

}  // namespace

Exchange::Exchange(WorkerContext& context) : context_(context), attempt_(context.upstream, *this) {}

Exchange::~Exchange() = default;

void Exchange::reset() {
    request_timer_.cancel();
    total_timer_.cancel();
    stream_timer_.cancel();
    backoff_timer_.cancel();
    tunnel_.reset();
    snapshot_.reset();
    recycle(facts_);
    recycle(upstream_head_);
    recycle(body_);
    recycle(trailers_);
    recycle(extra_);
    method_ = host_ = path_ = request_id_ = client_ = {};
    state_ = State::over;
    route_ = nullptr;
    target_ = nullptr;
    is_body_kept_ = true;
    is_upgrade_ = is_chunked_ = keeps_alive_ = wants_problem_json_ = false;
    is_request_whole_ = true;
    retry_depth_ = 0;
    attempts_ = 0;
    charge_.reset();
    request_deadline_ = TimePoint::max();
    metrics_ = nullptr;
    session_ = nullptr;
    method_id_ = http::Method::get;
    status_ = 0;
    flags_ = 0;
    request_bytes_ = response_bytes_ = 0;
    max_body_.reset();
}

// ---- the request

void Exchange::begin(Session& session, const http::RequestHead& head) {
    session_ = &session;
    snapshot_ = session.listener().snapshot();
    began_ = Clock::now();
    began_wall_ = Clock::wall();
    const ListenerState& listener = session.listener().state();
    context_.shard.add(listener.metrics.requests_active);
    metrics_ = &listener.unmatched;
    remember(head);
    is_request_whole_ = session.is_request_whole();
    const auto match = listener.table.match(head);
    if (!match) {
        return reply({Reason::no_route, Error::Origin::downstream, Error::Retry::never, ""}, {});
    }
    route_ = &listener.routes[match->index];
    metrics_ = route_->metrics.get();
    max_body_ = route_->config->max_body;
    if (max_body_ && head.framing == http::Framing::length && head.content_length > *max_body_) {
        return reply({Reason::body_too_large, Error::Origin::downstream, Error::Retry::never, ""},
                     {});
    }
    if (route_->targets.empty()) return answer_locally(head, *match);
    forward(head, *match);
}

void Exchange::begin_refused(Session& session, const Error& error) {
    session_ = &session;
    snapshot_ = session.listener().snapshot();
    began_ = Clock::now();
    began_wall_ = Clock::wall();
    const ListenerState& listener = session.listener().state();
    context_.shard.add(listener.metrics.requests_active);
    metrics_ = &listener.unmatched;
    append_request_id(facts_, context_.upstream.random);
    request_id_ = facts_;
    client_ = session.client_ip();
    context_.shard.add(listener.refused(error.reason));
    reply(error, {});
}

void Exchange::remember(const http::RequestHead& head) {
    method_id_ = head.method;
    wants_problem_json_ = accepts_problem_json(head);
    const http::HeaderField* const id = head.headers.find(http::HeaderId::x_request_id);
    const bool keeps_id = id != nullptr && http::is_valid_request_id(id->value);
    facts_.reserve(head.method_text.size() + head.authority.size() + head.path.size() +
                   head.query.size() + 256);
    // Views into facts_ stay valid: the room was reserved.
    const auto keep = [this](std::string_view text) {
        const std::size_t begin = facts_.size();
        facts_.append(text);
        return std::string_view(facts_).substr(begin);
    };
    method_ = keep(head.method_text);
    host_ = keep(head.authority);
    const std::size_t path_begin = facts_.size();
    facts_.append(head.path);
    if (head.has_query) facts_.append("?").append(head.query);
    path_ = std::string_view(facts_).substr(path_begin);
    const std::size_t id_begin = facts_.size();
    if (keeps_id) {
        facts_.append(id->value);
    } else {
        append_request_id(facts_, context_.upstream.random);
    }
    request_id_ = std::string_view(facts_).substr(id_begin);
    client_ = session_->client_ip();
    if (!session_->trusts_client()) return;
    const http::HeaderField* const forwarded = head.headers.find(http::HeaderId::x_forwarded_for);
    if (forwarded == nullptr) return;
    const config::Listener& listener = session_->listener().state().config;
    client_ = keep(
        real_client(forwarded->value, client_, listener.trusted_proxies, listener.trusted_hops));
}

void Exchange::answer_locally(const http::RequestHead& head, const route::RouteMatch& match) {
    LocalReply local{.request_id = request_id_,
                     .is_head = method_id_ == http::Method::head,
                     .keeps_alive = session_->may_keep_alive() && session_->is_request_whole(),
                     .client_minor = session_->client_minor()};
    std::string location;
    if (const auto* respond = std::get_if<config::Respond>(&route_->config->action)) {
        local.status = respond->status;
        local.body = respond->body;
    } else {
        local.status = 308;
        session_->listener().state().table.redirect_location(match, head, location);
        local.location = location;
    }
    context_.out.clear();
    response_bytes_ = write_local_reply(context_.out, local);
    finish(local.status, Reason::none, telemetry::Outcome::ok);
    session_->send_local(context_.out);
    end(local.keeps_alive);
}

void Exchange::choose_target(const RouteState& route) {
    target_ = &route.targets.front();
    if (route.targets.size() == 1) return;
    std::uint32_t ticket = context_.upstream.random.below(route.total_weight);
    for (const TargetState& target : route.targets) {
        if (ticket < target.config->weight) {
            target_ = &target;
            return;
        }
        ticket -= target.config->weight;
    }
}

void Exchange::forward(const http::RequestHead& head, const route::RouteMatch& match) {
    choose_target(*route_);
    metrics_ = target_->metrics.get();
    is_upgrade_ = head.is_upgrade;
    is_chunked_ = head.framing == http::Framing::chunked;
    write_upstream_head(head, match);
    const config::Timeouts& timeouts = target_->config->timeout;
    if (timeouts.total) context_.loop.timers().arm(total_timer_, began_ + *timeouts.total);
    if (is_request_whole_) start_request_timer();
    snapshot_->clusters[target_->cluster]->cluster().budget().count_original(
        context_.upstream.worker, began_);
    if (head.expect_continue && !is_request_whole_) session_->send_continue();
    start_attempt();
}

void Exchange::write_upstream_head(const http::RequestHead& head, const route::RouteMatch& match) {
    std::string path;
    session_->listener().state().table.rewrite_path(match, path);
    const bool trusts = session_->trusts_client();
    retry_depth_ = trusts ? retry_depth(head) : std::uint8_t{0};
    const auto& rewrite_host = route_->config->rewrite_host;
    http::write_request_head(
        upstream_head_, head,
        {.path = path,
         .host = rewrite_host ? std::string_view(*rewrite_host) : std::string_view(),
         .client_ip = session_->client_ip(),
         .scheme = "http",
         .request_id = request_id_,
         .trusts_client = trusts,
         .is_upgrade = is_upgrade_});
}

bool Exchange::is_replay_safe() const {
    const bool is_listed =
        (target_->replayable_methods >> static_cast<unsigned>(method_id_) & 1U) != 0;
    return is_listed && is_request_whole_ && is_body_kept_ && !is_upgrade_;
}

void Exchange::start_attempt() {
    state_ = State::attempting;
    // Retries go elsewhere, if there is an elsewhere.
    const std::shared_ptr<upstream::Endpoint> avoid = attempts_ > 0 ? attempt_.endpoint() : nullptr;
    ++attempts_;
    attempt_.start(
        snapshot_->clusters[target_->cluster],
        {.method = method_id_,
         .head = upstream_head_,
         .body = &body_,
         .trailers = trailers_,
         .is_body_whole = is_request_whole_,
         .is_chunked = is_chunked_,
         .is_replay_safe = is_replay_safe(),
         .is_upgrade = is_upgrade_,
         .must_not_repeat =
             (target_->replayable_methods >> static_cast<unsigned>(method_id_) & 1U) == 0,
         .timeouts = &target_->config->timeout,
         .per_try_timeout = target_->config->retry.per_try_timeout,
         .avoid = avoid.get()});
}

bool Exchange::is_request_full() const {
    if (state_ == State::over) return false;
    if (attempt_.is_sending()) return attempt_.pending() > 0;
    return body_.size() >= target_->config->retry.buffer;
}

void Exchange::on_request_body(std::string_view data) {
    request_bytes_ += data.size();
    note_progress();
    if (max_body_ && request_bytes_ > *max_body_) {
        return on_request_broken(
            {Reason::body_too_large, Error::Origin::downstream, Error::Retry::never, ""});
    }
    // Kept for a replay while it is small, or while nobody takes it yet; else it is streamed, and
    // not sent twice.
    const bool is_waiting = !attempt_.is_sending() && state_ != State::responding;
    const bool fits = body_.size() + data.size() <= target_->config->retry.buffer;
    is_body_kept_ = is_body_kept_ && (fits || is_waiting);
    if (is_body_kept_) body_.append(data);
    if (attempt_.is_sending()) attempt_.send_body(data);
}

void Exchange::on_request_end(std::string_view trailers) {
    is_request_whole_ = true;
    trailers_.assign(trailers);
    if (state_ == State::over) return;
    if (state_ != State::responding) start_request_timer();
    if (attempt_.is_running()) attempt_.finish_body(trailers_);
}

// The upstream takes bytes: first what is kept, then the client may go on.
void Exchange::on_request_wanted() {
    session_->resume_request();
}

void Exchange::on_request_broken(const Error& error) {
    if (attempt_.is_running()) attempt_.cancel(error, true);
    if (state_ == State::responding) {
        finish(status_, error.reason, telemetry::Outcome::ignored);
        session_->cut_off();
        return end(false);
    }
    reply(error, {});
}

void Exchange::on_client_left() {
    const Error error{Reason::client_closed, Error::Origin::downstream, Error::Retry::never,
                      "the client left"};
    if (attempt_.is_running()) attempt_.cancel(error, true);
    finish(status_ != 0 ? status_ : info(Reason::client_closed).status, Reason::client_closed,
           telemetry::Outcome::ignored);
    end(false);
}

void Exchange::on_abandoned() {
    if (tunnel_) return tunnel_->close();
    const Error error{Reason::draining, Error::Origin::local, Error::Retry::never,
                      "the drain is over"};
    if (attempt_.is_running()) attempt_.cancel(error, true);
    finish(status_ != 0 ? status_ : info(Reason::draining).status, Reason::draining,
           telemetry::Outcome::failure);
}

// ---- the answer

void Exchange::on_response_head(const http::ResponseHead& head) {
    if (head.status < 200 && !head.is_upgrade) {
        // 100 is ours to send: Expect is not forwarded.
        if (head.status != 100 && session_->client_minor() > 0) session_->send_interim(head);
        if (session_->pending() > 0) attempt_.pause_response();
        return;
    }
    status_ = head.status;
    if (!head.is_upgrade && attempt_.verdict().outcome != resilience::Outcome::ok && retries())
        return;
    request_timer_.cancel();
    state_ = State::responding;
    extra_.assign("x-request-id: ").append(request_id_).append("\r\n");
    keeps_alive_ = session_->may_keep_alive() && session_->is_request_whole() && !head.is_upgrade;
    session_->send_head(head, keeps_alive_, extra_);
    if (!head.is_upgrade) return;
    session_->flush();
    start_tunnel();
}

void Exchange::on_response_body(std::string_view data, bool is_last, std::string_view trailers) {
    if (tunnel_) return tunnel_->write_down(data);
    response_bytes_ += data.size();
    // Counted before it is sent: who has the answer finds it in the metrics.
    if (is_last) finish(status_, Reason::none, to_label(attempt_.verdict()));
    session_->send_body(data, is_last, trailers);
    if (is_last) return end(keeps_alive_);
    note_progress();
    if (session_->pending() > 0) attempt_.pause_response();
}

void Exchange::on_response_flush() {
    if (state_ != State::responding) return;
    session_->flush();
    if (session_->pending() > 0) attempt_.pause_response();
    if (!stream_timer_.is_armed()) note_progress();
}

void Exchange::on_downstream_drained() {
    if (attempt_.is_running()) attempt_.resume_response();
}

// ---- failure and retry

void Exchange::on_attempt_failed(const upstream::AttemptFailure& failure) {
    if (attempt_.lost_stale_connection())
        flags_ |= static_cast<std::uint8_t>(telemetry::Flag::stale_reuse);
    if (state_ == State::responding) {
        finish(status_, failure.error.reason, telemetry::Outcome::failure);
        session_->cut_off();
        return end(false);
    }
    if (retries()) return;
    reply(failure.error, failure.retry_after);
}

bool Exchange::retries() {
    const TimePoint now = Clock::now();
    upstream::LocalCluster& local = *snapshot_->clusters[target_->cluster];
    const std::uint32_t retry = attempts_;  // the number this one would have, from 1
    resilience::RetryInput input;
    attempt_.describe(input);
    input.is_method_listed =
        (target_->replayable_methods >> static_cast<unsigned>(method_id_) & 1U) != 0;
    input.is_body_replayable = is_body_kept_;
    input.is_response_forwarded = state_ == State::responding;
    input.retries = attempts_ - 1;
    input.depth = retry_depth_;
    if (request_timer_.is_armed()) input.remaining = request_deadline_ - now;
    input.median_latency = local.latency();
    input.wait = target_->retry.backoff.wait(retry, input.verdict.hint, context_.upstream.random);
    const auto decision = resilience::decide_retry(target_->retry, input);
    if (retry > 1) count_retry_result(false);
    // A failed probe of an endpoint costs its user nothing: it is sent again elsewhere, at once.
    const bool is_probe =
        attempt_.was_endpoint_probe() && is_replay_safe() && state_ != State::responding;
    if (is_probe) {
        local.cluster().budget().charge_always(now);
        input.wait = Duration::zero();
    } else if (!charges_retry(local.cluster(), decision.refusal, now)) {
        return false;
    }
    if (attempt_.is_running()) attempt_.cancel_answered();
    back_off(input.wait);
    return true;
}

bool Exchange::charges_retry(upstream::Cluster& cluster,
                             resilience::RetryRefusal refusal,
                             TimePoint now) {
    if (refusal == resilience::RetryRefusal::none) {
        charge_ = cluster.budget().try_charge(now);
        if (charge_) return true;
        refusal = resilience::RetryRefusal::budget;
    }
    if (refusal < resilience::RetryRefusal::budget) return false;
    const auto first = static_cast<unsigned>(resilience::RetryRefusal::budget);
    context_.shard.add(cluster.metrics().retries_refused[static_cast<unsigned>(refusal) - first]);
    return false;
}

void Exchange::back_off(Duration wait) {
    state_ = State::backing_off;
    status_ = 0;
    if (attempts_ == 1) note_retry_depth();
    context_.loop.timers().arm(backoff_timer_, Clock::now() + wait);
}

// How deep in a chain of proxies a retry is, so that the next one does not multiply it.
void Exchange::note_retry_depth() {
    upstream_head_.resize(upstream_head_.size() - 2);
    upstream_head_.append(kRetryDepth)
        .append(": ")
        .append(std::to_string(retry_depth_ + 1))
        .append("\r\n\r\n");
}

void Exchange::count_retry_result(bool is_success) {
    const telemetry::ClusterMetrics& metrics =
        snapshot_->clusters[target_->cluster]->cluster().metrics();
    context_.shard.add(is_success ? metrics.retries_success : metrics.retries_failure);
}

void Exchange::note_progress() {
    last_progress_ = Clock::now();
    // Armed once a stream; it looks at last_progress_ when it fires.
    if (target_ != nullptr && !stream_timer_.is_armed()) {
        context_.loop.timers().arm(stream_timer_,
                                   last_progress_ + target_->config->timeout.stream_idle);
    }
}

void Exchange::start_request_timer() {
    const auto& request = target_->config->timeout.request;
    if (!request) return;
    request_deadline_ = Clock::now() + *request;
    context_.loop.timers().arm(request_timer_, request_deadline_);
}

void Exchange::on_request_timer() {
    time_out("timeout.request");
}

void Exchange::on_total_timer() {
    time_out("timeout.total");
}

void Exchange::on_stream_timer() {
    const TimePoint due = last_progress_ + target_->config->timeout.stream_idle;
    const bool is_streaming = state_ == State::responding || !is_request_whole_;
    if (!is_streaming) return;
    if (Clock::now() < due) return context_.loop.timers().arm(stream_timer_, due);
    time_out("timeout.stream_idle");
}

void Exchange::time_out(const char* which) {
    const bool is_clients = !is_request_whole_ && state_ != State::responding;
    const Error error{is_clients ? Reason::request_timeout : Reason::upstream_timeout,
                      is_clients ? Error::Origin::downstream : Error::Origin::upstream,
                      Error::Retry::never, which};
    if (attempt_.is_running()) attempt_.cancel(error, is_clients);
    if (state_ == State::responding) {
        finish(status_, error.reason, telemetry::Outcome::failure);
        session_->cut_off();
        return end(false);
    }
    reply(error, {});
}

void Exchange::on_backoff_timer() {
    if (charge_) charge_->sent();
    charge_.reset();
    start_attempt();
}

// ---- upgraded

void Exchange::start_tunnel() {
    state_ = State::tunnelling;
    stream_timer_.cancel();
    total_timer_.cancel();
    std::string waiting;
    auto downstream = session_->take_stream(waiting);
    tunnel_ = std::make_unique<Tunnel>(
        context_.loop, std::move(downstream), attempt_.take_stream(),
        target_->config->timeout.tcp_idle,
        [this](std::uint64_t up, std::uint64_t down) { on_tunnel_end(up, down); });
    if (!waiting.empty()) tunnel_->write_up(waiting);
}

void Exchange::on_tunnel_end(std::uint64_t up, std::uint64_t down) {
    request_bytes_ += up;
    response_bytes_ += down;
    attempt_.finish_tunnel();
    finish(status_, Reason::none, telemetry::Outcome::ok);
    session_->end_tunnel();
}

// ---- the end

void Exchange::reply(const Error& error, Duration retry_after) {
    const bool is_readable = session_->is_request_whole() && error.reason != Reason::bad_request;
    const bool names_cluster =
        target_ != nullptr && session_->listener().state().config.mode != config::Mode::gateway;
    const LocalReply local{
        .reason = error.reason,
        .request_id = request_id_,
        .cluster = names_cluster ? std::string_view(target_->config->cluster) : std::string_view(),
        .detail = error.detail,
        .retry_after =
            retry_after > Duration::zero() ? retry_after : usual_retry_after(error.reason),
        .wants_problem_json = wants_problem_json_,
        .is_head = method_id_ == http::Method::head,
        .keeps_alive = is_readable && session_->may_keep_alive(),
        .client_minor = session_->client_minor()};
    context_.out.clear();
    response_bytes_ = write_local_reply(context_.out, local);
    finish(info(error.reason).status, error.reason, to_label(error.reason));
    session_->send_local(context_.out);
    end(local.keeps_alive);
}

void Exchange::finish(std::uint16_t status, Reason reason, telemetry::Outcome outcome) {
    const TimePoint now = Clock::now();
    const ListenerState& listener = session_->listener().state();
    context_.shard.sub(listener.metrics.requests_active);
    metrics_->record(context_.shard, {.status = status,
                                      .outcome = outcome,
                                      .reason = reason,
                                      .duration = now - began_,
                                      .request_bytes = request_bytes_,
                                      .response_bytes = response_bytes_});
    const bool is_good = outcome == telemetry::Outcome::ok;
    if (attempts_ > 1 && is_good) count_retry_result(true);
    if ((flags_ & static_cast<std::uint8_t>(telemetry::Flag::stale_reuse)) != 0) {
        const telemetry::ClusterMetrics& metrics =
            snapshot_->clusters[target_->cluster]->cluster().metrics();
        context_.shard.add(is_good ? metrics.stale_reuse_success : metrics.stale_reuse_failure);
    }
    if (attempts_ > 1) flags_ |= static_cast<std::uint8_t>(telemetry::Flag::retried);
    if (attempts_ > 0 && attempt_.was_none_ready())
        flags_ |= static_cast<std::uint8_t>(telemetry::Flag::none_ready);
    if (attempts_ > 0 && attempt_.was_probe())
        flags_ |= static_cast<std::uint8_t>(telemetry::Flag::probe);
    if (is_upgrade_ && status == 101)
        flags_ |= static_cast<std::uint8_t>(telemetry::Flag::upgraded);
    context_.access_log.append(
        {.time = began_wall_,
         .listener = listener.config.name,
         .route = route_ != nullptr ? std::string_view(route_->config->name) : std::string_view(),
         .cluster =
             target_ != nullptr ? std::string_view(target_->config->cluster) : std::string_view(),
         .endpoint = attempts_ > 0 && attempt_.endpoint()
                         ? std::string_view(attempt_.endpoint()->name())
                         : std::string_view(),
         .method = method_,
         .host = host_,
         .path = path_,
         .protocol = session_->client_minor() == 0 ? "HTTP/1.0" : "HTTP/1.1",
         .request_id = request_id_,
         .client = client_,
         .duration = now - began_,
         .upstream = attempts_ > 0 ? attempt_.upstream_time() : Duration::zero(),
         .request_bytes = request_bytes_,
         .response_bytes = response_bytes_,
         .attempts = attempts_,
         .status = status,
         .reason = reason,
         .flags = flags_});
    state_ = State::over;
}

void Exchange::end(bool keeps_alive) {
    session_->end_exchange(keeps_alive);
}

}  // namespace weir::proxy

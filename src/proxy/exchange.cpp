#include "exchange.hpp"

#include "weir/http/client_address.hpp"
#include "weir/http/rules.hpp"
#include "weir/http/websocket.hpp"

#include "downstream.hpp"
#include "local_reply.hpp"

#include <array>
#include <cstring>
#include <utility>

namespace weir::proxy {
namespace {

constexpr std::string_view kRequestId = "x-request-id: ";

// No client waits longer for an answer on a connection that it has ended.
constexpr Duration kLongestPatience = std::chrono::hours{1};

// So long a small body is waited for before its request is sent.
constexpr Duration kGathering = std::chrono::milliseconds{2};

// Capacity kept from request to request; a string that grew beyond is given back.
constexpr std::size_t kKeptCapacity = 4096;

void recycle(std::string& text) {
    if (text.capacity() > kKeptCapacity) {
        text = {};
    } else {
        text.clear();
    }
}

// Eight values below 16, a byte each, as hexadecimal digits.
constexpr std::uint64_t to_digits(std::uint64_t values) {
    constexpr std::uint64_t kOnes = 0x0101010101010101;
    const std::uint64_t letters = ((values + 6 * kOnes) >> 4U) & kOnes;
    return values + '0' * kOnes + letters * ('a' - '9' - 1);
}
static_assert(to_digits(0x0f0a090001020304) == 0x6661393031323334);

constexpr std::size_t kIdSize = 32;
// Returns its end.
char* write_request_id(char* at, Random& random) {
    constexpr std::uint64_t kLow = 0x0f0f0f0f0f0f0f0f;
    for (std::size_t half = 0; half < kIdSize; half += 16) {
        const std::uint64_t bits = random();
        const std::array<std::uint64_t, 2> digits{to_digits(bits & kLow),
                                                  to_digits(bits >> 4U & kLow)};
        std::memcpy(at + half, digits.data(), sizeof digits);
    }
    return at + kIdSize;
}

bool accepts_problem_json(const http::RequestHead& head) {
    const http::HeaderField* const accept = head.headers.find(http::HeaderId::accept);
    return accept != nullptr && accept->value.find("json") != std::string_view::npos;
}

bool was_retried_below(const http::ResponseHead& head) {
    return head.headers.find(http::HeaderId::weir_internal) != nullptr &&
           head.headers.find(http::kRetried) != nullptr;
}

// A server of gRPC says so by a wait that is none.
bool forbids_retry(const http::ResponseHead& head) {
    const http::HeaderField* const wait = head.headers.find(http::kGrpcPushback);
    return wait != nullptr && wait->value.starts_with('-');
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

}  // namespace

Exchange::Exchange(WorkerContext& context) : context_(context), tries_(context.upstream, *this) {}

Exchange::~Exchange() = default;

void Exchange::reset() {
    cancel_timers();
    tunnel_.reset();
    relay_.reset();
    web_.reset();
    snapshot_.reset();
    base_.reset();
    if (has_actions_) drop_actions();
    recycle(facts_);
    recycle(upstream_head_);
    if (body_.capacity() > std::string().capacity()) context_.give_back(std::move(body_));
    body_.clear();
    recycle(trailers_);
    fields_.clear();
    method_ = host_ = path_ = request_id_ = request_id_line_ = client_ = {};
    state_ = State::over;
    listener_ = nullptr;
    route_ = nullptr;
    target_ = nullptr;
    is_body_kept_ = true;
    is_upgrade_ = is_chunked_ = keeps_alive_ = wants_problem_json_ = false;
    websocket_ = nullptr;
    is_request_whole_ = true;
    retry_depth_ = 0;
    attempts_ = retries_ = sent_retries_ = noted_ = 0;
    is_replay_ = is_budget_spent_ = false;
    caller_deadline_ = TimePoint::max();
    role_ = telemetry::AttemptRole::first;
    refusal_ = resilience::RetryRefusal::none;
    detail_ = "";
    request_deadline_ = TimePoint::max();
    metrics_ = nullptr;
    downstream_ = nullptr;
    method_id_ = http::Method::get;
    grpc_ = http::GrpcKind::none;
    says_grpc_timeout_ = false;
    last_grpc_.reset();
    status_ = 0;
    flags_ = 0;
    request_bytes_ = response_bytes_ = announced_bytes_ = 0;
    max_body_.reset();
}

// ---- the request

const ListenerState& Exchange::open(Downstream& downstream) {
    downstream_ = &downstream;
    snapshot_ = downstream.listener().snapshot();
    began_ = Clock::now();
    began_wall_ = Clock::wall();
    number_ = context_.next_number();
    listener_ = &downstream.listener().state();
    context_.shard.add(listener_->metrics.requests_active);
    metrics_ = &listener_->unmatched;
    return *listener_;
}

void Exchange::begin(Downstream& downstream, const http::RequestHead& head) {
    const ListenerState& listener = open(downstream);
    remember(head);
    is_request_whole_ = downstream.is_request_whole();
    if (downstream.is_connect()) relay_ = std::make_unique<Relay>();  // for what comes early
    const auto match = listener.table.match(head);
    if (match) {
        route_ = &listener.routes[*match];
    } else if (downstream.client().destination) {
        pass_through();
    }
    note_fields(head);
    if (route_ != nullptr) {
        metrics_ = route_->metrics.get();
        max_body_ = route_->config->max_body;
    }
    if (head.has_escaped_slash && !takes_escaped_slash())
        return refuse_path("%2F or %5C in the path");
    if (listener.has_guards && hides_guarded(head))
        return refuse_path("without its parameters the path is one that is guarded");
    const auto& filters = route_ != nullptr ? route_->filters : listener.filters;
    if (filters.empty()) return serve(head);
    if (passes(head, filters)) serve_filtered(head);
}

void Exchange::refuse_path(const char* detail) {
    context_.shard.add(listener_->refused(Reason::bad_request));
    reply({Reason::bad_request, Error::Origin::downstream, Error::Retry::never, detail}, {});
}

bool Exchange::takes_escaped_slash() const {
    return route_ != nullptr && route_->config->actions.allow_encoded_slash;
}

void Exchange::serve(const http::RequestHead& head) {
    if (route_ == nullptr) {
        return reply({Reason::no_route, Error::Origin::downstream, Error::Retry::never, ""}, {});
    }
    if (max_body_ && head.framing == http::Framing::length && head.content_length > *max_body_) {
        return reply({Reason::body_too_large, Error::Origin::downstream, Error::Retry::never, ""},
                     {});
    }
    if (route_->targets.empty()) return answer_locally(head);
    forward(head);
}

// No route takes it, but its client meant to go somewhere.
void Exchange::pass_through() {
    Through through = downstream_->listener().pass_through(downstream_->client());
    route_ = through.route;
    if (route_ != nullptr) base_ = std::exchange(snapshot_, std::move(through.snapshot));
}

void Exchange::begin_refused(Downstream& downstream, const Error& error, http::GrpcKind grpc) {
    const ListenerState& listener = open(downstream);
    grpc_ = grpc;
    facts_.resize(kIdSize);
    write_request_id(facts_.data(), context_.upstream.random);
    request_id_ = facts_;
    client_ = downstream.client().ip;
    context_.shard.add(listener.refused(error.reason));
    reply(error, {});
}

void Exchange::remember(const http::RequestHead& head) {
    method_id_ = head.method;
    wants_problem_json_ = accepts_problem_json(head);
    const http::HeaderField* const type = head.headers.find(http::HeaderId::content_type);
    if (type != nullptr && !downstream_->is_connect()) grpc_ = http::grpc_kind(type->value);
    const http::HeaderField* const id = head.headers.find(http::HeaderId::x_request_id);
    const bool keeps_id = id != nullptr && http::is_valid_request_id(id->value);
    // Views into facts_ stay valid: there is room for all that follows.
    const std::size_t id_size = keeps_id ? id->value.size() : kIdSize;
    facts_.reserve(head.method_text.size() + head.authority.size() + head.path.size() +
                   head.query.size() + id_size + 256);
    facts_.resize(head.method_text.size() + head.authority.size() + head.path.size() +
                  (head.has_query ? head.query.size() + 1 : 0) + kRequestId.size() + id_size + 2);
    char* at = facts_.data();
    const auto put = [&at](std::string_view text) {
        at = std::copy(text.begin(), text.end(), at);
        return std::string_view(at - text.size(), text.size());
    };
    method_ = put(head.method_text);
    host_ = put(head.authority);
    path_ = put(head.path);
    if (head.has_query) {
        *at++ = '?';
        path_ = {path_.data(), path_.size() + 1 + put(head.query).size()};
    }
    const char* const line = put(kRequestId).data();
    request_id_ = {at, id_size};
    if (keeps_id) {
        put(id->value);
    } else {
        at = write_request_id(at, context_.upstream.random);
    }
    put("\r\n");
    request_id_line_ = {line, static_cast<std::size_t>(at - line)};
    client_ = downstream_->client().ip;
    if (!downstream_->client().is_trusted) return;
    if (head.headers.find(http::HeaderId::x_forwarded_for) == nullptr) return;
    const config::Listener& listener = listener_->config;
    const std::size_t begin = facts_.size();
    facts_.append(
        http::real_client(head.headers, client_, listener.trusted_proxies, listener.trusted_hops));
    client_ = std::string_view(facts_).substr(begin);
}

void Exchange::answer_locally(const http::RequestHead& head) {
    LocalReply local = usual_reply();
    std::string location;
    if (const auto* respond = std::get_if<config::Respond>(&route_->config->action)) {
        local.status = respond->status;
        local.body = respond->body;
    } else {
        local.status = 308;
        listener_->table.redirect_location(route_index(), head, location);
        local.location = location;
    }
    give(local, telemetry::Outcome::ok);
}

void Exchange::forward(const http::RequestHead& head) {
    target_ = &route_->choose(context_.upstream.random);
    metrics_ = target_->metrics.get();
    const bool is_web = grpc_ == http::GrpcKind::web || grpc_ == http::GrpcKind::web_text;
    if (is_web) return forward_web(head);
    forward_to_target(head);
}

void Exchange::forward_to_target(const http::RequestHead& head) {
    is_upgrade_ = head.is_upgrade;
    if (is_upgrade_ && !route_->config->actions.websocket) {
        // A success would be the tunnel that is not to be (RFC 8441, 5). In HTTP/1 it is an offer.
        if (head.is_h2) {
            return reply({Reason::forbidden, Error::Origin::local, Error::Retry::never,
                          "websocket is false"},
                         {});
        }
        is_upgrade_ = false;
    }
    is_chunked_ = head.framing == http::Framing::chunked;
    announced_bytes_ = head.content_length;
    retry_depth_ = 0;
    write_upstream_head(head);
    if (is_upgrade_ && http::is_websocket(head)) prepare_websocket();
    const config::Timeouts& timeouts = target_->config->timeout;
    if (timeouts.total) context_.loop.timers().arm(total_timer_, began_ + *timeouts.total);
    // The deadline of a call is that of the whole call.
    if (is_request_whole_ || grpc_ != http::GrpcKind::none) start_request_timer();
    // A body that never comes is a stream that stands still.
    if (!is_request_whole_) note_progress();
    // What is a retry already is no original.
    if (retry_depth_ == 0)
        cluster().cluster().budget().count_original(context_.upstream.worker, began_);
    if (head.expect_continue && !is_request_whole_) downstream_->send_continue();
    if ((!route_->is_plain || context_.has_faults()) && acts(head)) return;
    const bool is_small = head.framing == http::Framing::length &&
                          head.content_length <= target_->config->retry.buffer;
    if (is_request_whole_ || !is_small) return start_attempt();
    // A small body is about to be whole: sent in one piece it costs less, and may be sent again.
    state_ = State::gathering;
    context_.loop.timers().arm(start_timer_, began_ + kGathering);
}

upstream::LocalCluster& Exchange::cluster() const {
    return *snapshot_->clusters[target_->cluster];
}

bool Exchange::is_replay_safe() const {
    const bool is_listed =
        (target_->replayable_methods >> static_cast<unsigned>(method_id_) & 1U) != 0;
    return is_listed && is_request_whole_ && is_body_kept_ && !is_upgrade_;
}

void Exchange::start_attempt() {
    state_ = State::attempting;
    start_timer_.cancel();
    upstream::Attempt& attempt = tries_.lead();
    // Retries go elsewhere, if there is an elsewhere.
    const upstream::Endpoint* const avoid = attempts_ > 0 ? attempt.endpoint() : nullptr;
    ++attempts_;
    attempt.start(snapshot_->clusters[target_->cluster], attempt_request(avoid));
    watch_first();
}

upstream::AttemptRequest Exchange::attempt_request(const upstream::Endpoint* avoid) {
    const bool is_again = attempts_ > 1;
    return {.method = method_id_,
            .head = &upstream_head_,
            .head_size = upstream_head_size_,
            .body = &body_,
            .trailers = trailers_,
            .is_body_whole = is_request_whole_,
            .is_chunked = is_chunked_,
            .is_replay_safe = is_replay_safe(),
            .is_upgrade = is_upgrade_,
            .must_not_repeat =
                (target_->replayable_methods >> static_cast<unsigned>(method_id_) & 1U) == 0,
            .route = target_->route.get(),
            .websocket = websocket_,
            .needs_fresh = (flags_ & static_cast<std::uint8_t>(telemetry::Flag::stale_reuse)) != 0,
            .timeouts = &target_->config->timeout,
            .request_timeout = request_timeout(),
            .per_try_timeout = target_->config->retry.per_try_timeout,
            .avoid = avoid,
            .key = key_,
            .is_replay = is_replay_,
            .retry_depth = static_cast<std::uint8_t>(is_again ? retry_depth_ + 1 : retry_depth_),
            .deadline = std::min(request_deadline_, caller_deadline_),
            .caller_deadline = caller_deadline_,
            .says_grpc_timeout = says_grpc_timeout_,
            .number = number_,
            .attempt = attempts_,
            .role = role_};
}

bool Exchange::is_request_full() const {
    if (state_ == State::over) return false;
    if (state_ == State::filtering) return true;
    if (relay_ && !relay_->is_open) return true;
    const upstream::Attempt& attempt = tries_.lead();
    if (relay_) return attempt.pending() > 0;
    if (attempt.is_sending()) return attempt.pending() > 0;
    return body_.size() >= target_->config->retry.buffer;
}

void Exchange::on_request_body(std::string_view data) {
    request_bytes_ += data.size();
    note_progress();
    if (relay_) return relay_up(data);
    if (max_body_ && request_bytes_ > *max_body_) {
        return on_request_broken(
            {Reason::body_too_large, Error::Origin::downstream, Error::Retry::never, ""});
    }
    if (state_ == State::filtering) return keep_early_body(data);
    if (web_) {
        data = web_->to_server(data);
        if (web_->is_broken()) return on_request_broken(kBrokenText);
        if (data.empty()) return;
    }
    upstream::Attempt& attempt = tries_.lead();
    const bool is_waiting = !attempt.is_sending() && state_ != State::responding;
    const std::uint64_t most = target_->config->retry.buffer;
    const bool fits = std::max(announced_bytes_, std::uint64_t{body_.size() + data.size()}) <= most;
    // Kept for a replay while it is small, or while nobody takes it yet; else it is streamed, and
    // not sent twice.
    is_body_kept_ = is_body_kept_ && (fits || is_waiting);
    if (is_body_kept_) {
        if (body_.empty() && body_.capacity() < data.size())
            body_ = context_.take_buffer(std::min(announced_bytes_, most));
        body_.append(data);
    }
    if (attempt.is_sending()) attempt.send_body(data);
}

void Exchange::on_request_end(std::string_view trailers) {
    if (relay_) return end_up();
    is_request_whole_ = true;
    keep_trailers(trailers);
    if (state_ == State::over || state_ == State::filtering) return;
    if (web_ && web_->is_incomplete()) return on_request_broken(kBrokenText);
    if (state_ != State::responding) start_request_timer();
    if (wants_mirror_) send_mirrored();
    if (state_ == State::gathering) return start_attempt();
    if (tries_.lead().is_running()) tries_.lead().finish_body(trailers_);
    if (state_ == State::attempting) watch_first();
}

// The upstream takes bytes: first what is kept, then the client may go on.
void Exchange::on_request_wanted(upstream::Attempt& /*attempt*/) {
    if (relay_ && ends_relay()) return;
    if (relay_) watch_half_open();
    downstream_->resume_request();
}

void Exchange::on_request_broken(const Error& error) {
    tries_.cancel(error, true);
    if (state_ == State::responding) {
        finish(status_, error.reason, telemetry::Outcome::ignored);
        downstream_->cut_off(false);
        return end(false);
    }
    reply(error, {});
}

void Exchange::on_client_left() {
    if (relay_ && relay_->is_open) return break_relay(true);
    const Error error{Reason::client_closed, Error::Origin::downstream, Error::Retry::never,
                      "the client left"};
    tries_.cancel(error, true);
    finish(status_ != 0 ? status_ : info(Reason::client_closed).status, Reason::client_closed,
           telemetry::Outcome::ignored);
    end(false);
}

void Exchange::on_client_end() {
    if (target_ == nullptr || state_ == State::responding || state_ == State::tunnelling) return;
    const TimePoint now = Clock::now();
    const auto& timeout = target_->config->timeout.request;
    const Duration patience = target_->route->patience(context_.upstream.worker, now, timeout);
    // From then on its leaving is a timeout of the upstream.
    constexpr Duration kBeyond = std::chrono::milliseconds{1};
    if (patience < kLongestPatience)
        context_.loop.timers().arm(left_timer_, now + patience + kBeyond);
}

void Exchange::on_left_timer() {
    if (state_ == State::responding || state_ == State::tunnelling) return;
    downstream_->client_left();
}

void Exchange::on_abandoned() {
    if (tunnel_) return tunnel_->close();
    if (relay_ && relay_->is_open) {
        tries_.lead().finish_tunnel();
        return finish(status_, Reason::none, telemetry::Outcome::ok);
    }
    const Error error{Reason::draining, Error::Origin::local, Error::Retry::never,
                      "the drain is over"};
    tries_.cancel(error, true);
    finish(status_ != 0 ? status_ : info(Reason::draining).status, Reason::draining,
           telemetry::Outcome::failure);
}

// ---- the answer

void Exchange::on_response_head(upstream::Attempt& attempt, const http::ResponseHead& head) {
    if (head.status < 200 && !head.is_upgrade) {
        if (!tries_.is_lead(attempt)) return;  // the client hears one story
        // 100 is ours to send: Expect is not forwarded.
        if (head.status != 100 && downstream_->client_minor() > 0) downstream_->send_interim(head);
        if (downstream_->pending() > 0) attempt.pause_response();
        return;
    }
    if (tries_.is_racing() && !is_first_to_answer(attempt)) return;
    status_ = head.status;
    note_fields(head);
    const bool is_good = head.is_upgrade || attempt.verdict().outcome == resilience::Outcome::ok;
    if (!is_good && retries(was_retried_below(head) || forbids_retry(head))) return;
    if (grpc_ == http::GrpcKind::none || head.is_upgrade) request_due_ = TimePoint::max();
    second_timer_.cancel();
    state_ = State::responding;
    keeps_alive_ =
        downstream_->may_keep_alive() && downstream_->is_request_whole() && !head.is_upgrade;
    if (attempt.was_none_ready()) tell_none_ready();
    if (web_) return send_web_head(head, is_good);
    send_answer_head(head, is_good);
    if (!head.is_upgrade) return;
    downstream_->flush();
    start_tunnel();
}

void Exchange::send_answer_head(const http::ResponseHead& head, bool is_good) {
    if (may_encode_) return send_encoded_head(head, is_good);
    if (!is_good) return send_failed_head(head);
    if (is_filtered_)
        return downstream_->send_head(head, keeps_alive_, additions(request_id_line_));
    downstream_->send_head(head, keeps_alive_, {.lines = request_id_line_, .removed = {}});
}

// It says whether it was tried again, unless the hop that did says so itself.
void Exchange::send_failed_head(const http::ResponseHead& head) {
    const bool is_stripped = listener_->config.mode == config::Mode::gateway;
    auto told = told_retries();
    if (was_retried_below(head)) told = is_stripped ? std::optional(retries_) : std::nullopt;
    std::string lines(request_id_line_);
    if (told) append_retried(lines, *told);
    downstream_->send_head(head, keeps_alive_, additions(lines));
}

void Exchange::on_response_body(upstream::Attempt& attempt,
                                std::string_view data,
                                bool is_last,
                                std::string_view trailers) {
    if (state_ == State::tunnelling)
        return tunnel_ ? tunnel_->write_down(data) : relay_down(data, is_last);
    if (recodes_ && !recode(data, is_last, trailers)) return;
    response_bytes_ += data.size();
    // Counted before it is sent: who has the answer finds it in the metrics.
    if (is_last) finish(status_, Reason::none, to_label(attempt.verdict()));
    downstream_->send_body(data, is_last, trailers);
    if (is_last) return end(keeps_alive_);
    note_progress();
    if (downstream_->pending() > 0) attempt.pause_response();
}

void Exchange::on_response_flush(upstream::Attempt& attempt) {
    if (state_ != State::responding && state_ != State::tunnelling) return;
    if (is_unflushed_) {
        if (!encode({}, coding::Encoder::Until::flush)) return;
        response_bytes_ += context_.coded.size();
        downstream_->send_body(context_.coded, false, {});
    }
    downstream_->flush();
    if (downstream_->pending() > 0) attempt.pause_response();
    if (!stream_timer_.is_armed()) note_progress();
}

void Exchange::on_downstream_drained() {
    if (relay_ && relay_->is_broken) return break_relay(false);
    if (relay_) watch_half_open();
    if (tries_.lead().is_running()) tries_.lead().resume_response();
}

// ---- upgraded

void Exchange::start_tunnel() {
    state_ = State::tunnelling;
    flags_ |= static_cast<std::uint8_t>(telemetry::Flag::upgraded);
    stream_timer_.cancel();
    total_timer_.cancel();
    if (downstream_->is_h2()) status_ = 200;
    if (downstream_->is_h2() || tries_.lead().is_stream()) return start_relay();
    std::string waiting;
    auto downstream = downstream_->take_stream(waiting);
    tunnel_ = std::make_unique<transport::Tunnel>(
        context_.loop, std::move(downstream), tries_.lead().take_stream(),
        target_->config->timeout.tcp_idle,
        [this](const transport::TunnelEnd& how) { on_tunnel_end(how); });
    tunnel_->start(waiting);
}

void Exchange::on_tunnel_end(const transport::TunnelEnd& how) {
    request_bytes_ += how.up;
    response_bytes_ += how.down;
    tries_.lead().finish_tunnel();
    finish(status_, Reason::none, telemetry::Outcome::ok);
    downstream_->end_tunnel();
}

}  // namespace weir::proxy

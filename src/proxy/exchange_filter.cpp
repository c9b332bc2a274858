#include "weir/balance/key.hpp"
#include "weir/coding/negotiation.hpp"

#include "downstream.hpp"
#include "exchange.hpp"
#include "local_reply.hpp"
#include "lone_attempts.hpp"

#include <algorithm>
#include <utility>

// What may stop a request once its route is known, or keep it waiting; and what a route does
// besides forwarding it.
namespace weir::proxy {
namespace {

std::size_t parameters_of(std::string_view segment) {
    return std::min({segment.find(';'), segment.find("%3B"), segment.size()});
}

// "/a;x=1/;/b" is "/a/b" to servers that cut parameters off.
std::string without_parameters(std::string_view path) {
    std::string out;
    while (!path.empty()) {
        path.remove_prefix(1);
        const std::string_view segment = path.substr(0, path.find('/'));
        path.remove_prefix(segment.size());
        const std::string_view name = segment.substr(0, parameters_of(segment));
        if (!name.empty() || path.empty()) out.append("/").append(name);
    }
    return out;
}

}  // namespace

// False: it waits, or was answered.
bool Exchange::passes(const http::RequestHead& head,
                      const std::vector<filter::FilterPtr>& filters) {
    if (!pass_)
        pass_ = std::make_unique<filter::Pass>(context_.upstream, static_cast<PassOwner&>(*this));
    is_filtered_ = true;
    state_ = State::filtering;
    const Client& client = downstream_->client();
    const filter::Step step = pass_->begin(
        {.filters = filters,
         .clusters = snapshot_->clusters,
         .listener = listener_->config.name,
         .route = route_ != nullptr ? std::string_view(route_->config->name) : std::string_view(),
         .caller = {.ip = client_,
                    .peer = client.peer,
                    .names = client.names.get(),
                    .is_trusted = client.is_trusted,
                    .is_tls = client.is_tls},
         .grpc = grpc_},
        head);
    if (step == filter::Step::proceed) {
        keep_answer_lines();
        return true;
    }
    if (step == filter::Step::refused) refuse_by_filter();
    return false;
}

// Whether a server that cuts parameters off would serve what another route guards in another way.
bool Exchange::hides_guarded(const http::RequestHead& head) const {
    if (route_ == nullptr || parameters_of(head.path) == head.path.size()) return false;
    const std::string path = without_parameters(head.path);
    http::RequestHead other = head;
    other.path = path;
    other.unmerged_path = {};
    const auto match = listener_->table.match(other);
    if (!match) return false;
    const config::RouteAuth& guard = listener_->routes[*match].config->auth;
    const config::RouteAuth& ours = route_->config->auth;
    return !guard.is_none() && (guard.any_of != ours.any_of || guard.require != ours.require);
}

// It has waited. What came of the body meanwhile is kept.
void Exchange::on_passed(filter::Step step) {
    if (step == filter::Step::refused) return refuse_by_filter();
    keep_answer_lines();
    serve_filtered(pass_->head());
    if (state_ != State::over && !is_request_full()) downstream_->resume_request();
}

// The route was chosen by the query that came; what is left of it is what goes on.
void Exchange::serve_filtered(const http::RequestHead& head) {
    const auto& query = pass_->edits().query;
    if (!query) return serve(head);
    http::RequestHead edited = head;
    edited.query = *query;
    edited.has_query = !query->empty();
    serve(edited);
}

void Exchange::keep_answer_lines() {
    const std::string& lines = pass_->edits().answer_lines;
    if (lines.empty()) return;
    more_lines_.assign(request_id_line_).append(lines);
    request_id_line_ = more_lines_;
}

HeadEdits Exchange::additions(std::string_view lines) const {
    if (!is_filtered_) return {.lines = lines, .removed = {}};
    return {.lines = lines, .removed = pass_->edits().removed_of_answer};
}

void Exchange::refuse_by_filter() {
    const filter::Refusal& refusal = pass_->refusal();
    const std::string lines = pass_->edits().answer_lines + refusal.lines;
    const Saying saying{.status = refusal.status,
                        .grpc_code = refusal.grpc_code,
                        .lines = lines,
                        .body = refusal.body,
                        .has_own_body = refusal.has_own_body};
    if (refusal.reason != Reason::none) {
        return reply({refusal.reason, Error::Origin::local, Error::Retry::never, refusal.detail},
                     refusal.retry_after, saying);
    }
    LocalReply local = usual_reply();
    local.status = saying.status;
    local.body = saying.body;
    local.lines = saying.lines;
    give(local, telemetry::Outcome::ok);
}

// What a client may not say in its head it may not say behind its body either.
void Exchange::keep_trailers(std::string_view trailers) {
    if (!is_filtered_ || trailers.empty()) {
        trailers_.assign(trailers);
        return;
    }
    const auto& removed = pass_->edits().removed;
    trailers_.clear();
    while (!trailers.empty()) {
        const std::size_t end = std::min(trailers.find('\n'), trailers.size() - 1) + 1;
        const std::string_view line = trailers.substr(0, end);
        trailers.remove_prefix(end);
        const std::string_view name = line.substr(0, line.find(':'));
        const bool is_removed =
            std::any_of(removed.begin(), removed.end(),
                        [&](std::string_view each) { return http::is_same_variable(name, each); });
        if (!is_removed) trailers_.append(line);
    }
}

void Exchange::keep_early_body(std::string_view data) {
    if (body_.empty() && body_.capacity() < data.size()) body_ = context_.take_buffer(data.size());
    body_.append(data);
}

// ---- actions

bool Exchange::acts(const http::RequestHead& head) {
    has_actions_ = true;
    if (target_->hash_key != nullptr) key_ = balance::key_of(*target_->hash_key, head, client_);
    if (!is_upgrade_) note_actions(head);
    if (wants_mirror_ && is_request_whole_) send_mirrored();
    return injects_fault();
}

void Exchange::note_actions(const http::RequestHead& head) {
    const config::RouteActions& actions = route_->config->actions;
    wants_mirror_ =
        route_->mirror != nullptr && (route_->mirror->percent >= 1 ||
                                      context_.upstream.random.uniform() < route_->mirror->percent);
    may_encode_ = !actions.compress.empty() && grpc_ == http::GrpcKind::none;
    if (may_encode_) coding_ = coding::negotiate(actions.compress, head);
}

void Exchange::drop_actions() {
    has_actions_ = wants_mirror_ = may_encode_ = is_unflushed_ = recodes_ = false;
    key_ = balance::kNoKey;
    coding_.reset();
    fault_status_ = 0;
    if (encoder_) --context_.encoders;
    encoder_.reset();
}

// An operator's fault goes before that of the configuration.
bool Exchange::injects_fault() {
    Random& random = context_.upstream.random;
    filter::Injection injection;
    if (context_.has_faults()) {
        injection =
            context_.faults.draw(route_->config->name, target_->config->cluster, began_, random);
    }
    const auto& configured = route_->config->actions.fault;
    if (!injection.is_any() && configured) injection = filter::draw(*configured, random);
    if (!injection.is_any()) return false;
    fault_status_ = injection.abort;
    if (injection.delay == Duration::zero()) {
        abort_by_fault();
        return true;
    }
    context_.shard.add(target_->delayed);
    state_ = State::delayed;
    context_.loop.timers().arm(start_timer_, Clock::now() + injection.delay);
    return true;
}

void Exchange::abort_by_fault() {
    context_.shard.add(target_->aborted);
    reply(
        {Reason::fault_injected, Error::Origin::local, Error::Retry::never, "a fault, on purpose"},
        {}, {.status = fault_status_});
}

// The request is whole. Its copy waits for nothing, and nothing waits for it.
void Exchange::send_mirrored() {
    const MirrorState& mirror = *route_->mirror;
    wants_mirror_ = false;
    if (!is_body_kept_) return context_.shard.add(mirror.too_large);
    if (!context_.has_room_for_mirrored()) return context_.shard.add(mirror.dropped);
    MirroredRequest& copy = context_.mirrored.keep(std::make_unique<MirroredRequest>(
        context_, snapshot_, mirror,
        MirroredRequest::Request{.method = method_id_,
                                 .head = upstream_head_.substr(0, upstream_head_size_) + "\r\n",
                                 .head_size = upstream_head_size_,
                                 .body = body_,
                                 .trailers = trailers_,
                                 .is_chunked = is_chunked_,
                                 .is_replay_safe = is_replay_safe()}));
    copy.start(number_);
}

void Exchange::send_encoded_head(const http::ResponseHead& head, bool is_good) {
    may_encode_ = false;
    if (head.is_upgrade || !coding::is_worth_coding(head)) return send_answer_head(head, is_good);
    std::optional<config::Coding> coding = coding_;
    if (coding && method_id_ != http::Method::head) {
        if (context_.has_room_for_encoder()) encoder_ = coding::make_encoder(*coding);
        if (encoder_) ++context_.encoders;
        if (!encoder_) coding.reset();
        recodes_ = recodes_ || encoder_;
    }
    http::ResponseHead described;
    std::string lines(request_id_line_);
    coding::describe(head, coding, described, lines);
    more_lines_ = std::move(lines);
    request_id_line_ = more_lines_;
    send_answer_head(described, is_good);
}

bool Exchange::recode(std::string_view& data, bool is_last, std::string_view& trailers) {
    using Until = coding::Encoder::Until;
    if (web_) data = web_->to_client(data, is_last, trailers);
    if (!encoder_) return true;
    if (!encode(data, is_last ? Until::end : Until::more)) return false;
    data = context_.coded;
    if (!data.empty() || is_last) return true;
    note_progress();
    return false;
}

// Into context_.coded. False: it has failed, and the answer was cut off.
bool Exchange::encode(std::string_view data, coding::Encoder::Until until) {
    context_.coded.clear();
    is_unflushed_ = until == coding::Encoder::Until::more && (is_unflushed_ || !data.empty());
    if (encoder_->encode(data, until, context_.coded)) return true;
    const Error error{Reason::overloaded, Error::Origin::local, Error::Retry::never,
                      "no memory to compress"};
    tries_.cancel(error, false);
    finish(status_, error.reason, telemetry::Outcome::failure);
    downstream_->cut_off(false);
    end(false);
    return false;
}

}  // namespace weir::proxy

#include "weir/upstream/call.hpp"

#include "weir/http/headers.hpp"
#include "weir/upstream/local_context.hpp"

#include <utility>

namespace weir::upstream {

struct Call::Holder final : transport::Retired {
    Holder(LocalContext& context, AttemptHandler& handler) : attempt(context, handler) {}
    Attempt attempt;
};

CallRoute::CallRoute(Cluster& cluster, std::string name)
    : target_(cluster.routes().take({.listener = {},
                                     .route = std::move(name),
                                     .judge = cluster.config().breaker,
                                     .endpoint_slow_call = cluster.config().outlier.slow_call,
                                     .has = RouteTarget::Section::Has::none,
                                     .cluster_hears = resilience::Hearing::all},
                                    Clock::now())),
      timeouts_(cluster.config().timeout) {}

std::string_view CallAnswer::field(std::string_view name) const {
    std::string_view rest = fields;
    while (!rest.empty()) {
        const std::string_view line = rest.substr(0, rest.find("\r\n"));
        rest.remove_prefix(std::min(rest.size(), line.size() + 2));
        const std::size_t colon = line.find(": ");
        if (colon == std::string_view::npos) continue;
        if (http::equals_ignoring_case(line.substr(0, colon), name)) return line.substr(colon + 2);
    }
    return {};
}

Call::Call(LocalContext& context, const CallRoute& route)
    : context_(context),
      route_(route),
      attempt_(std::make_unique<Holder>(context, static_cast<AttemptHandler&>(*this))) {}

Call::~Call() {
    if (attempt_->attempt.is_running()) {
        attempt_->attempt.cancel({Reason::client_closed, Error::Origin::downstream,
                                  Error::Retry::never, "nobody waits for the answer"},
                                 true);
    }
    context_.loop.retire(std::move(attempt_));
}

void Call::start(boost::local_shared_ptr<LocalCluster> cluster, CallRequest request, Done done) {
    cluster_ = std::move(cluster);
    request_ = std::move(request);
    done_ = std::move(done);
    head_size_ = request_.head.size() - 2;  // without the empty line, which each try writes
    deadline_ = Clock::now() + request_.timeout;
    context_.loop.timers().arm(timer_, deadline_);
    try_once();
}

void Call::try_once() {
    ++tries_;
    const Endpoint* const avoid = tries_ > 1 ? attempt_->attempt.endpoint() : nullptr;
    attempt_->attempt.start(cluster_, {.method = request_.method,
                                       .head = &request_.head,
                                       .head_size = head_size_,
                                       .body = &request_.body,
                                       .is_chunked = request_.is_streamed,
                                       .is_replay_safe = request_.is_replay_safe,
                                       .must_not_repeat = !request_.is_replay_safe,
                                       .route = route_.target().get(),
                                       .needs_fresh = tries_ > 1,
                                       .timeouts = &route_.timeouts(),
                                       .request_timeout = request_.timeout,
                                       .avoid = avoid,
                                       .deadline = deadline_,
                                       .caller_deadline = TimePoint::max(),
                                       .attempt = tries_});
}

void Call::on_response_head(Attempt& /*attempt*/, const http::ResponseHead& head) {
    if (head.status < 200) return;
    answer_.status = head.status;
    for (const http::HeaderField& field : head.headers)
        answer_.fields.append(field.name).append(": ").append(field.value).append("\r\n");
}

void Call::on_response_body(Attempt& attempt,
                            std::string_view data,
                            bool is_last,
                            std::string_view trailers) {
    if (answer_.body.size() + data.size() > request_.most) {
        const Error error{Reason::upstream_protocol, Error::Origin::upstream, Error::Retry::never,
                          "its answer is too long"};
        attempt.cancel(error, false);
        return finish(error);
    }
    answer_.body.append(data);
    if (!is_last) return;
    answer_.trailers.assign(trailers);
    finish({});
}

void Call::on_response_flush(Attempt& /*attempt*/) {}
void Call::on_request_wanted(Attempt& /*attempt*/) {}

void Call::on_attempt_failed(Attempt& /*attempt*/, const AttemptFailure& failure) {
    const bool is_repeatable =
        failure.error.retry == Error::Retry::safe ||
        (failure.error.retry == Error::Retry::if_reused && request_.is_replay_safe);
    const bool was_refused = failure.error.reason == Reason::breaker_open;
    if (tries_ < 2 && is_repeatable && !was_refused && answer_.status == 0) return try_once();
    finish(failure.error);
}

void Call::on_late() {
    const Error error{Reason::upstream_timeout, Error::Origin::upstream, Error::Retry::never,
                      "its time is over"};
    attempt_->attempt.cancel(error, false);
    finish(error);
}

void Call::finish(const Error& error) {
    timer_.cancel();
    answer_.error = error;
    // It may destroy this.
    const Done done = std::move(done_);
    done(std::move(answer_));
}

}  // namespace weir::upstream

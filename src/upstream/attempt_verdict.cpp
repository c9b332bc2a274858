#include "weir/http/grpc.hpp"
#include "weir/upstream/attempt.hpp"

#include "local_endpoint.hpp"

#include <algorithm>
#include <charconv>

// What an attempt says about those it went to, and who is told.
namespace weir::upstream {
namespace {

// Not of gRPC-Web, whose trailers are in the body.
bool is_grpc(const http::ResponseHead& head) {
    const http::HeaderField* const type = head.headers.find(http::HeaderId::content_type);
    return type != nullptr && http::grpc_kind(type->value) == http::GrpcKind::plain;
}

std::optional<std::uint32_t> number(std::string_view text) {
    std::uint32_t value = 0;
    const auto end = std::from_chars(text.data(), text.data() + text.size(), value);
    const bool is_whole = end.ec == std::errc{} && end.ptr == text.data() + text.size();
    return is_whole ? std::optional(value) : std::nullopt;
}

// The value of a field among checked lines.
std::optional<std::string_view> trailer(std::string_view lines, std::string_view name) {
    while (!lines.empty()) {
        const std::size_t end = std::min(lines.find("\r\n"), lines.size());
        const std::string_view line = lines.substr(0, end);
        lines.remove_prefix(std::min(end + 2, lines.size()));
        const std::size_t colon = line.find(':');
        if (colon == std::string_view::npos ||
            !http::equals_ignoring_case(line.substr(0, colon), name))
            continue;
        std::string_view value = line.substr(colon + 1);
        while (!value.empty() && value.front() == ' ')
            value.remove_prefix(1);
        while (!value.empty() && value.back() == ' ')
            value.remove_suffix(1);
        return value;
    }
    return std::nullopt;
}

// Seconds, or a date we do not read: then at least a second.
Duration retry_after(const http::ResponseHead& head) {
    const http::HeaderField* const field = head.headers.find(http::HeaderId::retry_after);
    if (field == nullptr) return Duration::zero();
    std::int64_t seconds = 0;
    for (const char c : field->value) {
        if (c < '0' || c > '9' || seconds > 86'400) return std::chrono::seconds{1};
        seconds = seconds * 10 + (c - '0');
    }
    return std::chrono::seconds{seconds};
}

}  // namespace

// What can be said before the end: an answer of gRPC tells more in its trailers.
void Attempt::judge_head(const http::ResponseHead& head, TimePoint now) {
    const Duration latency = now - sent_;
    endpoint_->answered(now);
    cluster_->stalls().answered(now);
    end_.status = head.status;
    end_.got_response_bytes = true;
    end_.retry_after = retry_after(head);
    end_.has_retry_after = end_.retry_after > Duration::zero();
    const http::HeaderField* const weir_error = head.headers.find(http::HeaderId::weir_error);
    end_.weir_error = weir_error != nullptr ? weir_error->value : std::string_view();
    end_.waited = latency;
    is_grpc_ = is_grpc(head);
    if (is_grpc_) {
        const http::HeaderField* const status = head.headers.find(http::kGrpcStatus);
        const http::HeaderField* const wait = head.headers.find(http::kGrpcPushback);
        if (status != nullptr) take_grpc_status(status->value);
        if (wait != nullptr) take_pushback(wait->value);
        is_start_awaited_ = status == nullptr;
    }
    if (end_.caller_deadline != Duration::max()) {
        end_.patience = request_.route->patience(context_.worker, now, request_.timeouts->request);
    }
    verdict_ = request_.route->classifier().classify(end_);
    end_.weir_error = {};
    if (verdict_.outcome == resilience::Outcome::ok) {
        endpoint_->observe(latency, now);
        request_.route->observe(context_.worker, latency, now);
        if (!is_start_awaited_) tell_good_start(now);
    } else {
        endpoint_->observe_failure(now);
    }
}

// The verdict as its detector hears it, which has another measure of slowness.
resilience::Verdict Attempt::at_endpoint() const {
    resilience::Verdict seen = verdict_;
    seen.is_slow = verdict_.is_slow_at_endpoint;
    return seen;
}

void Attempt::tell_good_start(TimePoint now) {
    is_start_awaited_ = false;
    if (holds_endpoint_)
        endpoint_->shared().detector().headers_ok(endpoint_permit_, now, at_endpoint());
    if (holds_breaker_) cluster_->cluster().breaker().headers_ok(breaker_permit_, now, verdict_);
    if (route_breaker_ != nullptr)
        route_breaker_->machine().headers_ok(route_permit_, now, verdict_);
}

// To a client a status that is none is UNKNOWN.
void Attempt::take_grpc_status(std::string_view value) {
    end_.grpc_status = number(value).value_or(static_cast<std::uint32_t>(http::GrpcCode::unknown));
}

void Attempt::take_pushback(std::string_view value) {
    const auto wait = number(value);
    if (!wait) return;
    end_.retry_after = std::chrono::milliseconds{*wait};
    end_.has_retry_after = true;
}

// The verdict of gRPC: by the status, and when to come again. Where the head was all there is, it
// has been given.
void Attempt::take_grpc_trailers(std::string_view trailers) {
    if (end_.grpc_status) return;
    take_grpc_status(trailer(trailers, http::kGrpcStatus).value_or(std::string_view()));
    if (const auto wait = trailer(trailers, http::kGrpcPushback)) take_pushback(*wait);
    end_.took = Clock::now() - sent_;
    verdict_ = request_.route->classifier().classify(end_);
    const bool is_failure = verdict_.outcome == resilience::Outcome::failure;
    if (is_failure) endpoint_->observe_failure(Clock::now());
}

void Attempt::classify(const Error& error, bool client_left) {
    const TimePoint now = Clock::now();
    end_.error = error;
    end_.client_left = client_left;
    if (connection_ != nullptr && is_sent_) {
        end_.reused_connection = connection_->is_reused() && !connection_->was_reset_alone();
        end_.got_response_bytes = connection_->has_response_bytes();
        end_.since_last_write = now - connection_->last_write();
        end_.connect_time = connection_->connect_time();
    }
    if (!end_.status) end_.waited = is_sent_ ? now - sent_ : Duration::zero();
    if (client_left || end_.caller_deadline != Duration::max()) {
        end_.patience = request_.route->patience(context_.worker, now, request_.timeouts->request);
    }
    verdict_ = error.origin == Error::Origin::local
                   ? resilience::Verdict{.outcome = resilience::Outcome::ignored}
                   : request_.route->classifier().classify(end_);
    const bool is_failure = verdict_.outcome == resilience::Outcome::failure ||
                            verdict_.outcome == resilience::Outcome::local_failure;
    if (is_failure && endpoint_) endpoint_->observe_failure(now);
    if (verdict_.outcome == resilience::Outcome::stale && !connection_->is_stream())
        endpoint_->on_idle_closed(sent_ - connection_->idle_since(), now);
}

// Connected: all that bytes of any kind can say of an endpoint is said now, however long they flow.
void Attempt::opened() {
    const TimePoint now = Clock::now();
    sent_ = now;
    is_sent_ = true;
    verdict_ = {};
    endpoint_->observe(now - leased_, now);
    complete_permits(now);
    adaptive_slot_.reset();
    handler_->on_opened(*this);
}

// What is answered or timed out says how long it takes; a quick failure does not.
void Attempt::give_back_adaptive(TimePoint now) {
    using resilience::FailureKind;
    using resilience::Outcome;
    if (!is_sent_) return adaptive_slot_.reset();
    const bool is_refusal =
        verdict_.outcome == Outcome::throttled || verdict_.kind == FailureKind::peer_refused;
    if (is_refusal) return adaptive_slot_.refused(now);
    if (verdict_.outcome == Outcome::ok || verdict_.kind == FailureKind::timeout)
        return adaptive_slot_.finish(end_.waited, now);
    adaptive_slot_.reset();
}

// All that was asked for leave hear the verdict.
void Attempt::complete_permits(TimePoint now) {
    resilience::Verdict said = verdict_;
    resilience::Verdict said_at_endpoint = at_endpoint();
    if (connection_ != nullptr && connection_->was_told_of())
        said = said_at_endpoint = {.outcome = resilience::Outcome::ignored};
    const bool is_error = said.outcome == resilience::Outcome::failure ||
                          said.outcome == resilience::Outcome::local_failure;
    resilience::FailureKey key;
    if (endpoint_) {
        if (is_error)
            key = resilience::FailureKey::of(endpoint_->shared().id(), context_.loop.turns());
        if (holds_endpoint_) {
            endpoint_->shared().detector().complete(endpoint_permit_, said_at_endpoint, now,
                                                    context_.worker);
        }
    }
    RouteTarget& route = *request_.route;
    if (holds_breaker_) {
        const auto seen = is_error ? route.for_cluster(said, breaker_permit_.is_probe) : said;
        cluster_->cluster().breaker().complete(breaker_permit_, seen, now, context_.worker, key);
    }
    if (route_breaker_ != nullptr) {
        const auto seen = is_error ? route.for_route(said, route_permit_.is_probe) : said;
        route_breaker_->complete(route_permit_, seen, now, context_.worker, key,
                                 endpoint_ ? endpoint_->shared().id() : 0);
    } else if (is_error) {
        route.failed_without(said, now, context_.worker, key);
    }
    route_breaker_ = nullptr;
    holds_endpoint_ = holds_breaker_ = false;
}

// Gives back whatever is held, with the verdict: the one place where an attempt ends.
void Attempt::report() {
    const TimePoint now = Clock::now();
    ended_ = now;
    Cluster& shared = cluster_->cluster();
    timer_.cancel();
    StallWatch::remove(waiting_);
    cluster_->dequeue(*this);
    is_running_ = false;
    context_.shard.sub(shared.metrics().requests_active);
    if (is_sent_ && !request_.is_opaque)
        context_.shard.observe(shared.metrics().request_duration, now - started_);
    complete_permits(now);
    if (endpoint_) endpoint_->request_ended(verdict_);
    request_slot_.reset();
    if (adaptive_slot_.is_held()) give_back_adaptive(now);
    if (context_.trace != nullptr && context_.trace->is_on()) trace(now);
    if (connection_ != nullptr) leave_connection();
    cluster_.reset();  // it may be gone from the configuration
}

void Attempt::leave_connection() {
    was_reused_ = connection_->is_reused();
    connect_time_ = connection_->connect_time();
    std::exchange(connection_, nullptr)->detach();
}

}  // namespace weir::upstream

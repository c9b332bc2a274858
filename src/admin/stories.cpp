// What went wrong, and why things are as they are: failed requests, traces of attempts.
#include "weir/config/values.hpp"
#include "weir/resilience/explain.hpp"
#include "weir/telemetry/access_log.hpp"

#include "admin/describe.hpp"
#include "admin/handlers.hpp"
#include "admin/shapes.hpp"

#include <algorithm>
#include <charconv>
#include <memory>

namespace weir::admin {
namespace {

using telemetry::AttemptRecord;
using telemetry::CandidateRecord;
using telemetry::Failure;

constexpr Duration kUsualTrace = std::chrono::seconds{10};
constexpr Duration kLongestTrace = std::chrono::hours{1};
constexpr Duration kTracePeriod = std::chrono::milliseconds{100};
constexpr Duration kQuiet = std::chrono::seconds{15};
constexpr std::size_t kTraceLines = 4096;  // at once: a megabyte

void write_text_or_null(JsonWriter& json, std::string_view key, std::string_view text) {
    json.key(key);
    if (text.empty()) {
        json.null();
    } else {
        json.value(text);
    }
}

void write_span(JsonWriter& json, std::string_view key, std::optional<Duration> span) {
    if (span) return write_milliseconds(json, key, *span);
    json.key(key).null();
}

// The reason word of an attempt's error; none if the exchange ended as HTTP wants.
std::string_view reason_of(const Error& error) {
    return error.reason == Reason::none ? std::string_view{} : word(error.reason);
}

void write_attempt(JsonWriter& json, const Failure& failure, const AttemptRecord& attempt) {
    json.begin_object();
    json.field("role", telemetry::word(attempt.role));
    write_text_or_null(json, "endpoint", attempt.endpoint);
    write_milliseconds(json, "began_ms", attempt.began - failure.began);
    write_milliseconds(json, "duration_ms", attempt.ended - attempt.began);
    write_span(json, "queued_ms", attempt.queued);
    write_span(json, "connect_ms", attempt.connect);
    write_span(json, "headers_ms", attempt.headers);
    json.field("sent", attempt.is_sent).field("reused", attempt.is_reused);
    json.field("probe", attempt.is_endpoint_probe || attempt.is_breaker_probe);
    json.field("none_ready", attempt.is_none_ready);
    json.key("status");
    if (attempt.status == 0) {
        json.null();
    } else {
        json.value(std::uint32_t{attempt.status});
    }
    json.field("outcome", resilience::word(attempt.verdict.outcome));
    json.field("kind", resilience::word(attempt.verdict.kind));
    json.field("slow", attempt.verdict.is_slow);
    write_text_or_null(json, "reason", reason_of(attempt.error));
    write_text_or_null(json, "detail", attempt.error.detail);
    json.end_object();
}

void write_candidates(JsonWriter& json, const Failure& failure, bool are_excluded) {
    json.key(are_excluded ? "excluded" : "candidates").begin_array();
    for (std::size_t i = 0; i < failure.candidate_count; ++i) {
        const CandidateRecord& candidate = failure.candidates[i];
        if (candidate.excluded.empty() == are_excluded) continue;
        json.begin_object();
        json.field("endpoint", candidate.endpoint).field("state", candidate.state);
        write_text_or_null(json, "why", candidate.reason);
        if (are_excluded) json.field("reason", candidate.excluded);
        json.end_object();
    }
    json.end_array();
}

void write_timers(JsonWriter& json, const Failure& failure) {
    json.key("timers").begin_array();
    for (std::size_t i = 0; i < failure.timer_count; ++i) {
        const telemetry::TimerRecord& timer = failure.timers[i];
        json.begin_object().field("key", timer.key);
        json.field("after", config::to_text(timer.after)).field("fired", timer.has_fired);
        json.end_object();
    }
    json.end_array();
}

// ---- as a sentence

std::string detail_or(std::string_view detail, std::string_view otherwise) {
    return std::string(detail.empty() ? otherwise : detail);
}

std::string end_of(const AttemptRecord& attempt) {
    using resilience::FailureKind;
    const std::string_view detail = attempt.error.detail;
    switch (attempt.verdict.kind) {
        case FailureKind::connect_refused:
            return "refused the connection";
        case FailureKind::connect_timeout:
            return "took no connection (" + detail_or(detail, "timeout.connect") + ")";
        case FailureKind::dns:
            return "its name does not resolve";
        case FailureKind::tls:
            return "no TLS connection came about";
        case FailureKind::reset:
            return attempt.status == 0 ? "broke off before it answered" : "cut its answer off";
        case FailureKind::timeout:
            return "did not answer in time" +
                   (detail.empty() ? "" : " (" + std::string(detail) + ")");
        case FailureKind::protocol:
            return "answered what is no HTTP";
        case FailureKind::peer_refused:
            return "refused: it is a Weir that could not serve it";
        default:
            break;
    }
    if (attempt.verdict.outcome == resilience::Outcome::stale)
        return "had closed the pooled connection";
    if (attempt.status != 0) return "answered " + std::to_string(attempt.status);
    const std::string_view reason = reason_of(attempt.error);
    return reason.empty() ? std::string(resilience::word(attempt.verdict.outcome))
                          : std::string(reason);
}

std::string story_of(const Failure& failure, const AttemptRecord& attempt) {
    if (attempt.endpoint.empty()) {
        std::string text = "no endpoint was asked: " + end_of(attempt);
        if (failure.reason == Reason::breaker_open && !failure.breaker_reason.empty())
            text += " (" + std::string(failure.breaker_reason) + ")";
        if (*attempt.error.detail != '\0') text += " (" + std::string(attempt.error.detail) + ")";
        return text;
    }
    std::string text = attempt.endpoint + " " + end_of(attempt) + " after " +
                       resilience::span_text(attempt.ended - attempt.began);
    std::string notes;
    const auto note = [&](bool is_so, std::string_view what) {
        if (is_so) notes += (notes.empty() ? "" : ", ") + std::string(what);
    };
    note(attempt.role != telemetry::AttemptRole::first, telemetry::word(attempt.role));
    note(attempt.is_endpoint_probe, "its probe");
    note(attempt.is_breaker_probe, "the breaker's probe");
    note(attempt.is_reused, "on a reused connection");
    note(attempt.is_none_ready, "no endpoint was ready");
    return notes.empty() ? text : text + " (" + notes + ")";
}

std::string_view why_no_retry(resilience::RetryRefusal refusal) {
    using resilience::RetryRefusal;
    switch (refusal) {
        case RetryRefusal::none:
            return {};
        case RetryRefusal::not_wanted:
            return "retry.on does not name this end";
        case RetryRefusal::exhausted:
            return "retry.attempts are used up";
        case RetryRefusal::forwarded:
            return "the answer had begun";
        case RetryRefusal::unsafe:
            return "it may have been acted on, and its method must not be repeated";
        case RetryRefusal::budget:
            return "the retry budget is used up";
        case RetryRefusal::deadline:
            return "too little time was left";
        case RetryRefusal::throttled:
            return "the upstream asked for less";
        case RetryRefusal::depth:
            return "it is a retry of a Weir before this one";
        case RetryRefusal::buffer:
            return "its body is gone: larger than retry.buffer";
    }
    return resilience::word(refusal);
}

std::string story_of(const Failure& failure) {
    std::string text;
    for (std::size_t i = 0; i < failure.attempt_count; ++i)
        text += (text.empty() ? "" : "; ") + story_of(failure, failure.attempts[i]);
    if (failure.attempts_total > failure.attempt_count)
        text += "; and " + std::to_string(failure.attempts_total - failure.attempt_count) + " more";
    if (text.empty()) text = sentence(failure.reason, failure.cluster);
    if (failure.is_cut) text += "; the client's answer was cut off";
    const std::string_view refusal = why_no_retry(failure.refusal);
    if (!refusal.empty()) text += "; not tried again: " + std::string(refusal);
    std::uint32_t excluded = 0;
    for (std::size_t i = 0; i < failure.candidate_count; ++i)
        excluded += failure.candidates[i].excluded.empty() ? 0 : 1;
    if (excluded > 0)
        text += "; " + std::to_string(excluded) + " of " +
                std::to_string(failure.candidates_total) + " endpoints took no requests";
    return text;
}

void write_failure(JsonWriter& json, const Failure& failure) {
    json.begin_object().field("sequence", failure.sequence);
    write_time(json, "at", failure.at);
    json.field("request_id", failure.request_id);
    write_text_or_null(json, "method", failure.method);
    write_text_or_null(json, "host", failure.host);
    write_text_or_null(json, "path", failure.path);
    json.field("client", failure.client).field("listener", failure.listener);
    write_text_or_null(json, "route", failure.route);
    write_text_or_null(json, "cluster", failure.cluster);
    json.field("status", std::uint32_t{failure.status}).field("reason", word(failure.reason));
    write_text_or_null(json, "detail", failure.detail);
    json.key("flags").begin_array();
    for (const std::string_view flag : telemetry::words_of_flags(failure.flags))
        json.value(flag);
    json.end_array();
    json.field("cut_off", failure.is_cut);
    write_milliseconds(json, "duration_ms", failure.duration);
    write_text_or_null(json, "breaker", failure.breaker);
    write_text_or_null(json, "breaker_reason", failure.breaker_reason);
    write_timers(json, failure);
    json.field("endpoints", failure.candidates_total);
    write_candidates(json, failure, false);
    write_candidates(json, failure, true);
    json.field("attempts_total", failure.attempts_total);
    json.key("attempts").begin_array();
    for (std::size_t i = 0; i < failure.attempt_count; ++i)
        write_attempt(json, failure, failure.attempts[i]);
    json.end_array();
    write_text_or_null(json, "no_retry",
                       failure.refusal == resilience::RetryRefusal::none
                           ? std::string_view{}
                           : resilience::word(failure.refusal));
    json.field("story", story_of(failure)).end_object();
}

std::optional<std::size_t> count_of(const Request& request, std::string_view key) {
    const auto text = request.query_value(key);
    if (!text) return std::nullopt;
    std::size_t count = 0;
    const char* const end = text->data() + text->size();
    const auto [stop, ec] = std::from_chars(text->data(), end, count);
    return ec == std::errc{} && stop == end ? std::optional(count) : std::nullopt;
}

// A trace that goes on until its time is over, or it has its lines.
class TraceFeed {
  public:
    TraceFeed(const Context& context, std::string_view cluster, Duration lasting, std::size_t most)
        : wall_(refresh_clocks()),
          reader_(context.trace, cluster, wall_.now(), wall_(wall_.now())),
          spoke_(wall_.now()),
          end_(wall_.now() + lasting),
          left_(most) {}

    [[nodiscard]] std::string head() const { return reader_.head(); }

    std::string next(TimePoint now) {
        std::string text = reader_.next(std::min(kTraceLines, left_));
        left_ -= static_cast<std::size_t>(std::count(text.begin(), text.end(), '\n'));
        is_over_ = left_ == 0 || now >= end_;
        if (is_over_ && reader_.dropped() > 0) text += reader_.head();
        // Else who waits could not tell quiet from gone.
        if (text.empty() && now - spoke_ >= kQuiet) text = reader_.head();
        if (!text.empty()) spoke_ = now;
        return text;
    }
    [[nodiscard]] bool is_over() const { return is_over_; }

  private:
    const WallClock wall_;
    telemetry::AttemptTrace::Reader reader_;
    TimePoint spoke_;
    const TimePoint end_;
    std::size_t left_;
    bool is_over_ = false;
};

}  // namespace

void write_story(JsonWriter& json, const upstream::Story& story, const WallClock& wall) {
    json.field("why", story.machine.why);
    json.key("trips_next").begin_array();
    for (const resilience::RuleView& rule : story.machine.rules) {
        json.begin_object().field("rule", resilience::word(rule.rule));
        json.field("value", rule.value).field("threshold", rule.threshold);
        json.field("met", rule.is_met).field("text", rule.text).end_object();
    }
    json.end_array();
    const auto& probe_at = story.machine.probe_at;
    write_time(json, "next_probe_at", probe_at ? std::optional(wall(*probe_at)) : std::nullopt);
    write_text_or_null(json, "next_probe_by", story.machine.probe);
    write_text_or_null(json, "guard", story.guard);
}

Response failures(const Request& request, const Context& context) {
    const std::string cluster = request.query_value("cluster").value_or("");
    const std::string route = request.query_value("route").value_or("");
    const std::string reason = request.query_value("reason").value_or("");
    const std::string id = request.query_value("id").value_or("");
    const auto found = context.failures.recent(
        {.cluster = cluster,
         .route = route,
         .reason = reason,
         .request_id = id,
         .most = count_of(request, "n").value_or(telemetry::FailureLog::kKept)});
    Response response;
    JsonWriter json(response.body);
    json.begin_array();
    for (const Failure& failure : found)
        write_failure(json, failure);
    json.end_array();
    response.body += '\n';
    return response;
}

Response trace_export(const Request& request, const Context& context) {
    const auto text = request.query_value("for");
    const auto lasting = text ? duration_from(*text) : std::optional(kUsualTrace);
    if (!lasting || *lasting > kLongestTrace) {
        return error_response(400, "bad_request", "for is a duration up to 1h, like 30s");
    }
    const std::string cluster = request.query_value("cluster").value_or("");
    const std::size_t most = count_of(request, "n").value_or(SIZE_MAX);
    // Shared, as a function must be copyable: there is one owner.
    auto feed = std::make_shared<TraceFeed>(context, cluster, *lasting, most);
    Response response;
    response.content_type = "application/x-ndjson";
    response.body = feed->head();
    response.feed = Feed{.period = kTracePeriod,
                         .next = [feed](TimePoint now) { return feed->next(now); },
                         .is_over = [feed] { return feed->is_over(); },
                         .has_heartbeat = false};
    return response;
}

}  // namespace weir::admin

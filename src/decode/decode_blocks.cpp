#include "decode/sections.hpp"

#include <algorithm>
#include <utility>

namespace weir::config {
namespace {

struct RetryWord {
    std::string_view word;
    bool RetryOn::*member;
};
constexpr RetryWord kRetryWords[] = {
    {"connect", &RetryOn::connect}, {"refused", &RetryOn::refused}, {"reused", &RetryOn::reused},
    {"503", &RetryOn::status_503},  {"reset", &RetryOn::reset},     {"timeout", &RetryOn::timeout},
    {"502", &RetryOn::status_502},  {"504", &RetryOn::status_504},  {"5xx", &RetryOn::status_5xx}};

// ---- fields of the access log

constexpr std::size_t kMostFields = 32;
constexpr std::string_view kOwnFields[] = {
    "time",       "listener",    "route",       "cluster",       "endpoint",       "method",
    "host",       "path",        "protocol",    "status",        "reason",         "flags",
    "level",      "duration_ms", "upstream_ms", "request_bytes", "response_bytes", "attempts",
    "request_id", "trace_id",    "client",      "peer"};

struct SourceWord {
    std::string_view prefix;
    LogField::Source source;
};
constexpr SourceWord kSourceWords[] = {{"header:", LogField::Source::header},
                                       {"response_header:", LogField::Source::response_header},
                                       {"query:", LogField::Source::query},
                                       {"cookie:", LogField::Source::cookie}};

bool check_field_name(Context& ctx, const Entry& entry) {
    constexpr std::string_view kTaken =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-";
    constexpr std::size_t kLongest = 64;
    const auto& name = entry.key;
    const bool is_own =
        std::find(std::begin(kOwnFields), std::end(kOwnFields), name) != std::end(kOwnFields);
    const bool is_name = !name.empty() && name.size() <= kLongest &&
                         name.find_first_not_of(kTaken) == std::string::npos;
    if (is_own) {
        complain_at(ctx, entry.place, entry.width,
                    {.code = 131, .what = "the access log has a field '" + name + "' already"});
    } else if (!is_name) {
        complain_at(ctx, entry.place, entry.width,
                    {.code = 118,
                     .what = "'" + name.substr(0, kLongest) + "' is no name of a field",
                     .note = "letters, digits and . _ -"});
    }
    return is_name && !is_own;
}

LogField field_of(Context& ctx, const Entry& entry) {
    const std::string_view text = entry.value.text;
    for (const auto& word : kSourceWords) {
        if (!text.starts_with(word.prefix)) continue;
        std::string of(text.substr(word.prefix.size()));
        if (of.empty()) {
            complain(ctx, entry.value,
                     {.what = "'" + std::string(text) + "' names nothing",
                      .note = "write " + std::string(word.prefix) + "NAME"});
        }
        const bool is_header = word.source == LogField::Source::header ||
                               word.source == LogField::Source::response_header;
        return {entry.key, word.source, is_header ? lower(std::move(of)) : std::move(of)};
    }
    return {entry.key, LogField::Source::text, std::string(text)};
}

// Raises `most` to `first` if it is only the default, else complains.
void finish_pair(Context& ctx,
                 const Origins& origins,
                 std::string_view block,
                 std::pair<std::string_view, Duration> first,
                 std::string_view most_key,
                 Duration& most) {
    if (most >= first.second) return;
    const auto* origin = origins.find(most_key);
    if (origin == nullptr) {
        most = first.second;
        return;
    }
    complain_at(ctx, origin->place, 0,
                {.code = 141,
                 .what = std::string(block) + "." + std::string(most_key) + " (" + to_text(most) +
                         ") is below " + std::string(first.first) + " (" +
                         with_origin(ctx, first.second, origins.find(first.first), *origin) + ")"});
}

}  // namespace

std::string with_origin(const Context& ctx,
                        Duration value,
                        const Origin* origin,
                        const Origin& other) {
    auto text = to_text(value);
    if (origin == nullptr) return text + ", built-in";
    const bool is_near = other.layer == origin->layer;
    return text + (is_near ? "," : ", from " + origin->layer) + " at " +
           where(ctx, origin->place, other.place);
}

int rank(const Origin* origin) {
    if (origin == nullptr) return 0;
    if (origin->layer == "defaults") return 1;
    return origin->layer.starts_with("clusters.") ? 2 : 3;
}

void read_retry_on(Context& ctx, const Node& node, const std::string& /*path*/, Retry& into) {
    std::vector<std::string_view> words;
    for (const auto& entry : kRetryWords)
        words.push_back(entry.word);
    RetryOn on{};
    for (const auto& entry : kRetryWords)
        on.*entry.member = false;
    on.grpc = 0;
    for (const Node* item : scalars(ctx, node, "on")) {
        const auto at = std::find(words.begin(), words.end(), item->text);
        if (at != words.end()) {
            on.*kRetryWords[at - words.begin()].member = true;
        } else if (!read_retry_grpc(ctx, *item, on)) {
            complain_word(ctx, *item, "reason to retry", words, "retry.on");
        }
    }
    into.on = on;
}

void read_retry_methods(Context& ctx, const Node& node, const std::string& /*path*/, Retry& into) {
    into.methods.clear();
    for (const Node* item : scalars(ctx, node, "methods")) {
        if (is_method(item->text)) {
            into.methods.push_back(item->text);
        } else {
            complain_method(ctx, *item);
        }
    }
}

void read_buckets(Context& ctx, const Node& node, const std::string& path, TelemetryBlock& into) {
    constexpr std::size_t kMost = 30;
    const RowInfo row{"buckets", "duration", "", "", path, 1e-6, 3600};
    std::vector<Duration> buckets;
    const auto before = ctx.report.errors();
    for (const Node* item : scalars(ctx, node, "buckets")) {
        Duration bound{};
        assign(ctx, *item, row, bound);
        if (ctx.report.errors() != before) continue;
        if (!buckets.empty() && bound <= buckets.back()) {
            complain(ctx, *item,
                     {.code = 141,
                      .what = "bucket " + to_text(bound) + " is not above the one before it (" +
                              to_text(buckets.back()) + ")"});
        }
        buckets.push_back(bound);
    }
    if (ctx.report.errors() != before) return;
    if (buckets.empty() || buckets.size() > kMost) {
        complain(ctx, node,
                 {.code = 117,
                  .what = "'buckets' takes 1 to " + std::to_string(kMost) + " bounds, not " +
                          std::to_string(buckets.size())});
        return;
    }
    into.buckets = std::move(buckets);
}

void read_only(Context& ctx, const Node& node, const std::string& path, AccessLog& into) {
    constexpr std::string_view kSlow = "slow>";
    AccessLog::Only only;
    for (const Node* item : scalars(ctx, node, "only")) {
        if (item->text == "errors") {
            only.errors = true;
        } else if (item->text == "sampled") {
            only.sampled = true;
        } else if (item->text.starts_with(kSlow)) {
            auto read = read_duration(std::string_view(item->text).substr(kSlow.size()));
            if (auto* complaint = std::get_if<Complaint>(&read)) {
                complain(ctx, *item, std::move(*complaint));
            } else {
                only.slower_than = std::get<Duration>(read);
            }
        } else {
            complain_word(ctx, *item, "kind of record", {"errors", "slow>500ms", "sampled"}, path);
        }
    }
    into.only = only;
}

void read_log_only(Context& ctx, const Node& node, const std::string& path, Limits& into) {
    into.log_only = {};
    for (const Node* item : scalars(ctx, node, "log_only")) {
        if (item->text == "resets") {
            into.log_only.resets = true;
        } else if (item->text == "glitches") {
            into.log_only.glitches = true;
        } else if (item->text == "headers") {
            into.log_only.headers = true;
        } else {
            complain_word(ctx, *item, "limit that can only count",
                          {"resets", "glitches", "headers"}, path);
        }
    }
}

void read_fields(Context& ctx, const Node& node, const std::string& path, AccessLog& into) {
    if (!expect(ctx, node, Node::Kind::map, "fields", "a map of names and sources")) return;
    std::vector<LogField> fields;
    walk_names(ctx, node, path, [&](const Entry& entry) {
        if (!expect(ctx, entry.value, Node::Kind::scalar, entry.key, "a source or a text")) return;
        if (check_field_name(ctx, entry)) fields.push_back(field_of(ctx, entry));
    });
    if (fields.size() > kMostFields) {
        complain(ctx, node,
                 {.code = 117, .what = "'fields' must be at most " + std::to_string(kMostFields)});
    }
    into.fields = std::move(fields);
}

void read_redact(Context& ctx, const Node& node, const std::string& /*path*/, AccessLog& into) {
    into.redact.clear();
    for (const Node* item : scalars(ctx, node, "redact"))
        into.redact.push_back(lower(item->text));
}

AccessLog access_log_of(Context& ctx,
                        const Node* node,
                        const std::string& path,
                        const AccessLog& inherited) {
    AccessLog log = inherited;
    if (node == nullptr) return log;
    Origins origins;
    decode(ctx, *node, path, log, &origins);
    const auto refuse = [&](std::string_view key, bool differs) {
        const auto* origin = origins.find(key);
        if (origin == nullptr || !differs) return;
        complain_at(ctx, origin->place, 0,
                    {.code = 109,
                     .what = "a second access log is not supported by this version",
                     .note = "set '" + std::string(key) + "' in access_log at the top; here " +
                             (key == "to" ? "it may be off" : "it is inherited")});
    };
    refuse("to", !log.is_off() && log.to != ctx.access_log_to);
    refuse("format", log.format != inherited.format);
    refuse("buffer", log.buffer != inherited.buffer);
    check_sampling(ctx, log, origins);
    return log;
}

void finish(Context& ctx, Traced<Breaker>& breaker) {
    auto& [value, origins] = breaker;
    finish_pair(ctx, origins, "breaker", {"open_for", value.open_for}, "max_open_for",
                value.max_open_for);
}
void finish(Context& ctx, Traced<Outlier>& outlier) {
    auto& [value, origins] = outlier;
    finish_pair(ctx, origins, "outlier", {"eject_for", value.eject_for}, "max_eject_for",
                value.max_eject_for);
}
void finish(Context& ctx, Traced<Retry>& retry) {
    auto& [value, origins] = retry;
    finish_pair(ctx, origins, "retry", {"backoff", value.backoff}, "max_backoff",
                value.max_backoff);
}

void check_times(Context& ctx, const Traced<Retry>& retry, const Traced<TimeoutBlock>& timeout) {
    const auto& request = timeout.value.request;
    const auto* request_origin = timeout.origins.find("request");
    if (!request) return;
    const auto check = [&](std::string_view key, std::optional<Duration> value,
                           const Origin* origin, std::string_view note) {
        if (!value || origin == nullptr || *value < *request) return;
        complain_at(ctx, origin->place, 0,
                    {.code = 140,
                     .what = std::string(key) + " (" + to_text(*value) +
                             ") is not below timeout.request (" +
                             with_origin(ctx, *request, request_origin, *origin) + ")",
                     .note = std::string(note)});
    };
    if (retry.value.attempts != 0)
        check("retry.per_try_timeout", retry.value.per_try_timeout,
              retry.origins.find("per_try_timeout"), "no retry could ever happen");
    // A request that is given less time than others just has its own bound.
    const auto unless_narrowed = [&](std::string_view key) {
        const auto* origin = timeout.origins.find(key);
        return rank(origin) >= rank(request_origin) ? origin : nullptr;
    };
    constexpr std::string_view kNever = "the request would always be over first";
    check("timeout.connect", timeout.value.connect, unless_narrowed("connect"), kNever);
    check("timeout.response_header", timeout.value.response_header,
          unless_narrowed("response_header"), kNever);
    check_hedge(ctx, retry, timeout);
    const auto* total_origin = timeout.origins.find("total");
    if (!timeout.value.total || request_origin == nullptr ||
        rank(total_origin) != rank(request_origin) || *timeout.value.total >= *request)
        return;
    complain_at(ctx, total_origin->place, 0,
                {.code = 140,
                 .what = "timeout.total (" + to_text(*timeout.value.total) +
                         ") is below timeout.request (" +
                         with_origin(ctx, *request, request_origin, *total_origin) + ")",
                 .note = std::string(kNever)});
}

void check_limits(Context& ctx,
                  const Traced<ClusterLimits>& limits,
                  const Traced<TimeoutBlock>& timeout) {
    const auto& value = limits.value;
    const auto& origins = limits.origins;
    const auto* most = origins.find("max_connections");
    const auto check = [&](const char* key, std::optional<std::uint32_t> count) {
        const auto* origin = origins.find(key);
        if (origin == nullptr || most == nullptr || !count || !value.max_connections ||
            *count <= *value.max_connections)
            return;
        complain_at(
            ctx, origin->place, 0,
            {.code = 141,
             .what = "limits." + std::string(key) + " (" + std::to_string(*count) +
                     ") is above max_connections (" + std::to_string(*value.max_connections) +
                     ", at " + where(ctx, most->place, origin->place) + ")"});
    };
    check("max_connecting", value.max_connecting);
    check("idle_connections", value.idle_connections);
    const auto* wait = origins.find("queue_timeout");
    const auto& request = timeout.value.request;
    const auto* request_origin = timeout.origins.find("request");
    if (wait == nullptr || !request || value.queue_timeout < *request) return;
    complain_at(ctx, wait->place, 0,
                {.code = 140,
                 .what = "limits.queue_timeout (" + to_text(value.queue_timeout) +
                         ") is not below timeout.request (" +
                         with_origin(ctx, *request, request_origin, *wait) + ")",
                 .note = "the request would always be over first"});
}

void check_sampling(Context& ctx, const AccessLog& log, const Origins& origins) {
    const auto* sample = origins.find("sample");
    const auto* only = origins.find("only");
    if (sample != nullptr && !log.only.is_all() && !log.only.sampled) {
        warn_at(
            ctx, sample->place, 0,
            {.code = 202, .what = "access_log.sample has no effect: 'only' does not list sampled"});
    } else if (only != nullptr && log.only.sampled && log.sample >= 1) {
        warn_at(ctx, only->place, 0,
                {.code = 202,
                 .what = "access_log.only has no effect: sampled keeps every record, as "
                         "access_log.sample is 100%"});
    }
}

void refuse_client_timeouts(Context& ctx, const Origins& origins) {
    for (const auto key : {"client_header", "client_idle", "handshake"}) {
        const auto* origin = origins.find(key);
        if (origin == nullptr || origin->layer == "defaults") continue;
        complain_at(ctx, origin->place, 0,
                    {.code = 115,
                     .what = "'" + std::string(key) + "' applies before a route is known",
                     .note = "move it to defaults.timeout"});
    }
}

Defaults decode_defaults(Context& ctx, const DefaultsBlock& from) {
    Defaults defaults;
    const auto layer = [&](const Node* node, std::string_view key, auto& traced) {
        traced.origins.layer = "defaults";
        if (node != nullptr)
            decode(ctx, *node, "defaults." + std::string(key), traced.value, &traced.origins);
    };
    layer(from.timeout, "timeout", defaults.timeout);
    layer(from.retry, "retry", defaults.retry);
    layer(from.breaker, "breaker", defaults.breaker);
    layer(from.outlier, "outlier", defaults.outlier);
    if (from.lb != nullptr) decode(ctx, *from.lb, "defaults.lb", defaults.lb);
    // Complained about here even if no cluster inherits it; raised again in each cluster.
    auto breaker = defaults.breaker;
    auto outlier = defaults.outlier;
    auto retry = defaults.retry;
    finish(ctx, breaker);
    finish(ctx, outlier);
    finish(ctx, retry);
    return defaults;
}

bool check_name(Context& ctx, const Node& at, std::string_view name) {
    constexpr std::string_view kTaken =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-/";
    constexpr std::size_t kLongest = 128;
    const bool is_name = !name.empty() && name.size() <= kLongest &&
                         name.find_first_not_of(kTaken) == std::string_view::npos;
    if (!is_name) {
        complain(ctx, at,
                 {.code = 118,
                  .what = "'" + std::string(name.substr(0, kLongest)) + "' is no name",
                  .note = "letters, digits and . _ - /"});
    }
    return is_name;
}

bool is_method(std::string_view text) {
    return !text.empty() && text.size() <= 32 &&
           text.find_first_not_of("ABCDEFGHIJKLMNOPQRSTUVWXYZ-_") == std::string_view::npos;
}

void complain_method(Context& ctx, const Node& node) {
    std::string upper = node.text;
    for (char& c : upper)
        c = c >= 'a' && c <= 'z' ? static_cast<char>(c - ('a' - 'A')) : c;
    complain(ctx, node,
             {.what = "'" + node.text + "' is no method",
              .note = is_method(upper) ? "did you mean " + upper + "?" : ""});
}

}  // namespace weir::config

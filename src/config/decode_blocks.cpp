#include "config/sections.hpp"

#include <algorithm>
#include <utility>

namespace weir::config {
namespace {

struct RetryWord {
    std::string_view word;
    bool RetryOn::*member;
};
constexpr RetryWord kRetryWords[] = {{"connect", &RetryOn::connect}, {"reused", &RetryOn::reused},
                                     {"503", &RetryOn::status_503},  {"reset", &RetryOn::reset},
                                     {"timeout", &RetryOn::timeout}, {"502", &RetryOn::status_502},
                                     {"504", &RetryOn::status_504},  {"5xx", &RetryOn::status_5xx}};

// "3s, from defaults at line 21"
std::string with_origin(Duration value, const Origin* origin, const Origin* other) {
    auto text = to_text(value);
    if (origin == nullptr) return text + ", built-in";
    const bool is_near = other != nullptr && other->layer == origin->layer;
    return text + (is_near ? "," : ", from " + origin->layer) + " at line " +
           std::to_string(origin->place.line);
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
                         with_origin(first.second, origins.find(first.first), origin) + ")"});
}

}  // namespace

void read_retry_on(Context& ctx, const Node& node, const std::string& /*path*/, Retry& into) {
    std::vector<std::string_view> words;
    for (const auto& entry : kRetryWords)
        words.push_back(entry.word);
    RetryOn on{};
    for (const auto& entry : kRetryWords)
        on.*entry.member = false;
    for (const Node* item : scalars(ctx, node, "on")) {
        const auto at = std::find(words.begin(), words.end(), item->text);
        if (at != words.end()) {
            on.*kRetryWords[at - words.begin()].member = true;
        } else if (item->text.starts_with("grpc:")) {
            complain(
                ctx, *item,
                {.code = 109, .what = "'" + item->text + "' is not supported by this version"});
        } else {
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

void check_tries(Context& ctx, const Traced<Retry>& retry, const Traced<TimeoutBlock>& timeout) {
    const auto& try_for = retry.value.per_try_timeout;
    const auto& request = timeout.value.request;
    const auto* origin = retry.origins.find("per_try_timeout");
    if (!try_for || !request || *try_for < *request || origin == nullptr ||
        retry.value.attempts == 0)
        return;
    complain_at(ctx, origin->place, 0,
                {.code = 140,
                 .what = "retry.per_try_timeout (" + to_text(*try_for) +
                         ") is not below timeout.request (" +
                         with_origin(*request, timeout.origins.find("request"), origin) + ")",
                 .note = "no retry could ever happen"});
}

void refuse_client_timeouts(Context& ctx, const Origins& origins) {
    for (const auto key : {"client_header", "client_idle"}) {
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

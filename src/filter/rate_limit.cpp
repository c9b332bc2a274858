#include "rate_limit.hpp"

#include "weir/quota/key.hpp"

#include "stores.hpp"

#include <algorithm>
#include <utility>

namespace weir::filter {
namespace {

using config::RateLimit;

const config::RouteLimits& limits_of(const Making& making) {
    return making.route != nullptr ? making.route->rate_limits : making.listener.rate_limits;
}

LimitStage stage_of(const RateLimit& rule) {
    const bool needs = std::any_of(rule.key.begin(), rule.key.end(),
                                   [](const config::RateKey& key) { return key.needs_identity(); });
    return needs ? LimitStage::identity : LimitStage::address;
}

// What a concurrency limit lent, until the request ends.
class Lent final : public Kept {
  public:
    Lent(std::shared_ptr<quota::Limiter> limiter, std::uint64_t key, std::uint32_t cost)
        : limiter_(std::move(limiter)), key_(key), cost_(cost) {}
    ~Lent() override { limiter_->give_back(key_, cost_); }

  private:
    const std::shared_ptr<quota::Limiter> limiter_;
    const std::uint64_t key_;
    const std::uint32_t cost_;
};

class LimitHeaders final : public Filter {
  public:
    [[nodiscard]] Step begin(Pass& pass) const override {
        const LimitNote& note = pass.limit_note();
        if (note.is_set)
            quota::append_headers(pass.edits().answer_lines, note.style, note.standing);
        return Step::proceed;
    }
};

quota::HeaderStyle style_of(const RateLimit& rule) {
    switch (rule.headers) {
        case RateLimit::Headers::draft:
            return quota::HeaderStyle::draft;
        case RateLimit::Headers::legacy:
            return quota::HeaderStyle::legacy;
        case RateLimit::Headers::none:
            break;
    }
    return quota::HeaderStyle::none;
}

bool counts_here(const RateLimit& rule) {
    return rule.algorithm == RateLimit::Algorithm::concurrency || rule.rate > 0;
}

FilterPtr make(const RateLimit& rule, const Making& making) {
    return std::make_shared<RateLimitFilter>(rule, making);
}

}  // namespace

void add_rate_limits(const Making& making, LimitStage stage, std::vector<FilterPtr>& into) {
    for (const std::string& name : limits_of(making).names) {
        const RateLimit& rule = making.config.rate_limits.at(name);
        if (stage_of(rule) == stage) into.push_back(make(rule, making));
    }
}

void add_limit_headers(const Making& making, std::vector<FilterPtr>& into) {
    const auto& names = limits_of(making).names;
    const bool tells = std::any_of(names.begin(), names.end(), [&](const std::string& name) {
        const RateLimit& rule = making.config.rate_limits.at(name);
        return !rule.is_shadow && rule.headers != RateLimit::Headers::none;
    });
    if (tells) into.push_back(std::make_shared<LimitHeaders>());
}

RateLimitFilter::RateLimitFilter(const RateLimit& rule, const Making& making)
    : rule_(rule),
      hash_key_(making.stores->hash_key()),
      style_(style_of(rule)),
      metrics_(making.registry, rule.name),
      limiter_(counts_here(rule) ? making.stores->limiter(rule) : nullptr) {}

std::string& RateLimitFilter::key_text(Pass& pass) const {
    std::string& text = pass.scratch();
    text.clear();
    const Identity& identity = pass.identity();
    quota::append_key(text, rule_.key,
                      {.head = pass.head(),
                       .client = pass.caller().ip,
                       .listener = pass.listener(),
                       .route = pass.route(),
                       .principal = identity.principal,
                       .claims = identity.claims.get(),
                       .spiffe = pass.caller().peer});
    return text;
}

Step RateLimitFilter::decide_here(Pass& pass) const {
    const std::uint64_t key = quota::keyed_hash(hash_key_, key_text(pass));
    const quota::Decision decision = limiter_->take(key, Clock::now(), rule_.cost);
    if (decision.is_admitted && limiter_->is_concurrency())
        pass.hold(std::make_unique<Lent>(limiter_, key, rule_.cost));
    return conclude(pass, limiter_->promise(), decision);
}

Step RateLimitFilter::begin_without_store(Pass& pass) const {
    pass.context().shard.add(metrics_.store_error);
    if (rule_.on_store_failure == RateLimit::OnStoreFailure::allow) return Step::proceed;
    if (rule_.on_store_failure == RateLimit::OnStoreFailure::local) return decide_here(pass);
    // Nobody knows when it is back; a second is what a client may as well wait.
    return conclude(pass, {}, {.is_admitted = false, .retry_after = std::chrono::seconds{1}});
}

Step RateLimitFilter::conclude(Pass& pass,
                               const quota::Promise& promise,
                               const quota::Decision& decision) const {
    if (rule_.is_shadow) {
        if (!decision.is_admitted) pass.context().shard.add(metrics_.shadow);
        return Step::proceed;
    }
    const quota::Standing standing{rule_.name, promise, decision};
    if (decision.is_admitted) {
        LimitNote& note = pass.limit_note();
        if (style_ == quota::HeaderStyle::none || promise.quota == 0) return Step::proceed;
        if (note.is_set && !quota::is_tighter(standing, note.standing)) return Step::proceed;
        note = {true, style_, standing};
        return Step::proceed;
    }
    pass.context().shard.add(metrics_.limited);
    // What is under way ends some time; nobody knows when.
    constexpr Duration kSoon = std::chrono::seconds{1};
    Refusal refusal{.reason = Reason::rate_limited,
                    .status = rule_.status,
                    .retry_after = std::max(decision.retry_after, Duration{1})};
    if (decision.retry_after == Duration{0}) refusal.retry_after = kSoon;
    if (promise.quota > 0) quota::append_headers(refusal.lines, style_, standing);
    return pass.refuse(std::move(refusal));
}

}  // namespace weir::filter

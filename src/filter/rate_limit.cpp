#include "rate_limit.hpp"

#include "weir/quota/rls.hpp"
#include "weir/redis/leases.hpp"
#include "weir/upstream/call.hpp"

#include "stores.hpp"

#include <algorithm>
#include <optional>
#include <utility>

namespace weir::filter {
namespace {

using config::RateLimit;
namespace rls = quota::rls;

constexpr std::size_t kMostAnswer = 64UL * 1024;  // bytes of a service's

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

// What clients that were refused together wait more, so that they do not come back together.
Duration jitter(Random& random, Duration most) {
    return Duration{
        static_cast<Duration::rep>(random.uniform() * static_cast<double>(most.count()))};
}

bool counts_here(const RateLimit& rule) {
    return rule.algorithm == RateLimit::Algorithm::concurrency || rule.rate > 0;
}

bool has_status_ok(const upstream::CallAnswer& answer) {
    constexpr std::string_view kOk = "grpc-status: 0\r\n";
    const auto at = answer.trailers.find(kOk);
    return at == 0 || (at != std::string::npos && answer.trailers[at - 1] == '\n');
}

std::optional<rls::Answer> answer_of(const upstream::CallAnswer& answer) {
    if (answer.error.reason != Reason::none || answer.status != 200 || !has_status_ok(answer))
        return std::nullopt;
    return rls::decode_body(answer.body);
}

std::string why_failed(const upstream::CallAnswer& answer) {
    if (answer.error.reason != Reason::none) return std::string(word(answer.error.reason));
    if (answer.status != 200) return "it answered " + std::to_string(answer.status);
    return has_status_ok(answer) ? "its answer is none of the protocol" : "its call has failed";
}

std::uint64_t nanoseconds(TimePoint at) {
    return static_cast<std::uint64_t>(at.time_since_epoch().count());
}

// A rule that all who share a Redis count together.
class RedisLimit final : public RateLimitFilter {
  public:
    RedisLimit(const RateLimit& rule, const Making& making)
        : RateLimitFilter(rule, making),
          shared_(making.stores->shared_rule(rule, making.registry)),
          server_(making.stores->redis(making.config.redis.at(rule.store.name), making.registry)) {}

    [[nodiscard]] Step begin(Pass& pass) const override;

  private:
    class Waiting;

    [[nodiscard]] Step begin_strictly(Pass& pass, const std::string& text) const;

    const std::shared_ptr<redis::SharedRule> shared_;
    const std::shared_ptr<redis::Server> server_;
};

class RedisLimit::Waiting final : public Kept, private redis::Waiter {
  public:
    Waiting(const RedisLimit& filter, Pass& pass) : filter_(filter), pass_(pass) {}

    [[nodiscard]] bool ask(const std::string& text) {
        is_strict_ = true;
        return strict_.ask(pass_.context(), filter_.server_, filter_.rule(), text);
    }
    void join(redis::Leases& leases, std::uint64_t key) { leases.join(key, *this); }

  private:
    void on_decided(const quota::Decision& decision) override {
        if (is_strict_) filter_.note_asked(pass_, since_);
        pass_.resume(filter_.conclude(pass_, filter_.promise(), decision));
    }
    void on_unavailable() override {
        if (is_strict_) filter_.note_asked(pass_, since_);
        pass_.resume(filter_.begin_without_store(pass_));
    }

    const RedisLimit& filter_;
    Pass& pass_;
    bool is_strict_ = false;  // the question is this request's own
    const TimePoint since_ = Clock::now();
    redis::StrictQuestion strict_{*this};
};

Step RedisLimit::begin(Pass& pass) const {
    const std::string& text = key_text(pass);
    if (!rule().lease) return begin_strictly(pass, text);
    const std::uint64_t key = quota::keyed_hash(hash_key(), text);
    redis::Leases& leases = redis::Leases::of(pass.context(), shared_, promise(), server_);
    const auto begun = leases.take(key, text);
    if (begun.kind == redis::Leases::Begun::Kind::decided)
        return conclude(pass, promise(), begun.decision);
    if (begun.kind == redis::Leases::Begun::Kind::unavailable) return begin_without_store(pass);
    auto waiting = std::make_unique<Waiting>(*this, pass);
    waiting->join(leases, key);
    return pass.wait(std::move(waiting));
}

Step RedisLimit::begin_strictly(Pass& pass, const std::string& text) const {
    auto waiting = std::make_unique<Waiting>(*this, pass);
    if (!waiting->ask(text)) return begin_without_store(pass);
    return pass.wait(std::move(waiting));
}

// A rule that a service counts which speaks Envoy's protocol.
class RlsLimit final : public RateLimitFilter {
  public:
    RlsLimit(const RateLimit& rule, const Making& making, std::size_t cluster)
        : RateLimitFilter(rule, making),
          cluster_(cluster),
          route_(*making.clusters[cluster], "rate_limit:" + rule.name),
          shared_(making.stores->rls(rule)) {}

    [[nodiscard]] Step begin(Pass& pass) const override;

    // The answer has come; `breaker` is told.
    [[nodiscard]] Step conclude_asked(Pass& pass,
                                      std::uint64_t key,
                                      const upstream::CallAnswer& answer,
                                      resilience::PermitGuard& permit) const;

    [[nodiscard]] const upstream::CallRoute& route() const { return route_; }

  private:
    [[nodiscard]] std::optional<Step> still_blocked(Pass& pass, std::uint64_t key) const;
    [[nodiscard]] rls::Request question(Pass& pass) const;
    [[nodiscard]] upstream::CallRequest request(Pass& pass) const;
    [[nodiscard]] Duration timeout() const;

    const std::size_t cluster_;
    const upstream::CallRoute route_;
    const std::shared_ptr<RlsRule> shared_;
};

class Asking final : public Kept {
  public:
    Asking(const RlsLimit& filter, Pass& pass, std::uint64_t key, resilience::PermitGuard permit)
        : filter_(filter),
          pass_(pass),
          key_(key),
          permit_(std::move(permit)),
          call_(pass.context(), filter.route()) {}

    // An answer that comes at once is returned; else the pass is resumed.
    [[nodiscard]] std::optional<Step> start(boost::local_shared_ptr<upstream::LocalCluster> cluster,
                                            upstream::CallRequest request) {
        call_.start(std::move(cluster), std::move(request),
                    [this](const upstream::CallAnswer& answer) { on_done(answer); });
        is_started_ = true;
        return at_once_;
    }

  private:
    void on_done(const upstream::CallAnswer& answer) {
        filter_.note_asked(pass_, since_);
        const Step step = filter_.conclude_asked(pass_, key_, answer, permit_);
        if (is_started_) {
            pass_.resume(step);
        } else {
            at_once_ = step;
        }
    }

    const RlsLimit& filter_;
    Pass& pass_;
    const std::uint64_t key_;
    const TimePoint since_ = Clock::now();
    resilience::PermitGuard permit_;
    bool is_started_ = false;
    std::optional<Step> at_once_;
    upstream::Call call_;
};

Step RlsLimit::begin(Pass& pass) const {
    const std::uint64_t key = quota::keyed_hash(hash_key(), key_text(pass));
    if (const auto step = still_blocked(pass, key)) return *step;
    resilience::CircuitBreaker& breaker = shared_->health->breaker();
    const auto admission = breaker.acquire(Clock::now());
    if (!admission) return begin_without_store(pass);
    auto asking = std::make_unique<Asking>(*this, pass, key,
                                           resilience::PermitGuard(breaker, admission.permit));
    if (const auto step = asking->start(pass.cluster(cluster_), request(pass))) return *step;
    return pass.wait(std::move(asking));
}

// Who was refused until some time is refused without asking.
std::optional<Step> RlsLimit::still_blocked(Pass& pass, std::uint64_t key) const {
    const TimePoint now = Clock::now();
    const std::uint64_t until = shared_->blocked.word(key);
    if (until <= nanoseconds(now)) return std::nullopt;
    const Duration left{static_cast<Duration::rep>(until - nanoseconds(now))};
    return conclude(pass, promise(), {false, 0, left, left});
}

// One descriptor; its entries are named as the keys are written.
rls::Request RlsLimit::question(Pass& pass) const {
    rls::Request request{.domain = rule().store.domain, .hits_addend = rule().cost};
    const quota::KeyInput input = key_input(pass);
    for (const config::RateKey& part : rule().key) {
        if (part.kind == config::RateKey::Kind::global) {
            request.entries.push_back({"generic_key", rule().name});
            continue;
        }
        rls::Entry& entry = request.entries.emplace_back();
        entry.key = part.text;
        quota::append_value(entry.value, part, input);
    }
    return request;
}

// timeout.request of its cluster, if that was meant for it: what is built in is for answers of
// applications.
Duration RlsLimit::timeout() const {
    const auto& said = route_.timeouts().request;
    constexpr Duration kUsual = std::chrono::milliseconds{20};
    return said && *said < *config::Timeouts().request ? *said : kUsual;
}

upstream::CallRequest RlsLimit::request(Pass& pass) const {
    upstream::CallRequest request{.method = http::Method::post,
                                  .is_streamed = true,
                                  .is_replay_safe = false,
                                  .timeout = timeout(),
                                  .most = kMostAnswer};
    request.head.append("POST ").append(rls::kPath).append(" HTTP/1.1\r\nhost: ");
    request.head.append(rule().store.name).append("\r\ncontent-type: application/grpc\r\n");
    request.head.append("te: trailers\r\ntransfer-encoding: chunked\r\n\r\n");
    request.body = rls::framed(rls::encode(question(pass)));
    return request;
}

Step RlsLimit::conclude_asked(Pass& pass,
                              std::uint64_t key,
                              const upstream::CallAnswer& said,
                              resilience::PermitGuard& permit) const {
    const TimePoint now = Clock::now();
    const auto answer = answer_of(said);
    if (!answer) {
        permit.complete(
            {.outcome = resilience::Outcome::failure, .kind = resilience::FailureKind::timeout},
            now, 0);
        shared_->health->note_failure(why_failed(said), now);
        return begin_without_store(pass);
    }
    permit.complete({}, now, 0);
    shared_->health->note_answer(now);
    const Duration reset = answer->until_reset.value_or(Duration{0});
    const quota::Decision decision{!answer->is_over_limit, answer->remaining, reset, reset};
    std::string lines;
    rls::append_lines(lines, answer->response_headers);
    if (answer->is_over_limit && reset > Duration{0}) {
        const std::uint64_t until = nanoseconds(now + reset);
        struct Until {
            std::uint64_t word;
        };
        shared_->blocked.update(key, nanoseconds(now),
                                [&](std::uint64_t /*word*/) { return Until{until}; });
    }
    if (!rule().is_shadow) {
        pass.edits().answer_lines += lines;
        rls::append_lines(pass.edits().request_lines, answer->request_headers);
    }
    const quota::Promise promised =
        answer->has_limit ? quota::Promise{answer->limit, answer->unit} : quota::Promise{};
    return conclude(pass, promised, decision);
}

FilterPtr make(const RateLimit& rule, const Making& making) {
    using Store = RateLimit::Store::Kind;
    if (rule.store.kind == Store::redis) return std::make_shared<RedisLimit>(rule, making);
    if (rule.store.kind == Store::local) return std::make_shared<RateLimitFilter>(rule, making);
    const auto& all = making.clusters;
    const auto found = std::find_if(all.begin(), all.end(), [&](const auto& cluster) {
        return cluster->name() == rule.store.name;
    });
    return std::make_shared<RlsLimit>(rule, making, static_cast<std::size_t>(found - all.begin()));
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

quota::KeyInput RateLimitFilter::key_input(const Pass& pass) {
    const Identity& identity = pass.identity();
    return {.head = pass.head(),
            .client = pass.caller().ip,
            .listener = pass.listener(),
            .route = pass.route(),
            .principal = identity.principal,
            .claims = identity.claims.get(),
            .spiffe = pass.caller().peer};
}

std::string& RateLimitFilter::key_text(Pass& pass) const {
    std::string& text = pass.scratch();
    text.clear();
    quota::append_key(text, rule_.key, key_input(pass));
    return text;
}

quota::Promise RateLimitFilter::promise() const {
    return limiter_ ? limiter_->promise() : quota::Promise{};
}

Step RateLimitFilter::decide_here(Pass& pass) const {
    const std::uint64_t key = quota::keyed_hash(hash_key_, key_text(pass));
    const quota::Decision decision = limiter_->take(key, Clock::now(), rule_.cost);
    if (decision.is_admitted && limiter_->is_concurrency())
        pass.hold(std::make_unique<Lent>(limiter_, key, rule_.cost));
    return conclude(pass, limiter_->promise(), decision);
}

void RateLimitFilter::note_asked(Pass& pass, TimePoint since) const {
    pass.context().shard.observe(metrics_.store_seconds, Clock::now() - since);
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
    if (rule_.retry_jitter)
        refusal.retry_after += jitter(pass.context().random, *rule_.retry_jitter);
    if (promise.quota > 0) quota::append_headers(refusal.lines, style_, standing);
    return pass.refuse(std::move(refusal));
}

}  // namespace weir::filter

#include "weir/redis/leases.hpp"

#include "weir/quota/hash.hpp"

#include <algorithm>
#include <cmath>
#include <utility>

namespace weir::redis {
namespace {

using config::RateLimit;
using Answer = quota::LeaseBook::Answer;
using Grant = quota::LeaseBook::Grant;

constexpr double kMicroseconds = 1e6;
constexpr std::string_view kWrong = "its answer is none of a rate limit's script";

std::optional<Grant> grant_of(const quota::Reply& reply) {
    if (reply.kind != quota::Reply::Kind::array || reply.items.size() != 4) return std::nullopt;
    for (const quota::Reply& item : reply.items) {
        constexpr std::int64_t kMost = std::int64_t{1} << 53;
        if (item.kind != quota::Reply::Kind::integer || item.integer < 0 || item.integer > kMost)
            return std::nullopt;
    }
    const auto time = [&](std::size_t index) {
        constexpr std::int64_t kYears = 100'000'000'000'000;  // three of them
        return std::chrono::microseconds{std::min(reply.items[index].integer, kYears)};
    };
    return Grant{.tokens = static_cast<std::uint64_t>(reply.items[0].integer),
                 .retry_after = time(1),
                 .reset = time(3),
                 .remaining = static_cast<std::uint64_t>(reply.items[2].integer)};
}

// What a rule asks; the key is the caller's.
Question question_of(const RateLimit& rule, std::string_view key, std::uint64_t want) {
    Question question{.key = key, .want = want, .least = rule.cost};
    if (rule.algorithm == RateLimit::Algorithm::sliding_window) {
        const double window = std::chrono::duration<double>(rule.period).count();
        question.script = Script::sliding_window;
        question.first = std::round(rule.rate * window);
        question.second = window * kMicroseconds;
    } else {
        question.first = kMicroseconds / rule.rate;
        question.second = question.first * rule.burst;
    }
    return question;
}

// Long keys are shortened to two hashes that all replicas make alike.
void write_key(std::string& out, const RateLimit& rule, std::string_view text) {
    constexpr std::size_t kLongest = 200;
    out.assign("weir:").append(rule.name).append(":");
    if (text.size() <= kLongest) {
        out.append(text);
        return;
    }
    out.append("#").append(std::to_string(quota::keyed_hash({1, 2}, text)));
    out.append(std::to_string(quota::keyed_hash({3, 4}, text)));
}

}  // namespace

void Waiter::join(std::list<Waiter*>& list) {
    leave();
    if (since_ == TimePoint{}) since_ = Clock::now();
    list_ = &list;
    at_ = list.insert(list.end(), this);
}

void Waiter::leave() {
    if (list_ != nullptr) list_->erase(at_);
    list_ = nullptr;
}

bool StrictQuestion::ask(upstream::LocalContext& context,
                         const std::shared_ptr<Server>& server,
                         const RateLimit& rule,
                         std::string_view text) {
    std::string key;
    write_key(key, rule, text);
    server_ = server;
    return Client::of(context, server).ask(question_of(rule, key, rule.cost), *this);
}

void StrictQuestion::on_reply(const quota::Reply& reply) {
    const auto grant = grant_of(reply);
    if (!grant) {
        server_->health().note_failure(kWrong, Clock::now());
        return waiter_.on_unavailable();
    }
    waiter_.on_decided({grant->tokens > 0, grant->remaining, grant->retry_after, grant->reset});
}

class Leases::Asked final : public Asker {
  public:
    Asked(Leases& owner, std::uint64_t key, std::string key_text, std::uint32_t wanted)
        : text(std::move(key_text)), want(wanted), owner_(owner), key_(key) {}

    void on_reply(const quota::Reply& reply) override {
        const auto grant = grant_of(reply);
        // Both destroy this.
        if (grant) {
            owner_.on_grant(key_, *grant);
        } else {
            owner_.server_->health().note_failure(kWrong, Clock::now());
            owner_.on_failed(key_);
        }
    }
    void on_failed() override { owner_.on_failed(key_); }

    const std::string text;
    const std::uint32_t want;
    const TimePoint since = Clock::now();
    std::list<Waiter*> waiters;

  private:
    friend class Leases;
    void on_late() { owner_.give_up(*this); }

    Leases& owner_;
    const std::uint64_t key_;
    TimerOf<Asked, &Asked::on_late> late_{*this};  // for those who have waited for another before
};

Leases::Leases(const std::shared_ptr<SharedRule>& rule,
               const quota::Promise& promise,
               std::shared_ptr<Server> server,
               upstream::LocalContext& context)
    : LocalSide(context),
      rule_(rule),
      metrics_(rule->metrics),
      cost_(rule->rule.cost),
      server_(std::move(server)),
      book_({promise, rule->rule.max_keys}) {}

Leases& Leases::of(upstream::LocalContext& context,
                   const std::shared_ptr<SharedRule>& rule,
                   const quota::Promise& promise,
                   const std::shared_ptr<Server>& server) {
    return side_of(context, rule->leases,
                   [&] { return std::make_unique<Leases>(rule, promise, server, context); });
}

Leases::~Leases() {
    if (const auto rule = rule_.lock()) rule->leases.of(context()) = nullptr;
    for (auto& [key, asked] : asked_) {
        while (!asked->waiters.empty())
            asked->waiters.front()->leave();
    }
    context().shard.sub(metrics_.leased_keys, published_keys_);
    context().shard.sub(metrics_.leased_tokens, published_tokens_);
}

void Leases::tidy() {
    book_.tidy(Clock::now());
    publish();
}

// Shows what has changed in the book.
void Leases::publish() {
    telemetry::Shard& shard = context().shard;
    const std::uint64_t keys = book_.size();
    const std::uint64_t tokens = book_.outstanding();
    if (keys != published_keys_) shard.add(metrics_.leased_keys, keys - published_keys_);
    if (tokens != published_tokens_) shard.add(metrics_.leased_tokens, tokens - published_tokens_);
    published_keys_ = keys;
    published_tokens_ = tokens;
    const std::uint64_t evicted = book_.evicted_total() - published_evicted_;
    if (evicted == 0) return;
    published_evicted_ += evicted;
    if (const auto rule = rule_.lock()) rule->evicted.fetch_add(evicted, std::memory_order_relaxed);
}

Leases::Begun Leases::take(std::uint64_t key, const std::string& text) {
    const auto verdict = book_.take(key, Clock::now(), cost_);
    publish();
    if (verdict.answer == Answer::no_room) return {Begun::Kind::unavailable, {}};
    const bool is_asked = verdict.ask == 0 || ask(key, text, verdict.ask);
    if (verdict.answer != Answer::unknown) return {Begun::Kind::decided, verdict.decision};
    if (!is_asked || !asked_.contains(key)) return {Begun::Kind::unavailable, {}};
    return {Begun::Kind::waits, {}};
}

void Leases::join(std::uint64_t key, Waiter& waiter) {
    waiter.join(asked_.at(key)->waiters);
}

bool Leases::ask(std::uint64_t key, const std::string& text, std::uint32_t want) {
    const auto rule = rule_.lock();
    auto asked = std::make_unique<Asked>(*this, key, text, want);
    std::string name;
    if (rule) write_key(name, rule->rule, text);
    if (!rule || !Client::of(context(), server_).ask(question_of(rule->rule, name, want), *asked)) {
        book_.settle_failed(key);
        return false;
    }
    asked_[key] = std::move(asked);
    return true;
}

std::unique_ptr<Leases::Asked> Leases::end(std::uint64_t key) {
    const auto found = asked_.find(key);
    auto asked = std::move(found->second);
    asked_.erase(found);
    context().shard.observe(metrics_.store_seconds, Clock::now() - asked->since);
    return asked;
}

void Leases::on_grant(std::uint64_t key, const Grant& grant) {
    const std::unique_ptr<Asked> asked = end(key);
    const TimePoint now = Clock::now();
    book_.settle(key, now, asked->want, grant);
    // More may have come to wait than were asked for.
    std::list<Waiter*> left;
    while (!asked->waiters.empty()) {
        Waiter& waiter = *asked->waiters.front();
        const auto verdict = book_.take_after(key, now, cost_);
        if (verdict.answer == Answer::unknown) {
            waiter.join(left);
        } else {
            waiter.leave();
            waiter.on_decided(verdict.decision);
        }
    }
    publish();
    if (left.empty()) return;
    if (!asked_.contains(key)) {
        const auto cost = static_cast<std::uint32_t>(left.size()) * cost_;
        const std::uint32_t want = book_.ask_again(key, now, cost);
        if (want == 0 || !ask(key, asked->text, want)) return fail(left);
    }
    Asked& next = *asked_[key];
    while (!left.empty())
        left.front()->join(next.waiters);
    await(next);
}

// Their time is that of one question, counted from when they began to wait.
void Leases::await(Asked& asked) {
    const auto& waiters = asked.waiters;
    const auto first =
        std::min_element(waiters.begin(), waiters.end(),
                         [](const Waiter* a, const Waiter* b) { return a->since_ < b->since_; });
    if (first == waiters.end()) return;
    context().loop.timers().arm(asked.late_, (*first)->since_ + server_->section().timeout);
}

// The question goes on: its answer is a lease for others.
void Leases::give_up(Asked& asked) {
    const TimePoint began = Clock::now() - server_->section().timeout;
    std::list<Waiter*> late;
    for (auto at = asked.waiters.begin(); at != asked.waiters.end();) {
        Waiter& waiter = **at++;
        if (waiter.since_ <= began) waiter.join(late);
    }
    await(asked);
    fail(late);  // it may end the question
}

void Leases::on_failed(std::uint64_t key) {
    const std::unique_ptr<Asked> asked = end(key);
    book_.settle_failed(key);
    fail(asked->waiters);
}

void Leases::fail(std::list<Waiter*>& waiters) {
    while (!waiters.empty()) {
        Waiter& waiter = *waiters.front();
        waiter.leave();
        waiter.on_unavailable();
    }
}

}  // namespace weir::redis

#pragma once

#include "weir/quota/lease.hpp"
#include "weir/redis/client.hpp"
#include "weir/telemetry/handles.hpp"

#include <atomic>
#include <cstdint>
#include <list>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>

namespace weir::redis {

// A request that waits for what a Redis says of its key. One of the two comes, unless it is
// destroyed before. Thread: worker.
class Waiter {
  public:
    Waiter() = default;
    Waiter(const Waiter&) = delete;
    Waiter& operator=(const Waiter&) = delete;
    virtual ~Waiter() { leave(); }

    virtual void on_decided(const quota::Decision& decision) = 0;
    virtual void on_unavailable() = 0;

  private:
    friend class Leases;
    void join(std::list<Waiter*>& list);
    void leave();

    std::list<Waiter*>* list_ = nullptr;
    std::list<Waiter*>::iterator at_;
    TimePoint since_{};  // when it began to wait
};

// One question for one request, with no lease. Thread: worker.
class StrictQuestion final : private Asker {
  public:
    explicit StrictQuestion(Waiter& waiter) : waiter_(waiter) {}

    // False: it is not to be asked now, and the waiter hears nothing.
    [[nodiscard]] bool ask(upstream::LocalContext& context,
                           const std::shared_ptr<Server>& server,
                           const config::RateLimit& rule,
                           std::string_view text);

  private:
    void on_reply(const quota::Reply& reply) override;
    void on_failed() override { waiter_.on_unavailable(); }

    Waiter& waiter_;
    std::shared_ptr<Server> server_;  // of the question
};

class Leases;

// A rule that a Redis counts, as all workers see it. Thread: any.
struct SharedRule {
    SharedRule(const config::RateLimit& of, telemetry::Registry& registry)
        : rule(of), metrics(registry, of.name) {}

    const config::RateLimit rule;
    const telemetry::RateLimitMetrics metrics;
    std::atomic<std::uint64_t> evicted{0};  // leases forgotten before their time, for others
    Sides<Leases> leases{};
};

// A worker's leases of a rule, and who waits for one: never longer than the store's timeout, also
// where a second question follows for those who came during the first. Thread: worker.
class Leases final : public LocalSide {
  public:
    Leases(const std::shared_ptr<SharedRule>& rule,
           const quota::Promise& promise,
           std::shared_ptr<Server> server,
           upstream::LocalContext& context);
    ~Leases() override;

    [[nodiscard]] static Leases& of(upstream::LocalContext& context,
                                    const std::shared_ptr<SharedRule>& rule,
                                    const quota::Promise& promise,
                                    const std::shared_ptr<Server>& server);

    struct Begun {
        enum class Kind : std::uint8_t {
            decided,
            unavailable,
            waits  // join() must follow
        };
        Kind kind = Kind::unavailable;
        quota::Decision decision;
    };
    // `text` is the key, `key` its hash.
    [[nodiscard]] Begun take(std::uint64_t key, const std::string& text);
    void join(std::uint64_t key, Waiter& waiter);

  private:
    class Asked;

    [[nodiscard]] bool is_over() const override { return rule_.expired() && asked_.empty(); }
    void tidy() override;
    void publish();
    [[nodiscard]] bool ask(std::uint64_t key, const std::string& text, std::uint32_t want);
    void on_grant(std::uint64_t key, const quota::LeaseBook::Grant& grant);
    void on_failed(std::uint64_t key);
    void await(Asked& asked);
    void give_up(Asked& asked);
    [[nodiscard]] std::unique_ptr<Asked> end(std::uint64_t key);
    static void fail(std::list<Waiter*>& waiters);

    const std::weak_ptr<SharedRule> rule_;
    const telemetry::RateLimitMetrics metrics_;
    const std::uint32_t cost_;
    const std::shared_ptr<Server> server_;
    quota::LeaseBook book_;
    std::uint64_t published_keys_ = 0;
    std::uint64_t published_tokens_ = 0;
    std::uint64_t published_evicted_ = 0;
    std::unordered_map<std::uint64_t, std::unique_ptr<Asked>> asked_;  // by key
};

}  // namespace weir::redis

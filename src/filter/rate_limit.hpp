#pragma once

#include "weir/filter/make.hpp"
#include "weir/filter/pass.hpp"
#include "weir/quota/hash.hpp"
#include "weir/quota/headers.hpp"
#include "weir/quota/key.hpp"
#include "weir/quota/limiter.hpp"
#include "weir/telemetry/handles.hpp"

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace weir::filter {

// Which of a route's limits: those of addresses come before it is known who asks.
enum class LimitStage : std::uint8_t { address, identity };

// In their order, one a rule.
void add_rate_limits(const Making& making, LimitStage stage, std::vector<FilterPtr>& into);
// Behind them: tells the client what is left of the tightest. Nothing if no rule tells.
void add_limit_headers(const Making& making, std::vector<FilterPtr>& into);

// One rule, and what its answers have in common, whoever counts. Thread: any (immutable; the
// limiter is exact among threads).
class RateLimitFilter : public Filter {
  public:
    RateLimitFilter(const config::RateLimit& rule, const Making& making);

    // Counted by this process.
    [[nodiscard]] Step begin(Pass& pass) const override { return decide_here(pass); }

    // The store has failed, or there was none to ask: as on_store_failure says.
    [[nodiscard]] Step begin_without_store(Pass& pass) const;
    [[nodiscard]] Step conclude(Pass& pass,
                                const quota::Promise& promise,
                                const quota::Decision& decision) const;
    // A question to the store has ended, however.
    void note_asked(Pass& pass, TimePoint since) const;

  protected:
    // The request, as keys see it.
    [[nodiscard]] static quota::KeyInput key_input(const Pass& pass);
    // The request's key as text, in the pass's scratch.
    [[nodiscard]] std::string& key_text(Pass& pass) const;
    [[nodiscard]] Step decide_here(Pass& pass) const;
    [[nodiscard]] const config::RateLimit& rule() const { return rule_; }
    [[nodiscard]] const quota::HashKey& hash_key() const { return hash_key_; }
    // Of GCRA and sliding windows; null if its store alone knows the rate.
    [[nodiscard]] const std::shared_ptr<quota::Limiter>& limiter() const { return limiter_; }

    // Of a store that is asked.
    [[nodiscard]] quota::Promise promise() const;

  private:
    const config::RateLimit rule_;
    const quota::HashKey hash_key_;
    const quota::HeaderStyle style_;
    const telemetry::RateLimitMetrics metrics_;
    const std::shared_ptr<quota::Limiter> limiter_;
};

}  // namespace weir::filter

#pragma once

#include "weir/resilience/retry_budget.hpp"
#include "weir/telemetry/handles.hpp"
#include "weir/upstream/attempt.hpp"

#include <memory>
#include <optional>
#include <utility>

namespace weir::proxy {

// The attempts of one request that may be under way at once: the lead, and now and then a rival
// beside it. It says who is who; what follows from that the exchange decides. Reused from request
// to request. Thread: worker.
//
//   single --begin_race()--> racing
//   racing --win(), drop()--> single: the one that is left leads
class Tries {
  public:
    Tries(upstream::LocalContext& context, upstream::AttemptHandler& owner)
        : context_(context),
          owner_(owner),
          lead_(std::make_unique<upstream::Attempt>(context, owner)) {}

    [[nodiscard]] upstream::Attempt& lead() { return *lead_; }
    [[nodiscard]] const upstream::Attempt& lead() const { return *lead_; }
    [[nodiscard]] bool is_racing() const { return is_racing_; }
    [[nodiscard]] bool is_lead(const upstream::Attempt& attempt) const {
        return &attempt == lead_.get();
    }

    // The rival, to be started.
    upstream::Attempt& begin_race(telemetry::Second kind) {
        if (!rival_) rival_ = std::make_unique<upstream::Attempt>(context_, owner_);
        is_racing_ = true;
        kind_ = kind;
        return *rival_;
    }
    [[nodiscard]] telemetry::Second kind() const { return kind_; }
    [[nodiscard]] upstream::Attempt& rival() { return *rival_; }
    [[nodiscard]] const upstream::Attempt* rival_or_none() const { return rival_.get(); }

    // It leads from now on; the other is the rival, which the caller ends or takes.
    void win(const upstream::Attempt& winner) {
        if (!is_lead(winner)) lead_.swap(rival_);
        is_racing_ = false;
    }
    // It has ended; the other goes on.
    void drop(const upstream::Attempt& loser) { win(is_lead(loser) ? *rival_ : *lead_); }
    [[nodiscard]] std::unique_ptr<upstream::Attempt> take_rival() { return std::move(rival_); }

    // What the lead was charged, until it has an endpoint (then it was sent) or ends without one
    // (then it is refunded).
    void charge(resilience::RetryBudget::Charge charge) { charge_ = std::move(charge); }
    void settle_charge() {
        if (!charge_) return;
        if (lead_->endpoint() != nullptr) charge_->sent();
        charge_.reset();
    }
    void refund_charge() { charge_.reset(); }

    void cancel(const Error& why, bool client_left) {
        if (lead_->is_running()) lead_->cancel(why, client_left);
        if (!is_racing_) return;
        rival_->cancel(why, client_left);
        is_racing_ = false;
    }

  private:
    upstream::LocalContext& context_;
    upstream::AttemptHandler& owner_;
    std::unique_ptr<upstream::Attempt> lead_;
    std::unique_ptr<upstream::Attempt> rival_;  // none until there is a first race
    bool is_racing_ = false;
    telemetry::Second kind_ = telemetry::Second::hedge;
    std::optional<resilience::RetryBudget::Charge> charge_;
};

}  // namespace weir::proxy

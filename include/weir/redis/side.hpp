#pragma once

#include "weir/core/timing_wheel.hpp"
#include "weir/upstream/local_context.hpp"

#include <array>
#include <cstddef>
#include <memory>

namespace weir::redis {

// What each worker has of something that is one for the process. Each place is its worker's alone.
template <typename Side>
class Sides {
  public:
    [[nodiscard]] Side*& of(const upstream::LocalContext& context) {
        return sides_.at(context.worker);
    }

  private:
    static constexpr std::size_t kWorkers = 1024;  // as `threads` bounds them
    std::array<Side*, kWorkers> sides_{};
};

// One worker's side: made when it is first needed, it looks now and then whether it still is.
// Thread: worker.
class LocalSide : public upstream::Errand {
  public:
    explicit LocalSide(upstream::LocalContext& context) : context_(context) { arm(); }

  protected:
    [[nodiscard]] virtual bool is_over() const = 0;
    // Now and then, while it is not.
    virtual void tidy() {}
    [[nodiscard]] upstream::LocalContext& context() const { return context_; }

  private:
    static constexpr Duration kLook = std::chrono::seconds{5};

    void arm() { context_.loop.timers().arm(look_, Clock::now() + kLook); }
    void on_look() {
        if (is_over()) return context_.errands.end(context_.loop, *this);
        tidy();
        arm();
    }

    upstream::LocalContext& context_;
    TimerOf<LocalSide, &LocalSide::on_look> look_{*this};
};

// The side of `sides` on this worker, by make() if there is none yet.
template <typename Side, typename Make>
Side& side_of(upstream::LocalContext& context, Sides<Side>& sides, const Make& make) {
    Side*& place = sides.of(context);
    if (place != nullptr) return *place;
    std::unique_ptr<Side> made = make();
    place = made.get();
    context.errands.begin(std::move(made));
    return *place;
}

}  // namespace weir::redis

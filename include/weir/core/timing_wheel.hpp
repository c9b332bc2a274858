#pragma once

#include "weir/core/clock.hpp"

#include <array>
#include <cstdint>
#include <optional>

namespace weir {

class TimingWheel;

// One timer, a member of the object it wakes. It fires once; arming it again moves it. Destroying
// or cancelling it takes it out. Thread: its wheel's.
class Timer {
  public:
    Timer() = default;
    Timer(const Timer&) = delete;
    Timer& operator=(const Timer&) = delete;
    virtual ~Timer() { cancel(); }

    void cancel() {
        if (next_ != nullptr) unlink();
    }
    [[nodiscard]] bool is_armed() const { return next_ != nullptr; }
    [[nodiscard]] TimePoint deadline() const { return deadline_; }

  protected:
    virtual void on_timer() = 0;

  private:
    friend class TimingWheel;
    void unlink();

    Timer* prev_ = nullptr;
    Timer* next_ = nullptr;
    TimingWheel* wheel_ = nullptr;
    TimePoint deadline_{};
    std::uint16_t slot_ = 0;
};

// A timer that calls a member function: `TimerOf<Session, &Session::on_idle> idle_{*this};`
template <typename Owner, void (Owner::*Method)()>
class TimerOf final : public Timer {
  public:
    explicit TimerOf(Owner& owner) : owner_(owner) {}

  private:
    void on_timer() override { (owner_.*Method)(); }
    Owner& owner_;
};

// Timers of one event loop: a hierarchical timing wheel (Varghese and Lauck, 1987), five levels of
// 64 slots, ticks of 1 ms. Arming and cancelling cost a list operation; a timer never fires early
// and at most a tick late (one armed for the past fires with the next tick). The levels span 12
// days; a timer further away goes round again until it is due. Thread: its loop's.
class TimingWheel {
  public:
    explicit TimingWheel(TimePoint now);
    TimingWheel(const TimingWheel&) = delete;
    TimingWheel& operator=(const TimingWheel&) = delete;
    ~TimingWheel();

    void arm(Timer& timer, TimePoint deadline);

    // Fires what is due, in order of ticks. A timer may arm or cancel any other.
    void advance(TimePoint now);

    // When to advance() next: after the last advance(), and less than a tick after the earliest
    // deadline at most; it may be earlier, when nothing is due. Nothing without timers.
    [[nodiscard]] std::optional<TimePoint> next_wake() const;
    // From the last advance() to then, rounded up. There must be timers. Cheap: asked each turn.
    [[nodiscard]] std::chrono::milliseconds to_next_wake() const {
        return std::chrono::milliseconds{wake_ > tick_ ? wake_ - tick_ : 0};
    }

    [[nodiscard]] std::size_t size() const { return size_; }

  private:
    friend class Timer;
    static constexpr unsigned kLevels = 5;
    static constexpr unsigned kBits = 6;
    static constexpr unsigned kSlots = 1U << kBits;
    static constexpr std::uint64_t kNever = UINT64_MAX;

    // The head of a slot's circular list.
    struct Slot final : Timer {
        Slot() = default;
        void on_timer() override {}
    };

    [[nodiscard]] std::uint64_t tick_of(TimePoint at) const;
    [[nodiscard]] std::uint64_t next_tick() const;
    void insert(Timer& timer, std::uint64_t earliest);
    void unlink(Timer& timer);
    void cascade(unsigned level);
    void fire(Slot& slot);

    TimePoint start_;
    std::uint64_t tick_ = 0;
    // The first tick at which something may be due or handed down: computed when it is reached, so
    // that a turn with nothing due costs a comparison. Early if what made it was cancelled since.
    std::uint64_t wake_ = kNever;
    std::size_t size_ = 0;
    std::array<std::uint64_t, kLevels> occupied_{};  // a bit a slot
    std::array<Slot, kLevels * kSlots> slots_;
};

}  // namespace weir

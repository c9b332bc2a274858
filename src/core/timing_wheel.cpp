#include "weir/core/timing_wheel.hpp"

#include "weir/core/error.hpp"

#include <algorithm>
#include <bit>

namespace weir {
namespace {

constexpr Duration kTick = std::chrono::milliseconds{1};

// The lowest bit set above index, if there is one.
std::optional<unsigned> next_slot(std::uint64_t bits, unsigned index) {
    if (index == 63) return std::nullopt;
    const std::uint64_t ahead = bits >> (index + 1) << (index + 1);
    if (ahead == 0) return std::nullopt;
    return static_cast<unsigned>(std::countr_zero(ahead));
}

}  // namespace

void Timer::unlink() {
    if (wheel_ != nullptr) wheel_->unlink(*this);
}

TimingWheel::TimingWheel(TimePoint now) : start_(now) {
    for (Slot& slot : slots_)
        slot.prev_ = slot.next_ = &slot;
}

TimingWheel::~TimingWheel() {
    for (Slot& slot : slots_) {
        while (slot.next_ != &slot)
            unlink(*slot.next_);
        slot.prev_ = slot.next_ = nullptr;
    }
}

// Rounded up: a timer never fires early.
std::uint64_t TimingWheel::tick_of(TimePoint at) const {
    if (at <= start_) return 0;
    return static_cast<std::uint64_t>((at - start_ + kTick - Duration{1}) / kTick);
}

void TimingWheel::arm(Timer& timer, TimePoint deadline) {
    if (timer.next_ != nullptr) timer.wheel_->unlink(timer);
    timer.wheel_ = this;
    timer.deadline_ = deadline;
    insert(timer, tick_ + 1);  // the current tick has fired already
}

void TimingWheel::insert(Timer& timer, std::uint64_t earliest) {
    constexpr std::uint64_t kFarthest = (std::uint64_t{1} << (kLevels * kBits)) - 1;
    const std::uint64_t due = std::clamp(tick_of(timer.deadline_), earliest, tick_ + kFarthest);
    // The level is where due and the present differ most: above it their slots agree.
    const auto width = static_cast<unsigned>(std::bit_width((due ^ tick_) | 1U));
    const unsigned level = std::min((width - 1) / kBits, kLevels - 1);
    const auto slot = static_cast<unsigned>((due >> (level * kBits)) & (kSlots - 1));
    occupied_[level] |= std::uint64_t{1} << slot;
    wake_ = std::min(wake_, due >> (level * kBits) << (level * kBits));
    timer.slot_ = static_cast<std::uint16_t>(level * kSlots + slot);
    Slot& head = slots_[timer.slot_];
    timer.prev_ = head.prev_;
    timer.next_ = &head;
    head.prev_->next_ = &timer;
    head.prev_ = &timer;
    ++size_;
}

void TimingWheel::unlink(Timer& timer) {
    timer.prev_->next_ = timer.next_;
    timer.next_->prev_ = timer.prev_;
    timer.prev_ = timer.next_ = nullptr;
    --size_;
    const Slot& head = slots_[timer.slot_];
    if (head.next_ == &head) {
        occupied_[timer.slot_ / kSlots] &= ~(std::uint64_t{1} << (timer.slot_ % kSlots));
    }
}

void TimingWheel::cascade(unsigned level) {
    const auto index = static_cast<unsigned>((tick_ >> (level * kBits)) & (kSlots - 1));
    if (index == 0 && level + 1 < kLevels) cascade(level + 1);
    Slot& slot = slots_[level * kSlots + index];
    // The present is the first tick of this slot: what is due now goes into the slot that is about
    // to fire, the rest into other slots, never back into this one.
    while (slot.next_ != &slot) {
        Timer& timer = *slot.next_;
        unlink(timer);
        insert(timer, tick_);
    }
}

void TimingWheel::fire(Slot& slot) {
    while (slot.next_ != &slot) {
        Timer& timer = *slot.next_;
        unlink(timer);
        timer.on_timer();
    }
}

void TimingWheel::advance(TimePoint now) {
    if (now < start_) return;
    const auto target = static_cast<std::uint64_t>((now - start_) / kTick);
    // No slot before wake_ holds a timer, so none is passed over.
    while (wake_ <= target) {
        tick_ = std::max(tick_, wake_);
        wake_ = kNever;
        if ((tick_ & (kSlots - 1)) == 0) cascade(1);
        fire(slots_[tick_ & (kSlots - 1)]);
        wake_ = size_ > 0 ? next_tick() : kNever;
    }
    tick_ = std::max(tick_, target);
}

std::optional<TimePoint> TimingWheel::next_wake() const {
    if (size_ == 0) return std::nullopt;
    return start_ + static_cast<std::int64_t>(wake_) * kTick;
}

// The start of the next slot that holds a timer: in the lowest level it is due then, in the others
// it can be handed down.
std::uint64_t TimingWheel::next_tick() const {
    for (unsigned level = 0; level < kLevels; ++level) {
        const unsigned shift = level * kBits;
        const auto current = static_cast<unsigned>((tick_ >> shift) & (kSlots - 1));
        const auto ahead = next_slot(occupied_[level], current);
        if (!ahead) continue;
        const std::uint64_t base = tick_ >> (shift + kBits) << (shift + kBits);
        return base + (std::uint64_t{*ahead} << shift);
    }
    // What is left wrapped around the top level: it is reached in the next turn.
    const std::uint64_t turn = std::uint64_t{1} << (kLevels * kBits);
    return (tick_ / turn + 1) * turn;
}

}  // namespace weir

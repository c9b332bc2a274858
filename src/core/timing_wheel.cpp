#include "weir/core/timing_wheel.hpp"

#include "weir/core/error.hpp"

#include <algorithm>
#include <bit>

namespace weir {
namespace {

constexpr Duration kTick = std::chrono::milliseconds{1};

}  // namespace

void Timer::cancel() {
    if (next_ != nullptr && wheel_ != nullptr) wheel_->unlink(*this);
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
    insert(timer);
    ++size_;
}

void TimingWheel::insert(Timer& timer) {
    // The current tick has fired already.
    constexpr std::uint64_t kFarthest = (std::uint64_t{1} << (kLevels * kBits)) - 1;
    const std::uint64_t due =
        std::min(std::max(tick_of(timer.deadline_), tick_ + 1), tick_ + kFarthest);
    // The level is where due and the present differ most: below it their slots agree.
    const unsigned width = static_cast<unsigned>(std::bit_width(due ^ tick_));
    const unsigned level = std::min((width - 1) / kBits, kLevels - 1);
    const auto slot = static_cast<unsigned>((due >> (level * kBits)) & (kSlots - 1));
    occupied_[level] |= std::uint64_t{1} << slot;
    timer.slot_ = static_cast<std::uint16_t>(level * kSlots + slot);
    Slot& head = slots_[timer.slot_];
    timer.prev_ = head.prev_;
    timer.next_ = &head;
    head.prev_->next_ = &timer;
    head.prev_ = &timer;
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
    // Due this very tick: as insert() is for later ticks only, step back for its arithmetic.
    const std::uint64_t now = tick_;
    tick_ = now - 1;
    Slot moved;
    moved.prev_ = moved.next_ = &moved;
    if (slot.next_ != &slot) {
        moved.next_ = slot.next_;
        moved.prev_ = slot.prev_;
        moved.next_->prev_ = &moved;
        moved.prev_->next_ = &moved;
        slot.prev_ = slot.next_ = &slot;
        occupied_[level] &= ~(std::uint64_t{1} << index);
    }
    tick_ = now;
    while (moved.next_ != &moved) {
        Timer& timer = *moved.next_;
        moved.next_ = timer.next_;
        timer.next_->prev_ = &moved;
        const std::uint64_t due = tick_of(timer.deadline_);
        if (due <= tick_) {
            // Into the slot that is about to fire.
            const auto bottom = static_cast<unsigned>(tick_ & (kSlots - 1));
            occupied_[0] |= std::uint64_t{1} << bottom;
            timer.slot_ = static_cast<std::uint16_t>(bottom);
            Slot& head = slots_[bottom];
            timer.prev_ = head.prev_;
            timer.next_ = &head;
            head.prev_->next_ = &timer;
            head.prev_ = &timer;
        } else {
            insert(timer);
        }
    }
    moved.prev_ = moved.next_ = nullptr;
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
    while (tick_ < target) {
        if (size_ == 0) {
            tick_ = target;
            return;
        }
        // Skip empty ticks up to the next boundary where a level above may hand timers down.
        const std::uint64_t boundary = (tick_ | (kSlots - 1)) + 1;
        const auto index = static_cast<unsigned>(tick_ & (kSlots - 1));
        const std::uint64_t ahead =
            index == kSlots - 1 ? 0 : occupied_[0] >> (index + 1) << (index + 1);
        const std::uint64_t next = ahead != 0
                                       ? (tick_ & ~std::uint64_t{kSlots - 1}) +
                                             static_cast<std::uint64_t>(std::countr_zero(ahead))
                                       : boundary;
        if (next > target) {
            tick_ = target;
            return;
        }
        tick_ = next;
        if ((tick_ & (kSlots - 1)) == 0) cascade(1);
        fire(slots_[tick_ & (kSlots - 1)]);
    }
}

std::optional<TimePoint> TimingWheel::next_wake() const {
    if (size_ == 0) return std::nullopt;
    const auto index = static_cast<unsigned>(tick_ & (kSlots - 1));
    const std::uint64_t ahead =
        index == kSlots - 1 ? 0 : occupied_[0] >> (index + 1) << (index + 1);
    if (ahead != 0) {
        const std::uint64_t tick = (tick_ & ~std::uint64_t{kSlots - 1}) +
                                   static_cast<std::uint64_t>(std::countr_zero(ahead));
        return start_ + static_cast<std::int64_t>(tick) * kTick;
    }
    // The next slot of a higher level: waking at its start lets it be handed down.
    for (unsigned level = 1; level < kLevels; ++level) {
        const unsigned shift = level * kBits;
        const auto current = static_cast<unsigned>((tick_ >> shift) & (kSlots - 1));
        const std::uint64_t later =
            current == kSlots - 1 ? 0 : occupied_[level] >> (current + 1) << (current + 1);
        if (later == 0) continue;
        const std::uint64_t base = tick_ >> (shift + kBits) << (shift + kBits);
        const std::uint64_t tick =
            base + (static_cast<std::uint64_t>(std::countr_zero(later)) << shift);
        return start_ + static_cast<std::int64_t>(tick) * kTick;
    }
    // What is left wrapped around the top level: wake at its next turn.
    const std::uint64_t turn = std::uint64_t{1} << (kLevels * kBits);
    return start_ + static_cast<std::int64_t>((tick_ / turn + 1) * turn) * kTick;
}

}  // namespace weir

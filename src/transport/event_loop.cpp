#include "weir/transport/event_loop.hpp"

#include "weir/core/error.hpp"
#include "weir/transport/socket.hpp"

#include "tls_session.hpp"
#include "transport/system_calls.hpp"

#include <cerrno>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <system_error>
#include <unistd.h>

namespace weir::transport {
namespace {

constexpr std::uint64_t kMeasuredTurns = 64;  // one of so many turns is timed
constexpr std::size_t kKeptPipes = 8;

std::uint32_t epoll_bits(EventLoop::Interest interest) {
    constexpr std::uint32_t kReads = EPOLLIN | EPOLLRDHUP;
    switch (interest) {
        case EventLoop::Interest::none:
            return 0;
        case EventLoop::Interest::reads:
            return kReads | EPOLLET;
        case EventLoop::Interest::reads_and_writes:
            return kReads | EPOLLOUT | EPOLLET;
        case EventLoop::Interest::level_reads:
            return EPOLLIN;
    }
    return kReads;
}

Readiness to_readiness(std::uint32_t bits) {
    return {.readable = (bits & (EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR)) != 0,
            .writable = (bits & (EPOLLOUT | EPOLLHUP | EPOLLERR)) != 0,
            .peer_closed = (bits & (EPOLLRDHUP | EPOLLHUP)) != 0,
            .broken = (bits & EPOLLERR) != 0};
}

[[noreturn]] void fail(const char* what) {
    throw std::system_error(errno, std::generic_category(), what);
}

}  // namespace

EventLoop::EventLoop()
    : epoll_fd_(epoll_create1(EPOLL_CLOEXEC)),
      wake_fd_(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)),
      wheel_(Clock::refresh()),
      scratch_(new Scratch) {
    if (epoll_fd_ < 0) fail("epoll_create1");
    if (wake_fd_ < 0) fail("eventfd");
    epoll_event event{.events = EPOLLIN | EPOLLET, .data = {.ptr = nullptr}};
    if (epoll_ctl(epoll_fd_, EPOLL_CTL_ADD, wake_fd_, &event) != 0) fail("epoll_ctl");
}

EventLoop::~EventLoop() {
    while (!retired_.empty())
        std::exchange(retired_, {}).clear();
    ::close(wake_fd_);
    ::close(epoll_fd_);
}

TlsScratch& EventLoop::tls_scratch() {
    if (!tls_scratch_) tls_scratch_ = std::make_unique<TlsScratch>();
    return *tls_scratch_;
}

void EventLoop::run() {
    while (!is_stopped_.load(std::memory_order_acquire))
        turn(std::chrono::hours{1});
}

void EventLoop::stop() {
    is_stopped_.store(true, std::memory_order_release);
    post([] {});
}

void EventLoop::post(std::function<void()> function) {
    bool was_empty = false;
    {
        const std::lock_guard lock(mailbox_mutex_);
        was_empty = mailbox_.empty();
        mailbox_.push_back(std::move(function));
    }
    const std::uint64_t one = 1;
    // A full counter (impossible in practice) wakes all the same.
    if (was_empty && write(wake_fd_, &one, sizeof one) < 0) return;
}

void EventLoop::watch(int fd, IoHandler& handler, Interest interest) {
    epoll_event event{.events = epoll_bits(interest), .data = {.ptr = &handler}};
    WEIR_ASSERT(epoll_ctl(epoll_fd_, EPOLL_CTL_ADD, fd, &event) == 0);
    handler.is_watched_ = true;
}

void EventLoop::rewatch(int fd, IoHandler& handler, Interest interest) {
    epoll_event event{.events = epoll_bits(interest), .data = {.ptr = &handler}};
    WEIR_ASSERT(epoll_ctl(epoll_fd_, EPOLL_CTL_MOD, fd, &event) == 0);
}

// The caller closes the descriptor, which ends the kernel's interest too: no epoll_ctl is spent on
// it.
void EventLoop::unwatch(int fd, IoHandler& handler) {
    static_cast<void>(fd);
    handler.is_watched_ = false;
    if (!handler.is_scheduled_) return;
    handler.is_scheduled_ = false;
    std::erase(scheduled_, &handler);
    std::replace(running_.begin(), running_.end(), &handler, static_cast<IoHandler*>(nullptr));
}

void EventLoop::release(int fd, IoHandler& handler) {
    WEIR_ASSERT(epoll_ctl(epoll_fd_, EPOLL_CTL_DEL, fd, nullptr) == 0);
    unwatch(fd, handler);
}

std::unique_ptr<Pipe> EventLoop::take_pipe() {
    if (pipes_out_ >= kPipes) return nullptr;
    std::unique_ptr<Pipe> pipe;
    if (pipes_.empty()) {
        pipe = Pipe::make();
    } else {
        pipe = std::move(pipes_.back());
        pipes_.pop_back();
    }
    if (pipe) ++pipes_out_;
    return pipe;
}

void EventLoop::give_back(std::unique_ptr<Pipe> pipe) {
    --pipes_out_;
    if (pipe->bytes() == 0 && pipes_.size() < kKeptPipes) pipes_.push_back(std::move(pipe));
}

void EventLoop::schedule(IoHandler& handler) {
    if (handler.is_scheduled_) return;
    handler.is_scheduled_ = true;
    scheduled_.push_back(&handler);
}

int EventLoop::wait_milliseconds(Duration max_wait) {
    if (!scheduled_.empty()) return 0;
    constexpr std::chrono::milliseconds kMost{3'600'000};
    auto wait = wheel_.size() > 0 ? std::min(wheel_.to_next_wake(), kMost) : kMost;
    if (wait > max_wait) wait = std::chrono::ceil<std::chrono::milliseconds>(max_wait);
    return static_cast<int>(wait.count());
}

bool EventLoop::turn(Duration max_wait) {
    std::array<epoll_event, kEvents> events;
    const int count = system::wait(epoll_fd_, events.data(), kEvents, wait_milliseconds(max_wait));
    const TimePoint begin = Clock::refresh();
    ++turns_;
    bool has_mail = false;
    for (int i = 0; i < count; ++i) {
        const epoll_event& event = events[static_cast<std::size_t>(i)];
        if (event.data.ptr == nullptr) {
            has_mail = true;
            continue;
        }
        auto& handler = *static_cast<IoHandler*>(event.data.ptr);
        if (handler.is_watched_) handler.on_ready(to_readiness(event.events));
    }
    wheel_.advance(begin);
    if (has_mail) run_mailbox();
    const bool had_scheduled = !scheduled_.empty();
    run_scheduled();
    if (end_of_turn_) end_of_turn_();
    // What dies may retire more: until none is left.
    while (!retired_.empty())
        std::exchange(retired_, {}).clear();
    if (count > 0 && turns_ % kMeasuredTurns == 0) measured_turn_ = Clock::refresh() - begin;
    return count > 0 || had_scheduled;
}

void EventLoop::run_mailbox() {
    std::uint64_t value = 0;
    if (read(wake_fd_, &value, sizeof value) < 0) return;  // a spurious wake: nothing was posted
    std::vector<std::function<void()>> letters;
    {
        const std::lock_guard lock(mailbox_mutex_);
        letters.swap(mailbox_);
    }
    for (const auto& letter : letters)
        letter();
}

void EventLoop::run_scheduled() {
    running_.swap(scheduled_);
    for (std::size_t i = 0; i < running_.size(); ++i) {
        IoHandler* const handler = running_[i];
        if (handler == nullptr) continue;
        handler->is_scheduled_ = false;
        handler->on_ready({});
    }
    running_.clear();
}

}  // namespace weir::transport

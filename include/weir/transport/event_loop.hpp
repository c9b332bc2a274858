#pragma once

#include "weir/core/clock.hpp"
#include "weir/core/timing_wheel.hpp"

#include <array>
#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <span>
#include <utility>
#include <vector>

namespace weir::transport {

class EventLoop;
class Pipe;
struct TlsScratch;

// What happened to a descriptor since it was last told.
struct Readiness {
    bool readable = false;
    bool writable = false;
    bool peer_closed = false;  // the peer will send no more: a read will find the end
    bool broken = false;       // error or reset
};

// Waits for a descriptor. It must live until the end of the turn in which it was removed: retire()
// it.
class IoHandler {
  public:
    IoHandler() = default;
    IoHandler(const IoHandler&) = delete;
    IoHandler& operator=(const IoHandler&) = delete;
    virtual ~IoHandler() = default;

  protected:
    virtual void on_ready(Readiness readiness) = 0;

  private:
    friend class EventLoop;
    bool is_watched_ = false;
    bool is_scheduled_ = false;
};

// Anything whose destruction waits for the end of the turn, so that a callback may end its own
// caller.
class Retired {
  public:
    Retired() = default;
    Retired(const Retired&) = delete;
    Retired& operator=(const Retired&) = delete;
    virtual ~Retired() = default;
};

// One worker's loop: edge-triggered epoll, a timing wheel, a mailbox, and the scratch buffers that
// all its connections share. A turn: wait, read the clock once, dispatch, fire timers, run the
// mailbox and what was scheduled, destroy what was retired.
//
// Thread: worker, but for post() and stop(). Cost: one epoll_ctl a descriptor's life, one
// epoll_wait a turn.
class EventLoop {
  public:
    static constexpr std::size_t kScratchSize = 64 * 1024;

    EventLoop();  // throws std::system_error if the kernel refuses
    EventLoop(const EventLoop&) = delete;
    EventLoop& operator=(const EventLoop&) = delete;
    ~EventLoop();

    // Turns until stop(). A turn() waits at most max_wait and says whether anything happened.
    void run();
    bool turn(Duration max_wait);
    void stop();  // Thread: any

    // Runs the function on this loop's thread, in order of posting. Thread: any.
    void post(std::function<void()> function);

    // Interest lasts until unwatch(). Edges are told once; level_reads again and again.
    enum class Interest : std::uint8_t { none, reads, reads_and_writes, level_reads };
    void watch(int fd, IoHandler& handler, Interest interest);
    void rewatch(int fd, IoHandler& handler, Interest interest);
    void unwatch(int fd, IoHandler& handler);

    // As unwatch(), of a descriptor that stays open: another may watch it.
    void release(int fd, IoHandler& handler);

    // Calls handler.on_ready({}) at the end of this turn: for work a callback must not do inside
    // another.
    void schedule(IoHandler& handler);

    void retire(std::unique_ptr<Retired> object) { retired_.push_back(std::move(object)); }

    // Called at the end of each turn, before what was retired goes.
    void set_end_of_turn(std::function<void()> function) { end_of_turn_ = std::move(function); }

    [[nodiscard]] TimingWheel& timers() { return wheel_; }
    [[nodiscard]] std::uint64_t turns() const { return turns_; }
    // The length of the last turn that was measured (one of 64), for the lag histogram; zero if
    // none since.
    [[nodiscard]] Duration take_measured_turn() {
        return std::exchange(measured_turn_, Duration{});
    }

    // For one read: what it holds is gone with the next read of any connection.
    [[nodiscard]] std::span<char> scratch() { return *scratch_; }

    // Of TLS, likewise; made when it is first needed.
    [[nodiscard]] TlsScratch& tls_scratch();

    // An empty pipe, or none: at most kPipes are out, as each costs two descriptors. A few are
    // kept; one that is not empty when it comes back is closed.
    static constexpr std::size_t kPipes = 256;
    [[nodiscard]] std::unique_ptr<Pipe> take_pipe();
    void give_back(std::unique_ptr<Pipe> pipe);

  private:
    static constexpr std::size_t kEvents = 256;
    using Scratch = std::array<char, kScratchSize>;

    [[nodiscard]] int wait_milliseconds(Duration max_wait);
    void run_mailbox();
    void run_scheduled();

    int epoll_fd_ = -1;
    int wake_fd_ = -1;
    std::atomic<bool> is_stopped_{false};
    TimingWheel wheel_;
    std::uint64_t turns_ = 0;
    Duration measured_turn_{};
    std::unique_ptr<Scratch> scratch_;
    std::unique_ptr<TlsScratch> tls_scratch_;
    std::vector<std::unique_ptr<Pipe>> pipes_;
    std::size_t pipes_out_ = 0;
    std::vector<IoHandler*> scheduled_;
    std::vector<IoHandler*> running_;
    std::vector<std::unique_ptr<Retired>> retired_;
    std::function<void()> end_of_turn_;
    std::mutex mailbox_mutex_;
    std::vector<std::function<void()>> mailbox_;  // guarded by mailbox_mutex_
};

}  // namespace weir::transport

#pragma once

#include "weir/core/clock.hpp"

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/basic_waitable_timer.hpp>
#include <boost/system/system_error.hpp>

#include <functional>
#include <memory>
#include <string>
#include <utility>

// Coroutines for control work: admin, discovery, health checks. The request path uses none.
// Thread: main (everything here belongs to the one thread that runs the executor).
namespace weir::transport {

template <typename T = void>
using Task = boost::asio::awaitable<T>;

// weir::Clock for Asio's timers, which ask for the time when their loop wakes, not once a turn.
struct ControlClock : Clock {
    [[nodiscard]] static time_point now() noexcept { return Clock::refresh(); }
};
using ControlTimer = boost::asio::basic_waitable_timer<ControlClock>;

class TaskHandle;

// What a spawned coroutine waits through, so that its owner can end it. A wait that was under way
// or follows when the owner is gone throws Cancelled, and the coroutine unwinds without having
// touched its owner again. (Asio's own cancellation of co_spawn dangles in Boost 1.81: asio#1332.)
class TaskScope {
  public:
    struct Cancelled {};  // no std::exception: a body that catches those does not swallow it

    explicit TaskScope(boost::asio::any_io_executor executor) : executor_(std::move(executor)) {}
    TaskScope(const TaskScope&) = delete;
    TaskScope& operator=(const TaskScope&) = delete;

    [[nodiscard]] const boost::asio::any_io_executor& executor() const { return executor_; }

    // Awaits an operation on `io` (a socket, descriptor or timer: anything with cancel()), which
    // reports errors as values: run(socket, socket.async_wait(wait_read, as_tuple(use_awaitable))).
    // One wait at a time.
    template <typename IoObject, typename T>
    Task<T> run(IoObject& io, Task<T> operation) {
        throw_if_cancelled();
        const WaitGuard guard{*this};
        cancel_wait_ = [&io] { cancel(io); };
        T result = co_await std::move(operation);
        // Cancelled: io may be gone, though the operation may have succeeded a moment before.
        throw_if_cancelled();
        co_return result;
    }

    [[nodiscard]] Task<> sleep_for(Duration duration);

  private:
    friend class TaskHandle;
    friend TaskHandle spawn(boost::asio::any_io_executor executor,
                            std::string name,
                            std::function<Task<>(TaskScope&)> body);

    static Task<> run_body(std::shared_ptr<TaskScope> scope,
                           std::string name,
                           std::function<Task<>(TaskScope&)> body);

    // Asio throws if it was closed before: then nothing waits on it any more.
    template <typename IoObject>
    static void cancel(IoObject& io) {
        try {
            io.cancel();
        } catch (const boost::system::system_error&) {
            return;
        }
    }

    struct WaitGuard {
        TaskScope& scope;
        ~WaitGuard() { scope.cancel_wait_ = nullptr; }
    };

    void throw_if_cancelled() const {
        if (is_cancelled_) throw Cancelled{};
    }

    boost::asio::any_io_executor executor_;
    std::function<void()> cancel_wait_;
    bool is_cancelled_ = false;
    bool is_done_ = false;
};

// Owns a spawned coroutine: destroying it ends the coroutine. Declare it after what the coroutine
// uses.
class TaskHandle {
  public:
    TaskHandle() = default;
    TaskHandle(TaskHandle&&) noexcept = default;
    TaskHandle& operator=(TaskHandle&& other) noexcept;
    ~TaskHandle() { cancel(); }

    void cancel();
    [[nodiscard]] bool is_running() const;

  private:
    friend TaskHandle spawn(boost::asio::any_io_executor executor,
                            std::string name,
                            std::function<Task<>(TaskScope&)> body);

    std::shared_ptr<TaskScope> scope_;  // co-owner: the coroutine's frame
};

// Runs body(scope) as a coroutine, from the loop's next turn on. An exception that leaves it is
// logged under `name` and ends that task alone. The function object lives as long as the coroutine.
[[nodiscard]] TaskHandle spawn(boost::asio::any_io_executor executor,
                               std::string name,
                               std::function<Task<>(TaskScope&)> body);

}  // namespace weir::transport

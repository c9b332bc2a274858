#pragma once

#include "weir/transport/event_loop.hpp"

#include <condition_variable>
#include <cstddef>
#include <deque>
#include <memory>
#include <mutex>
#include <string>
#include <thread>

namespace weir::filter {

// Hashes passwords on a thread of its own, one after the other: a hash takes 10 to 500 ms, and a
// worker has better things to do. The queue is bounded. One for the process. Thread: any.
class PasswordCheck {
  public:
    static constexpr std::size_t kMostWaiting = 64;

    PasswordCheck() = default;
    PasswordCheck(const PasswordCheck&) = delete;
    PasswordCheck& operator=(const PasswordCheck&) = delete;
    ~PasswordCheck();

    // One who waits; told on its own worker's thread, once. Thread: worker.
    class Waiter {
      public:
        Waiter(PasswordCheck& check, transport::EventLoop& loop);
        Waiter(const Waiter&) = delete;
        Waiter& operator=(const Waiter&) = delete;
        virtual ~Waiter();

      protected:
        virtual void on_checked(bool is_right) = 0;
        // False if the queue is full.
        [[nodiscard]] bool start(std::string password, std::string hash);

      private:
        friend class PasswordCheck;
        // Nobody is told who has gone; guarded by the check's mutex.
        struct Link {
            Waiter* waiter = nullptr;
            transport::EventLoop* loop = nullptr;
        };
        PasswordCheck& check_;
        std::shared_ptr<Link> link_;
    };

  private:
    struct Job {
        std::string password;
        std::string hash;
        std::shared_ptr<Waiter::Link> link;
    };
    void run();

    std::mutex mutex_;
    std::condition_variable has_work_;
    std::deque<Job> jobs_;     // guarded by mutex_
    bool is_stopped_ = false;  // guarded by mutex_
    std::thread thread_;       // begun with the first job; guarded by mutex_
};

}  // namespace weir::filter

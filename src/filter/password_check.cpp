#include "password_check.hpp"

#include "weir/auth/key_file.hpp"

#include <pthread.h>
#include <sched.h>
#include <string.h>

namespace weir::filter {

PasswordCheck::~PasswordCheck() {
    {
        const std::lock_guard lock(mutex_);
        is_stopped_ = true;
        jobs_.clear();
    }
    has_work_.notify_all();
    if (thread_.joinable()) thread_.join();
}

void PasswordCheck::run() {
    pthread_setname_np(pthread_self(), "weir-passwords");
    // A hash takes a tenth of a second: workers that wake on the same processor go first. It is
    // idle beside our own threads only; the group of the process has its usual share.
    const sched_param lowest{};
    pthread_setschedparam(pthread_self(), SCHED_IDLE, &lowest);
    std::unique_lock lock(mutex_);
    for (;;) {
        has_work_.wait(lock, [this] { return is_stopped_ || !jobs_.empty(); });
        if (is_stopped_) return;
        Job job = std::move(jobs_.front());
        jobs_.pop_front();
        // Who has gone need not know.
        if (job.link->waiter == nullptr) continue;
        lock.unlock();
        const bool is_right = auth::matches_hash(job.password, job.hash);
        explicit_bzero(job.password.data(), job.password.size());
        lock.lock();
        // As long as it waits, its loop is there.
        if (job.link->waiter == nullptr) continue;
        job.link->loop->post([link = job.link, is_right] {
            if (link->waiter != nullptr) link->waiter->on_checked(is_right);
        });
    }
}

PasswordCheck::Waiter::Waiter(PasswordCheck& check, transport::EventLoop& loop)
    : check_(check), link_(std::make_shared<Link>()) {
    link_->waiter = this;
    link_->loop = &loop;
}

// Only its own thread writes and follows the pointer; the other one compares it, under the lock.
PasswordCheck::Waiter::~Waiter() {
    const std::lock_guard lock(check_.mutex_);
    link_->waiter = nullptr;
}

bool PasswordCheck::Waiter::start(std::string password, std::string hash) {
    {
        const std::lock_guard lock(check_.mutex_);
        if (check_.jobs_.size() >= kMostWaiting) return false;
        check_.jobs_.push_back({std::move(password), std::move(hash), link_});
        if (!check_.thread_.joinable())
            check_.thread_ = std::thread([check = &check_] { check->run(); });
    }
    check_.has_work_.notify_one();
    return true;
}

}  // namespace weir::filter

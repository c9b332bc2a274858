#include "waiting_queue.hpp"

#include <algorithm>
#include <vector>

namespace weir::upstream {
namespace {

// A queue that has stood for so long is served newest first.
constexpr Duration kStanding = std::chrono::milliseconds{100};

}  // namespace

bool WaitingQueue::enqueue(LocalCluster::Waiting& waiting) {
    auto slot = cluster_->pending().try_acquire(Clock::now());
    if (!slot) return false;
    waiting.slot_ = std::move(*slot);
    waiting.since_ = Clock::now();
    waiting.is_queued_ = true;
    queue_.push_back(&waiting);
    cluster_->add_waiting();
    context_.shard.add(cluster_->metrics().requests_pending);
    arm_timer();
    return true;
}

void WaitingQueue::dequeue(LocalCluster::Waiting& waiting) {
    if (!waiting.is_queued_) return;
    waiting.is_queued_ = false;
    waiting.slot_.reset();
    cluster_->remove_waiting();
    context_.shard.sub(cluster_->metrics().requests_pending);
    std::erase(queue_, &waiting);
}

void WaitingQueue::serve_later() {
    if (!queue_.empty()) context_.loop.timers().arm(serve_timer_, Clock::now());
}

void WaitingQueue::serve() {
    while (!queue_.empty()) {
        const bool has_stood = Clock::now() - queue_.front()->since_ > kStanding;
        if (!(has_stood ? queue_.back() : queue_.front())->on_turn()) return;
    }
}

void WaitingQueue::arm_timer() {
    if (queue_.empty() || timer_.is_armed()) return;
    const auto oldest =
        std::min_element(queue_.begin(), queue_.end(),
                         [](const auto* a, const auto* b) { return a->since_ < b->since_; });
    context_.loop.timers().arm(timer_, (*oldest)->since_ + cluster_->config().limits.queue_timeout);
}

void WaitingQueue::on_timer() {
    const TimePoint limit = Clock::now() - cluster_->config().limits.queue_timeout;
    const std::vector<LocalCluster::Waiting*> waiting(queue_.begin(), queue_.end());
    for (LocalCluster::Waiting* const each : waiting) {
        if (!each->is_queued_ || each->since_ > limit) continue;
        dequeue(*each);
        each->on_queue_timeout();
    }
    arm_timer();
}

}  // namespace weir::upstream

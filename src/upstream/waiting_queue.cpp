#include "waiting_queue.hpp"

namespace weir::upstream {
namespace {

// A queue that has stood for so long is served newest first.
constexpr Duration kStanding = std::chrono::milliseconds{100};

}  // namespace

bool WaitingQueue::enqueue(LocalCluster::Waiting& waiting) {
    auto slot = cluster_->acquire(cluster_->pending(), Clock::now());
    if (!slot) return false;
    waiting.slot_ = std::move(*slot);
    waiting.since_ = Clock::now();
    waiting.is_queued_ = true;
    waiting.older_ = newest_;
    waiting.newer_ = nullptr;
    (newest_ != nullptr ? newest_->newer_ : oldest_) = &waiting;
    newest_ = &waiting;
    cluster_->add_waiting();
    context_.shard.add(cluster_->metrics().requests_pending);
    arm_timer();
    // What it waits for may have become free on another worker before this one said that it waits.
    serve_later();
    return true;
}

void WaitingQueue::dequeue(LocalCluster::Waiting& waiting) {
    if (!waiting.is_queued_) return;
    waiting.is_queued_ = false;
    waiting.slot_.reset();
    cluster_->remove_waiting();
    context_.shard.sub(cluster_->metrics().requests_pending);
    (waiting.newer_ != nullptr ? waiting.newer_->older_ : newest_) = waiting.older_;
    (waiting.older_ != nullptr ? waiting.older_->newer_ : oldest_) = waiting.newer_;
}

void WaitingQueue::serve_later() {
    if (oldest_ != nullptr) context_.loop.timers().arm(serve_timer_, Clock::now());
}

void WaitingQueue::serve() {
    const TimePoint now = Clock::now();
    while (oldest_ != nullptr) {
        const bool has_stood = now - oldest_->since_ > kStanding;
        if (!(has_stood ? newest_ : oldest_)->on_turn()) return;
    }
}

void WaitingQueue::arm_timer() {
    if (oldest_ == nullptr || timer_.is_armed()) return;
    context_.loop.timers().arm(timer_, oldest_->since_ + cluster_->config().limits.queue_timeout);
}

// A refusal may let others of the queue go, so each looks at the front anew; what comes in
// meanwhile is younger.
void WaitingQueue::on_timer() {
    const TimePoint limit = Clock::now() - cluster_->config().limits.queue_timeout;
    while (oldest_ != nullptr && oldest_->since_ <= limit) {
        LocalCluster::Waiting& waiting = *oldest_;
        dequeue(waiting);
        waiting.on_queue_timeout();
    }
    arm_timer();
}

}  // namespace weir::upstream

#pragma once

#include "weir/core/timing_wheel.hpp"
#include "weir/upstream/local_cluster.hpp"

#include <memory>

namespace weir::upstream {

// The requests of one worker that wait for a connection to one cluster. Thread: worker.
class WaitingQueue {
  public:
    explicit WaitingQueue(LocalContext& context) : context_(context) {}
    WaitingQueue(const WaitingQueue&) = delete;
    WaitingQueue& operator=(const WaitingQueue&) = delete;

    // Whose limits count from now on.
    void follow(std::shared_ptr<Cluster> cluster) { cluster_ = std::move(cluster); }

    // As LocalCluster says.
    [[nodiscard]] bool enqueue(LocalCluster::Waiting& waiting);
    void dequeue(LocalCluster::Waiting& waiting);
    void serve_later();
    [[nodiscard]] bool is_empty() const { return oldest_ == nullptr; }

  private:
    void serve();
    void on_timer();
    void arm_timer();

    LocalContext& context_;
    std::shared_ptr<Cluster> cluster_;
    // A list through the requests' `older_` and `newer_`.
    LocalCluster::Waiting* oldest_ = nullptr;
    LocalCluster::Waiting* newest_ = nullptr;
    TimerOf<WaitingQueue, &WaitingQueue::serve> serve_timer_{*this};
    TimerOf<WaitingQueue, &WaitingQueue::on_timer> timer_{*this};
};

}  // namespace weir::upstream

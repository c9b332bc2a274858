#include "weir/upstream/local_cluster.hpp"

#include "balancer.hpp"
#include "local_endpoint.hpp"
#include "waiting_queue.hpp"
#include <boost/smart_ptr/make_local_shared.hpp>

#include <algorithm>

namespace weir::upstream {
LocalCluster::LocalCluster(LocalContext& context,
                           std::shared_ptr<Cluster> cluster,
                           const LocalCluster* before)
    : context_(context),
      cluster_(std::move(cluster)),
      balancer_(make_balancer(cluster_->config().policy)),
      queue_(before != nullptr ? before->queue_ : boost::make_local_shared<WaitingQueue>(context)) {
    queue_->follow(cluster_);
    if (before == nullptr) return;
    latency_ = before->latency_;
    // set_endpoints(), which follows, lets go of those that did not stay.
    endpoints_ = before->endpoints_;
    for (const auto& endpoint : endpoints_)
        endpoint->move_to(*this);
}

LocalCluster::~LocalCluster() {
    for (const auto& endpoint : endpoints_) {
        if (endpoint->is_of(*this)) endpoint->remove();
    }
}

void LocalCluster::set_endpoints(const std::shared_ptr<const EndpointSet>& set) {
    auto before = std::exchange(endpoints_, {});
    for (const auto& endpoint : set->endpoints) {
        const auto known = std::find_if(before.begin(), before.end(), [&](const auto& local) {
            return local && local->pointer() == endpoint;
        });
        if (known != before.end()) {
            endpoints_.push_back(std::move(*known));
        } else {
            endpoints_.push_back(
                boost::make_local_shared<LocalEndpoint>(context_, *this, endpoint));
        }
    }
    for (const auto& gone : before) {
        if (gone) gone->remove();
    }
    for (const auto& endpoint : endpoints_) {
        if (endpoint->shared().is_drained()) endpoint->close_idle();
    }
    balancer_->on_change(endpoints_);
    serve_waiting_later();
}

LocalCluster::Choice LocalCluster::choose(TimePoint now,
                                          bool is_replay_safe,
                                          const Endpoint* avoid) {
    if (cluster_->has_unready()) {
        for (const auto& endpoint : endpoints_) {
            Endpoint& shared = endpoint->shared();
            if (&shared != avoid && !shared.is_drained() &&
                shared.detector().wants_probe(now, is_replay_safe))
                return {endpoint, false};
        }
    }
    std::size_t index = balancer_->pick(endpoints_, context_.random, now, avoid);
    if (index == endpoints_.size() && avoid != nullptr) {
        index = balancer_->pick(endpoints_, context_.random, now, nullptr);
    }
    if (index < endpoints_.size()) return {endpoints_[index], false};
    return any_one();
}

// None is ready: any one is better than none, and it is said in the log. But not one that an
// operator took out.
LocalCluster::Choice LocalCluster::any_one() {
    const std::size_t size = endpoints_.size();
    if (size == 0) return {};
    const std::size_t begin = context_.random.below(static_cast<std::uint32_t>(size));
    for (std::size_t i = 0; i < size; ++i) {
        const auto& endpoint = endpoints_[(begin + i) % size];
        if (!endpoint->shared().is_held()) return {endpoint, true};
    }
    return {};
}

bool LocalCluster::enqueue(Waiting& waiting) {
    return queue_->enqueue(waiting);
}

void LocalCluster::dequeue(Waiting& waiting) {
    queue_->dequeue(waiting);
}

void LocalCluster::serve_waiting_later() {
    queue_->serve_later();
}

}  // namespace weir::upstream

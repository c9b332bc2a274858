#include "weir/upstream/local_cluster.hpp"

#include "balancer.hpp"
#include "local_endpoint.hpp"
#include <boost/smart_ptr/make_local_shared.hpp>

#include <algorithm>

namespace weir::upstream {
namespace {

// A queue that has stood for so long is served newest first.
constexpr Duration kStanding = std::chrono::milliseconds{100};

}  // namespace

LocalCluster::LocalCluster(LocalContext& context, std::shared_ptr<Cluster> cluster)
    : context_(context),
      cluster_(std::move(cluster)),
      balancer_(make_balancer(cluster_->config().policy)) {}

LocalCluster::~LocalCluster() {
    for (const auto& endpoint : endpoints_)
        endpoint->remove();
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
    auto slot = cluster_->pending().try_acquire(Clock::now());
    if (!slot) return false;
    waiting.slot_ = std::move(*slot);
    waiting.since_ = Clock::now();
    waiting.is_queued_ = true;
    queue_.push_back(&waiting);
    cluster_->add_waiting();
    context_.shard.add(cluster_->metrics().requests_pending);
    arm_queue_timer();
    return true;
}

void LocalCluster::dequeue(Waiting& waiting) {
    if (!waiting.is_queued_) return;
    waiting.is_queued_ = false;
    waiting.slot_.reset();
    cluster_->remove_waiting();
    context_.shard.sub(cluster_->metrics().requests_pending);
    std::erase(queue_, &waiting);
}

void LocalCluster::serve_waiting_later() {
    if (!queue_.empty()) context_.loop.timers().arm(serve_timer_, Clock::now());
}

void LocalCluster::serve_waiting() {
    while (!queue_.empty()) {
        const bool has_stood = Clock::now() - queue_.front()->since_ > kStanding;
        if (!(has_stood ? queue_.back() : queue_.front())->on_turn()) return;
    }
}

void LocalCluster::arm_queue_timer() {
    if (queue_.empty() || queue_timer_.is_armed()) return;
    const auto oldest =
        std::min_element(queue_.begin(), queue_.end(),
                         [](const Waiting* a, const Waiting* b) { return a->since_ < b->since_; });
    context_.loop.timers().arm(queue_timer_,
                               (*oldest)->since_ + cluster_->config().limits.queue_timeout);
}

void LocalCluster::on_queue_timer() {
    const TimePoint limit = Clock::now() - cluster_->config().limits.queue_timeout;
    const std::vector<Waiting*> waiting(queue_.begin(), queue_.end());
    for (Waiting* const each : waiting) {
        if (!each->is_queued_ || each->since_ > limit) continue;
        dequeue(*each);
        each->on_queue_timeout();
    }
    arm_queue_timer();
}

}  // namespace weir::upstream

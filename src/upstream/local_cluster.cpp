#include "weir/upstream/local_cluster.hpp"

#include "weir/upstream/stall_watch.hpp"

#include "local_endpoint.hpp"
#include "waiting_queue.hpp"
#include <boost/smart_ptr/make_local_shared.hpp>

#include <algorithm>
#include <bit>

namespace weir::upstream {
namespace {

// A queue that has stood for so long is served newest first.
constexpr Duration kStanding = std::chrono::milliseconds{100};

// Where the endpoints of the set before are. Sets keep their order, so that the next one is nearly
// always at the cursor; what is newer than all of them is in none. A set of thousands changes often
// and this is on the path: it looks at pointers, not at what they point to.
class Known {
  public:
    static constexpr std::size_t kNone = static_cast<std::size_t>(-1);

    Known(const std::vector<const Endpoint*>& order, std::uint64_t newest)
        : order_(order), newest_(newest) {}

    [[nodiscard]] std::size_t find(const Endpoint& endpoint) {
        if (cursor_ < order_.size() && order_[cursor_] == &endpoint) return cursor_++;
        if (endpoint.id() > newest_ || order_.empty()) return kNone;
        if (slots_.empty()) make_slots();
        const std::uint32_t found = slots_[slot_of(&endpoint)];
        if (found == kFree) return kNone;
        cursor_ = found + 1;
        return found;
    }

  private:
    static constexpr std::uint32_t kFree = 0xffffffff;

    // Where it is, or would be: open addressing, as a node for each of thousands would cost
    // a millisecond.
    [[nodiscard]] std::size_t slot_of(const Endpoint* endpoint) const {
        const auto mixed = reinterpret_cast<std::uintptr_t>(endpoint) * 0x9e3779b97f4a7c15U;
        std::size_t slot = (mixed >> 32U) & (slots_.size() - 1);
        while (slots_[slot] != kFree && order_[slots_[slot]] != endpoint)
            slot = (slot + 1) & (slots_.size() - 1);
        return slot;
    }
    void make_slots() {
        slots_.assign(std::bit_ceil(order_.size() * 2), kFree);
        for (std::uint32_t i = 0; i < order_.size(); ++i)
            slots_[slot_of(order_[i])] = i;
    }

    const std::vector<const Endpoint*>& order_;
    const std::uint64_t newest_;
    std::size_t cursor_ = 0;
    std::vector<std::uint32_t> slots_;  // indexes of order_; a power of two, half of it free
};

}  // namespace

LocalCluster::LocalCluster(LocalContext& context,
                           std::shared_ptr<Cluster> cluster,
                           const LocalCluster* before)
    : context_(context),
      cluster_(std::move(cluster)),
      chooser_(cluster_->config().policy, cluster_->config().when_none_ready, cluster_->roster()),
      queue_(before != nullptr ? before->queue_ : boost::make_local_shared<WaitingQueue>(context)),
      stalls_(before != nullptr ? before->stalls_ : boost::make_local_shared<StallWatch>(context)) {
    queue_->follow(cluster_);
    stalls_->follow(cluster_);
    if (before == nullptr) return;
    latency_ = before->latency_;
    // set_endpoints(), which follows, lets go of those that did not stay.
    endpoints_ = before->endpoints_;
    order_ = before->order_;
    weights_ = before->weights_;
    newest_ = before->newest_;
    for (const auto& endpoint : endpoints_)
        endpoint->move_to(*this);
}

LocalCluster::~LocalCluster() {
    for (const auto& endpoint : endpoints_) {
        if (endpoint->is_of(*this)) endpoint->remove();
    }
}

void LocalCluster::on_news(const Cluster::News& news) {
    if (news.set) return set_endpoints(news.set);
    if (!news.wanted) return serve_waiting_later();
    for (const auto& endpoint : endpoints_) {
        if (endpoint->pointer() == news.wanted) return endpoint->give_up_idle();
    }
}

void LocalCluster::set_endpoints(const std::shared_ptr<const EndpointSet>& set) {
    ++context_.changes;
    // Said again: one of them is drained, or no longer.
    const bool is_again = set.get() == last_set_;
    last_set_ = set.get();
    auto before = std::exchange(endpoints_, {});
    const auto order = std::exchange(order_, {});
    const auto weights = std::exchange(weights_, set->weights);
    Known known(order, newest_);
    const std::size_t size = set->endpoints.size();
    endpoints_.reserve(size);
    order_.reserve(size);
    balance::Chooser::Candidates candidates;
    candidates.reserve(size);
    for (std::size_t i = 0; i < size; ++i) {
        const auto& endpoint = set->endpoints[i];
        const std::size_t at = known.find(*endpoint);
        if (at == Known::kNone) {
            newest_ = std::max(newest_, endpoint->id());
            endpoints_.push_back(
                boost::make_local_shared<LocalEndpoint>(context_, *this, endpoint));
        } else {
            endpoints_.push_back(std::move(before[at]));
            if (is_again || weights[at] != weights_[i]) endpoints_.back()->follow();
        }
        order_.push_back(endpoint.get());
        candidates.push_back(&endpoints_.back()->candidate());
    }
    for (const auto& gone : before) {
        if (gone) gone->remove();
    }
    chooser_.set_placed(std::move(candidates), set->placement);
    serve_waiting_later();
}

bool LocalCluster::is_behind() const {
    return endpoints_.empty() && !cluster_->endpoints()->endpoints.empty();
}

LocalCluster::Choice LocalCluster::choose(TimePoint now,
                                          bool is_replay_safe,
                                          const Endpoint* avoid,
                                          std::uint64_t key) {
    const balance::Wish wish{
        .now = now,
        .is_replay_safe = is_replay_safe,
        .avoid = avoid != nullptr ? &avoid->standing() : nullptr,
        .key = key,
    };
    const balance::Choice choice = chooser_.choose(wish, context_.random);
    if (choice.index == balance::Choice::kNone) return {nullptr, choice.is_none_ready};
    return {endpoints_[choice.index], choice.is_none_ready};
}

LocalCluster::Choice LocalCluster::choose_other(TimePoint now,
                                                const Endpoint* avoid,
                                                std::uint64_t key) {
    const balance::Wish wish{
        .now = now,
        .avoid = avoid != nullptr ? &avoid->standing() : nullptr,
        .key = key,
    };
    const balance::Choice choice = chooser_.choose_other(wish, context_.random);
    if (choice.index == balance::Choice::kNone) return {};
    return {endpoints_[choice.index], false};
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

bool LocalCluster::has_waiting() const {
    return !queue_->is_empty();
}

std::string_view LocalCluster::last_line(Duration left) {
    const auto ms =
        std::max<std::int64_t>(std::chrono::ceil<std::chrono::milliseconds>(left).count(), 1);
    if (ms != left_ms_) {
        left_ms_ = ms;
        last_line_.assign(http::kDeadline).append(": ");
        last_line_.append(std::to_string(ms)).append("\r\n\r\n");
    }
    return last_line_;
}

// ---- the queue

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

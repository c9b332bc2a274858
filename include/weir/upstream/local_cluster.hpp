#pragma once

#include "weir/balance/chooser.hpp"
#include "weir/upstream/cluster.hpp"
#include "weir/upstream/local_context.hpp"

#include <boost/smart_ptr/local_shared_ptr.hpp>

#include <cstdint>
#include <memory>
#include <vector>

namespace weir::upstream {

class LocalEndpoint;
class StallWatch;
class WaitingQueue;

// One worker's side of a cluster: its connections, its balancer, and the requests that wait for a
// connection. After a reload that changed the cluster's section there are two, as long as requests
// hold the old one; the new one takes from it the endpoints that stayed, with their connections,
// and both serve one queue. Thread: worker.
class LocalCluster {
  public:
    LocalCluster(LocalContext& context,
                 std::shared_ptr<Cluster> cluster,
                 const LocalCluster* before = nullptr);
    LocalCluster(const LocalCluster&) = delete;
    LocalCluster& operator=(const LocalCluster&) = delete;
    ~LocalCluster();

    [[nodiscard]] Cluster& cluster() { return *cluster_; }
    [[nodiscard]] const std::shared_ptr<Cluster>& shared() const { return cluster_; }

    // What Cluster tells its subscribers, once on this worker's thread.
    void on_news(const Cluster::News& news);
    void set_endpoints(const std::shared_ptr<const EndpointSet>& set);

    // The endpoint for the next attempt, as balance::Chooser says. `avoid` only if there is no
    // other.
    // There are endpoints, but this worker has not been told yet: it will be in a moment.
    [[nodiscard]] bool is_behind() const;

    struct Choice {
        boost::local_shared_ptr<LocalEndpoint> endpoint;  // none: no one may be taken
        bool is_none_ready = false;
    };
    [[nodiscard]] Choice choose(TimePoint now,
                                bool is_replay_safe,
                                const Endpoint* avoid,
                                std::uint64_t key = balance::kNoKey);
    // One that is selectable and another, or none: for a second attempt beside the first.
    [[nodiscard]] Choice choose_other(TimePoint now,
                                      const Endpoint* avoid,
                                      std::uint64_t key = balance::kNoKey);

    // A request that waits for a connection, in the queue of its cluster on its worker.
    class Waiting {
      public:
        Waiting() = default;
        Waiting(const Waiting&) = delete;
        Waiting& operator=(const Waiting&) = delete;

        virtual ~Waiting() = default;

      private:
        friend class WaitingQueue;
        // A connection may be had: try again. False if there was none; else it has left the queue.
        [[nodiscard]] virtual bool on_turn() = 0;
        virtual void on_queue_timeout() = 0;  // waited too long

        bool is_queued_ = false;
        TimePoint since_{};
        Waiting* older_ = nullptr;
        Waiting* newer_ = nullptr;
        resilience::Limit::Slot slot_;
    };
    // False if the queue is full. Served oldest first until the queue has stood for 100 ms, then
    // newest first: after a stall the upstream works for clients that still wait.
    [[nodiscard]] bool enqueue(Waiting& waiting);
    void dequeue(Waiting& waiting);
    // A connection or a slot became free: those who wait are served on the next tick.
    void serve_waiting_later();
    [[nodiscard]] bool has_waiting() const;  // on this worker

    // Of what waits for a head from this cluster.
    [[nodiscard]] StallWatch& stalls() { return *stalls_; }

    // The end of a head that says how much time is left (x-weir-deadline-ms, and the empty line):
    // kept, as nearly all have the same. Until the next call.
    [[nodiscard]] std::string_view last_line(Duration left);

    // The usual latency of this cluster.
    void observe_latency(Duration latency) {
        latency_ += (latency - latency_) / 16;
        chooser_.observe(latency);
    }
    [[nodiscard]] Duration latency() const { return latency_; }

  private:
    LocalContext& context_;
    std::shared_ptr<Cluster> cluster_;
    std::vector<boost::local_shared_ptr<LocalEndpoint>> endpoints_;
    std::vector<const Endpoint*> order_;     // whose they are
    std::vector<std::uint32_t> weights_;     // of these
    std::uint64_t newest_ = 0;               // the highest id that was among them
    const EndpointSet* last_set_ = nullptr;  // only to be compared: it may be gone
    balance::Chooser chooser_;               // its candidates are those of endpoints_, in order
    // Co-owned by the objects of this cluster.
    boost::local_shared_ptr<WaitingQueue> queue_;
    boost::local_shared_ptr<StallWatch> stalls_;
    Duration latency_{};
    std::int64_t left_ms_ = 0;  // which last_line_ says
    std::string last_line_;
};

}  // namespace weir::upstream

#pragma once

#include "weir/balance/candidate.hpp"
#include "weir/resilience/outcome.hpp"
#include "weir/upstream/endpoint.hpp"
#include "weir/upstream/local_cluster.hpp"
#include "weir/upstream/local_context.hpp"

#include "h1_connection.hpp"

#include <memory>
#include <vector>

namespace weir::upstream {

// One worker's side of an endpoint: its connections, and what its balancer knows. Held by its
// LocalCluster and by the attempts that use it, so that it may be gone from discovery while they
// finish. Thread: worker.
class LocalEndpoint {
  public:
    LocalEndpoint(LocalContext& context, LocalCluster& cluster, std::shared_ptr<Endpoint> endpoint);
    LocalEndpoint(const LocalEndpoint&) = delete;
    LocalEndpoint& operator=(const LocalEndpoint&) = delete;
    ~LocalEndpoint();

    [[nodiscard]] Endpoint& shared() const { return *endpoint_; }
    [[nodiscard]] const std::shared_ptr<Endpoint>& pointer() const { return endpoint_; }

    // The next object of its cluster, of the same discovery, has it now.
    void move_to(LocalCluster& next);
    [[nodiscard]] bool is_of(const LocalCluster& cluster) const { return cluster_ == &cluster; }
    // Discovery named it no longer: idle connections close now, the others after their request.
    void remove();
    void close_idle();

    // ---- balancing
    void request_began();
    void request_ended(const resilience::Verdict& verdict);
    void observe(Duration latency, TimePoint now);
    // A head came, whatever it says.
    void answered(TimePoint now);
    // So many requests of this worker wait here for too long.
    void publish_stalled(std::uint32_t waiting, TimePoint now);
    void observe_failure(TimePoint now) { candidate_.observe_failure(now); }
    [[nodiscard]] balance::Candidate& candidate() { return candidate_; }

    // ---- connections
    // The connection used last, or nullptr.
    [[nodiscard]] H1Connection* take_idle();
    // Begins to connect. Error: limit_exceeded (the slots are taken; wait), or why it cannot.
    [[nodiscard]] Result<H1Connection*> open();

    // Of H1Connection only.
    void on_connected(Duration took);
    [[nodiscard]] bool put_idle(H1Connection& connection);
    void take_out_of_idle(H1Connection& connection);
    void forget(H1Connection& connection);

  private:
    balance::Candidate candidate_;
    LocalContext& context_;
    LocalCluster* cluster_;  // null once removed
    std::shared_ptr<Cluster> shared_cluster_;
    std::shared_ptr<Endpoint> endpoint_;
    EndpointStats& stats_;
    std::vector<std::unique_ptr<H1Connection>> connections_;
    std::vector<H1Connection*> idle_;
};

}  // namespace weir::upstream

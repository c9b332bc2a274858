#pragma once

#include "weir/balance/candidate.hpp"
#include "weir/resilience/outcome.hpp"
#include "weir/upstream/endpoint.hpp"
#include "weir/upstream/local_cluster.hpp"
#include "weir/upstream/local_context.hpp"

#include "h1_connection.hpp"
#include "idle_list.hpp"

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
    // What a request wants of an idle connection that the upstream may be about to close.
    enum class Reuse : std::uint8_t {
        repeatable,  // it may be sent again
        careful,     // it must not be executed twice
        proven,      // it was lost once already: only what was used a moment ago
    };
    // The connection used last, if it is good for that, or nullptr.
    [[nodiscard]] H1Connection* take_idle(Reuse reuse, TimePoint now);
    // Begins to connect; an idle connection that was no good makes room. Error: limit_exceeded (the
    // slots are taken; wait), or why it cannot.
    [[nodiscard]] Result<H1Connection*> open();
    // The limit by which open() refused last.
    [[nodiscard]] telemetry::Limit full_limit() const { return full_limit_; }
    // Another worker needs one more than I do.
    void give_up_idle();

    // Of H1Connection only.
    void on_connected(Duration took);
    // The upstream ended one that had been idle for so long.
    void on_idle_closed(Duration age, TimePoint now);
    // For how long, when it has been idle for `age`; that is how the upstream is watched, too.
    [[nodiscard]] Duration may_stay_idle(const H1Connection& connection, Duration age);
    [[nodiscard]] bool put_idle(H1Connection& connection);
    void take_out_of_idle(H1Connection& connection);
    void forget(H1Connection& connection);

  private:
    [[nodiscard]] Duration good_for(Reuse reuse, const H1Connection& connection, TimePoint now);
    [[nodiscard]] Result<H1Connection*> try_open();
    [[nodiscard]] bool is_wanted_elsewhere() const;

    balance::Candidate candidate_;
    LocalContext& context_;
    const std::shared_ptr<transport::TlsMemory> tls_memory_;
    // Connections of another one were made under other rules of TLS, and carry no new request.
    std::uint32_t tls_epoch_ = 0;
    LocalCluster* cluster_;  // null once removed
    std::shared_ptr<Cluster> shared_cluster_;
    std::shared_ptr<Endpoint> endpoint_;
    EndpointStats& stats_;
    std::vector<std::unique_ptr<H1Connection>> connections_;
    IdleList<H1Connection> idle_;
    Duration fresh_for_ =
        resilience::IdleTimeout::kFresh;  // idle for so long, a connection is not suspected
    telemetry::Limit full_limit_ = telemetry::Limit::max_connections;
};

}  // namespace weir::upstream

#pragma once

#include "weir/resilience/explain.hpp"
#include "weir/telemetry/failures.hpp"
#include "weir/upstream/cluster.hpp"

// Why things upstream are as they are, for people who ask. Off the path of requests that succeed.
namespace weir::upstream {

// The machine's words, and what else has a say: an operator's order, the guard of the ejections,
// the endpoints of a breaker's cluster. `snapshot` is of that machine. Thread: any.
struct Story {
    resilience::Explanation machine;
    std::string guard;  // what keeps it from tripping, though a rule may say so; empty: nothing
};
// What the rules that compare the endpoints of a cluster see: looked at once for all of them.
struct Peers {
    std::size_t rates = 0;      // endpoints whose success rates are compared
    std::size_t latencies = 0;  // and whose latencies
    double lowest = 0;          // below it a success rate stands out
    Duration highest{0};        // above it a p95 does
};
[[nodiscard]] Peers look_at_peers(const Cluster& cluster, TimePoint now);
[[nodiscard]] Story explain(const Cluster& cluster,
                            const Endpoint& endpoint,
                            const resilience::CircuitBreaker::Snapshot& snapshot,
                            const Peers& peers,
                            TimePoint now);
[[nodiscard]] Story explain_breaker(const Cluster& cluster,
                                    const Breaker& breaker,  // the cluster's, or of a route into it
                                    const resilience::CircuitBreaker::Snapshot& snapshot,
                                    TimePoint now);

// The endpoints of the cluster as they are now, and why no request could go to one. In a large set
// those that take no requests come first, of as many as are looked at. Thread: any.
void tell_candidates(const Cluster& cluster, TimePoint now, telemetry::Failure& failure);

}  // namespace weir::upstream

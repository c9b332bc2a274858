#pragma once

#include "weir/balance/candidate.hpp"
#include "weir/resilience/outcome.hpp"
#include "weir/upstream/endpoint.hpp"
#include "weir/upstream/local_cluster.hpp"
#include "weir/upstream/local_context.hpp"

#include "h1_connection.hpp"
#include "h2_connection.hpp"
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
    // It has begun, and went elsewhere.
    void request_left();
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
    enum class Use : std::uint8_t {
        request,
        upgrade,  // of HTTP/1, if that is spoken at all
        opaque,   // no HTTP: a fresh connection, for Carrier::take_stream()
    };
    struct Wish {
        Reuse reuse = Reuse::repeatable;
        Use use = Use::request;
    };
    // Of HTTP/1 the connection used last, if it is good for that; of HTTP/2 a stream of a
    // connection that has room, though it may still connect. Or nullptr.
    [[nodiscard]] Carrier* take(const Wish& wish, TimePoint now) {
        if (wish.use == Use::opaque) return nullptr;
        return is_multiplexed(wish.use) ? take_stream() : take_idle(wish.reuse, now);
    }
    // Begins to connect; an idle connection that was no good makes room. Error: limit_exceeded (the
    // slots are taken; wait), or why it cannot.
    [[nodiscard]] Result<Carrier*> open(Use use);
    // The limit by which open() refused last.
    [[nodiscard]] telemetry::Limit full_limit() const { return full_limit_; }
    // Another worker needs one more than I do.
    void give_up_idle();

    // Of its connections only.
    void on_connected(Duration took);
    // What ALPN said is not what was expected: another object goes on with the stream, for that
    // user, if there is one.
    void speak_h2(H1Connection& connection, ConnectionUser* user);
    void speak_h1(H2Connection& connection, ConnectionUser* user);
    // HTTP/2 or nothing: the configuration says so.
    [[nodiscard]] bool is_h2_only() const { return wire_ == Wire::h2; }
    // How many streams at once a connection is expected to carry, and that it was found out.
    [[nodiscard]] std::uint32_t expected_streams() const { return expected_streams_; }
    void expect_streams(std::uint32_t most) { expected_streams_ = most; }
    // A stream has ended: there is room.
    void room_made(H2Connection& connection);
    // It has no stream now: may it stay?
    [[nodiscard]] bool keeps(const H2Connection& connection) const;
    [[nodiscard]] Duration connect_timeout() const {
        return shared_cluster_->config().timeout.connect;
    }
    [[nodiscard]] Duration idle_timeout() const { return shared_cluster_->config().timeout.idle; }
    void forget(H2Connection& connection);
    // The upstream ended one that had been idle for so long.
    void on_idle_closed(Duration age, TimePoint now);
    // For how long, when it has been idle for `age`; that is how the upstream is watched, too.
    [[nodiscard]] Duration may_stay_idle(const H1Connection& connection, Duration age);
    [[nodiscard]] bool put_idle(H1Connection& connection);
    void take_out_of_idle(H1Connection& connection);
    void forget(H1Connection& connection);

  private:
    // What is spoken there: that is known, or the handshake of each connection says it.
    enum class Wire : std::uint8_t { h1, h2, by_alpn };
    [[nodiscard]] static Wire wire_of(const config::Cluster& config);
    [[nodiscard]] bool is_multiplexed(Use use) const {
        if (wire_ == Wire::h1 || use == Use::opaque) return false;
        return wire_ == Wire::h2 || !(use == Use::upgrade || endpoint_->speaks_h1());
    }
    [[nodiscard]] H1Connection* take_idle(Reuse reuse, TimePoint now);
    [[nodiscard]] Carrier* take_stream();
    [[nodiscard]] Duration good_for(Reuse reuse, const H1Connection& connection, TimePoint now);
    [[nodiscard]] Result<Carrier*> try_open(Use use);
    H1Connection& add_h1(ConnectionHold hold);
    H2Connection& add_h2(ConnectionHold hold);
    void count_connections();
    [[nodiscard]] bool close_idle_stream_connection();
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
    Wire wire_;
    std::uint32_t expected_streams_ = H2Connection::kExpectedStreams;
    std::vector<std::unique_ptr<H1Connection>> connections_;
    std::vector<std::unique_ptr<H2Connection>> h2_connections_;
    IdleList<H1Connection> idle_;
    Duration fresh_for_ =
        resilience::IdleTimeout::kFresh;  // idle for so long, a connection is not suspected
    telemetry::Limit full_limit_ = telemetry::Limit::max_connections;
};

}  // namespace weir::upstream

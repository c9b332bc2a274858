#pragma once

#include "weir/balance/candidate.hpp"
#include "weir/connection/h1_connection.hpp"
#include "weir/connection/h2_connection.hpp"
#include "weir/resilience/outcome.hpp"
#include "weir/upstream/endpoint.hpp"
#include "weir/upstream/local_cluster.hpp"
#include "weir/upstream/local_context.hpp"

#include "idle_list.hpp"

#include <memory>
#include <vector>

namespace weir::upstream {

// One worker's side of an endpoint: its connections, and what its balancer knows. Held by its
// LocalCluster and by the attempts that use it, so that it may be gone from discovery while they
// finish. Thread: worker.
class LocalEndpoint final : public connection::Pool {
  public:
    LocalEndpoint(LocalContext& context, LocalCluster& cluster, std::shared_ptr<Endpoint> endpoint);
    ~LocalEndpoint();

    [[nodiscard]] Endpoint& shared() const { return *endpoint_; }
    [[nodiscard]] const std::shared_ptr<Endpoint>& pointer() const { return endpoint_; }

    // The next object of its cluster, of the same discovery, has it now.
    void move_to(LocalCluster& next);
    [[nodiscard]] bool is_of(const LocalCluster& cluster) const { return cluster_ == &cluster; }
    // Discovery named it no longer: idle connections close now, the others after their request.
    // Its weight, or whether it is drained, has changed.
    void follow();
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
        upgrade,  // of HTTP/1, if that is spoken at all; else of a stream that knows its peer
        opaque,   // no HTTP: a fresh connection, for Carrier::take_stream()
    };
    struct Wish {
        Reuse reuse = Reuse::repeatable;
        Use use = Use::request;
    };
    // Of HTTP/1 the connection used last, if it is good for that; of HTTP/2 a stream of a
    // connection that has room, though it may still connect. Or nullptr.
    [[nodiscard]] connection::Carrier* take(const Wish& wish, TimePoint now) {
        if (wish.use == Use::opaque) return nullptr;
        return is_multiplexed(wish.use) ? take_stream(wish.use) : take_idle(wish.reuse, now);
    }
    // Begins to connect; an idle connection that was no good makes room. Error: limit_exceeded (the
    // slots are taken; wait), or why it cannot.
    [[nodiscard]] Result<connection::Carrier*> open(Use use);
    // The limit by which open() refused last.
    [[nodiscard]] telemetry::Limit full_limit() const { return full_limit_; }
    // Another worker needs one more than I do.
    void give_up_idle();
    // By a connection, or a request that it was lost under.
    void on_idle_closed(Duration age, TimePoint now) override;

  private:
    // connection::Pool
    void on_connected(Duration took) override;
    void speak_h2(connection::H1Connection& connection, connection::User* user) override;
    void speak_h1(connection::H2Connection& connection, connection::User* user) override;
    void forget(connection::H1Connection& connection) override;
    void forget(connection::H2Connection& connection) override;
    [[nodiscard]] std::string_view authority() const override { return endpoint_->authority(); }
    [[nodiscard]] Duration connect_timeout() const override {
        return shared_cluster_->config().timeout.connect;
    }
    [[nodiscard]] Duration idle_timeout() const override {
        return shared_cluster_->config().timeout.idle;
    }
    [[nodiscard]] bool put_idle(connection::H1Connection& connection) override;
    void take_out_of_idle(connection::H1Connection& connection) override;
    [[nodiscard]] Duration may_stay_idle(const connection::H1Connection& connection,
                                         Duration age) override;
    [[nodiscard]] bool is_h2_only() const override { return wire_ == Wire::h2; }
    [[nodiscard]] std::uint32_t expected_streams() const override { return expected_streams_; }
    void expect_streams(std::uint32_t most) override { expected_streams_ = most; }
    void room_made(connection::H2Connection& connection) override;
    [[nodiscard]] bool keeps(const connection::H2Connection& connection) const override;

    // What is spoken there: that is known, or the handshake of each connection says it.
    enum class Wire : std::uint8_t { h1, h2, by_alpn };
    [[nodiscard]] static Wire wire_of(const config::Cluster& config, const Endpoint& endpoint);
    [[nodiscard]] bool is_multiplexed(Use use) const {
        if (wire_ == Wire::h1 || use == Use::opaque) return false;
        return wire_ == Wire::h2 || !(use == Use::upgrade || endpoint_->speaks_h1());
    }
    [[nodiscard]] connection::H1Connection* take_idle(Reuse reuse, TimePoint now);
    [[nodiscard]] connection::Carrier* take_stream(Use use);
    [[nodiscard]] Duration good_for(Reuse reuse,
                                    const connection::H1Connection& connection,
                                    TimePoint now);
    [[nodiscard]] Result<connection::Carrier*> try_open(Use use);
    connection::H1Connection& add_h1(connection::Hold hold);
    connection::H2Connection& add_h2(connection::Hold hold);
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
    std::uint32_t expected_streams_ = connection::H2Connection::kExpectedStreams;
    std::vector<std::unique_ptr<connection::H1Connection>> connections_;
    std::vector<std::unique_ptr<connection::H2Connection>> h2_connections_;
    IdleList<connection::H1Connection> idle_;
    Duration fresh_for_ =
        resilience::IdleTimeout::kFresh;  // idle for so long, a connection is not suspected
    telemetry::Limit full_limit_ = telemetry::Limit::max_connections;
};

}  // namespace weir::upstream

#pragma once

#include "weir/proxy/local_listener.hpp"
#include "weir/telemetry/access_log.hpp"
#include "weir/telemetry/events.hpp"
#include "weir/transport/listener.hpp"

#include "message.hpp"
#include "origin.hpp"
#include "peer.hpp"
#include "support/clock.hpp"

#include <atomic>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace weir::test {

class World;

// A scripted client: what it sends is up to the test, what it got is taken message by message.
class Client final : public Peer {
  public:
    Client(World& world, transport::EventLoop& loop, const Address& address)
        : Peer(loop, address), world_(world) {}

    // "GET / HTTP/1.1" with a Host, these header lines, and a length if there is a body.
    void request(std::string_view method,
                 std::string_view path = "/",
                 std::string_view body = {},
                 std::string_view fields = {});

    // Turns the world until the answer to the oldest open request is whole, without letting time
    // pass. Interim answers are answers too. Fails the test, with status 0, if none comes.
    Message await();
    // What is there already.
    std::optional<Message> take();
    // request() and await().
    Message exchange(std::string_view method,
                     std::string_view path = "/",
                     std::string_view body = {},
                     std::string_view fields = {});

    [[nodiscard]] const std::string& received() const { return input_; }

  private:
    World& world_;
    std::vector<bool> is_head_;  // of the requests whose answers have not been taken
};

// One worker's path in one process, wired as runtime wires it: loop, listener `in`, clusters,
// origins and clients, all on one event loop and by simulated time.
class World {
  public:
    explicit World(std::uint64_t seed = 4711);
    World(const World&) = delete;
    World& operator=(const World&) = delete;
    ~World();

    // Before start(): its address replaces ${A}, ${B}, ... in the configuration, in this order.
    Origin& origin();
    // Before start(): the listeners of the configuration beside `in`, in this order, are served at
    // addresses that replace ${L1}, ${L2}, ...: hops in a chain.
    void reserve_listeners(std::size_t count);

    // A whole configuration. start_cluster(): listener `in` before one cluster `app` of all
    // origins, with these lines (each indented by four spaces).
    void start(const std::string& yaml);
    void start_cluster(const std::string& lines = {});

    Client& client();
    [[nodiscard]] Address listen_address() const { return socket_->local_address(); }
    // The answer to one request on a connection of its own.
    Message ask(std::string_view method = "GET",
                std::string_view path = "/",
                std::string_view body = {});

    // Turns until nothing more happens at this moment of simulated time.
    void settle();
    // One turn, for tests that stop between events. False if nothing happened.
    bool turn();
    // Lets time pass, stopping wherever a timer is due.
    void advance(Duration by);
    // Turns, without letting time pass, until it holds; false if it does not.
    template <typename Predicate>
    [[nodiscard]] bool until(Predicate holds) {
        for (int turns = 0; turns < kPatience; ++turns) {
            if (holds()) return true;
            loop_.turn(std::chrono::milliseconds{1});
        }
        return holds();
    }

    [[nodiscard]] std::int64_t value(telemetry::Family family, telemetry::Labels labels) const {
        return registry_.value(family, labels);
    }
    // Requests, tries and clients' connections that were begun and not ended.
    [[nodiscard]] std::int64_t begun() const;
    // Ends all clients, and says what is left: nothing may be.
    void expect_nothing_leaks();

    [[nodiscard]] upstream::Cluster& cluster(std::string_view name = "app");
    [[nodiscard]] const upstream::Endpoint& endpoint(const Origin& origin);
    [[nodiscard]] std::string_view state(const Origin& origin) {
        return endpoint(origin).state_word();
    }
    [[nodiscard]] resilience::State breaker() { return cluster().breaker().state(); }
    void set_endpoints(const std::vector<const Origin*>& origins);
    void drain();
    // The story of the newest failed request.
    [[nodiscard]] telemetry::Failure failure() const;
    [[nodiscard]] const telemetry::FailureLog& failures() const { return failures_; }
    [[nodiscard]] telemetry::AttemptTrace& trace() { return trace_; }
    [[nodiscard]] transport::EventLoop& loop() { return loop_; }
    [[nodiscard]] TimePoint now() const { return clock_.now(); }

  private:
    void start_others(const config::Config& config);

    static constexpr int kPatience = 5000;  // milliseconds, when nothing happens

    SimulatedClock clock_;
    transport::EventLoop loop_;
    telemetry::Registry registry_;
    telemetry::EventLog events_;
    telemetry::AccessLog log_;
    std::atomic<std::uint64_t> connections_{0};
    telemetry::AccessLogShard log_shard_;
    telemetry::FailureLog failures_;
    telemetry::AttemptTrace trace_;
    upstream::LocalContext upstream_;
    proxy::WorkerContext context_;
    proxy::LocalSnapshotPtr snapshot_;
    std::unique_ptr<proxy::LocalListener> listener_;
    std::unique_ptr<transport::Listener> socket_;
    std::vector<transport::Socket> reserved_;
    std::vector<std::unique_ptr<proxy::LocalListener>> other_listeners_;
    std::vector<std::unique_ptr<transport::Listener>> other_sockets_;
    std::vector<std::unique_ptr<Origin>> origins_;
    std::vector<std::unique_ptr<Client>> clients_;
};

}  // namespace weir::test

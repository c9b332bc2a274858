#pragma once

#include "weir/core/error.hpp"
#include "weir/filter/faults.hpp"
#include "weir/http/h2.hpp"
#include "weir/proxy/snapshot.hpp"
#include "weir/telemetry/access_log.hpp"
#include "weir/telemetry/failures.hpp"
#include "weir/transport/socket.hpp"
#include "weir/transport/stream.hpp"
#include "weir/upstream/local_context.hpp"

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <set>
#include <string>
#include <vector>

namespace weir::proxy {

class ClientConnection;
class Exchange;
class LocalPassthrough;
class LoneProbe;
class MirroredRequest;
class Passthrough;
struct Caller;
struct Client;

// A route that is not found by its conditions, and the snapshot it is of. None: no route.
struct Through {
    const RouteState* route = nullptr;
    LocalSnapshotPtr snapshot;
};

// Attempts that nobody waits for. They are destroyed at the end of the turn in which they end.
// Thread: worker.
template <typename T>
class LoneAttempts {
  public:
    explicit LoneAttempts(bool& has_ended) : has_ended_(has_ended) {}
    T& keep(std::unique_ptr<T> attempt) { return *running_.emplace_back(std::move(attempt)); }
    void forget(T& attempt) {
        const auto at = std::find_if(running_.begin(), running_.end(),
                                     [&](const auto& each) { return each.get() == &attempt; });
        WEIR_ASSERT(at != running_.end());
        ended_.push_back(std::move(*at));
        running_.erase(at);
        has_ended_ = true;
    }
    void end_turn() { ended_.clear(); }
    [[nodiscard]] std::size_t size() const { return running_.size(); }

  private:
    bool& has_ended_;
    std::vector<std::unique_ptr<T>> running_;
    std::vector<std::unique_ptr<T>> ended_;
};

// Whose connections are closed after their request. What an app calls goes on until the end: it is
// told to stop only after those who call it have been sent elsewhere.
enum class Draining : std::uint8_t { no, all_but_outbound, all };

// What the sessions of one worker share. Thread: worker.
class WorkerContext {
  public:
    // `connections` counts those of all workers.
    WorkerContext(upstream::LocalContext& upstream,
                  telemetry::AccessLogShard& access_log,
                  std::atomic<std::uint64_t>& connections);
    ~WorkerContext();

    // Exchanges are reused with the capacity of their strings, so that a request allocates nothing.
    // One given back is handed out again from the next turn on.
    [[nodiscard]] std::unique_ptr<Exchange> take_exchange();
    void give_back(std::unique_ptr<Exchange> exchange);
    void end_turn();

    // Buffers for bodies that may have to be sent again: a few are kept, as fresh pages cost more
    // than the copy.
    [[nodiscard]] std::string take_buffer(std::size_t size);
    void give_back(std::string buffer);

    // There is a limit: beyond it a probe ends unjudged, and nothing is mirrored.
    [[nodiscard]] bool has_room_for_probe() const;
    [[nodiscard]] bool has_room_for_mirrored() const;
    // Answers are compressed for so many requests at once; each takes up to a MiB.
    [[nodiscard]] bool has_room_for_encoder() const;

    // An operator has faults injected now.
    [[nodiscard]] bool has_faults() const { return faults.is_any(); }

    // One more connection, if limits.connections allows it; exact for the process.
    [[nodiscard]] bool admit_connection();
    void forget_connection();

    // Of a request: unique in the process.
    // A route to that address, of this worker; the base is what serves otherwise.
    [[nodiscard]] Through pass_through(const ListenerState& listener,
                                       const LocalSnapshotPtr& base,
                                       const Address& address);

    [[nodiscard]] std::uint64_t next_number() { return (requests_++ << 10U) + upstream.worker; }

    upstream::LocalContext& upstream;
    transport::EventLoop& loop;
    telemetry::Shard& shard;
    telemetry::AccessLogShard& access_log;
    telemetry::FailureLog* failures = nullptr;  // none, or outlives it
    Passthrough* passthrough = nullptr;         // likewise
    filter::LocalFaults faults{};
    bool has_ended_attempts = false;  // of the two below
    LoneAttempts<LoneProbe> probes;
    LoneAttempts<MirroredRequest> mirrored;
    std::size_t encoders = 0;        // at work
    std::string coded;               // by one of them; valid within one callback
    telemetry::Failure failure;      // being told; its capacity is kept
    http::RequestHead request_head;  // being handled; valid within one callback
    http::H2Scratch h2;              // likewise, of HTTP/2
    std::string out;                 // the head being written; valid within one callback
    Draining draining = Draining::no;
    std::uint64_t sessions = 0;
    std::uint64_t connection_limit = UINT64_MAX;  // limits.connections

  private:
    std::atomic<std::uint64_t>& connections_;
    std::uint64_t requests_ = 0;
    std::vector<std::unique_ptr<Exchange>> free_;
    std::vector<std::unique_ptr<Exchange>> given_back_;
    std::vector<std::string> buffers_;
    std::unique_ptr<LocalPassthrough> local_passthrough_;
};

// The connections of one listener on one worker, and the snapshot their next request is served by.
// Thread: worker.
class LocalListener {
  public:
    LocalListener(WorkerContext& context, std::string name);
    ~LocalListener();
    LocalListener(const LocalListener&) = delete;
    LocalListener& operator=(const LocalListener&) = delete;

    // From now on; the snapshot has this listener.
    void use(LocalSnapshotPtr snapshot);
    // Connections end after their next request; see close_idle() for those that send none.
    void drain();
    // The configuration has it no longer: it drains with the snapshot it has, for good.
    void leave();
    [[nodiscard]] bool is_gone() const { return is_gone_; }

    // `port`: that this socket listens on, for what was not redirected to it.
    void accept(transport::Socket socket, const Address& peer, std::uint16_t port = 0);
    void forget(ClientConnection& connection);
    // What that connection was looked at for is known: another object goes on with its socket. It
    // is retired.
    void go_on(ClientConnection& connection, transport::Socket socket, Caller caller);
    // The client of that connection speaks HTTP/2: another object goes on with its stream, and with
    // the bytes that came. It is retired.
    void speak_h2(ClientConnection& connection,
                  std::unique_ptr<transport::Stream> stream,
                  Client client,
                  std::string_view bytes);
    // Likewise, of a client that speaks no HTTP.
    void relay(ClientConnection& connection,
               std::unique_ptr<transport::Stream> stream,
               Client client,
               std::string_view bytes,
               std::string server_name);
    // Whether the server at that destination speaks before its client does, as it was seen to do;
    // empty: whatever this listener leads to. Of some thousand destinations it is remembered.
    [[nodiscard]] bool speaks_first(std::string_view destination) const {
        return talkers_.find(destination) != talkers_.end();
    }
    void note_first(std::string_view destination, bool is_server);
    // Of a client that no route takes, by where it meant to go: the route to a cluster that has an
    // endpoint there, else one made for that address alone. None: it has nowhere to go.
    [[nodiscard]] Through pass_through(const Client& client) const;
    // X-Forwarded-*, Forwarded and x-weir-* of that peer are believed.
    [[nodiscard]] bool trusts(const Address& peer) const;

    [[nodiscard]] const std::string& name() const { return name_; }
    [[nodiscard]] const ListenerState& state() const { return *state_; }
    [[nodiscard]] const LocalSnapshotPtr& snapshot() const { return snapshot_; }
    [[nodiscard]] bool is_draining() const {
        return is_draining_ || (context_.draining != Draining::no && is_drained_by_process());
    }
    [[nodiscard]] std::size_t sessions() const { return sessions_.size(); }
    // Closes connections that have been idle for a while: a client about to send would find a
    // closed one.
    void close_idle();
    // Closes everything, telling the clients by a reset.
    void close_all();

  private:
    void keep(std::unique_ptr<ClientConnection> connection);
    [[nodiscard]] bool is_proxy(const Address& peer) const;
    [[nodiscard]] bool is_drained_by_process() const;
    // By the endpoints of its clusters.
    [[nodiscard]] std::uint32_t find_route(const Address& destination) const;
    // False: it leads back to us.
    // Whatever its bytes are: the listener is of opaque ones, or the port that was meant is.
    [[nodiscard]] bool is_relayed(const Caller& caller) const;
    [[nodiscard]] bool find_destination(const transport::Socket& socket,
                                        std::uint16_t port,
                                        Caller& caller) const;

    WorkerContext& context_;
    std::string name_;
    LocalSnapshotPtr snapshot_;
    const ListenerState* state_ = nullptr;
    bool is_draining_ = false;
    bool is_gone_ = false;
    std::vector<std::unique_ptr<ClientConnection>> sessions_;
    std::set<std::string, std::less<>> talkers_;
};

}  // namespace weir::proxy

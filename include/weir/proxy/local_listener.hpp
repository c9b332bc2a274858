#pragma once

#include "weir/http/h2.hpp"
#include "weir/proxy/snapshot.hpp"
#include "weir/telemetry/access_log.hpp"
#include "weir/telemetry/failures.hpp"
#include "weir/transport/socket.hpp"
#include "weir/transport/stream.hpp"
#include "weir/upstream/local_context.hpp"

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace weir::proxy {

class ClientConnection;
class Exchange;
class LoneProbe;
struct Client;

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

    // Probes that nobody waits for any more. There is a limit: beyond it a probe ends unjudged.
    [[nodiscard]] bool has_room_for_probe() const;
    void keep(std::unique_ptr<LoneProbe> probe);
    void forget(LoneProbe& probe);

    // One more connection, if limits.connections allows it; exact for the process.
    [[nodiscard]] bool admit_connection();
    void forget_connection();

    // Of a request: unique in the process.
    [[nodiscard]] std::uint64_t next_number() { return (requests_++ << 10U) + upstream.worker; }

    upstream::LocalContext& upstream;
    transport::EventLoop& loop;
    telemetry::Shard& shard;
    telemetry::AccessLogShard& access_log;
    telemetry::FailureLog* failures = nullptr;  // none, or outlives it
    telemetry::Failure failure;                 // being told; its capacity is kept
    http::RequestHead request_head;             // being handled; valid within one callback
    http::H2Scratch h2;                         // likewise, of HTTP/2
    std::string out;                            // the head being written; valid within one callback
    bool is_draining = false;                   // connections are closed after their request
    std::uint64_t sessions = 0;
    std::uint64_t connection_limit = UINT64_MAX;  // limits.connections

  private:
    std::atomic<std::uint64_t>& connections_;
    std::uint64_t requests_ = 0;
    std::vector<std::unique_ptr<Exchange>> free_;
    std::vector<std::unique_ptr<Exchange>> given_back_;
    std::vector<std::string> buffers_;
    std::vector<std::unique_ptr<LoneProbe>> probes_;
    std::vector<std::unique_ptr<LoneProbe>> ended_probes_;
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

    void accept(transport::Socket socket, const Address& peer);
    void forget(ClientConnection& connection);
    // The client of that connection speaks HTTP/2: another object goes on with its stream, and with
    // the bytes that came. It is retired.
    void speak_h2(ClientConnection& connection,
                  std::unique_ptr<transport::Stream> stream,
                  Client client,
                  std::string_view bytes);
    // X-Forwarded-*, Forwarded and x-weir-* of that peer are believed.
    [[nodiscard]] bool trusts(const Address& peer) const;

    [[nodiscard]] const std::string& name() const { return name_; }
    [[nodiscard]] const ListenerState& state() const { return *state_; }
    [[nodiscard]] const LocalSnapshotPtr& snapshot() const { return snapshot_; }
    [[nodiscard]] bool is_draining() const { return is_draining_ || context_.is_draining; }
    [[nodiscard]] std::size_t sessions() const { return sessions_.size(); }
    // Closes connections that have been idle for a while: a client about to send would find a
    // closed one.
    void close_idle();
    // Closes everything, telling the clients by a reset.
    void close_all();

  private:
    WorkerContext& context_;
    std::string name_;
    LocalSnapshotPtr snapshot_;
    const ListenerState* state_ = nullptr;
    bool is_draining_ = false;
    bool is_gone_ = false;
    std::vector<std::unique_ptr<ClientConnection>> sessions_;
};

}  // namespace weir::proxy

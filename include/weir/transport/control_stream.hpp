#pragma once

#include "weir/transport/socket.hpp"
#include "weir/transport/task.hpp"
#include "weir/transport/tls.hpp"

#include <memory>
#include <optional>
#include <string>
#include <string_view>

namespace weir::transport {

// A stream socket for coroutines of control work: admin, the demo, clients of sources. Reads and
// writes wait until a deadline at most. Thread: main.
class ControlStream {
  public:
    ControlStream(const boost::asio::any_io_executor& executor, Socket socket);
    ControlStream(const ControlStream&) = delete;
    ControlStream& operator=(const ControlStream&) = delete;
    ~ControlStream();

    // For all waits from now on, also one under way; it takes the place of the one before. Once it
    // has passed, every wait fails until another is set.
    void set_deadline(Duration from_now);
    [[nodiscard]] bool is_late() const;

    // After Socket::connect(): whether a connection came about.
    [[nodiscard]] Task<bool> finish_connect(TaskScope& scope);

    // As a client or a server, before anything is read or written. False: it did not come about;
    // tls_error() says why.
    [[nodiscard]] Task<bool> start_tls(TaskScope& scope, TlsStart start);
    [[nodiscard]] const char* tls_error() const;
    // What was agreed on: "h2", "http/1.1", or nothing.
    [[nodiscard]] std::string_view alpn() const;

    // Appends what there is, at least a byte. False: the end, a failure or the deadline.
    [[nodiscard]] Task<bool> read_more(TaskScope& scope, std::string& in);

    // All of it, where the peer takes some within each `stall`: that sets the deadline.
    [[nodiscard]] Task<bool> write(TaskScope& scope, std::string_view bytes, Duration stall);

    // Ends our side, and takes what the peer still sends, up to a megabyte: closing at once would
    // send a reset, which may overtake an answer the peer has not read yet.
    [[nodiscard]] Task<> linger(TaskScope& scope, Duration at_most);

    // Closes the socket now; whatever is asked of the stream afterwards fails. Nothing may wait.
    void close();

    [[nodiscard]] const Socket& socket() const;

  private:
    [[nodiscard]] Task<bool> write_raw(TaskScope& scope,
                                       std::string_view bytes,
                                       std::optional<Duration> stall);

    struct State;
    std::shared_ptr<State> state_;  // co-owner, weakly: the deadline's callback
};

}  // namespace weir::transport

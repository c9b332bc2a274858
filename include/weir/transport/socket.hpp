#pragma once

#include "weir/core/address.hpp"
#include "weir/core/error.hpp"

#include <cstdint>
#include <optional>
#include <span>
#include <sys/uio.h>
#include <utility>

namespace weir::transport {

// What a read or write achieved.
struct IoResult {
    enum class State : std::uint8_t { done, would_block, eof, failed } state = State::done;
    std::size_t bytes = 0;
    int error = 0;  // errno when failed
};

// A seam for tests: the n-th call of receive() or send() in the process fails with ECONNRESET.
struct FailPoint {
    std::int64_t calls_until_failure = -1;  // negative: never
};

// A non-blocking stream socket, owned. Thread: its owner's.
class Socket {
  public:
    Socket() = default;
    explicit Socket(int fd) : fd_(fd) {}
    Socket(Socket&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
    Socket& operator=(Socket&& other) noexcept {
        std::swap(fd_, other.fd_);
        return *this;
    }
    ~Socket() { close(); }

    // With SO_REUSEPORT where `shares_port`, so that each worker has its own queue.
    [[nodiscard]] static Result<Socket> listen(const Address& address, bool shares_port);
    // A connection under way; writable once it is decided, then see connect_error().
    [[nodiscard]] static Result<Socket> connect(const Address& address);

    // The next connection in a listener's queue and who it is from; no socket if the queue is
    // empty. Errors: overloaded (no descriptors left).
    [[nodiscard]] Result<std::pair<Socket, Address>> accept() const;

    [[nodiscard]] IoResult receive(std::span<char> buffer) const;
    [[nodiscard]] IoResult send(std::span<const iovec> parts) const;
    void shutdown_send() const;
    // The next close() sends a reset instead of a proper end.
    void reset_on_close() const;
    void close();

    [[nodiscard]] int connect_error() const;  // errno of the connect, 0 if it is there
    [[nodiscard]] Address local_address() const;
    // What the peer's kernel has acknowledged so far (TCP_INFO); nothing where that is not known.
    [[nodiscard]] std::optional<std::uint64_t> bytes_acknowledged() const;
    [[nodiscard]] int fd() const { return fd_; }
    [[nodiscard]] bool is_open() const { return fd_ >= 0; }

    static void set_fail_point(FailPoint* point);  // tests only, before threads start

  private:
    int fd_ = -1;
};

}  // namespace weir::transport

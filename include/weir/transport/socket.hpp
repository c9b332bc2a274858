#pragma once

#include "weir/core/address.hpp"
#include "weir/core/error.hpp"

#include <cstdint>
#include <memory>
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

// A pipe, for bytes that go from socket to socket inside the kernel. Thread: its owner's.
class Pipe {
  public:
    static constexpr std::size_t kSize = std::size_t{1} << 20U;

    // Nothing where no descriptor is left.
    [[nodiscard]] static std::unique_ptr<Pipe> make();
    Pipe(const Pipe&) = delete;
    Pipe& operator=(const Pipe&) = delete;
    ~Pipe();

    [[nodiscard]] std::size_t bytes() const { return bytes_; }

  private:
    friend class Socket;
    Pipe(int read_fd, int write_fd) : read_fd_(read_fd), write_fd_(write_fd) {}

    int read_fd_;
    int write_fd_;
    std::size_t bytes_ = 0;
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
    // Where `is_transparent` it takes what TPROXY sends it, if this process may.
    [[nodiscard]] static Result<Socket> listen(const Address& address,
                                               bool shares_port,
                                               bool is_transparent = false);
    // A connection under way; writable once it is decided, then see connect_error().
    [[nodiscard]] static Result<Socket> connect(const Address& address);

    // The next connection in a listener's queue and who it is from; no socket if the queue is
    // empty. Errors: overloaded (no descriptors left).
    [[nodiscard]] Result<std::pair<Socket, Address>> accept() const;

    [[nodiscard]] IoResult receive(std::span<char> buffer) const;
    [[nodiscard]] IoResult send(std::span<const iovec> parts) const;
    // As receive(), and the bytes stay where they are.
    [[nodiscard]] IoResult peek(std::span<char> buffer) const;
    // What there is, up to Pipe::kSize, into an empty pipe; out of it what the kernel takes.
    [[nodiscard]] IoResult splice_into(Pipe& pipe) const;
    [[nodiscard]] IoResult splice_from(Pipe& pipe) const;
    void shutdown_send() const;
    // The next close() sends a reset instead of a proper end.
    void reset_on_close() const;
    void close();

    [[nodiscard]] int connect_error() const;  // errno of the connect, 0 if it is there
    [[nodiscard]] Address local_address() const;
    // Where the peer meant to go, if the kernel's rules sent it here: by REDIRECT or TPROXY; else
    // where it is.
    [[nodiscard]] Address original_destination() const;
    // What the peer's kernel has acknowledged so far (TCP_INFO); nothing where that is not known.
    [[nodiscard]] std::optional<std::uint64_t> bytes_acknowledged() const;
    [[nodiscard]] int fd() const { return fd_; }
    [[nodiscard]] bool is_open() const { return fd_ >= 0; }

    static void set_fail_point(FailPoint* point);  // tests only, before threads start

  private:
    int fd_ = -1;
};

}  // namespace weir::transport

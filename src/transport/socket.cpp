#include "weir/transport/socket.hpp"

#include "transport/system_calls.hpp"

#include <array>
#include <cerrno>
#include <cstddef>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

namespace weir::transport {
namespace {

constexpr int kBacklog = 4096;  // the kernel caps it at net.core.somaxconn

FailPoint* fail_point = nullptr;

bool must_fail() {
    return fail_point != nullptr && fail_point->calls_until_failure >= 0 &&
           fail_point->calls_until_failure-- == 0;
}

void set_option(int fd, int level, int name, int value) {
    setsockopt(fd, level, name, &value, sizeof value);
}

Error local_error(const char* detail, Reason reason) {
    return Error{reason, Error::Origin::local, Error::Retry::safe, detail};
}

IoResult to_result(ssize_t bytes) {
    if (bytes >= 0) return {IoResult::State::done, static_cast<std::size_t>(bytes), 0};
    if (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR) {
        return {IoResult::State::would_block, 0, 0};
    }
    return {IoResult::State::failed, 0, errno};
}

}  // namespace

void Socket::set_fail_point(FailPoint* point) {
    fail_point = point;
}

Result<Socket> Socket::listen(const Address& address, bool shares_port) {
    Socket socket(::socket(address.family(), SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
    if (!socket.is_open()) return local_error("socket", Reason::overloaded);
    sockaddr_storage storage;
    const socklen_t size = address.to_socket(storage);
    if (!address.is_unix()) {
        set_option(socket.fd(), SOL_SOCKET, SO_REUSEADDR, 1);
        set_option(socket.fd(), SOL_SOCKET, SO_REUSEPORT, shares_port ? 1 : 0);
        // Inherited by accepted sockets: spares a call a connection.
        set_option(socket.fd(), IPPROTO_TCP, TCP_NODELAY, 1);
        if (address.is_v6()) set_option(socket.fd(), IPPROTO_IPV6, IPV6_V6ONLY, 0);
    }
    if (bind(socket.fd(), reinterpret_cast<const sockaddr*>(&storage), size) != 0) {
        return local_error(
            errno == EADDRINUSE ? "the address is in use" : "the address cannot be bound",
            Reason::overloaded);
    }
    if (::listen(socket.fd(), kBacklog) != 0) return local_error("listen", Reason::overloaded);
    return socket;
}

Result<Socket> Socket::connect(const Address& address) {
    Socket socket(::socket(address.family(), SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
    if (!socket.is_open()) return local_error("no descriptor left", Reason::overloaded);
    if (!address.is_unix()) set_option(socket.fd(), IPPROTO_TCP, TCP_NODELAY, 1);
    sockaddr_storage storage;
    const socklen_t size = address.to_socket(storage);
    if (::connect(socket.fd(), reinterpret_cast<const sockaddr*>(&storage), size) != 0 &&
        errno != EINPROGRESS) {
        return Error{Reason::upstream_connect_refused, Error::Origin::upstream, Error::Retry::safe,
                     errno == ECONNREFUSED ? "" : "it cannot be reached"};
    }
    return socket;
}

Result<std::pair<Socket, Address>> Socket::accept() const {
    sockaddr_storage storage;
    socklen_t size = sizeof storage;
    Socket socket(
        accept4(fd_, reinterpret_cast<sockaddr*>(&storage), &size, SOCK_NONBLOCK | SOCK_CLOEXEC));
    if (socket.is_open()) {
        return std::pair{std::move(socket),
                         Address::from_socket(reinterpret_cast<const sockaddr*>(&storage), size)};
    }
    const bool is_exhausted =
        errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM;
    if (is_exhausted) return local_error("no descriptor left", Reason::overloaded);
    return std::pair{Socket{}, Address{}};  // none waiting, or it left while it waited
}

IoResult Socket::receive(std::span<char> buffer) const {
    if (must_fail()) return {IoResult::State::failed, 0, ECONNRESET};
    IoResult result = to_result(system::receive(fd_, buffer.data(), buffer.size()));
    if (result.state == IoResult::State::done && result.bytes == 0)
        result.state = IoResult::State::eof;
    return result;
}

IoResult Socket::send(std::span<const iovec> parts) const {
    if (must_fail()) return {IoResult::State::failed, 0, ECONNRESET};
    if (parts.size() == 1) {
        return to_result(system::send(fd_, parts[0].iov_base, parts[0].iov_len));
    }
    msghdr message{};
    message.msg_iov = const_cast<iovec*>(parts.data());
    message.msg_iovlen = parts.size();
    return to_result(system::send(fd_, message));
}

void Socket::shutdown_send() const {
    shutdown(fd_, SHUT_WR);
}

void Socket::reset_on_close() const {
    const linger abort{.l_onoff = 1, .l_linger = 0};
    setsockopt(fd_, SOL_SOCKET, SO_LINGER, &abort, sizeof abort);
}

void Socket::close() {
    if (fd_ >= 0) ::close(std::exchange(fd_, -1));
}

int Socket::connect_error() const {
    int error = 0;
    socklen_t size = sizeof error;
    if (getsockopt(fd_, SOL_SOCKET, SO_ERROR, &error, &size) != 0) return errno;
    return error;
}

std::optional<std::uint64_t> Socket::bytes_acknowledged() const {
    tcp_info info{};
    socklen_t size = sizeof info;
    if (getsockopt(fd_, IPPROTO_TCP, TCP_INFO, &info, &size) != 0) return std::nullopt;
    if (size < offsetof(tcp_info, tcpi_bytes_acked) + sizeof info.tcpi_bytes_acked)
        return std::nullopt;
    return info.tcpi_bytes_acked;
}

Address Socket::local_address() const {
    sockaddr_storage storage;
    socklen_t size = sizeof storage;
    if (getsockname(fd_, reinterpret_cast<sockaddr*>(&storage), &size) != 0) return {};
    return Address::from_socket(reinterpret_cast<const sockaddr*>(&storage), size);
}

}  // namespace weir::transport

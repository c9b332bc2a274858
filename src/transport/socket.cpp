#include "weir/transport/socket.hpp"

#include "weir/transport/own_socket.hpp"

#include "transport/system_calls.hpp"

#include <array>
#include <cerrno>
#include <cstddef>
#include <cstring>
#include <fcntl.h>
#include <filesystem>
#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/sock_diag.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <string>
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

// ---- whose socket it is

struct Owner {
    std::uint32_t uid = 0;
    std::uint32_t inode = 0;
};

void put_ip(std::uint32_t (&into)[4], const Address& address) {
    const Address plain = *Address::from_ip(address.ip(), 0);
    sockaddr_storage storage;
    plain.to_socket(storage);
    if (plain.is_v6()) {
        std::memcpy(into, &reinterpret_cast<const sockaddr_in6&>(storage).sin6_addr, 16);
    } else {
        std::memcpy(into, &reinterpret_cast<const sockaddr_in&>(storage).sin_addr, 4);
    }
}

// Of the socket of this machine (and namespace) that has these addresses, if there is one.
std::optional<Owner> find_owner(const Address& from, const Address& to) {
    const Socket kernel(
        ::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_SOCK_DIAG));
    struct {
        nlmsghdr head;
        inet_diag_req_v2 request;
    } question{};
    question.head.nlmsg_len = sizeof question;
    question.head.nlmsg_type = SOCK_DIAG_BY_FAMILY;
    question.head.nlmsg_flags = NLM_F_REQUEST;
    inet_diag_req_v2& request = question.request;
    request.sdiag_family = from.ip().find(':') == std::string::npos ? AF_INET : AF_INET6;
    request.sdiag_protocol = IPPROTO_TCP;
    request.idiag_states = ~0U;
    request.id.idiag_sport = htons(from.port());
    request.id.idiag_dport = htons(to.port());
    put_ip(request.id.idiag_src, from);
    put_ip(request.id.idiag_dst, to);
    request.id.idiag_cookie[0] = request.id.idiag_cookie[1] = INET_DIAG_NOCOOKIE;
    if (send(kernel.fd(), &question, sizeof question, 0) < 0) return std::nullopt;
    alignas(nlmsghdr) std::array<char, 2048> answer;
    // The kernel has answered by now.
    const ssize_t size = recv(kernel.fd(), answer.data(), answer.size(), 0);
    if (size < static_cast<ssize_t>(NLMSG_LENGTH(sizeof(inet_diag_msg)))) return std::nullopt;
    nlmsghdr head{};
    std::memcpy(&head, answer.data(), sizeof head);
    if (head.nlmsg_type != SOCK_DIAG_BY_FAMILY) return std::nullopt;
    inet_diag_msg message{};
    std::memcpy(&message, answer.data() + NLMSG_HDRLEN, sizeof message);
    return Owner{message.idiag_uid, message.idiag_inode};
}

bool has_open(std::uint32_t inode) {
    const std::string wanted = "socket:[" + std::to_string(inode) + "]";
    std::error_code ignored;
    for (const auto& entry : std::filesystem::directory_iterator("/proc/self/fd", ignored)) {
        if (std::filesystem::read_symlink(entry.path(), ignored) == wanted) return true;
    }
    return false;
}

}  // namespace

std::unique_ptr<Pipe> Pipe::make() {
    std::array<int, 2> ends{};
    if (pipe2(ends.data(), O_NONBLOCK | O_CLOEXEC) != 0) return nullptr;
    // More than the user's share is refused: then it is as large as pipes are.
    fcntl(ends[1], F_SETPIPE_SZ, static_cast<int>(kSize));
    return std::unique_ptr<Pipe>(new Pipe(ends[0], ends[1]));
}

Pipe::~Pipe() {
    ::close(read_fd_);
    ::close(write_fd_);
}

void Socket::set_fail_point(FailPoint* point) {
    fail_point = point;
}

Result<Socket> Socket::listen(const Address& address, bool shares_port, bool is_transparent) {
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
        if (is_transparent) {
            set_option(socket.fd(), IPPROTO_IP, IP_TRANSPARENT, 1);
            if (address.is_v6()) set_option(socket.fd(), IPPROTO_IPV6, IPV6_TRANSPARENT, 1);
        }
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

IoResult Socket::peek(std::span<char> buffer) const {
    IoResult result = to_result(recv(fd_, buffer.data(), buffer.size(), MSG_PEEK));
    if (result.state == IoResult::State::done && result.bytes == 0)
        result.state = IoResult::State::eof;
    return result;
}

IoResult Socket::splice_into(Pipe& pipe) const {
    if (must_fail()) return {IoResult::State::failed, 0, ECONNRESET};
    IoResult result = to_result(splice(fd_, nullptr, pipe.write_fd_, nullptr, Pipe::kSize,
                                       SPLICE_F_MOVE | SPLICE_F_NONBLOCK));
    if (result.state == IoResult::State::done && result.bytes == 0)
        result.state = IoResult::State::eof;
    pipe.bytes_ += result.bytes;
    return result;
}

IoResult Socket::splice_from(Pipe& pipe) const {
    if (must_fail()) return {IoResult::State::failed, 0, ECONNRESET};
    IoResult all;
    while (pipe.bytes_ > 0) {
        const IoResult result = to_result(splice(pipe.read_fd_, nullptr, fd_, nullptr, pipe.bytes_,
                                                 SPLICE_F_MOVE | SPLICE_F_NONBLOCK));
        if (result.state == IoResult::State::failed) return result;
        if (result.bytes == 0) break;
        pipe.bytes_ -= result.bytes;
        all.bytes += result.bytes;
    }
    return all;
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

bool is_own_connection(const Address& from, const Address& to) {
    if (from.is_unix() || to.is_unix() || from.ip().empty() || to.ip().empty()) return false;
    const auto owner = find_owner(from, to);
    return owner && owner->uid == geteuid() && has_open(owner->inode);
}

Address Socket::original_destination() const {
    constexpr int kOriginal = 80;  // SO_ORIGINAL_DST and IP6T_SO_ORIGINAL_DST of netfilter
    const Address own = local_address();
    const bool is_v4 = own.ip().find(':') == std::string::npos;
    sockaddr_storage storage;
    socklen_t size = sizeof storage;
    if (own.is_unix() ||
        getsockopt(fd_, is_v4 ? IPPROTO_IP : IPPROTO_IPV6, kOriginal, &storage, &size) != 0)
        return own;
    return Address::from_socket(reinterpret_cast<sockaddr*>(&storage), size);
}

Address Socket::local_address() const {
    sockaddr_storage storage;
    socklen_t size = sizeof storage;
    if (getsockname(fd_, reinterpret_cast<sockaddr*>(&storage), &size) != 0) return {};
    return Address::from_socket(reinterpret_cast<const sockaddr*>(&storage), size);
}

}  // namespace weir::transport

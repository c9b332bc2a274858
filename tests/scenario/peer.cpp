#include "peer.hpp"

#include "weir/core/error.hpp"

#include <array>
#include <cerrno>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>
#include <utility>

namespace weir::test {
namespace {

int connected(const Address& address) {
    const int fd = socket(address.family(), SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_storage storage;
    const socklen_t size = address.to_socket(storage);
    // Blocks until the kernel has queued it at the listener, which on loopback is at once.
    WEIR_ASSERT(connect(fd, reinterpret_cast<const sockaddr*>(&storage), size) == 0);
    return fd;
}

}  // namespace

Peer::Peer(transport::EventLoop& loop, int fd) : loop_(loop), fd_(fd) {
    const int yes = 1;
    setsockopt(fd_, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
    loop_.watch(fd_, *this, transport::EventLoop::Interest::reads_and_writes);
}

Peer::Peer(transport::EventLoop& loop, const Address& address) : Peer(loop, connected(address)) {}

Peer::~Peer() {
    close();
}

void Peer::send(std::string_view bytes) {
    if (!is_open()) return;
    output_.append(bytes);
    flush();
}

void Peer::flush() {
    if (!output_.empty()) {
        const ssize_t sent =
            ::send(fd_, output_.data(), output_.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
        if (sent > 0) output_.erase(0, static_cast<std::size_t>(sent));
        // A write that fails loses what follows; what came before is still read.
        if (sent < 0 && errno != EAGAIN) output_.clear();
    }
    if (shuts_down_ && output_.empty()) ::shutdown(fd_, SHUT_WR);
}

void Peer::shutdown_send() {
    if (!is_open()) return;
    shuts_down_ = true;
    flush();
}

void Peer::close() {
    if (!is_open()) return;
    loop_.unwatch(fd_, *this);
    ::close(std::exchange(fd_, -1));
}

void Peer::reset() {
    if (!is_open()) return;
    const linger abort{.l_onoff = 1, .l_linger = 0};
    setsockopt(fd_, SOL_SOCKET, SO_LINGER, &abort, sizeof abort);
    close();
}

void Peer::set_reading(bool reads) {
    reads_ = reads;
    if (is_open() && reads) loop_.schedule(*this);
}

void Peer::on_ready(transport::Readiness /*readiness*/) {
    if (!output_.empty()) flush();
    if (reads_) read();
}

void Peer::read() {
    std::array<char, 16 * 1024> buffer;
    while (is_open() && reads_ && !has_ended()) {
        const ssize_t size = recv(fd_, buffer.data(), buffer.size(), MSG_DONTWAIT);
        if (size < 0 && errno == EAGAIN) return;
        if (size <= 0) return ended(size == 0 ? End::eof : End::reset);
        input_.append(buffer.data(), static_cast<std::size_t>(size));
        on_input();
    }
}

void Peer::ended(End how) {
    end_ = how;
    on_end();
}

}  // namespace weir::test

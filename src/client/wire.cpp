#include "client/wire.hpp"

#include <array>
#include <cerrno>
#include <netdb.h>
#include <poll.h>
#include <sys/uio.h>

namespace weir::client {
namespace {

constexpr std::size_t kReadSize = std::size_t{64} * 1024;

}  // namespace

Wire::State Wire::wait(short events) const {
    for (;;) {
        const auto left =
            std::chrono::ceil<std::chrono::milliseconds>(deadline_ - Clock::refresh()).count();
        if (left <= 0) return State::timed_out;
        std::array<pollfd, 2> fds{pollfd{socket_.fd(), events, 0},
                                  pollfd{interrupt_fd_, POLLIN, 0}};  // -1 is passed over
        const int ready = ::poll(fds.data(), fds.size(), static_cast<int>(left));
        if (ready < 0 && errno != EINTR) return State::failed;
        if (ready <= 0) continue;
        if (fds[1].revents != 0) return State::interrupted;
        return State::done;
    }
}

int Wire::connect(const Address& address) {
    const int fd = ::socket(address.family(), SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0) return errno;
    socket_ = transport::Socket(fd);
    sockaddr_storage storage;
    const socklen_t size = address.to_socket(storage);
    if (::connect(fd, reinterpret_cast<const sockaddr*>(&storage), size) == 0) return 0;
    // EAGAIN: a Unix socket's queue is full; it has no "in progress".
    if (errno == EAGAIN) return ETIMEDOUT;
    if (errno != EINPROGRESS) return errno;
    switch (wait(POLLOUT)) {
        case State::done:
            return socket_.connect_error();
        case State::interrupted:
            return ECANCELED;
        default:
            return ETIMEDOUT;
    }
}

Wire::State Wire::write(std::string_view bytes) {
    using IoState = transport::IoResult::State;
    while (!bytes.empty()) {
        const iovec part{const_cast<char*>(bytes.data()), bytes.size()};
        const transport::IoResult result = socket_.send(std::span(&part, 1));
        if (result.state == IoState::failed) return State::failed;
        bytes.remove_prefix(result.bytes);
        if (bytes.empty()) break;
        const State state = wait(POLLOUT);
        if (state != State::done) return state;
    }
    return State::done;
}

Wire::State Wire::read_more(std::string& in) {
    using IoState = transport::IoResult::State;
    std::array<char, kReadSize> buffer;
    for (;;) {
        const transport::IoResult result = socket_.receive(buffer);
        switch (result.state) {
            case IoState::done:
                in.append(buffer.data(), result.bytes);
                return State::done;
            case IoState::eof:
                return State::ended;
            case IoState::failed:
                return State::failed;
            case IoState::would_block:
                break;
        }
        const State state = wait(POLLIN);
        if (state != State::done) return state;
    }
}

std::vector<Address> addresses_of(const Door& door) {
    if (door.host.empty()) return {door.address};
    addrinfo hints{};
    hints.ai_socktype = SOCK_STREAM;
    addrinfo* found = nullptr;
    const std::string port = std::to_string(door.port);
    if (::getaddrinfo(door.host.c_str(), port.c_str(), &hints, &found) != 0) return {};
    std::vector<Address> addresses;
    for (const addrinfo* one = found; one != nullptr; one = one->ai_next)
        addresses.push_back(Address::from_socket(one->ai_addr, one->ai_addrlen));
    ::freeaddrinfo(found);
    return addresses;
}

}  // namespace weir::client

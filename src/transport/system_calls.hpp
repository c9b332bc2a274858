#pragma once

#include <csignal>
#include <cstddef>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

// The calls of each request, straight to the kernel: in libc they are points at which a thread may
// be cancelled, which costs some forty instructions a call, and nobody cancels one here. Results
// and errno as there.
namespace weir::transport::system {

inline ssize_t receive(int fd, void* to, std::size_t size) {
    return syscall(SYS_recvfrom, fd, to, size, 0, nullptr, nullptr);
}

inline ssize_t send(int fd, const void* from, std::size_t size) {
    return syscall(SYS_sendto, fd, from, size, MSG_NOSIGNAL, nullptr, 0);
}

inline ssize_t send(int fd, const msghdr& message) {
    return syscall(SYS_sendmsg, fd, &message, MSG_NOSIGNAL);
}

inline int wait(int epoll_fd, epoll_event* events, int most, int milliseconds) {
    return static_cast<int>(
        syscall(SYS_epoll_pwait, epoll_fd, events, most, milliseconds, nullptr, _NSIG / 8));
}

}  // namespace weir::transport::system

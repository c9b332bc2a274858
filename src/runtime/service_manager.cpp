#include "service_manager.hpp"

#include "weir/core/log.hpp"
#include "weir/transport/socket.hpp"

#include <cerrno>
#include <chrono>
#include <cstdlib>
#include <string>
#include <sys/socket.h>
#include <sys/time.h>

namespace weir::runtime {

ServiceManager::ServiceManager() {
    const char* const name = std::getenv("NOTIFY_SOCKET");
    if (name != nullptr && (*name == '/' || *name == '@'))
        socket_ = Address::parse("unix:" + std::string(name));
}

void ServiceManager::ready(std::string_view status) const {
    say("READY=1\nSTATUS=" + std::string(status));
}

// systemd compares it with its own clock, which is CLOCK_MONOTONIC as well.
void ServiceManager::reloading(TimePoint now) const {
    const auto at = std::chrono::duration_cast<std::chrono::microseconds>(now.time_since_epoch());
    say("RELOADING=1\nMONOTONIC_USEC=" + std::to_string(at.count()) +
        "\nSTATUS=reading the configuration");
}

void ServiceManager::stopping() const {
    say("STOPPING=1\nSTATUS=draining");
}

void ServiceManager::say(std::string_view message) const {
    if (!socket_) return;
    const transport::Socket socket(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    sockaddr_storage storage;
    const socklen_t size = socket_->to_socket(storage);
    const timeval most{.tv_sec = 1, .tv_usec = 0};  // of a manager that does not read
    ::setsockopt(socket.fd(), SOL_SOCKET, SO_SNDTIMEO, &most, sizeof most);
    if (::sendto(socket.fd(), message.data(), message.size(), MSG_NOSIGNAL,
                 reinterpret_cast<const sockaddr*>(&storage), size) < 0) {
        log::warn("the service manager was not told", {{"errno", errno}});
    }
}

}  // namespace weir::runtime

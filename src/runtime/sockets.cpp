#include "sockets.hpp"

#include "weir/core/log.hpp"

#include <algorithm>
#include <cmath>
#include <fstream>
#include <sched.h>
#include <stdexcept>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

namespace weir::runtime {
namespace {

[[noreturn]] void refuse(const config::ListenAddress& listen, const std::string& why) {
    throw std::runtime_error("cannot listen on " + listen.text + ": " + why);
}

transport::Socket bind(const config::ListenAddress& listen,
                       const Address& address,
                       bool shares_port,
                       bool is_transparent) {
    auto socket = transport::Socket::listen(address, shares_port, is_transparent);
    if (!socket) refuse(listen, socket.error().detail);
    return std::move(*socket);
}

// ::1 where there is no IPv6: of several addresses of a listener it is the one to do without.
bool is_missing_loopback(const Address& address) {
    if (!address.is_v6() || address.ip() != "::1") return false;
    std::ifstream interfaces("/proc/net/if_inet6");
    std::string line;
    while (std::getline(interfaces, line))
        if (line.starts_with("00000000000000000000000000000001 ")) return false;
    return true;
}

// A socket file that nobody listens on any more is in the way.
void remove_stale(const Address& address) {
    const std::string path = address.to_string().substr(5);
    struct stat status {};
    if (path.starts_with('@') || stat(path.c_str(), &status) != 0 || !S_ISSOCK(status.st_mode))
        return;
    if (!transport::Socket::connect(address)) unlink(path.c_str());
}

std::vector<transport::Socket> bind_for_all(const config::ListenAddress& listen,
                                            unsigned workers,
                                            bool is_transparent) {
    std::vector<transport::Socket> sockets;
    if (listen.address.is_unix()) {
        remove_stale(listen.address);
        sockets.push_back(bind(listen, listen.address, false, is_transparent));
        while (sockets.size() < workers)
            sockets.emplace_back(dup(sockets.front().fd()));
        return sockets;
    }
    // SO_REUSEPORT would let a second process in unnoticed: look first whether the port is free.
    if (workers > 1 && listen.address.port() != 0)
        bind(listen, listen.address, false, is_transparent).close();
    sockets.push_back(bind(listen, listen.address, workers > 1, is_transparent));
    const Address bound = sockets.front().local_address();
    while (sockets.size() < workers)
        sockets.push_back(bind(listen, bound, true, is_transparent));
    return sockets;
}

}  // namespace

SocketTable::Plan SocketTable::plan(const config::Config& config, unsigned workers) const {
    Plan plan;
    plan.by_worker.resize(workers);
    for (const config::Listener& listener : config.listeners) {
        for (const config::ListenAddress& listen : listener.listen) {
            if (listener.listen.size() > 1 && is_missing_loopback(listen.address)) {
                log::warn("no IPv6 here", {{"listener", listener.name}, {"address", listen.text}});
                continue;
            }
            const std::string key = socket_key(listener, listen);
            const auto known = std::find_if(entries_.begin(), entries_.end(),
                                            [&](const Entry& entry) { return entry.key == key; });
            if (known != entries_.end()) {
                plan.entries.push_back({listener.name, key, known->bound});
                continue;
            }
            auto sockets = bind_for_all(listen, workers, listener.transparent);
            plan.entries.push_back({listener.name, key, sockets.front().local_address()});
            for (unsigned worker = 0; worker < workers; ++worker)
                plan.by_worker[worker].push_back({key, std::move(sockets[worker])});
        }
    }
    return plan;
}

std::vector<Address> SocketTable::addresses(std::string_view listener) const {
    std::vector<Address> found;
    for (const Entry& entry : entries_) {
        if (entry.listener == listener) found.push_back(entry.bound);
    }
    return found;
}

unsigned usable_processors() {
    cpu_set_t set;
    CPU_ZERO(&set);
    unsigned processors = 1;
    if (sched_getaffinity(0, sizeof set, &set) == 0)
        processors = static_cast<unsigned>(CPU_COUNT(&set));
    std::ifstream file("/sys/fs/cgroup/cpu.max");
    std::string quota;
    double period = 0;
    if (file >> quota >> period && quota != "max" && period > 0) {
        const auto share = static_cast<unsigned>(std::ceil(std::stod(quota) / period));
        processors = std::min(processors, std::max(1U, share));
    }
    return std::max(1U, processors);
}

}  // namespace weir::runtime

#include "admin/listen.hpp"

#include <cerrno>
#include <stdexcept>
#include <string>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

namespace weir::admin {
namespace {

constexpr mode_t kSocketMode = 0660;

// "unix:/run/x.sock" -> "/run/x.sock"; empty for anything without a file.
std::string path_of(const Address& address) {
    if (!address.is_unix()) return {};
    const std::string path = address.to_string().substr(5);
    return path.starts_with('@') ? std::string{} : path;
}

// Left behind by a process that died: only then is a connection refused.
bool is_abandoned(const Address& address) {
    const transport::Socket probe(::socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
    sockaddr_storage storage;
    const socklen_t size = address.to_socket(storage);
    return ::connect(probe.fd(), reinterpret_cast<const sockaddr*>(&storage), size) != 0 &&
           errno == ECONNREFUSED;
}

}  // namespace

transport::Socket listen_on(const Address& address, std::string_view purpose) {
    const std::string path = path_of(address);
    struct stat file {};
    if (!path.empty() && ::lstat(path.c_str(), &file) == 0 && S_ISSOCK(file.st_mode) &&
        is_abandoned(address)) {
        ::unlink(path.c_str());
    }
    auto socket = transport::Socket::listen(address, false);
    if (!socket) {
        throw std::runtime_error(std::string(purpose) + ".listen " + address.to_string() + ": " +
                                 socket.error().detail);
    }
    if (!path.empty()) ::chmod(path.c_str(), kSocketMode);
    return std::move(*socket);
}

void remove_file_of(const Address& address) {
    if (const std::string path = path_of(address); !path.empty()) ::unlink(path.c_str());
}

}  // namespace weir::admin

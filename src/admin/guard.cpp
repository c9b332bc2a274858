#include "admin/guard.hpp"

#include "weir/http/rules.hpp"

#include <algorithm>
#include <array>
#include <netinet/in.h>
#include <sys/socket.h>

namespace weir::admin {
namespace {

// "[::1]:80" -> "::1", "localhost:80" -> "localhost". The authority is valid.
std::string_view host_of(std::string_view authority) {
    if (authority.starts_with('[')) return authority.substr(1, authority.find(']') - 1);
    return authority.substr(0, authority.find(':'));
}

// The address that a text is, in one spelling; nothing if it is a name.
std::optional<std::string> ip_of(std::string_view text) {
    if (text.starts_with('[') && text.ends_with(']')) text = text.substr(1, text.size() - 2);
    const auto address = Address::from_ip(text, 0);
    if (!address) return std::nullopt;
    return address->ip();
}

// All addresses of the machine: nobody is reached by that.
bool is_unspecified(std::string_view ip) {
    return ip == "0.0.0.0" || ip == "::";
}

// As a browser writes it: the scheme this port speaks, and the very Host of the request.
bool is_same_origin(std::string_view origin, std::string_view authority) {
    constexpr std::string_view kScheme = "http://";
    return origin.size() > kScheme.size() &&
           http::equals_ignoring_case(origin.substr(0, kScheme.size()), kScheme) &&
           http::equals_ignoring_case(origin.substr(kScheme.size()), authority);
}

// Looks at every byte of what was given, however early it differs.
bool is_equal(std::string_view given, std::string_view wanted) {
    unsigned difference = given.size() == wanted.size() && !wanted.empty() ? 0 : 1;
    for (std::size_t i = 0; i < given.size(); ++i) {
        const char other = wanted.empty() ? '\0' : wanted[i % wanted.size()];
        difference |= static_cast<unsigned char>(given[i] ^ other);
    }
    return difference == 0;
}

}  // namespace

bool is_own_host(std::string_view authority,
                 std::span<const Address> own,
                 std::span<const std::string> hosts) {
    if (!http::is_valid_authority(authority)) return false;
    const std::string_view host = host_of(authority);
    const auto ip = ip_of(host);
    const bool is_allowed =
        std::any_of(hosts.begin(), hosts.end(), [&](const std::string& allowed) {
            return ip ? ip_of(allowed) == ip : http::equals_ignoring_case(host, allowed);
        });
    if (is_allowed || !ip || is_unspecified(*ip)) return is_allowed;
    return std::any_of(own.begin(), own.end(),
                       [&](const Address& each) { return !each.is_unix() && each.ip() == *ip; });
}

std::optional<Response> refuse_stranger(const Request& request,
                                        const Address& listen,
                                        std::span<const std::string> hosts) {
    const std::array own{listen, request.local};
    const bool is_own =
        is_own_host(request.authority, own, hosts) &&
        std::all_of(request.hosts.begin(), request.hosts.end(),
                    [&](const auto& host) { return is_own_host(host, own, hosts); });
    if (!listen.is_unix() && !is_own) {
        return error_response(
            421, "misdirected",
            "this Host is not a name of the admin port: use localhost, the address it listens on, "
            "or a name of admin.hosts");
    }
    const bool is_same =
        std::all_of(request.origins.begin(), request.origins.end(),
                    [&](const auto& origin) { return is_same_origin(origin, request.authority); });
    if (!is_same) {
        return error_response(403, "foreign_origin", "another origin may not ask the admin port");
    }
    if (http::equals_ignoring_case(request.fetch_site, "cross-site")) {
        return error_response(403, "cross_site", "another site may not ask the admin port");
    }
    return std::nullopt;
}

std::optional<Response> refuse_without_token(const Request& request, const config::Secret& token) {
    constexpr std::string_view kScheme = "Bearer ";
    const std::string_view given = request.authorization;
    const bool is_bearer = given.size() > kScheme.size() &&
                           http::equals_ignoring_case(given.substr(0, kScheme.size()), kScheme);
    if (is_bearer && is_equal(given.substr(kScheme.size()), token.reveal())) return std::nullopt;
    Response response = error_response(
        401, "unauthorized",
        is_bearer ? "this is not the token of admin.token"
                  : "this port asks for the token of admin.token: Authorization: Bearer ...");
    response.asks_for_token = true;
    return response;
}

std::optional<Response> refuse_body(const Request& request) {
    if (!request.has_body) return std::nullopt;
    const bool is_config = request.path.starts_with("/api/v1/config");
    if (is_type(request.content_type, "application/json")) return std::nullopt;
    if (is_config && is_type(request.content_type, "application/yaml")) return std::nullopt;
    return error_response(415, "unsupported_media_type",
                          is_config ? "a body is application/json or application/yaml here"
                                    : "a body is application/json here");
}

std::string peer_ip(int fd) {
    sockaddr_storage storage{};
    socklen_t size = sizeof storage;
    if (::getpeername(fd, reinterpret_cast<sockaddr*>(&storage), &size) != 0) return "-";
    return Address::from_socket(reinterpret_cast<const sockaddr*>(&storage), size).ip();
}

std::optional<Credentials> credentials_of(int fd) {
    ucred peer{};
    socklen_t size = sizeof peer;
    if (::getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) != 0) return std::nullopt;
    Credentials credentials{.uid = peer.uid, .pid = peer.pid, .groups = {peer.gid}};
    std::array<gid_t, 256> groups{};
    size = sizeof groups;
    if (::getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, groups.data(), &size) == 0) {
        credentials.groups.insert(credentials.groups.end(), groups.begin(),
                                  groups.begin() + size / sizeof(gid_t));
    }
    return credentials;
}

bool may_ask(const Credentials& peer, const Ownership& socket) {
    if (peer.uid == 0 || peer.uid == socket.uid) return true;
    return socket.may_group_write &&
           std::find(peer.groups.begin(), peer.groups.end(), socket.gid) != peer.groups.end();
}

}  // namespace weir::admin

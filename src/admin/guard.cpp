#include "admin/guard.hpp"

#include "weir/http/rules.hpp"

#include <algorithm>

namespace weir::admin {
namespace {

// "[::1]:80" -> "::1", "localhost:80" -> "localhost". The authority is valid.
std::string_view host_of(std::string_view authority) {
    if (authority.starts_with('[')) return authority.substr(1, authority.find(']') - 1);
    return authority.substr(0, authority.find(':'));
}

// As a browser writes it: the scheme this port speaks, and the very Host of the request.
bool is_same_origin(std::string_view origin, std::string_view authority) {
    constexpr std::string_view kScheme = "http://";
    return origin.size() > kScheme.size() &&
           http::equals_ignoring_case(origin.substr(0, kScheme.size()), kScheme) &&
           http::equals_ignoring_case(origin.substr(kScheme.size()), authority);
}

}  // namespace

bool is_own_host(std::string_view authority, const Address& listen) {
    if (!http::is_valid_authority(authority)) return false;
    const std::string_view host = host_of(authority);
    if (http::equals_ignoring_case(host, "localhost")) return true;
    const auto address = Address::from_ip(host, listen.port());
    return address && (address->is_loopback() || *address == listen);
}

std::optional<Response> refuse_stranger(const Request& request, const Address& listen) {
    const bool is_own = is_own_host(request.authority, listen) &&
                        std::all_of(request.hosts.begin(), request.hosts.end(),
                                    [&](const auto& host) { return is_own_host(host, listen); });
    if (!listen.is_unix() && !is_own) {
        return error_response(
            421, "misdirected",
            "this Host is not a name of the admin port: use localhost, a loopback "
            "address or the address it listens on");
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

}  // namespace weir::admin

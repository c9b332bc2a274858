#include "weir/http/client_address.hpp"

#include "weir/core/address.hpp"

#include <algorithm>

namespace weir::http {
namespace {

std::string_view trim(std::string_view text) {
    while (!text.empty() && (text.front() == ' ' || text.front() == '\t'))
        text.remove_prefix(1);
    while (!text.empty() && (text.back() == ' ' || text.back() == '\t'))
        text.remove_suffix(1);
    return text;
}

}  // namespace

std::string_view real_client(std::string_view forwarded_for,
                             std::string_view peer,
                             const std::vector<config::Cidr>& trusted,
                             std::uint32_t hops) {
    std::string_view client = peer;
    for (std::uint32_t hop = 1; !forwarded_for.empty(); ++hop) {
        const std::size_t comma = forwarded_for.rfind(',');
        const std::string_view entry =
            trim(comma == std::string_view::npos ? forwarded_for : forwarded_for.substr(comma + 1));
        forwarded_for =
            comma == std::string_view::npos ? std::string_view() : forwarded_for.substr(0, comma);
        const auto address = Address::from_ip(entry, 0);
        if (!address) return client;
        client = entry;
        const bool is_proxy =
            hops > 0 ? hop < hops
                     : std::any_of(trusted.begin(), trusted.end(), [&](const config::Cidr& range) {
                           return range.contains(*address);
                       });
        if (!is_proxy) return client;
    }
    return client;
}

}  // namespace weir::http

#include "finders/consul_messages.hpp"

#include "weir/core/json.hpp"
#include "weir/http/query.hpp"

#include <algorithm>
#include <charconv>

namespace weir::finders::consul {
namespace {

constexpr std::uint64_t kMostWeight = 65535;
constexpr std::uint64_t kMostPort = 65535;

// The worst of its checks.
bool is_warning(const JsonValue& entry) {
    const auto& checks = entry["Checks"].items();
    return std::any_of(checks.begin(), checks.end(),
                       [](const JsonValue& check) { return check["Status"].text() == "warning"; });
}

std::optional<Found> read_entry(const JsonValue& entry, std::string& wrong) {
    const JsonValue& service = entry["Service"];
    const JsonValue& node = entry["Node"];
    const std::string& own = service["Address"].text();
    const std::string& ip = own.empty() ? node["Address"].text() : own;
    const std::uint64_t port = service["Port"].integer().value_or(0);
    Found found;
    const auto address = port == 0 || port > kMostPort
                             ? std::nullopt
                             : Address::from_ip(ip, static_cast<std::uint16_t>(port));
    if (!address) {
        if (wrong.empty()) {
            wrong = "instance '" + service["ID"].text() + "' has no address to call: '" + ip +
                    "', port " + std::to_string(port);
        }
        return std::nullopt;
    }
    found.address = *address;
    found.name = address->to_string();
    const JsonValue& weight = service["Weights"][is_warning(entry) ? "Warning" : "Passing"];
    // Consul's weight of an instance is 1 unless it says otherwise, and 0 for "none now".
    if (const auto number = weight.integer())
        found.weight =
            static_cast<std::uint32_t>(std::clamp<std::uint64_t>(*number, 1, kMostWeight));
    const JsonValue& meta = service["Meta"];
    found.zone = meta["zone"].text().empty() ? node["Meta"]["zone"].text() : meta["zone"].text();
    found.uid = node["ID"].text() + "/" + service["ID"].text();
    return found;
}

}  // namespace

std::optional<std::vector<Found>> read_service(std::string_view body, std::string& wrong) {
    const auto json = JsonValue::parse(body);
    if (!json || !json->is_array()) return std::nullopt;
    std::vector<Found> endpoints;
    for (const JsonValue& entry : json->items()) {
        if (!entry["Service"].is_object() || !entry["Node"].is_object()) return std::nullopt;
        if (auto found = read_entry(entry, wrong)) endpoints.push_back(std::move(*found));
    }
    return endpoints;
}

std::uint64_t next_index(std::uint64_t before, std::string_view header) {
    std::uint64_t index = 0;
    const auto [end, ec] = std::from_chars(header.data(), header.data() + header.size(), index);
    if (ec != std::errc() || end != header.data() + header.size()) return 0;
    if (index < before) return 0;
    return std::max<std::uint64_t>(index, 1);
}

std::string target_of(const Query& query) {
    std::string target = "/v1/health/service/" + http::encoded(query.service);
    char join = '?';
    const auto add = [&](std::string_view key, const std::string& value) {
        if (value.empty()) return;
        target += join;
        join = '&';
        target.append(key).append("=").append(http::encoded(value));
    };
    std::string filter = query.filter;
    if (query.health == "warning") {
        const std::string serves = "Checks.Status != critical";
        filter = filter.empty() ? serves : "(" + filter + ") and " + serves;
    }
    if (query.health == "passing") add("passing", "1");
    add("dc", query.datacenter);
    add("tag", query.tag);
    add("filter", filter);
    if (query.index > 0) {
        add("index", std::to_string(query.index));
        add("wait", query.wait);
    }
    return target;
}

}  // namespace weir::finders::consul

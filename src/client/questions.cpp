#include "weir/client/questions.hpp"

#include "weir/core/json.hpp"
#include "weir/http/query.hpp"

#include <algorithm>

namespace weir::client {
namespace {

constexpr const char* kApi = "/api/v1/";

Question post(std::string target, const Hold& hold) {
    Question question{.method = "POST", .target = kApi + std::move(target)};
    JsonWriter json(question.body);
    json.begin_object();
    if (!hold.lasting.empty()) json.field("for", hold.lasting);
    if (!hold.reason.empty()) json.field("reason", hold.reason);
    if (hold.is_forced) json.field("force", true);
    json.end_object();
    if (question.body == "{}") {
        question.body.clear();
    } else {
        question.content_type = "application/json";
    }
    return question;
}

std::string in_capitals(std::string_view text) {
    std::string out(text);
    std::transform(out.begin(), out.end(), out.begin(), [](char c) {
        return c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c;
    });
    return out;
}

}  // namespace

std::string percent_encoded(std::string_view text) {
    return http::encoded(text, "-._~:@[]");
}

Question look_at(std::string_view what) {
    return {.method = "GET", .target = kApi + std::string(what)};
}

Question look_at_cluster(std::string_view name) {
    return look_at("clusters/" + percent_encoded(name));
}

Question look_at_endpoints(std::string_view cluster) {
    return look_at("clusters/" + percent_encoded(cluster) + "/endpoints");
}

Question look_at_events(std::size_t newest, std::string_view cluster) {
    const std::string target = "events?n=" + std::to_string(newest);
    return look_at(cluster.empty() ? target : target + "&cluster=" + percent_encoded(cluster));
}

Question look_at_failures(const FailureFilter& filter) {
    std::string target = "failures";
    const auto add = [&target](std::string_view key, const std::string& value) {
        if (value.empty()) return;
        target += target.find('?') == std::string::npos ? '?' : '&';
        target.append(key).append("=").append(percent_encoded(value));
    };
    add("n", filter.newest == 0 ? "" : std::to_string(filter.newest));
    add("id", filter.id);
    add("cluster", filter.cluster);
    add("route", filter.route);
    add("reason", filter.reason);
    return look_at(target);
}

Question record_trace(std::string_view lasting, std::string_view cluster, std::uint64_t most) {
    std::string target = "trace-export?for=" + percent_encoded(lasting);
    if (!cluster.empty()) target += "&cluster=" + percent_encoded(cluster);
    if (most > 0) target += "&n=" + std::to_string(most);
    return look_at(target);
}

Question look_at_config(bool is_json, bool has_origins, bool has_defaults) {
    std::string target = "config?format=";
    target += is_json ? "json" : "yaml";
    if (has_origins) target += "&origin=1";
    if (has_defaults) target += "&defaults=1";
    return look_at(target);
}

Question explain_key(std::string_view path) {
    return look_at("config/explain?path=" + percent_encoded(path));
}

Question try_route(std::string_view method,
                   std::string_view url,
                   const std::vector<std::string>& headers,
                   std::string_view listener) {
    std::string target = "route?method=" + percent_encoded(in_capitals(method));
    const std::size_t scheme = url.find("://");
    if (scheme != std::string_view::npos && scheme < url.find('/')) {
        url.remove_prefix(scheme + 3);
        const std::size_t end = std::min(url.find_first_of("/?#"), url.size());
        target += "&host=" + percent_encoded(url.substr(0, end));
        url.remove_prefix(end);
    }
    url = url.substr(0, url.find('#'));
    target += "&path=" + percent_encoded((url.starts_with('/') ? "" : "/") + std::string(url));
    for (const std::string& header : headers)
        target += "&header=" + percent_encoded(header);
    if (!listener.empty()) target += "&listener=" + percent_encoded(listener);
    return look_at(target);
}

Question change_endpoint(std::string_view cluster,
                         std::string_view address,
                         std::string_view action,
                         const Hold& hold) {
    return post("clusters/" + percent_encoded(cluster) + "/endpoints/" + percent_encoded(address) +
                    "/" + std::string(action),
                hold);
}

Question change_breaker(std::string_view name, std::string_view action, const Hold& hold) {
    return post("breakers/" + percent_encoded(name) + "/" + std::string(action), hold);
}

Question add_fault(const FaultOrder& order) {
    Question question{.method = "POST",
                      .target = std::string(kApi) + "faults",
                      .content_type = "application/json"};
    JsonWriter json(question.body);
    json.begin_object();
    const auto add = [&json](std::string_view key, std::string_view text) {
        if (!text.empty()) json.field(key, text);
    };
    add("cluster", order.cluster);
    add("route", order.route);
    add("delay", order.delay);
    if (!order.abort.empty())
        json.field("abort", std::uint64_t{std::strtoul(order.abort.c_str(), nullptr, 10)});
    const bool is_bare = !order.percent.empty() && !order.percent.ends_with('%');
    add("percent", is_bare ? order.percent + "%" : order.percent);
    add("for", order.lasting);
    add("reason", order.reason);
    json.end_object();
    return question;
}

namespace {

// g++ 12 takes text + "..." made here for a write out of bounds.
std::string registration(std::string_view service, std::string_view address) {
    std::string target(kApi);
    target.append("registry/").append(percent_encoded(service));
    target.append("/").append(percent_encoded(address));
    return target;
}

}  // namespace

Question look_at_registry(std::string_view service) {
    std::string target = "registry";
    if (!service.empty()) target.append("?service=").append(percent_encoded(service));
    return look_at(target);
}

Question register_endpoint(std::string_view service,
                           std::string_view address,
                           const LeaseOrder& lease) {
    Question question{.method = "PUT",
                      .target = registration(service, address),
                      .content_type = "application/json"};
    JsonWriter json(question.body);
    json.begin_object();
    if (!lease.ttl.empty()) json.field("ttl", lease.ttl);
    if (!lease.weight.empty())
        json.field("weight", std::uint64_t{std::strtoul(lease.weight.c_str(), nullptr, 10)});
    if (!lease.zone.empty()) json.field("zone", lease.zone);
    json.end_object();
    return question;
}

Question unregister(std::string_view service, std::string_view address) {
    return {.method = "DELETE", .target = registration(service, address)};
}

Question remove_fault(std::string_view id) {
    return {.method = "DELETE", .target = std::string(kApi) + "faults/" + percent_encoded(id)};
}

Question change_log(std::string_view level,
                    const std::vector<std::string>& modules,
                    std::string_view lasting) {
    Question question{
        .method = "PUT", .target = std::string(kApi) + "log", .content_type = "application/json"};
    JsonWriter json(question.body);
    json.begin_object();
    if (!level.empty()) json.field("level", level);
    if (!modules.empty()) {
        json.key("modules").begin_object();
        for (const std::string& module : modules) {
            const std::size_t equals = std::min(module.find('='), module.size());
            json.field(module.substr(0, equals),
                       std::string_view(module).substr(std::min(equals + 1, module.size())));
        }
        json.end_object();
    }
    if (!lasting.empty()) json.field("for", lasting);
    json.end_object();
    return question;
}

Question order(std::string_view what) {
    return post(std::string(what), {});
}

Question apply_config(std::string text, std::string_view if_match, bool is_persistent) {
    Question question{.method = "PUT",
                      .target = std::string(kApi) + "config" + (is_persistent ? "?persist=1" : ""),
                      .body = std::move(text),
                      .content_type = "application/yaml"};
    if (!if_match.empty()) {
        question.headers.emplace_back("If-Match", "\"" + std::string(if_match) + "\"");
    }
    return question;
}

Question validate_config(std::string text) {
    Question question = order("config/validate");
    question.body = std::move(text);
    question.content_type = "application/yaml";
    return question;
}

}  // namespace weir::client

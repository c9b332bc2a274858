#pragma once

#include "weir/core/address.hpp"
#include "weir/core/clock.hpp"
#include "weir/http/h1.hpp"
#include "weir/transport/task.hpp"

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace weir::admin {

struct Route;

// A request to the admin or telemetry port, whole: its strings are its own.
struct Request {
    http::Method method = http::Method::get;
    std::string path;   // normalised
    std::string query;  // without '?'
    std::string authority;
    std::vector<std::string> hosts;    // each Host field
    std::vector<std::string> origins;  // each Origin field
    std::string fetch_site;            // Sec-Fetch-Site
    std::string accept;
    std::string accept_encoding;
    std::string authorization;
    std::string content_type;
    std::string if_match;
    std::string last_event_id;
    bool has_body = false;
    std::string body;
    std::string peer;  // who asks: "127.0.0.1", "uid 0 pid 4711"
    Address local;     // where it came to
    const Route* route = nullptr;
    std::vector<std::string> parameters;  // {name} segments of the route, decoded, in order

    // The first value of that key in the query, decoded.
    [[nodiscard]] std::optional<std::string> query_value(std::string_view key) const;
    [[nodiscard]] std::vector<std::string> query_values(std::string_view key) const;
    // "1", "true", or there without a value.
    [[nodiscard]] bool has_flag(std::string_view key) const;
};

[[nodiscard]] Request to_request(const http::RequestHead& head);

// An answer that goes on: asked again and again until the client leaves. What a client that does
// not read misses is the matter of next(); nothing is kept for it but one such text.
struct Feed {
    Duration period{};
    std::function<std::string(TimePoint now)> next;  // empty: nothing new
    std::function<bool()> is_over = {};              // after next(): none for never
    bool has_heartbeat = true;                       // a comment of server-sent events
};

struct Response {
    std::uint16_t status = 200;
    std::string_view content_type = "application/json";
    std::string body;
    std::string allow;            // of a 405
    std::string etag;             // without quotes
    bool is_gzip = false;         // the body
    bool may_be_gzip = false;     // another client would get it so
    bool asks_for_token = false;  // of a 401
    std::optional<Feed> feed;     // what follows the body, until either side ends
    // Somebody else must be asked first: what is awaited in place of this answer.
    std::function<transport::Task<Response>(transport::TaskScope&)> later = {};
};

// {"error":{"code","message"}}: what every failure looks like, on any route.
[[nodiscard]] Response error_response(std::uint16_t status,
                                      std::string_view code,
                                      std::string_view message);
[[nodiscard]] Response text_response(std::uint16_t status, std::string body);

// The body packed, if the client takes that and it is worth it.
void compress(Response& response, const Request& request);
// A list of Accept-Encoding that takes gzip: named, or by *, and not with q=0.
[[nodiscard]] bool takes_gzip(std::string_view accept_encoding);
// Whether a list of Accept names the media type, not with q=0. No wildcards.
[[nodiscard]] bool names_type(std::string_view accept, std::string_view type);
// "Application/JSON; charset=utf-8" is "application/json".
[[nodiscard]] bool is_type(std::string_view content_type, std::string_view type);

struct WriteOptions {
    bool is_head = false;
    bool keep_alive = true;
    std::uint8_t client_minor = 1;
};
// The whole answer as it goes out, with the headers that keep a browser from making anything of it
// but data.
[[nodiscard]] std::string serialise(const Response& response, const WriteOptions& options);

// %XX decoded; a broken escape stays as it is.
[[nodiscard]] std::string percent_decoded(std::string_view text);

}  // namespace weir::admin

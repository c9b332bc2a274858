#pragma once

#include "weir/http/h1.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace weir::admin {

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
    std::string body;
    std::vector<std::string> parameters;  // {name} segments of the route, decoded, in order

    // The first value of that key in the query, decoded.
    [[nodiscard]] std::optional<std::string> query_value(std::string_view key) const;
};

[[nodiscard]] Request to_request(const http::RequestHead& head);

struct Response {
    std::uint16_t status = 200;
    std::string_view content_type = "application/json";
    std::string body;
    std::string allow;  // of a 405
};

// {"error":{"code","message"}}: what every failure looks like, on any route.
[[nodiscard]] Response error_response(std::uint16_t status,
                                      std::string_view code,
                                      std::string_view message);
[[nodiscard]] Response text_response(std::uint16_t status, std::string body);

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

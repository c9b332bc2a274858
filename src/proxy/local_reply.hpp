#pragma once

#include "weir/core/clock.hpp"
#include "weir/core/reason.hpp"
#include "weir/http/grpc.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace weir::proxy {

// An answer of Weir's own. Views live for the call.
struct LocalReply {
    Reason reason =
        Reason::none;  // none: a route's `respond` or `redirect`, with status and body below
    std::uint16_t status = 0;  // 0: the reason's
    std::string_view body;
    bool has_own_body = false;  // body, though there is a reason
    std::string_view location;  // of a redirect
    std::string_view lines;     // more of its head, whole ones
    std::string_view request_id;
    std::string_view cluster;    // empty: not to be named (errors.detail: public)
    std::uint32_t attempts = 0;  // 0: none, or not to be told
    const char* detail = "";
    Duration retry_after{};
    std::optional<std::uint32_t> retried{};  // to be told to hops above: further tries made
    bool wants_problem_json = false;
    bool is_head = false;
    bool keeps_alive = true;
    bool is_h2 = false;
    std::uint8_t client_minor = 1;
    // Of the request: a call gets an answer that its client understands, where there is a reason.
    http::GrpcKind grpc = http::GrpcKind::none;
    std::optional<http::GrpcCode> grpc_code{};  // none: the reason's
};

// The status that it says: of gRPC's it is 200, whatever the reason.
[[nodiscard]] std::uint16_t status_of(const LocalReply& reply);

// Appends the whole message, head and body: RFC 9457 problem details if the client takes them, else
// one line; a call of gRPC gets its status and message in the head, and nothing else. Returns the
// size of the body.
std::size_t write_local_reply(std::string& out, const LocalReply& reply);

// The line by which a failed answer says that a hop has tried again, or would have but for its
// budget: the hop above leaves it at that.
void append_retried(std::string& out, std::uint32_t tries);

}  // namespace weir::proxy

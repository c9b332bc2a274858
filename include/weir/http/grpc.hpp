#pragma once

#include "weir/core/clock.hpp"
#include "weir/core/reason.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

// The words of gRPC over HTTP. No messages, no sockets.
namespace weir::http {

// What a Content-Type says about a call.
enum class GrpcKind : std::uint8_t {
    none,
    plain,     // application/grpc: trailers are trailers
    web,       // application/grpc-web: they are the last frame of the body
    web_text,  // application/grpc-web-text: and the body is in base64
};
[[nodiscard]] GrpcKind grpc_kind_if_any(std::string_view content_type);
// A look at one letter for most types.
[[nodiscard]] inline GrpcKind grpc_kind(std::string_view content_type) {
    constexpr std::string_view kBegin = "application/";
    const bool may_be = content_type.size() > kBegin.size() &&
                        (content_type[kBegin.size()] == 'g' || content_type[kBegin.size()] == 'G');
    return may_be ? grpc_kind_if_any(content_type) : GrpcKind::none;
}

// What a call ends with (grpc-status).
enum class GrpcCode : std::uint8_t {
    ok,
    cancelled,
    unknown,
    invalid_argument,
    deadline_exceeded,
    not_found,
    already_exists,
    permission_denied,
    resource_exhausted,
    failed_precondition,
    aborted,
    out_of_range,
    unimplemented,
    internal,
    unavailable,
    data_loss,
    unauthenticated,
};
// Of its number; one that nobody knows is UNKNOWN.
[[nodiscard]] GrpcCode to_grpc_code(std::uint32_t number);
// "UNAVAILABLE".
[[nodiscard]] std::string_view word(GrpcCode code);

// What a client makes of an answer that is not gRPC, by gRPC's own table.
[[nodiscard]] GrpcCode grpc_code(std::uint16_t status);
// What an answer of ours says: as its status would, or better where gRPC has the word.
[[nodiscard]] GrpcCode grpc_code(Reason reason);

inline constexpr std::string_view kGrpcStatus = "grpc-status";
// How long to wait before a call is repeated, in milliseconds; below zero: it is not to be.
inline constexpr std::string_view kGrpcPushback = "grpc-retry-pushback-ms";

// The value of grpc-timeout: one to eight digits and a unit. None if it is anything else. At most a
// year, so that it can be added to a time.
[[nodiscard]] std::optional<Duration> parse_grpc_timeout(std::string_view text);
// The line, with at least a millisecond.
void append_grpc_timeout(std::string& out, Duration left);

// The text as a value of grpc-message: percent-encoded.
void append_grpc_message(std::string& out, std::string_view text);

}  // namespace weir::http

#include "local_reply.hpp"

#include "weir/config/values.hpp"
#include "weir/core/json.hpp"
#include "weir/http/h1.hpp"
#include "weir/http/message.hpp"

#include "limit_text.hpp"

#include <chrono>

namespace weir::proxy {
namespace {

// "(timeout.request; 2 attempts)", or nothing.
std::string remark(const LocalReply& reply) {
    std::string text = reply.detail;
    if (reply.attempts > 0) {
        if (!text.empty()) text.append("; ");
        text.append(std::to_string(reply.attempts));
        text.append(reply.attempts == 1 ? " attempt" : " attempts");
    }
    return text.empty() ? text : " (" + text + ")";
}

std::string one_line(const LocalReply& reply) {
    std::string line = "weir: " + sentence(reply.reason, reply.cluster) + remark(reply) + ".";
    if (!reply.request_id.empty()) line.append(" request ").append(reply.request_id);
    line.append(" - see: weir explain ").append(word(reply.reason));
    return line;
}

std::string problem_body(const LocalReply& reply, std::uint16_t status) {
    std::string body;
    JsonWriter json(body);
    json.begin_object();
    json.field("type", "about:blank").field("title", http::reason_phrase(status));
    json.field("status", std::uint32_t{status});
    json.field("detail", sentence(reply.reason, reply.cluster) + remark(reply));
    json.field("weir_error", word(reply.reason));
    if (!reply.cluster.empty()) json.field("cluster", reply.cluster);
    if (!reply.request_id.empty()) json.field("request_id", reply.request_id);
    json.end_object();
    return body.append("\n");
}

// Delay in whole seconds, rounded up: a client must not come too early.
void append_retry_after(std::string& out, Duration delay) {
    if (delay <= Duration::zero()) return;
    const auto seconds = std::chrono::ceil<std::chrono::seconds>(delay).count();
    out.append("retry-after: ").append(std::to_string(seconds)).append("\r\n");
}

void append_pushback(std::string& out, Duration delay) {
    if (delay <= Duration::zero()) return;
    const auto ms = std::chrono::ceil<std::chrono::milliseconds>(delay).count();
    out.append(http::kGrpcPushback).append(": ").append(std::to_string(ms)).append("\r\n");
}

bool is_call(const LocalReply& reply) {
    return reply.grpc != http::GrpcKind::none && reply.reason != Reason::none;
}

std::string_view type_of(http::GrpcKind kind) {
    switch (kind) {
        case http::GrpcKind::web:
            return "application/grpc-web+proto";
        case http::GrpcKind::web_text:
            return "application/grpc-web-text+proto";
        default:
            return "application/grpc";
    }
}

// Who we are, when to come again in HTTP's words or gRPC's, and the end of the head.
void append_rest(std::string& out, const LocalReply& reply) {
    if (reply.reason != Reason::none)
        out.append("weir-error: ").append(word(reply.reason)).append("\r\n");
    if (is_call(reply)) {
        append_pushback(out, reply.retry_after);
    } else {
        append_retry_after(out, reply.retry_after);
    }
    if (reply.retried) append_retried(out, *reply.retried);
    out.append(reply.lines);
    if (!reply.request_id.empty())
        out.append("x-request-id: ").append(reply.request_id).append("\r\n");
    if (!reply.keeps_alive) {
        out.append("connection: close\r\n");
    } else if (reply.client_minor == 0) {
        out.append("connection: keep-alive\r\n");
    }
    out.append("\r\n");
}

// "Trailers-only": a head that is all there is, with what trailers would have said.
void write_call_end(std::string& out, const LocalReply& reply) {
    const http::GrpcCode code = reply.grpc_code.value_or(http::grpc_code(reply.reason));
    out.append("HTTP/1.1 200 OK\r\ncontent-type: ").append(type_of(reply.grpc)).append("\r\n");
    if (!reply.is_h2) out.append("content-length: 0\r\n");
    out.append("grpc-status: ").append(std::to_string(static_cast<unsigned>(code)));
    out.append("\r\ngrpc-message: ");
    http::append_grpc_message(out, one_line(reply));
    out.append("\r\n");
    append_rest(out, reply);
}

}  // namespace

std::uint16_t status_of(const LocalReply& reply) {
    if (is_call(reply)) return 200;
    return reply.status != 0 ? reply.status : info(reply.reason).status;
}

void append_retried(std::string& out, std::uint32_t tries) {
    out.append(http::kRetried).append(": ").append(std::to_string(tries)).append("\r\n");
}

std::size_t write_local_reply(std::string& out, const LocalReply& reply) {
    if (is_call(reply)) {
        write_call_end(out, reply);
        return 0;
    }
    const std::uint16_t status = status_of(reply);
    std::string made;
    std::string_view body = reply.body;
    std::string_view type = "text/plain; charset=utf-8";
    if (reply.reason != Reason::none && !reply.has_own_body) {
        if (reply.wants_problem_json) type = "application/problem+json";
        made = reply.wants_problem_json ? problem_body(reply, status) : one_line(reply) + "\n";
        body = made;
    }
    const bool has_no_body = status == 204 || status == 304;
    out.append("HTTP/1.1 ").append(std::to_string(status)).append(" ");
    out.append(http::reason_phrase(status)).append("\r\n");
    if (!has_no_body) {
        if (!body.empty()) out.append("content-type: ").append(type).append("\r\n");
        out.append("content-length: ").append(std::to_string(body.size())).append("\r\n");
    }
    if (!reply.location.empty()) out.append("location: ").append(reply.location).append("\r\n");
    append_rest(out, reply);
    if (has_no_body || reply.is_head) return 0;
    out.append(body);
    return body.size();
}

// ---- which limit it was

namespace {

using Limits = config::ClusterLimits;

struct Row {
    std::string_view detail;
    config::Place Limits::Places::*place;
    std::string (*value)(const Limits& limits, std::uint32_t adaptive);
};

std::string number(const std::optional<std::uint32_t>& count) {
    return count ? std::to_string(*count) : "unlimited";
}

constexpr Row kRows[] = {
    {"limits.max_connections", &Limits::Places::max_connections,
     [](const Limits& limits, std::uint32_t) { return number(limits.max_connections); }},
    {"limits.max_connecting", &Limits::Places::max_connecting,
     [](const Limits& limits, std::uint32_t) { return number(limits.max_connecting); }},
    {"limits.max_requests", &Limits::Places::max_requests,
     [](const Limits& limits, std::uint32_t) { return number(limits.max_requests); }},
    {"limits.max_pending", &Limits::Places::max_pending,
     [](const Limits& limits, std::uint32_t) { return std::to_string(limits.max_pending); }},
    {"limits.queue_timeout", &Limits::Places::queue_timeout,
     [](const Limits& limits, std::uint32_t) { return config::to_text(limits.queue_timeout); }},
    {"limits.adaptive", &Limits::Places::adaptive,
     [](const Limits&, std::uint32_t adaptive) { return std::to_string(adaptive) + " now"; }},
};

// The file without its folders: a client need not know those.
std::string where(const config::Place& place, const config::Config& config) {
    if (place.is_built_in()) return " by default";
    std::string file;
    if (place.file < config.source.files.size()) file = config.source.files[place.file];
    const std::size_t slash = file.rfind('/');
    if (slash != std::string::npos) file.erase(0, slash + 1);
    return " (" + file + ":" + std::to_string(place.line) + ")";
}

}  // namespace

std::string limit_text(std::string_view limit,
                       const config::Config& config,
                       const config::Cluster& cluster,
                       std::uint32_t adaptive) {
    std::string text(limit);
    for (const Row& row : kRows) {
        if (row.detail != limit) continue;
        text.append(" is ").append(row.value(cluster.limits, adaptive));
        text.append(where(cluster.limits.places.*row.place, config));
    }
    return text;
}

}  // namespace weir::proxy

#include "local_reply.hpp"

#include "weir/core/json.hpp"
#include "weir/http/h1.hpp"
#include "weir/http/message.hpp"

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

std::string plain_body(const LocalReply& reply) {
    std::string body = "weir: " + sentence(reply.reason, reply.cluster) + remark(reply) + ".";
    if (!reply.request_id.empty()) body.append(" request ").append(reply.request_id);
    body.append(" - see: weir explain ").append(word(reply.reason)).append("\n");
    return body;
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

}  // namespace

void append_retried(std::string& out, std::uint32_t tries) {
    out.append(http::kRetried).append(": ").append(std::to_string(tries)).append("\r\n");
}

std::size_t write_local_reply(std::string& out, const LocalReply& reply) {
    const std::uint16_t status = reply.status != 0 ? reply.status : info(reply.reason).status;
    std::string made;
    std::string_view body = reply.body;
    std::string_view type = "text/plain; charset=utf-8";
    if (reply.reason != Reason::none && !reply.has_own_body) {
        if (reply.wants_problem_json) type = "application/problem+json";
        made = reply.wants_problem_json ? problem_body(reply, status) : plain_body(reply);
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
    if (reply.reason != Reason::none)
        out.append("weir-error: ").append(word(reply.reason)).append("\r\n");
    append_retry_after(out, reply.retry_after);
    if (reply.retried) append_retried(out, *reply.retried);
    if (!reply.request_id.empty())
        out.append("x-request-id: ").append(reply.request_id).append("\r\n");
    if (!reply.keeps_alive) {
        out.append("connection: close\r\n");
    } else if (reply.client_minor == 0) {
        out.append("connection: keep-alive\r\n");
    }
    out.append("\r\n");
    if (has_no_body || reply.is_head) return 0;
    out.append(body);
    return body.size();
}

}  // namespace weir::proxy

#include "local_reply.hpp"

#include "weir/core/json.hpp"
#include "weir/http/message.hpp"

#include <chrono>

namespace weir::proxy {
namespace {

std::string plain_body(const LocalReply& reply) {
    std::string body = "weir: ";
    if (!reply.cluster.empty()) body.append("'").append(reply.cluster).append("': ");
    body.append(info(reply.reason).sentence);
    if (*reply.detail != '\0') body.append(" (").append(reply.detail).append(")");
    body.append(".");
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
    json.field("detail", info(reply.reason).sentence);
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

std::size_t write_local_reply(std::string& out, const LocalReply& reply) {
    const std::uint16_t status = reply.status != 0 ? reply.status : info(reply.reason).status;
    std::string made;
    std::string_view body = reply.body;
    std::string_view type = "text/plain; charset=utf-8";
    if (reply.reason != Reason::none) {
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

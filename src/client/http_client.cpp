#include "weir/client/http_client.hpp"

namespace weir::client {

using transport::Task;
using transport::TaskScope;

Task<bool> HttpClient::connect(TaskScope& scope) {
    in_.clear();
    auto socket = transport::Socket::connect(server_);
    if (!socket) co_return false;
    stream_ = std::make_unique<transport::ControlStream>(executor_, std::move(*socket));
    stream_->set_deadline(timeout_);
    co_return co_await stream_->finish_connect(scope);
}

Task<std::optional<HttpClient::Answer>> HttpClient::read_answer(TaskScope& scope) {
    http::ResponseHead head;
    http::BodyDecoder body;
    Answer answer;
    for (;;) {
        const auto parse = http::parse_response_head(in_, http::Method::get, {}, head);
        if (parse.state == http::HeadParse::State::failed) co_return std::nullopt;
        if (parse.state == http::HeadParse::State::done) {
            answer.status = head.status;
            const auto* const error = head.headers.find(http::HeaderId::weir_error);
            if (error != nullptr) answer.weir_error = error->value;
            body.start(head.framing, head.content_length, {});
            in_.erase(0, parse.consumed);
            break;
        }
        const bool has_more = co_await stream_->read_more(scope, in_);
        if (!has_more) co_return std::nullopt;
    }
    while (!body.is_done()) {
        const auto step = body.next(in_);
        if (step.has_failed) co_return std::nullopt;
        answer.body += step.data;
        in_.erase(0, step.consumed);
        if (body.is_done() || step.consumed > 0) continue;
        const bool has_more = co_await stream_->read_more(scope, in_);
        if (!has_more && !body.on_eof()) co_return std::nullopt;
    }
    if (!head.keep_alive) stream_.reset();
    co_return answer;
}

Task<std::optional<HttpClient::Answer>> HttpClient::get(TaskScope& scope, std::string path) {
    bool is_connected = stream_ != nullptr;
    if (!is_connected) is_connected = co_await connect(scope);
    std::optional<Answer> answer;
    if (is_connected) {
        const std::string request = "GET " + path + " HTTP/1.1\r\nHost: localhost\r\n\r\n";
        stream_->set_deadline(timeout_);
        const bool is_sent = co_await stream_->write(scope, request, timeout_);
        if (is_sent) answer = co_await read_answer(scope);
    }
    if (!answer) stream_.reset();
    co_return answer;
}

}  // namespace weir::client

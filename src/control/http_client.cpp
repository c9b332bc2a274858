#include "weir/control/http_client.hpp"

#include "weir/config/values.hpp"
#include "weir/control/text_file.hpp"

#include <algorithm>
#include <stdexcept>

namespace weir::control {

using transport::ControlStream;
using transport::Task;
using transport::TaskScope;

namespace {

std::string bytes_of(const HttpServer& server, const HttpRequest& request) {
    std::string out = request.method + " " + request.target +
                      " HTTP/1.1\r\nHost: " + server.authority + "\r\nUser-Agent: weir\r\n";
    for (const auto& [name, value] : request.headers)
        out += name + ": " + value + "\r\n";
    if (!request.body.empty() || request.method == "POST" || request.method == "PUT") {
        out += "Content-Length: " + std::to_string(request.body.size()) + "\r\n";
    }
    out += "\r\n";
    return out + request.body;
}

}  // namespace

std::string_view HttpHead::header(std::string_view name) const {
    for (const auto& [known, value] : headers) {
        if (http::equals_ignoring_case(known, name)) return value;
    }
    return {};
}

HttpClient::HttpClient(boost::asio::any_io_executor executor,
                       telemetry::Registry& registry,
                       Options options)
    : executor_(std::move(executor)), registry_(registry), options_(std::move(options)) {}

HttpClient::~HttpClient() = default;

void HttpClient::set_times(Duration head_timeout, Duration silence, Duration whole) {
    options_.head_timeout = head_timeout;
    options_.silence = silence;
    options_.whole = whole;
}

void HttpClient::close() {
    stream_.reset();
    is_kept_ = false;
    in_.clear();
}

bool HttpClient::fail(std::string what) {
    error_ = std::move(what);
    close();
    return false;
}

bool HttpClient::fail_read(std::string_view what, Duration limit) {
    is_late_ = stream_->is_late();
    if (is_late_ && Clock::refresh() >= until_) {
        return fail("the answer of " + server_.authority + " took longer than " +
                    config::to_text(options_.whole));
    }
    if (is_late_) {
        return fail("nothing from " + server_.authority + " for " + config::to_text(limit));
    }
    return fail(server_.authority + " closed the connection " + std::string(what));
}

// The end of the whole question is never moved.
void HttpClient::use_deadline(Duration at_most) {
    constexpr Duration kLeast = std::chrono::milliseconds{1};
    stream_->set_deadline(std::max(std::min(at_most, until_ - Clock::refresh()), kLeast));
}

// Throws std::runtime_error if the files are no good.
std::shared_ptr<const transport::TlsContext> HttpClient::tls_context() {
    std::string files;
    for (const std::string& path :
         {options_.tls.ca_file, options_.tls.cert_file, options_.tls.key_file}) {
        if (!path.empty()) files += path + '\0' + read_text_file(path).text + '\0';
    }
    if (tls_ && files == tls_files_) return tls_;
    config::Tls section;
    section.alpn = {"http/1.1"};
    section.ca.text = section.ca.path = options_.tls.ca_file;
    if (!options_.tls.cert_file.empty()) {
        config::CertificateFiles pair;
        pair.subject = "discovery";
        pair.cert = pair.cert_path = options_.tls.cert_file;
        pair.key = pair.key_path = options_.tls.key_file;
        section.certs.push_back(std::move(pair));
    }
    tls_ = transport::TlsContext::make_client(section, registry_);
    tls_files_ = std::move(files);
    return tls_;
}

Task<bool> HttpClient::connect(TaskScope& scope, const HttpServer& server) {
    close();
    server_ = server;
    auto socket = transport::Socket::connect(server.address);
    if (!socket) co_return fail("cannot connect to " + server.authority);
    stream_ = std::make_unique<ControlStream>(executor_, std::move(*socket));
    use_deadline(options_.connect_timeout);
    const bool is_there = co_await stream_->finish_connect(scope);
    if (!is_there && stream_->is_late()) {
        is_late_ = true;
        co_return fail("no connection to " + server.authority + " within " +
                       config::to_text(options_.connect_timeout));
    }
    if (!is_there) {
        co_return fail("cannot connect to " + server.authority + ": refused, or no way there");
    }
    if (!server.uses_tls) co_return true;
    transport::TlsStart start;
    try {
        start.context = tls_context();
    } catch (const std::runtime_error& error) {
        co_return fail(error.what());
    }
    start.server_name = server_.server_name;
    start.only_http1 = true;
    const bool is_safe = co_await stream_->start_tls(scope, std::move(start));
    if (is_safe) co_return true;
    const char* const why = stream_->tls_error();
    co_return fail("no TLS with " + server.authority + ": " +
                   (why != nullptr && *why != '\0' ? why : "the handshake failed"));
}

bool HttpClient::take_head() {
    http::ResponseHead head;
    for (;;) {
        const auto method = method_ == "HEAD" ? http::Method::head : http::Method::get;
        const auto parse = http::parse_response_head(in_, method, {}, head);
        if (parse.state == http::HeadParse::State::need_more) return false;
        if (parse.state == http::HeadParse::State::failed) {
            fail("the answer of " + server_.authority + " is no HTTP/1.1: " + parse.error.detail);
            return true;
        }
        const bool is_final = head.status >= 200;
        if (is_final) {
            head_.status = head.status;
            head_.headers.clear();
            for (const auto& field : head.headers)
                head_.headers.emplace_back(field.name, field.value);
            keeps_alive_ = head.keep_alive;
            body_.start(head.framing, head.content_length, {});
        }
        in_.erase(0, parse.consumed);
        if (is_final) return true;
        head.clear();
    }
}

Task<bool> HttpClient::read_head(TaskScope& scope) {
    use_deadline(options_.head_timeout);
    for (;;) {
        if (!in_.empty() && take_head()) co_return error_.empty();
        const bool has_more = co_await stream_->read_more(scope, in_);
        if (!has_more) co_return fail_read("before its answer", options_.head_timeout);
    }
}

Task<bool> HttpClient::exchange(TaskScope& scope, const std::string& bytes) {
    const bool is_sent = co_await stream_->write(scope, bytes, options_.head_timeout);
    if (!is_sent) co_return fail_read("within the question", options_.head_timeout);
    const bool has_head = co_await read_head(scope);
    co_return has_head;
}

Task<bool> HttpClient::begin(TaskScope& scope,
                             const HttpServer& server,
                             const HttpRequest& request) {
    error_.clear();
    is_late_ = false;
    method_ = request.method;
    until_ = Clock::refresh() + options_.whole;
    const std::string bytes = bytes_of(server, request);
    if (is_kept_ && server_ == server) {
        is_kept_ = false;
        const bool has_head = co_await exchange(scope, bytes);
        if (has_head || is_late_) co_return has_head;
        error_.clear();  // it may have closed what it had kept: asked again, once
    }
    const bool is_connected = co_await connect(scope, server);
    if (!is_connected) co_return false;
    const bool has_head = co_await exchange(scope, bytes);
    co_return has_head;
}

bool HttpClient::take_body(std::string& body) {
    std::size_t used = 0;
    while (used < in_.size() && !body_.is_done()) {
        const auto step = body_.next(std::string_view(in_).substr(used));
        if (step.has_failed) return false;
        if (!step.data.empty()) body.append(step.data);
        used += step.consumed;
        if (step.consumed == 0) break;
    }
    in_.erase(0, used);
    return true;
}

void HttpClient::finish() {
    is_kept_ = keeps_alive_ && in_.empty() && stream_ != nullptr;
    if (!is_kept_) close();
}

Task<bool> HttpClient::read(TaskScope& scope, std::string& body) {
    if (!error_.empty() || stream_ == nullptr) co_return false;
    const std::size_t before = body.size();
    for (;;) {
        const bool is_sound = take_body(body);
        if (!is_sound) co_return fail("the answer of " + server_.authority + " is broken");
        if (body.size() > before) co_return true;
        if (body_.is_done()) break;
        use_deadline(options_.silence);
        const bool has_more = co_await stream_->read_more(scope, in_);
        if (has_more) continue;
        if (stream_->is_late() || !body_.on_eof())
            co_return fail_read("within its answer", options_.silence);
        keeps_alive_ = false;
        break;
    }
    if (!is_kept_) finish();
    co_return false;
}

Task<bool> HttpClient::read_all(TaskScope& scope, std::string& body, std::size_t most) {
    for (;;) {
        const bool has_more = co_await read(scope, body);
        if (!has_more) co_return error_.empty();
        if (body.size() > most)
            co_return fail("the answer of " + server_.authority + " is larger than " +
                           std::to_string(most) + " bytes");
    }
}

}  // namespace weir::control

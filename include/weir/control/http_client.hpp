#pragma once

#include "weir/core/address.hpp"
#include "weir/http/h1.hpp"
#include "weir/telemetry/metrics.hpp"
#include "weir/transport/control_stream.hpp"
#include "weir/transport/task.hpp"

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace weir::control {

// Whom to ask.
struct HttpServer {
    Address address;
    std::string authority;    // for Host: "10.96.0.1:443", "consul:8500"
    std::string server_name;  // under TLS: whose certificate is expected, host or address
    bool uses_tls = false;

    bool operator==(const HttpServer&) const = default;
};

// Files in PEM, read again when they changed. Without a ca_file the system's roots count; the pair
// of certificate and key is both or none.
struct HttpTls {
    std::string ca_file;
    std::string cert_file;
    std::string key_file;
};

struct HttpRequest {
    using Headers = std::vector<std::pair<std::string, std::string>>;

    std::string method = "GET";
    std::string target = "/";
    // Besides Host, Content-Length, User-Agent. Values are sent as they are: no control bytes.
    Headers headers{};
    std::string body{};
};

struct HttpHead {
    std::uint16_t status = 0;
    HttpRequest::Headers headers;  // as they came

    // The first field of that name, in any case; empty if there is none.
    [[nodiscard]] std::string_view header(std::string_view name) const;
};

// A client of HTTP/1.1 for control work: one request at a time, over a connection that is kept
// where the server keeps it. The body comes as it does, for as long as it does: watches and long
// polls; or all at once, bounded. Follows no redirect. Ending the task that waits (TaskScope) ends
// the question. What went wrong is a sentence of error(). Thread: main.
//
//     const bool has_head = co_await client.begin(scope, server, request);
//     while (true) { const bool has_more = co_await client.read(scope, body); ... }
class HttpClient {
  public:
    struct Options {
        Duration connect_timeout = std::chrono::seconds{5};  // TLS included
        Duration head_timeout = std::chrono::seconds{10};
        Duration silence = std::chrono::seconds{10};  // longest between two stretches of a body
        Duration whole = std::chrono::seconds{30};    // of a question, to the end of its answer
        HttpTls tls;
    };

    HttpClient(boost::asio::any_io_executor executor,
               telemetry::Registry& registry,
               Options options);
    HttpClient(const HttpClient&) = delete;
    HttpClient& operator=(const HttpClient&) = delete;
    ~HttpClient();

    // For the questions from now on.
    void set_times(Duration head_timeout, Duration silence, Duration whole);

    // Asks, and waits for the final head. A question before it that was not read to its end is
    // given up.
    [[nodiscard]] transport::Task<bool> begin(transport::TaskScope& scope,
                                              const HttpServer& server,
                                              const HttpRequest& request);
    [[nodiscard]] const HttpHead& head() const { return head_; }

    // Appends what there is of the body, at least a byte. False: it has ended, or failed, which
    // error() tells.
    [[nodiscard]] transport::Task<bool> read(transport::TaskScope& scope, std::string& body);

    // The rest of the body. False: it failed, or is larger.
    [[nodiscard]] transport::Task<bool> read_all(transport::TaskScope& scope,
                                                 std::string& body,
                                                 std::size_t most);

    // Of what failed last, for people; empty if nothing did.
    [[nodiscard]] const std::string& error() const { return error_; }
    // It failed because time was up.
    [[nodiscard]] bool is_late() const { return is_late_; }

    void close();

  private:
    [[nodiscard]] transport::Task<bool> connect(transport::TaskScope& scope,
                                                const HttpServer& server);
    [[nodiscard]] transport::Task<bool> exchange(transport::TaskScope& scope,
                                                 const std::string& bytes);
    [[nodiscard]] transport::Task<bool> read_head(transport::TaskScope& scope);
    bool take_head();
    // What of in_ is body; false if the framing is broken.
    bool take_body(std::string& body);
    void finish();
    bool fail(std::string what);
    bool fail_read(std::string_view what, Duration limit);
    void use_deadline(Duration at_most);
    [[nodiscard]] std::shared_ptr<const transport::TlsContext> tls_context();

    const boost::asio::any_io_executor executor_;
    telemetry::Registry& registry_;
    Options options_;
    std::unique_ptr<transport::ControlStream> stream_;
    HttpServer server_;  // of stream_
    bool is_kept_ = false;
    TimePoint until_{};
    std::string method_;
    std::string in_;
    http::BodyDecoder body_;
    bool keeps_alive_ = false;
    HttpHead head_;
    std::string error_;
    bool is_late_ = false;
    std::string tls_files_;  // what tls_ was made of
    std::shared_ptr<const transport::TlsContext> tls_;
};

}  // namespace weir::control

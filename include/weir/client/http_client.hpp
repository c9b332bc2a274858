#pragma once

#include "weir/core/address.hpp"
#include "weir/http/h1.hpp"
#include "weir/transport/control_stream.hpp"

#include <memory>
#include <optional>
#include <string>

namespace weir::client {

// A client of one HTTP/1.1 server for verbs and the demo: one request at a time, over a connection
// that is kept where the server keeps it. Thread: main.
class HttpClient {
  public:
    struct Answer {
        std::uint16_t status = 0;
        std::string weir_error;  // the header
        std::string body;
    };

    HttpClient(boost::asio::any_io_executor executor, Address server, Duration timeout)
        : executor_(std::move(executor)), server_(std::move(server)), timeout_(timeout) {}

    // None: no connection, no answer in time, or none that is HTTP.
    [[nodiscard]] transport::Task<std::optional<Answer>> get(transport::TaskScope& scope,
                                                             std::string path);

  private:
    transport::Task<bool> connect(transport::TaskScope& scope);
    transport::Task<std::optional<Answer>> read_answer(transport::TaskScope& scope);

    boost::asio::any_io_executor executor_;
    Address server_;
    Duration timeout_;
    std::unique_ptr<transport::ControlStream> stream_;
    std::string in_;
};

}  // namespace weir::client

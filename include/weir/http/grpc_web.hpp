#pragma once

#include "weir/http/grpc.hpp"
#include "weir/http/message.hpp"

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace weir::http {

// Between a client of gRPC-Web and a server of gRPC: messages pass as they come, in whatever
// pieces; what differs is the type, the trailers (for the client the last frame of the body), and
// base64 in the text form. It keeps at most three bytes of either body. Thread: its owner's.
class GrpcWeb {
  public:
    // Of a request whose content-type is web or web_text. What it asks for in Accept counts for the
    // answer.
    explicit GrpcWeb(const RequestHead& head);

    // ---- the request. The head as it goes to the server: views into the original, and into this.
    void to_server(const RequestHead& from, RequestHead& head);
    // The next piece, decoded: valid until the next call. It may be empty.
    [[nodiscard]] std::string_view to_server(std::string_view data);
    // Base64 broke, or (at the end) is incomplete.
    [[nodiscard]] bool is_broken() const { return is_broken_; }
    [[nodiscard]] bool is_incomplete() const { return count_ != 0; }

    // ---- the answer. False if it is none of gRPC: it passes as it is, and so do its pieces.
    [[nodiscard]] bool to_client(const ResponseHead& from, ResponseHead& head);
    // The next piece, encoded: valid until the next call. Trailers are lines, and taken.
    [[nodiscard]] std::string_view to_client(std::string_view data,
                                             bool is_last,
                                             std::string_view& trailers);

  private:
    bool is_request_text_;
    bool is_answer_text_;
    bool is_broken_ = false;
    bool passes_ = false;       // the answer: its trailers are in its head, or it is none of gRPC
    std::uint8_t count_ = 0;    // digits of a group that is not whole
    std::uint8_t padding_ = 0;  // of them, '='
    std::uint32_t group_ = 0;
    std::string type_;
    std::string out_;
    std::string frame_;
};

}  // namespace weir::http

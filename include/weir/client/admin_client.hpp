#pragma once

#include "weir/core/address.hpp"
#include "weir/core/clock.hpp"

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

namespace weir::client {

inline constexpr std::uint16_t kAdminPort = 9347;

// Where a Weir may be asked: "127.0.0.1:9347", "localhost:9347", "http://127.0.0.1:9347/", ":9347",
// "9347", "unix:/run/weir/admin.sock" or a path.
struct Door {
    std::string text;  // for people
    std::string host;  // a name to resolve; empty: address
    std::uint16_t port = 0;
    Address address;
    std::string authority;  // for Host
};
// Nothing for what is no such place; `why` is then a sentence.
[[nodiscard]] std::optional<Door> parse_door(std::string_view text, std::string& why);

struct Question {
    std::string method = "GET";
    std::string target;  // path and query
    std::string body{};
    std::string content_type{};                                  // empty: no body
    std::vector<std::pair<std::string, std::string>> headers{};  // more of them
};

struct Answer {
    std::uint16_t status = 0;
    std::string content_type;
    std::string etag;
    std::string body;
    std::string door;  // who answered

    [[nodiscard]] bool is_success() const { return status >= 200 && status < 300; }
};

// Why there is no answer.
struct Failure {
    enum class Kind : std::uint8_t {
        no_name,      // the name does not resolve
        no_socket,    // no such file
        refused,      // nobody listens
        denied,       // the file does not let us
        unreachable,  // no way there
        timed_out,
        cut_short,  // the connection ended before the answer did
        not_http,
        too_large,
        interrupted,  // by the caller
    };

    Kind kind = Kind::refused;
    std::string door;
    std::string detail;  // what went wrong, as part of a sentence: "connection refused"
};

// Whether Weir cannot have been there: another door may be tried.
[[nodiscard]] bool is_absence(Failure::Kind kind);

// Asks a Weir over its admin port: HTTP/1.1 over TCP or a Unix socket, a connection a question, in
// plain blocking calls, as a command line does. Thread: its owner's.
class AdminClient {
  public:
    struct Options {
        std::vector<Door> doors;                      // tried in this order while nobody is there
        std::string token{};                          // a bearer's; empty: none is sent
        Duration timeout = std::chrono::seconds{5};   // of a question, from connect to last byte
        Duration silence = std::chrono::seconds{45};  // of a stream, between two bytes
        std::size_t most_bytes = std::size_t{64} * 1024 * 1024;  // of an answer's body
        int interrupt_fd = -1;                                   // readable: give up
    };
    // A stretch of a stream's body; false ends it.
    using OnData = std::function<bool(std::string_view)>;

    explicit AdminClient(Options options) : options_(std::move(options)) {}

    // The failures are those of the doors, in order; one of them if only one is to be tried.
    using Result = std::variant<Answer, std::vector<Failure>>;
    [[nodiscard]] Result ask(const Question& question) const { return ask(question, {}); }

    // A successful answer's body goes to `on_data` as it comes, for as long as it comes; what it
    // holds is then not in the answer. The answer is returned when the stream ends, or is ended.
    [[nodiscard]] Result ask(const Question& question, const OnData& on_data) const;

    [[nodiscard]] const Options& options() const { return options_; }

  private:
    Options options_;
};

}  // namespace weir::client

#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace weir::client {

// Takes a stream apart into lines, however its bytes come: for NDJSON. A line longer than the limit
// is left out. Thread: its owner's.
class LineReader {
  public:
    explicit LineReader(std::size_t longest = std::size_t{1024} * 1024) : longest_(longest) {}

    void feed(std::string_view bytes) { in_ += bytes; }
    // The next whole line, without its end (LF or CRLF).
    [[nodiscard]] std::optional<std::string> next();

    [[nodiscard]] std::uint64_t left_out() const { return left_out_; }

  private:
    const std::size_t longest_;
    std::string in_;
    bool is_skipping_ = false;  // the rest of a line that is too long
    std::uint64_t left_out_ = 0;
};

struct ServerEvent {
    std::string type = "message";
    std::string id;
    std::string data;
};

// Server-sent events (text/event-stream): comments are passed over, data of several lines is
// joined. Thread: its owner's.
class EventReader {
  public:
    void feed(std::string_view bytes) { lines_.feed(bytes); }
    [[nodiscard]] std::optional<ServerEvent> next();

  private:
    void take(std::string_view line);

    LineReader lines_;
    ServerEvent event_;
    bool has_data_ = false;
};

}  // namespace weir::client

#pragma once

#include "unit/http/support.hpp"
#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <string>
#include <string_view>

namespace weir::http::test {

// Bytes in a block of exactly their size: a read past either end is seen by the sanitizer.
class Exact {
  public:
    explicit Exact(std::string_view bytes)
        : size_(bytes.size()), data_(std::make_unique<char[]>(size_)) {
        std::copy(bytes.begin(), bytes.end(), data_.get());
    }
    [[nodiscard]] std::string_view view() const { return {data_.get(), size_}; }

  private:
    std::size_t size_;
    std::unique_ptr<char[]> data_;
};

inline HeadParse parse_request(std::string_view bytes,
                               RequestHead& head,
                               const H1Limits& limits = {}) {
    return parse_request_head(bytes, limits, head);
}

// "GET / HTTP/1.1", Host and those lines, each with its CRLF.
inline std::string request_with(std::string_view lines) {
    return std::string("GET / HTTP/1.1\r\nHost: a\r\n").append(lines).append("\r\n");
}

inline std::string response_with(std::string_view status, std::string_view lines) {
    return std::string("HTTP/1.1 ").append(status).append("\r\n").append(lines).append("\r\n");
}

// Sizes around those of the blocks that are looked at in one step.
inline constexpr std::size_t kBlockSizes[] = {1,  2,  3,  7,  8,  13, 14, 15, 16, 17, 18, 29,
                                              30, 31, 32, 33, 34, 47, 48, 49, 63, 64, 65, 80};

// How many bytes follow in the buffer.
inline constexpr std::size_t kTails[] = {0, 1, 12, 15, 16, 17, 40};

}  // namespace weir::http::test

#include "upstream/health_check.hpp"

#include <gtest/gtest.h>

#include <string>

namespace weir::upstream {
namespace {

using Kind = StatusLine::Kind;

TEST(StatusLineOfACheck, IsThatOfTheFirstFinalAnswer) {
    EXPECT_EQ(read_status_line("HTTP/1.1 200 OK\r\n").status, 200U);
    EXPECT_EQ(read_status_line("HTTP/1.0 503\r\n\r\n").status, 503U);
    EXPECT_EQ(read_status_line("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 204 x\r\n").status, 204U);
    EXPECT_EQ(read_status_line("HTTP/1.1 103 Hints\r\nlink: x\r\n\r\n").kind, Kind::incomplete);
}

TEST(StatusLineOfACheck, IsWaitedForByteByByte) {
    const std::string line = "HTTP/1.1 200 ";
    for (std::size_t size = 0; size < line.size(); ++size)
        EXPECT_EQ(read_status_line(line.substr(0, size)).kind, Kind::incomplete) << size;
    EXPECT_EQ(read_status_line(line).kind, Kind::status);
}

TEST(StatusLineOfACheck, RefusesWhatIsNone) {
    for (const auto* text :
         {"x", "HTTP/2 200 \r\n", "HTTP/1.1 2000\r\n", "HTTP/1.1 20 \r\n\r\n", "HTTP/1.1  200\r\n",
          "HTTP/1.1 099 \r\n", "HTTP/1.1 -20 \r\n", "HTTP/1.1 101 Switching\r\n\r\n",
          "\r\nHTTP/1.1 200 OK\r\n", "SSH-2.0-OpenSSH_9.2\r\n"})
        EXPECT_EQ(read_status_line(text).kind, Kind::garbage) << text;
    EXPECT_EQ(read_status_line(std::string("HTTP/1.1 2\0"
                                           "0 \r\n",
                                           15))
                  .kind,
              Kind::garbage);
}

TEST(HealthCheck, ReadsTheServingStatusOfGrpc) {
    const auto message = [](std::string_view text) {
        return std::string("\0\0\0\0", 4) + static_cast<char>(text.size()) + std::string(text);
    };
    EXPECT_EQ(read_serving_status(message("\x08\x01")), 1U);
    EXPECT_EQ(read_serving_status(message("\x08\x02")), 2U);
    EXPECT_EQ(read_serving_status(message("\x08\x80\x01")), 128U);
    EXPECT_EQ(read_serving_status(message("")), 0U);
    for (const std::string& bad :
         {std::string(), std::string("\0\0\0\0", 4), message("\x08"), message("\x10\x01"),
          message("\x08\xff"), "\1" + message("\x08\x01").substr(1),
          message("\x08\x01").substr(0, 6)}) {
        EXPECT_FALSE(read_serving_status(bad)) << bad.size();
    }
}

}  // namespace
}  // namespace weir::upstream

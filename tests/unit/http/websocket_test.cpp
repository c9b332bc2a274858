#include "weir/http/websocket.hpp"

#include <gtest/gtest.h>

namespace weir::http {
namespace {

TEST(WebSocket, AKeyIsAnsweredAsTheRfcSays) {
    EXPECT_EQ(websocket_accept("dGhlIHNhbXBsZSBub25jZQ=="), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
    EXPECT_EQ(websocket_accept("x3JJHMbDL1EzLkh9GBhXDw=="), "HSmrc0sMlYUkAGmm5OPpG2HaGWk=");
}

// Whatever its length: what is hashed ends before, at and behind the end of a block.
TEST(WebSocket, KeysOfEveryLengthHaveAnAnswer) {
    EXPECT_EQ(websocket_accept(""), "Kfh9QIsMVZcl6xEPYxPHzW8SZ8w=");
    EXPECT_EQ(websocket_accept(std::string(19, 'a')), "yzaGyu0mcUukN7CdsSwa30tnCpc=");
    EXPECT_EQ(websocket_accept(std::string(20, 'a')), "dUYRM7bOMwDmbriNIPr11x+r3E0=");
    EXPECT_EQ(websocket_accept(std::string(100, 'a')), "+taVhj8zzaJPYE6HHo1ugamK/Ug=");
}

TEST(WebSocket, AKeyIsSixteenBytes) {
    EXPECT_EQ(websocket_key({0, 0}), "AAAAAAAAAAAAAAAAAAAAAA==");
    EXPECT_EQ(websocket_key({UINT64_MAX, UINT64_MAX}), "/////////////////////w==");
}

TEST(WebSocket, TheKeyIsFoundAmongTheLines) {
    EXPECT_EQ(find_websocket_key("Host: h\r\nSec-WebSocket-Key: abc\r\n\r\n"), "abc");
    EXPECT_EQ(find_websocket_key("sec-websocket-key:abc"), "abc");
    EXPECT_EQ(find_websocket_key("Sec-WebSocket-Keys: abc\r\n\r\n"), "");
    EXPECT_EQ(find_websocket_key(""), "");
}

}  // namespace
}  // namespace weir::http

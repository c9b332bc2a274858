#include "weir/http/grpc.hpp"

#include <gtest/gtest.h>

#include <utility>
#include <vector>

namespace weir::http {
namespace {

using namespace std::chrono_literals;

TEST(Grpc, KnowsACallByItsContentType) {
    const std::vector<std::pair<std::string_view, GrpcKind>> cases = {
        {"application/grpc", GrpcKind::plain},
        {"application/grpc+proto", GrpcKind::plain},
        {"Application/gRPC+json", GrpcKind::plain},
        {"application/grpc; charset=utf-8", GrpcKind::plain},
        {"application/grpc ;a=b", GrpcKind::plain},
        {"application/grpc-web", GrpcKind::web},
        {"application/grpc-web+proto", GrpcKind::web},
        {"application/grpc-web-text", GrpcKind::web_text},
        {"application/grpc-web-text+proto", GrpcKind::web_text},
        {"", GrpcKind::none},
        {"application/grp", GrpcKind::none},
        {"application/grpcx", GrpcKind::none},
        {"application/grpc-webx", GrpcKind::none},
        {"application/grpc-web-textx", GrpcKind::none},
        {"application/grpc-other", GrpcKind::none},
        {"application/json", GrpcKind::none},
        {"text/application/grpc", GrpcKind::none},
    };
    for (const auto& [type, kind] : cases)
        EXPECT_EQ(grpc_kind(type), kind) << type;
}

TEST(Grpc, MapsEveryReasonAsAClientWouldItsStatusOrBetter) {
    EXPECT_EQ(grpc_code(Reason::no_route), GrpcCode::unimplemented);
    EXPECT_EQ(grpc_code(Reason::bad_request), GrpcCode::internal);
    EXPECT_EQ(grpc_code(Reason::upstream_timeout), GrpcCode::deadline_exceeded);
    EXPECT_EQ(grpc_code(Reason::body_too_large), GrpcCode::resource_exhausted);
    for (std::size_t i = 1; i < kReasonCount; ++i) {
        const auto reason = static_cast<Reason>(i);
        const std::uint16_t status = info(reason).status;
        const bool is_unavailable = status == 502 || status == 503;
        EXPECT_EQ(grpc_code(reason) == GrpcCode::unavailable, is_unavailable) << word(reason);
        EXPECT_NE(grpc_code(reason), GrpcCode::unknown) << word(reason);
        EXPECT_NE(grpc_code(reason), GrpcCode::ok) << word(reason);
    }
}

TEST(Grpc, MapsStatusesByTheTableOfClients) {
    const std::vector<std::pair<std::uint16_t, GrpcCode>> cases = {
        {400, GrpcCode::internal},          {401, GrpcCode::unauthenticated},
        {403, GrpcCode::permission_denied}, {404, GrpcCode::unimplemented},
        {429, GrpcCode::unavailable},       {502, GrpcCode::unavailable},
        {503, GrpcCode::unavailable},       {504, GrpcCode::unavailable},
        {500, GrpcCode::unknown},           {418, GrpcCode::unknown},
    };
    for (const auto& [status, code] : cases)
        EXPECT_EQ(grpc_code(status), code) << status;
    EXPECT_EQ(word(GrpcCode::unauthenticated), "UNAUTHENTICATED");
    EXPECT_EQ(to_grpc_code(14), GrpcCode::unavailable);
    EXPECT_EQ(to_grpc_code(17), GrpcCode::unknown);
}

TEST(Grpc, ReadsTimeoutsStrictly) {
    const std::vector<std::pair<std::string_view, std::optional<Duration>>> cases = {
        {"1H", 1h},
        {"2M", 2min},
        {"30S", 30s},
        {"100m", 100ms},
        {"5u", 5us},
        {"7n", 7ns},
        {"00000001S", 1s},
        {"99999999n", 99'999'999ns},
        {"0m", 0ms},
        {"99999999H", 24h * 365},  // a year is as good as never
        {"99999999S", 24h * 365},
        {"", std::nullopt},
        {"S", std::nullopt},
        {"1", std::nullopt},
        {"123456789S", std::nullopt},
        {"1s", std::nullopt},
        {"1h", std::nullopt},
        {"+1S", std::nullopt},
        {"-1S", std::nullopt},
        {" 1S", std::nullopt},
        {"1 S", std::nullopt},
        {"1.5S", std::nullopt},
        {"0x1S", std::nullopt},
        {"1SS", std::nullopt},
        {"1S, 2S", std::nullopt},
    };
    for (const auto& [text, timeout] : cases)
        EXPECT_EQ(parse_grpc_timeout(text), timeout) << text;
}

TEST(Grpc, WritesTimeoutsThatItReads) {
    const auto line = [](Duration left) {
        std::string out;
        append_grpc_timeout(out, left);
        return out;
    };
    EXPECT_EQ(line(250ms), "grpc-timeout: 250m\r\n");
    EXPECT_EQ(line(1us), "grpc-timeout: 1m\r\n");
    EXPECT_EQ(line(-5s), "grpc-timeout: 1m\r\n");
    EXPECT_EQ(line(99'999'999ms), "grpc-timeout: 99999999m\r\n");
    EXPECT_EQ(line(99'999'999ms + 1ns), "grpc-timeout: 100000S\r\n");
    EXPECT_EQ(line(24h * 365 * 100), "grpc-timeout: 31536000S\r\n");
}

TEST(Grpc, EncodesMessages) {
    std::string out = "grpc-message: ";
    append_grpc_message(out, "100 % of 'caf\xc3\xa9'\r\n~");
    EXPECT_EQ(out, "grpc-message: 100 %25 of 'caf%C3%A9'%0D%0A~");
}

}  // namespace
}  // namespace weir::http

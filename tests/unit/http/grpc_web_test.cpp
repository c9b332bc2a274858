#include "weir/http/grpc_web.hpp"

#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

namespace weir::http {
namespace {

// A head whose fields live as long as it.
struct Request {
    explicit Request(std::vector<std::pair<std::string, std::string>> given) : fields(given) {
        head.method = Method::post;
        head.method_text = "POST";
        head.path = "/a.B/C";
        head.authority = "h";
        head.framing = Framing::length;
        head.content_length = 8;
        for (const auto& [name, value] : fields)
            head.headers.add(name, value, header_id(name));
    }

    std::vector<std::pair<std::string, std::string>> fields;
    RequestHead head;
};

Request web(std::string type, std::string accept = {}) {
    std::vector<std::pair<std::string, std::string>> fields = {
        {"content-type", std::move(type)}, {"content-length", "8"}, {"x-mine", "1"}};
    if (!accept.empty()) fields.emplace_back("accept", std::move(accept));
    return Request(std::move(fields));
}

ResponseHead answer(const std::vector<std::pair<std::string_view, std::string_view>>& fields) {
    ResponseHead head;
    head.status = 200;
    head.phrase = "OK";
    head.framing = Framing::length;
    head.content_length = 8;
    for (const auto& [name, value] : fields)
        head.headers.add(name, value, header_id(name));
    return head;
}

std::string_view value(const HeaderList& headers, std::string_view name) {
    const HeaderField* const field = headers.find(name);
    return field != nullptr ? field->value : std::string_view("none");
}

// A frame of the trailers, as it should be.
std::string frame(std::string_view lines) {
    std::string out{'\x80', 0, 0, 0, static_cast<char>(lines.size())};
    return out.append(lines);
}

std::string decode(GrpcWeb& call, const std::vector<std::string_view>& pieces) {
    std::string out;
    for (const std::string_view piece : pieces)
        out.append(call.to_server(piece));
    return out;
}

std::string give(GrpcWeb& call, std::string_view data, bool is_last, std::string_view trailers) {
    std::string out(call.to_client(data, is_last, trailers));
    EXPECT_EQ(trailers, "");
    return out;
}

// Base64 by another way: with openssl's words "hello grpc" is aGVsbG8gZ3JwYw==.
constexpr std::string_view kText = "aGVsbG8gZ3JwYw==";
constexpr std::string_view kPlain = "hello grpc";

TEST(GrpcWeb, GivesTheServerACallOfGrpc) {
    Request request = web("application/grpc-web+proto");
    GrpcWeb call(request.head);
    RequestHead head;
    call.to_server(request.head, head);
    EXPECT_EQ(value(head.headers, "content-type"), "application/grpc+proto");
    EXPECT_EQ(value(head.headers, "content-length"), "8");
    EXPECT_EQ(value(head.headers, "x-mine"), "1");
    EXPECT_TRUE(head.takes_trailers);
    EXPECT_EQ(head.framing, Framing::length);
    EXPECT_EQ(head.path, "/a.B/C");
    EXPECT_EQ(call.to_server("as it is"), "as it is");
}

TEST(GrpcWeb, LeavesOutALengthThatIsNotThatOfTheBytes) {
    Request request = web("application/grpc-web-text");
    GrpcWeb call(request.head);
    RequestHead head;
    call.to_server(request.head, head);
    EXPECT_EQ(value(head.headers, "content-type"), "application/grpc");
    EXPECT_EQ(value(head.headers, "content-length"), "none");
    EXPECT_EQ(head.framing, Framing::chunked);
}

TEST(GrpcWeb, DecodesTextHoweverItIsCut) {
    const Request request = web("application/grpc-web-text");
    for (std::size_t first = 0; first <= kText.size(); ++first) {
        for (std::size_t second = first; second <= kText.size(); ++second) {
            GrpcWeb call(request.head);
            EXPECT_EQ(decode(call, {kText.substr(0, first), kText.substr(first, second - first),
                                    kText.substr(second)}),
                      kPlain);
            EXPECT_FALSE(call.is_broken());
            EXPECT_FALSE(call.is_incomplete());
        }
    }
}

TEST(GrpcWeb, DecodesMessagesThatWereEncodedOneByOne) {
    const Request request = web("application/grpc-web-text+proto");
    constexpr std::string_view kAll = "aGVsbG8gZ3JwYw==YQ==YWI=YWJj";
    for (std::size_t cut = 0; cut <= kAll.size(); ++cut) {
        GrpcWeb call(request.head);
        EXPECT_EQ(decode(call, {kAll.substr(0, cut), kAll.substr(cut)}), "hello grpcaababc");
    }
}

TEST(GrpcWeb, RefusesWhatIsNoBase64) {
    const Request request = web("application/grpc-web-text");
    for (const std::string_view text :
         {"aG!s", "a", "=", "a=", "a===", "aG=s", "aGV", "aG\ns", "aGVsbG8", "\xff"}) {
        GrpcWeb call(request.head);
        static_cast<void>(call.to_server(text));
        EXPECT_TRUE(call.is_broken() || call.is_incomplete()) << text;
    }
}

TEST(GrpcWeb, GivesTheClientTrailersAsTheLastFrame) {
    const Request request = web("application/grpc-web+proto");
    GrpcWeb call(request.head);
    const ResponseHead from = answer({{"Content-Type", "application/grpc+proto"},
                                      {"Content-Length", "8"},
                                      {"Trailer", "grpc-status"},
                                      {"x-said", "so"}});
    ResponseHead head;
    ASSERT_TRUE(call.to_client(from, head));
    EXPECT_EQ(value(head.headers, "content-type"), "application/grpc-web+proto");
    EXPECT_EQ(value(head.headers, "content-length"), "none");
    EXPECT_EQ(value(head.headers, "trailer"), "none");
    EXPECT_EQ(value(head.headers, "x-said"), "so");
    EXPECT_EQ(head.framing, Framing::chunked);
    EXPECT_EQ(give(call, "message", false, {}), "message");
    EXPECT_EQ(give(call, "last", true, "Grpc-Status: 0\r\nX-A:  B\r\n"),
              "last" + frame("grpc-status: 0\r\nx-a:  B\r\n"));
}

TEST(GrpcWeb, EncodesEveryPieceOfATextForItself) {
    const Request request = web("application/grpc-web-text");
    GrpcWeb call(request.head);
    ResponseHead head;
    ASSERT_TRUE(call.to_client(answer({{"content-type", "application/grpc"}}), head));
    EXPECT_EQ(value(head.headers, "content-type"), "application/grpc-web-text");
    EXPECT_EQ(give(call, kPlain, false, {}), kText);
    EXPECT_EQ(give(call, "a", false, {}), "YQ==");
    EXPECT_EQ(give(call, "ab", false, {}), "YWI=");
    EXPECT_EQ(give(call, {}, false, {}), "");
    const std::string end = give(call, {}, true, "grpc-status: 0\r\n");
    GrpcWeb reader(request.head);
    EXPECT_EQ(reader.to_server(end), frame("grpc-status: 0\r\n"));
}

TEST(GrpcWeb, EncodesWhatItDecodes) {
    const Request request = web("application/grpc-web-text");
    std::string all;
    for (int i = 0; i < 256; ++i) {
        all.push_back(static_cast<char>(i));
        GrpcWeb writer(request.head);
        ResponseHead head;
        ASSERT_TRUE(writer.to_client(answer({{"content-type", "application/grpc"}}), head));
        GrpcWeb reader(request.head);
        EXPECT_EQ(reader.to_server(give(writer, all, false, {})), all);
    }
}

TEST(GrpcWeb, AnswersInTheFormThatIsAccepted) {
    const auto type = [](std::string sent, std::string accept) {
        const Request request = web(std::move(sent), std::move(accept));
        GrpcWeb call(request.head);
        ResponseHead head;
        EXPECT_TRUE(call.to_client(answer({{"content-type", "application/grpc"}}), head));
        return std::string(value(head.headers, "content-type"));
    };
    EXPECT_EQ(type("application/grpc-web", "application/grpc-web-text"),
              "application/grpc-web-text");
    EXPECT_EQ(type("application/grpc-web-text", "application/grpc-web"), "application/grpc-web");
    EXPECT_EQ(type("application/grpc-web-text", "*/*"), "application/grpc-web-text");
    EXPECT_EQ(type("application/grpc-web", ""), "application/grpc-web");
}

TEST(GrpcWeb, LeavesAnAnswerThatIsOnlyAHead) {
    const Request request = web("application/grpc-web-text");
    GrpcWeb call(request.head);
    ResponseHead from = answer(
        {{"content-type", "application/grpc"}, {"content-length", "0"}, {"grpc-status", "14"}});
    from.content_length = 0;
    ResponseHead head;
    ASSERT_TRUE(call.to_client(from, head));
    EXPECT_EQ(head.framing, Framing::length);
    EXPECT_EQ(value(head.headers, "grpc-status"), "14");
    EXPECT_EQ(value(head.headers, "content-length"), "0");
    EXPECT_EQ(give(call, {}, true, {}), "");
}

TEST(GrpcWeb, LeavesAnAnswerThatIsNoneOfGrpc) {
    const Request request = web("application/grpc-web");
    GrpcWeb call(request.head);
    ResponseHead head;
    EXPECT_FALSE(call.to_client(answer({{"content-type", "text/html"}}), head));
    EXPECT_FALSE(call.to_client(answer({}), head));
    EXPECT_FALSE(call.to_client(answer({{"content-type", "application/grpc-web"}}), head));
    std::string_view trailers = "x-sum: 1\r\n";
    EXPECT_EQ(call.to_client("<html>", true, trailers), "<html>");
    EXPECT_EQ(trailers, "x-sum: 1\r\n");
}

}  // namespace
}  // namespace weir::http

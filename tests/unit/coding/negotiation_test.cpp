#include "weir/coding/negotiation.hpp"

#include <gtest/gtest.h>

#include <array>

namespace weir::coding {
namespace {

constexpr std::array kAll{Coding::zstd, Coding::br, Coding::gzip};

std::string negotiated(std::vector<std::string_view> accepted) {
    http::RequestHead head;
    for (const auto each : accepted)
        head.headers.add("Accept-Encoding", each, http::HeaderId::other);
    const auto coding = negotiate(kAll, head);
    return coding ? std::string(word(*coding)) : "identity";
}

TEST(Negotiation, TakesWhatTheClientLikesBest) {
    const struct {
        std::vector<std::string_view> accepted;
        std::string_view coding;
    } kRows[] = {
        {{}, "identity"},
        {{""}, "identity"},
        {{"gzip"}, "gzip"},
        {{"x-gzip"}, "gzip"},
        {{"GZIP"}, "gzip"},
        {{"deflate"}, "identity"},
        {{"gzip, deflate, br, zstd"}, "zstd"},
        {{"gzip, deflate, br"}, "br"},
        {{"gzip", "br"}, "br"},
        {{"gzip;q=1.0, br;q=0.9"}, "gzip"},
        {{"gzip; q=0.2 ,br;q=0.3"}, "br"},
        {{"gzip;q=0"}, "identity"},
        {{"gzip;q=0.000"}, "identity"},
        {{"gzip;q=0.001"}, "gzip"},
        {{"gzip;Q=0.5"}, "gzip"},
        {{"*"}, "zstd"},
        {{"*;q=0"}, "identity"},
        {{"zstd;q=0, *;q=0.5"}, "br"},
        {{"identity"}, "identity"},
        {{"identity, gzip"}, "gzip"},
        {{"identity;q=0.9, gzip;q=0.5"}, "identity"},
        {{"identity;q=0.5, gzip;q=0.5"}, "gzip"},
        {{"identity;q=0, gzip"}, "gzip"},
        {{"gzip;q=abc"}, "identity"},
        {{"gzip;q=0.1234567"}, "identity"},
        {{"gzip;q="}, "gzip"},
        {{",,gzip,,"}, "gzip"},
        {{"br;level=3;q=0.4, gzip;q=0.3"}, "br"},
    };
    for (const auto& row : kRows) {
        std::string all;
        for (const auto each : row.accepted)
            all.append(each).append(" | ");
        EXPECT_EQ(negotiated(row.accepted), row.coding) << all;
    }
}

TEST(Negotiation, HeedsTheOrderOfTheRouteAndOnlyWhatItOffers) {
    http::RequestHead head;
    head.headers.add("accept-encoding", "zstd, br, gzip", http::HeaderId::other);
    EXPECT_EQ(negotiate(std::array{Coding::gzip, Coding::br}, head), Coding::gzip);
    EXPECT_EQ(negotiate({}, head), std::nullopt);
}

TEST(Negotiation, ARequestMayForbidIt) {
    http::RequestHead head;
    head.headers.add("accept-encoding", "gzip", http::HeaderId::other);
    head.headers.add("cache-control", "max-age=0, No-Transform", http::HeaderId::other);
    EXPECT_EQ(negotiate(kAll, head), std::nullopt);
}

http::ResponseHead answer(std::string_view type) {
    http::ResponseHead head;
    head.status = 200;
    head.framing = http::Framing::length;
    head.content_length = 5000;
    head.headers.add("Content-Type", type, http::HeaderId::content_type);
    return head;
}

TEST(WorthCoding, GoesByTheType) {
    for (const auto* type :
         {"text/html", "text/html; charset=utf-8", "Text/Plain", "application/json",
          "application/problem+json", "application/atom+xml", "image/svg+xml", "font/ttf"}) {
        EXPECT_TRUE(is_worth_coding(answer(type))) << type;
    }
    for (const auto* type :
         {"text/event-stream", "text/event-stream;charset=utf-8", "application/grpc",
          "application/grpc+json", "application/grpc-web-text", "image/png", "video/mp4",
          "application/zip", "application/octet-stream", "font/woff2", ""}) {
        EXPECT_FALSE(is_worth_coding(answer(type))) << type;
    }
}

TEST(WorthCoding, NotWhatIsSmallPartialOrWithoutABody) {
    auto head = answer("text/html");
    head.content_length = 1023;
    EXPECT_FALSE(is_worth_coding(head));
    head.framing = http::Framing::chunked;
    EXPECT_TRUE(is_worth_coding(head));
    for (const int status : {101, 204, 206, 304}) {
        head.status = static_cast<std::uint16_t>(status);
        EXPECT_FALSE(is_worth_coding(head)) << status;
    }
    head.status = 404;
    EXPECT_TRUE(is_worth_coding(head));
}

TEST(WorthCoding, NeverTwiceAndNotWhatMustNotChange) {
    const struct {
        std::string_view name, value;
        bool is_worth;
    } kRows[] = {
        {"Content-Encoding", "gzip", false},
        {"content-encoding", "identity", false},
        {"Content-Range", "bytes 0-1/2", false},
        {"Cache-Control", "public, no-transform", false},
        {"Cache-Control", "public", true},
        {"Content-Digest", "sha-256=:x:", false},
        {"Digest", "md5=x", false},
        {"Content-MD5", "x", false},
    };
    for (const auto& row : kRows) {
        auto head = answer("text/html");
        head.headers.add(row.name, row.value, http::HeaderId::other);
        EXPECT_EQ(is_worth_coding(head), row.is_worth) << row.name << ": " << row.value;
    }
}

TEST(DescribeCoded, LengthAndRangesGoAndTheTagIsWeak) {
    auto head = answer("text/html");
    head.headers.add("Content-Length", "5000", http::HeaderId::content_length);
    head.headers.add("ETag", "\"abc\"", http::HeaderId::other);
    head.headers.add("Accept-Ranges", "bytes", http::HeaderId::other);
    http::ResponseHead into;
    std::string lines;
    describe(head, Coding::br, into, lines);
    EXPECT_EQ(lines, "Vary: Accept-Encoding\r\nContent-Encoding: br\r\nETag: W/\"abc\"\r\n");
    EXPECT_EQ(into.headers.size(), 1U);
    EXPECT_EQ(into.framing, http::Framing::chunked);
}

TEST(DescribeCoded, WhatGoesOutAsItIsSaysForWhom) {
    auto head = answer("text/html");
    head.headers.add("ETag", "\"abc\"", http::HeaderId::other);
    http::ResponseHead into;
    std::string lines;
    describe(head, std::nullopt, into, lines);
    EXPECT_EQ(lines, "Vary: Accept-Encoding\r\n");
    EXPECT_EQ(into.headers.size(), 2U);
    EXPECT_EQ(into.framing, http::Framing::length);
}

TEST(DescribeCoded, AWeakTagAndAVaryStay) {
    for (const auto* vary : {"Origin, accept-encoding", "*"}) {
        auto head = answer("text/html");
        head.headers.add("Vary", vary, http::HeaderId::other);
        head.headers.add("ETag", "W/\"abc\"", http::HeaderId::other);
        http::ResponseHead into;
        std::string lines;
        describe(head, Coding::gzip, into, lines);
        EXPECT_EQ(lines, "Content-Encoding: gzip\r\n");
        EXPECT_EQ(into.headers.size(), 3U);
    }
}

}  // namespace
}  // namespace weir::coding

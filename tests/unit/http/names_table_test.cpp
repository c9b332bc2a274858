#include "weir/http/rules.hpp"

#include "http/known.hpp"
#include "unit/http/vectors.hpp"
#include <gtest/gtest.h>

#include <cctype>
#include <string>
#include <string_view>

// Names, paths, authorities and ids: one a line, and every byte where one byte decides.
namespace weir::http {
namespace {

using namespace std::string_view_literals;

constexpr std::string_view kTokens =
    "!#$%&'*+-.^_`|~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

bool begins(std::string_view name, std::string_view prefix) {
    return name.size() >= prefix.size() &&
           equals_ignoring_case(name.substr(0, prefix.size()), prefix);
}

// What headers.hpp promises, in the plainest words.
HeaderId expected_id(std::string_view name) {
    for (const KnownName& known : kKnownNames) {
        if (equals_ignoring_case(name, known.name)) return known.id;
    }
    if (begins(name, "weir-") || begins(name, "x-weir-")) return HeaderId::weir_internal;
    return begins(name, "x-forwarded-") ? HeaderId::x_forwarded_other : HeaderId::other;
}

TEST(NamesTable, KnowsEveryTokenByteAtEveryPlaceOfAName) {
    for (const KnownName& known : kKnownNames) {
        for (std::size_t at = 0; at < known.name.size(); ++at) {
            for (const char byte : kTokens) {
                std::string name(known.name);
                name[at] = byte;
                ASSERT_EQ(header_id(name), expected_id(name)) << name;
                for (char& letter : name)
                    letter = static_cast<char>(std::toupper(static_cast<unsigned char>(letter)));
                ASSERT_EQ(header_id(name), expected_id(name)) << name;
            }
        }
    }
}

TEST(NamesTable, KnowsWhatIsAddedToANameOrCutOff) {
    for (const KnownName& known : kKnownNames) {
        const std::string name(known.name);
        for (std::size_t size = 1; size < name.size(); ++size) {
            ASSERT_EQ(header_id(name.substr(0, size)), expected_id(name.substr(0, size))) << name;
            ASSERT_EQ(header_id(name.substr(size)), expected_id(name.substr(size))) << name;
        }
        for (const char byte : kTokens) {
            ASSERT_EQ(header_id(name + byte), expected_id(name + byte)) << name << byte;
            ASSERT_EQ(header_id(byte + name), expected_id(byte + name)) << byte << name;
        }
        for (const KnownName& other : kKnownNames) {
            const std::string both = name + "-" + std::string(other.name);
            ASSERT_EQ(header_id(both), expected_id(both)) << both;
        }
    }
}

TEST(NamesTable, KnowsItsPrefixesAtAnySize) {
    for (const std::string_view prefix : {"weir-"sv, "x-weir-"sv, "x-forwarded-"sv}) {
        for (std::size_t size = 0; size <= 70; ++size) {
            for (const char fill : {'a', '-', 'Z', '7'}) {
                const std::string name = std::string(prefix) + std::string(size, fill);
                ASSERT_NE(header_id(name), HeaderId::other) << name;
                ASSERT_EQ(header_id(name), expected_id(name)) << name;
                ASSERT_EQ(header_id(name.substr(1)), HeaderId::other) << name.substr(1);
            }
        }
    }
}

struct Path {
    std::string_view in;
    std::string_view out;  // empty: refused
};

// RFC 3986, 5.2.4 and 6.2.2, and security.md, path confusion.
constexpr Path kPaths[] = {
    {"/a/b/c/./../../g", "/a/g"},
    {"/mid/content=5/../6", "/mid/6"},
    {"/a/b/c/d/../../../../e", "/e"},
    {"/a/b/../../", "/"},
    {"/./a/./b/./", "/a/b/"},
    {"/a/.b/c.", "/a/.b/c."},
    {"/...", "/..."},
    {"/a..b", "/a..b"},
    {"/a./b", "/a./b"},
    {"/%2E%2E%2E", "/..."},
    {"/a%2e%2e/b", "/a../b"},
    {"/%61%62%63", "/abc"},
    {"/%5B%5D", "/%5B%5D"},
    {"/%7b%7d", "/%7B%7D"},
    {"/a%3Ab", "/a%3Ab"},
    {"/a%40b", "/a%40b"},
    {"/a%3D%26", "/a%3D%26"},
    {"/%25", "/%25"},
    {"/%252f", "/%252f"},
    {"/%255c", "/%255c"},
    {"/%25252e", "/%25252e"},
    {"/%ff%FE", "/%FF%FE"},
    {"/%09%0d%0A", "/%09%0D%0A"},
    {"/a;b/../c", "/c"},
    {"/a;../b", "/a;../b"},
    {"/;/a", "/;/a"},
    {"/a%3B..", "/a%3B.."},
    {"/x//..//y", "/y"},
    {"////", "/"},
    {"/..", ""},
    {"/a/../../", ""},
    {"/%2e%2E/a", ""},
    {"/.%2e", ""},
    {"//../a", ""},
    {"/a//../../b", ""},
    {"/..;", ""},
    {"/..;/", ""},
    {"/.;", ""},
    {"/.;a/b", ""},
    {"/a/..;jsessionid=1/b", ""},
    {"/a/%2e%2e;/b", ""},
    {"/a/.%2E%3b/b", ""},
    {"/a/..%3Bb/c", ""},
    {"/%2f", ""},
    {"/%2F%2F", ""},
    {"/a%2f..%2fb", ""},
    {"/..%2f", ""},
    {"/%5c", ""},
    {"/..%5c..", ""},
    {"/%00", ""},
    {"/a%00.html", ""},
    {"/\\", ""},
    {"/..\\a", ""},
    {"/a#", ""},
    {"/#/../", ""},
    {"/%", ""},
    {"/%a", ""},
    {"/%ag", ""},
    {"/%ga", ""},
    {"/% 1", ""},
    {"/%-1", ""},
    {"/%u002f", ""},
    {"/a\r\nb", ""},
    {"a/b", ""},
    {"./a", ""},
    {"../a", ""},
    {"%2fa", ""},
};

TEST(NamesTable, GivesAPathOneFormThatStays) {
    std::string storage;
    std::string again;
    for (const Path& row : kPaths) {
        const auto once = normalise_path(row.in, true, storage);
        ASSERT_EQ(once.has_value(), !row.out.empty()) << row.in;
        if (!once) continue;
        EXPECT_EQ(*once, row.out) << row.in;
        const auto twice = normalise_path(*once, true, again);
        ASSERT_TRUE(twice.has_value()) << row.in;
        EXPECT_EQ(*twice, row.out) << row.in;
    }
}

// Each escape by itself: decoded if unreserved, refused if ambiguous, else kept in capitals.
TEST(NamesTable, KnowsEveryEscape) {
    constexpr std::string_view kLower = "0123456789abcdef";
    constexpr std::string_view kUpper = "0123456789ABCDEF";
    std::string storage;
    for (unsigned byte = 0; byte < 256; ++byte) {
        const std::string lower = {'%', kLower[byte >> 4], kLower[byte & 15]};
        const std::string upper = {'%', kUpper[byte >> 4], kUpper[byte & 15]};
        const char letter = static_cast<char>(byte);
        const bool is_refused = byte == 0 || letter == '/' || letter == '\\';
        const bool is_plain = (byte < 128 && std::isalnum(static_cast<int>(byte)) != 0) ||
                              "-._~"sv.find(letter) != std::string_view::npos;
        const std::string stands = is_plain ? std::string(1, letter) : upper;
        for (const std::string& escape : {lower, upper}) {
            const std::string in = "/a" + escape + "b";
            const auto path = normalise_path(in, true, storage);
            ASSERT_EQ(path.has_value(), !is_refused) << escape;
            ASSERT_TRUE(is_refused || *path == "/a" + stands + "b") << escape;
        }
    }
}

struct Authority {
    std::string_view text;
    bool is_valid;
};
constexpr Authority kAuthorities[] = {
    {"a:1", true},
    {"a:80", true},
    {"a:080", true},
    {"a:00080", true},
    {"a:65535", true},
    {"0", true},
    {"1.2.3.4:5", true},
    {"xn--caf-dma.example", true},
    {"[::]", true},
    {"[::]:443", true},
    {"[::ffff:1.2.3.4]:1", true},
    {"[2001:db8:0:0:0:0:0:1]", true},
    {"[ABCD:EF01::]:65535", true},
    {"a:65536", false},
    {"a:70000", false},
    {"a:000000", false},
    {"a:0", false},
    {"a:00000", false},
    {"a:-1", false},
    {"a: 80", false},
    {"a :80", false},
    {" a", false},
    {"a ", false},
    {"a:8 0", false},
    {"a:80,b", false},
    {"a:http", false},
    {"a::80", false},
    {":", false},
    {"@", false},
    {"@a", false},
    {"a@", false},
    {"a@b:80", false},
    {"http://a", false},
    {"//a", false},
    {"a/", false},
    {"a;b", false},
    {"a'b", false},
    {"a\"b\"", false},
    {"<a>", false},
    {"a%2eb", false},
    {"a\xe3\x80\x82"
     "b",
     false},
    {"[::1", false},
    {"::1]", false},
    {"[[::1]]", false},
    {"[::1]]", false},
    {"[::1]a", false},
    {"a[::1]", false},
    {"[::1]:0", false},
    {"[::1]:65536", false},
    {"[::1]::80", false},
    {"[::1%eth0]", false},
    {"[::1/64]", false},
    {"[ ::1]", false},
    {"[1.2.3.4]", false},
    {"[abc]", false},
    {"[:]", false},
};

TEST(NamesTable, TakesAHostAndAPort) {
    RequestHead head;
    for (const Authority& row : kAuthorities) {
        EXPECT_EQ(is_valid_authority(row.text), row.is_valid) << row.text;
        if (row.text.find(' ') != std::string_view::npos) continue;  // may be trimmed, or split
        const std::string bytes = "GET / HTTP/1.1\r\nHost: " + std::string(row.text) + "\r\n\r\n";
        const bool is_host = test::parse_request(bytes, head).state == HeadParse::State::done;
        EXPECT_EQ(is_host, row.is_valid) << row.text;
        EXPECT_TRUE(!is_host || head.authority == row.text) << row.text;
    }
    for (unsigned port = 1; port <= 65535; port += 13)
        ASSERT_TRUE(is_valid_authority("a:" + std::to_string(port))) << port;
}

TEST(NamesTable, TakesAnIdOfItsBytesOnly) {
    for (const std::size_t size : {1U, 2U, 16U, 127U, 128U}) {
        for (int byte = 0; byte < 256; ++byte) {
            const char letter = static_cast<char>(byte);
            const bool is_good = (byte < 128 && std::isalnum(byte) != 0) ||
                                 "-_.:=+/"sv.find(letter) != std::string_view::npos;
            for (const std::size_t at : {std::size_t{0}, size / 2, size - 1}) {
                std::string id(size, 'i');
                id[at] = letter;
                ASSERT_EQ(is_valid_request_id(id), is_good) << size << " " << at << " " << byte;
                ASSERT_FALSE(is_valid_request_id(id + std::string(129 - size, 'i'))) << size;
            }
        }
    }
}

}  // namespace
}  // namespace weir::http

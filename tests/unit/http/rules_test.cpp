#include "weir/http/rules.hpp"

#include "weir/core/random.hpp"

#include <gtest/gtest.h>

#include <string>

namespace weir::http {
namespace {

struct PathCase {
    const char* path;
    const char* expected;  // nullptr: refused
};

constexpr PathCase kPaths[] = {
    {"/", "/"},
    {"/a", "/a"},
    {"/a/b/c", "/a/b/c"},
    {"/a/", "/a/"},
    {"/file.txt", "/file.txt"},
    {"/.well-known/acme", "/.well-known/acme"},
    {"/a.b/..c/d..", "/a.b/..c/d.."},
    {"/.../x", "/.../x"},
    {"/a;v=1/b;w", "/a;v=1/b;w"},
    {"/a:b@c!$&'()*+,=", "/a:b@c!$&'()*+,="},
    {"/a\"<>[]^`{|}", "/a\"<>[]^`{|}"},
    // Unreserved characters are decoded, the rest kept with capitals.
    {"/%41%7a%30%2D%2e%5F%7E", "/Az0-._~"},
    {"/%c3%a9", "/%C3%A9"},
    {"/%3f%23%3b%25", "/%3F%23%3B%25"},
    {"/%2541", "/%2541"},
    {"/%252e%252e/x", "/%252e%252e/x"},
    {"/%20", "/%20"},
    {"/%0a", "/%0A"},
    // Slashes and dots.
    {"//", "/"},
    {"//a", "/a"},
    {"/a//b///c", "/a/b/c"},
    {"/a//", "/a/"},
    {"/.", "/"},
    {"/./", "/"},
    {"/a/.", "/a/"},
    {"/a/./b", "/a/b"},
    {"/a/..", "/"},
    {"/a/../", "/"},
    {"/a/../b", "/b"},
    {"/a/b/..", "/a/"},
    {"/a/b/../../c", "/c"},
    {"/a/b/c/./../../g", "/a/g"},
    {"/a//../b", "/b"},
    {"/%2e/a", "/a"},
    {"/a/%2e%2E/b", "/b"},
    {"/a/.%2e/b", "/b"},
    {"/0123456789abcde/../x", "/x"},
    {"/0123456789abcdef/./x", "/0123456789abcdef/x"},
    {"/0123456789abcd//x", "/0123456789abcd/x"},
    {"/0123456789abc//x", "/0123456789abc/x"},
    // Refused.
    {"", nullptr},
    {"a", nullptr},
    {"*", nullptr},
    {"/..", nullptr},
    {"/../", nullptr},
    {"/a/../..", nullptr},
    {"/a/../../b", nullptr},
    {"/./..", nullptr},
    {"//..", nullptr},
    {"/%2e%2e", nullptr},
    {"/%2e%2e/etc", nullptr},
    {"/a/..;/b", nullptr},
    {"/a/..;x=1/b", nullptr},
    {"/a/.;/b", nullptr},
    {"/a/%2e.;/b", nullptr},
    {"/a/..%3b/b", nullptr},
    {"/a/..%3Bx", nullptr},
    {"/a/..;", nullptr},
    {"/a%2fb", nullptr},
    {"/a%2Fb", nullptr},
    {"/a%5cb", nullptr},
    {"/a%5Cb", nullptr},
    {"/a%00", nullptr},
    {"/a\\b", nullptr},
    {"/a#b", nullptr},
    {"/a?b", nullptr},
    {"/%", nullptr},
    {"/%4", nullptr},
    {"/%g0", nullptr},
    {"/%0g", nullptr},
    {"/%%41", nullptr},
    {"/a b", nullptr},
    {"/a\tb", nullptr},
    {"/a\x01", nullptr},
    {"/a\x7f", nullptr},
    {"/caf\xc3\xa9", nullptr},
    {"/0123456789abcdef\\", nullptr},
    {"/0123456789abcdef\x80", nullptr},
};

TEST(NormalisePath, HasOneFormOrRefuses) {
    std::string storage = "left over";
    for (const PathCase& row : kPaths) {
        const auto result = normalise_path(row.path, true, storage);
        ASSERT_EQ(result.has_value(), row.expected != nullptr) << row.path;
        if (row.expected == nullptr) {
            EXPECT_EQ(result.error().reason, Reason::bad_request) << row.path;
            EXPECT_EQ(result.error().origin, Error::Origin::downstream) << row.path;
            EXPECT_STRNE(result.error().detail, "") << row.path;
        } else {
            EXPECT_EQ(*result, row.expected) << row.path;
        }
    }
}

TEST(NormalisePath, GivesBackThePathItselfIfNothingChanges) {
    std::string storage;
    for (const PathCase& row : kPaths) {
        if (row.expected == nullptr || std::string_view(row.path) != row.expected) continue;
        const std::string_view path = row.path;
        EXPECT_EQ(normalise_path(path, true, storage)->data(), path.data()) << row.path;
    }
}

TEST(NormalisePath, KeepsEmptySegmentsWhenTold) {
    std::string storage;
    EXPECT_EQ(*normalise_path("//", false, storage), "//");
    EXPECT_EQ(*normalise_path("/a//b", false, storage), "/a//b");
    EXPECT_EQ(*normalise_path("/a//../b", false, storage), "/a/b");
    EXPECT_EQ(*normalise_path("//..", false, storage), "/");
    EXPECT_EQ(*normalise_path("/a/%2e//", false, storage), "/a//");
    EXPECT_EQ(*normalise_path("/0123456789abcd//x", false, storage), "/0123456789abcd//x");
    EXPECT_FALSE(normalise_path("//../..", false, storage).has_value());
}

// Independent of how long the path is and where in it something stands: blocks and single bytes
// agree.
TEST(NormalisePath, SeesWhatIsRefusedAtEveryPlace) {
    std::string storage;
    for (std::size_t size = 1; size < 70; ++size) {
        for (std::size_t at = 1; at < size; ++at) {
            for (const char byte : {'\\', '#', '?', '%', ' ', '\x7f', '\x80', '\x1f', '\xff'}) {
                std::string path = "/" + std::string(size - 1, 'z');
                path[at] = byte;
                EXPECT_FALSE(normalise_path(path, true, storage).has_value()) << path;
            }
            if (at == 1) continue;
            std::string path = "/" + std::string(size - 1, 'z');
            path[at] = '/';
            path.insert(at, "/");
            EXPECT_EQ(normalise_path(path, true, storage)->size(), path.size() - 1) << path;
            EXPECT_EQ(normalise_path(path, false, storage)->size(), path.size()) << path;
            path[at + 1] = '.';
            path.insert(at + 2, "/");
            EXPECT_EQ(normalise_path(path, true, storage)->size(), path.size() - 2) << path;
        }
    }
}

// Seeded paths of the dangerous characters: the result is a fixed point and has none of what is
// refused.
TEST(NormalisePath, IsIdempotentAndUnambiguous) {
    Random random(20240229);
    constexpr std::string_view kParts[] = {"/",   "/",   ".", "..", "a",   "b;", "%2e", "%2E",
                                           "%41", "%3b", ";", "//", "%25", "~",  "c.d", "%2f"};
    std::string storage;
    std::string again;
    int accepted = 0;
    for (int round = 0; round < 20'000; ++round) {
        std::string path = "/";
        const std::uint32_t parts = random.below(9);
        for (std::uint32_t part = 0; part < parts; ++part) {
            path += kParts[random.below(std::size(kParts))];
        }
        const bool merge = random.below(2) == 0;
        const auto once = normalise_path(path, merge, storage);
        if (!once) continue;
        ++accepted;
        const auto twice = normalise_path(*once, merge, again);
        ASSERT_TRUE(twice.has_value()) << path;
        ASSERT_EQ(*twice, *once) << path;
        const std::string bounded = std::string(*once) + "/";
        ASSERT_EQ(once->front(), '/') << path;
        ASSERT_EQ(bounded.find("/../"), std::string::npos) << path;
        ASSERT_EQ(bounded.find("/./"), std::string::npos) << path;
        ASSERT_EQ(bounded.find("/..;"), std::string::npos) << path;
        ASSERT_EQ(bounded.find("%2"), bounded.find("%25")) << path;
        if (merge) {
            ASSERT_EQ(once->find("//"), std::string::npos) << path;
        }
    }
    EXPECT_GT(accepted, 4'000);
}

struct AuthorityCase {
    const char* text;
    bool is_valid;
};

constexpr AuthorityCase kAuthorities[] = {
    {"a", true},
    {"example.com", true},
    {"EXAMPLE.com:80", true},
    {"example.com.", true},
    {"a_b-c~d", true},
    {"127.0.0.1", true},
    {"127.0.0.1:65535", true},
    {"localhost:1", true},
    {"[::1]", true},
    {"[::1]:8080", true},
    {"[2001:DB8::1.2.3.4]", true},
    {"a-rather-long.host-name.example.com:443", true},
    {"", false},
    {":80", false},
    {"a:", false},
    {"a:0", false},
    {"a:65536", false},
    {"a:99999", false},
    {"a:000080", false},
    {"a:8o", false},
    {"a:+80", false},
    {"a:80:80", false},
    {"a:80 ", false},
    {"user@a", false},
    {"user:pw@a", false},
    {"a/b", false},
    {"a?b", false},
    {"a#b", false},
    {"a b", false},
    {"a,b", false},
    {"a\\b", false},
    {"a%41", false},
    {"a\tb", false},
    {"a\x7f", false},
    {"caf\xc3\xa9", false},
    {"a-rather-long.host-name.exam ple.com:443", false},
    {"a-rather-long.host-name.example.com@evil", false},
    {"[", false},
    {"[]", false},
    {"[1]", false},
    {"[::1", false},
    {"::1", false},
    {"[::1]80", false},
    {"[::1]:", false},
    {"[::1]:x", false},
    {"[::g]", false},
    {"[fe80::1%25eth0]", false},
    {"[v1.a:b:c]", false},
};

TEST(IsValidAuthority, TakesHostAndPortOnly) {
    for (const AuthorityCase& row : kAuthorities) {
        EXPECT_EQ(is_valid_authority(row.text), row.is_valid) << row.text;
    }
    EXPECT_TRUE(is_valid_authority(std::string(255, 'a')));
    EXPECT_FALSE(is_valid_authority(std::string(256, 'a')));
    EXPECT_FALSE(is_valid_authority("[" + std::string(46, ':') + "]"));
    EXPECT_FALSE(is_valid_authority(std::string_view("a\0b", 3)));
}

TEST(IsValidAuthority, SeesABadByteAtEveryPlace) {
    for (std::size_t size = 1; size < 50; ++size) {
        for (std::size_t at = 0; at < size; ++at) {
            for (int byte = 0; byte < 256; ++byte) {
                std::string host(size, 'a');
                host[at] = static_cast<char>(byte);
                const bool is_good = (byte < 128 && std::isalnum(byte) != 0) || byte == '-' ||
                                     byte == '.' || byte == '_' || byte == '~';
                ASSERT_EQ(is_valid_authority(host), is_good) << size << " " << at << " " << byte;
            }
        }
    }
}

TEST(IsValidRequestId, TakesWhatIsSafeToLogAndForward) {
    for (const char* good : {"a", "0123456789abcdef", "8f14e45f-ceea-467f-9538-1a2b3c4d5e6f",
                             "Root=1-67891233-abcdef012345678912345678", "a_b.c:d=e+f/g"}) {
        EXPECT_TRUE(is_valid_request_id(good)) << good;
    }
    for (const char* bad : {"", " ", "a b", "a\"b", "a,b", "a;b", "a~b", "a\tb", "a\r", "\xc3\xa9",
                            "a%20", "<a>", "{a}", "a\\b"}) {
        EXPECT_FALSE(is_valid_request_id(bad)) << bad;
    }
    EXPECT_TRUE(is_valid_request_id(std::string(128, 'x')));
    EXPECT_FALSE(is_valid_request_id(std::string(129, 'x')));
}

TEST(EscapedSlashes, StayWhereTheyAreTaken) {
    const struct {
        const char* path;
        const char* normal;  // nullptr: refused
    } rows[] = {
        {"/a%2fb", "/a%2Fb"},   {"/a%5cb", "/a%5Cb"},       {"/%2F", "/%2F"},
        {"/a%2Fb/../c", "/c"},  {"/a%2F%2Fb", "/a%2F%2Fb"}, {"/a%2F...", "/a%2F..."},
        {"/a%2F..", nullptr},   {"/..%2Fa", nullptr},       {"/a%2F.", nullptr},
        {"/.%5Ca", nullptr},    {"/a%2F%2e%2E", nullptr},   {"/a%2F..%2Fb", nullptr},
        {"/a%2F..;x", nullptr}, {"/..;%2Fa", nullptr},      {"/a%5c..%2fb", nullptr},
        {"/a%00", nullptr},     {"/a\\b", nullptr},         {"/..;x", nullptr},
        {"/%252F", "/%252F"},
    };
    std::string storage;
    for (const auto& row : rows) {
        const auto normal = normalise_path_with_escaped_slashes(row.path, true, storage);
        ASSERT_EQ(normal.has_value(), row.normal != nullptr) << row.path;
        if (!normal) continue;
        EXPECT_EQ(*normal, row.normal) << row.path;
        std::string again;
        EXPECT_EQ(*normalise_path_with_escaped_slashes(std::string(*normal), true, again),
                  row.normal);
    }
    EXPECT_TRUE(has_escaped_slash("/a%2Fb"));
    EXPECT_TRUE(has_escaped_slash("/a%5Cb"));
    EXPECT_FALSE(has_escaped_slash("/a%25b"));
}

}  // namespace
}  // namespace weir::http

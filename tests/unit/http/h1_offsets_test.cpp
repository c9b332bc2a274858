#include "unit/http/vectors.hpp"
#include <gtest/gtest.h>

#include <string>
#include <string_view>

// The parser looks at blocks of bytes where it can. Here the byte that matters stands at every
// offset of names, values, targets and phrases of sizes around those of the blocks, and at every
// distance from the end of the buffer: what is said of it must not depend on that.
namespace weir::http {
namespace {

using namespace std::string_view_literals;
using State = HeadParse::State;
using test::Exact;
using test::kBlockSizes;
using test::kTails;

// RFC 9110, 5.6.2: delimiters, blanks, controls and what is not ASCII are no token bytes.
constexpr std::string_view kNotToken =
    "\0\x01\x08\t\n\x0b\x0c\r\x0e\x1f \"(),/;<=>?@[\\]{}\x7f\x80\xa0\xff"sv;
constexpr std::string_view kMarks = "!#$%&'*+-.^`|~";
// RFC 9110, 5.5: of controls a value may have HTAB only.
constexpr std::string_view kNotValue =
    "\0\x01\x02\x07\x08\n\x0b\x0c\r\x0e\x0f\x10\x1b\x1e\x1f\x7f"sv;
constexpr std::string_view kInValue = "\t !\"(),:/;<=>?@[\\]^_`{|}~\x80\x9f\xa0\xfe\xff"sv;
// RFC 9112, 3.2: nothing in a target but visible ASCII.
constexpr std::string_view kNotTarget = "\0\x01\x08\t\n\x0b\r\x1f \x7f\x80\x8a\xa0\xc3\xfe\xff"sv;

std::string fields_request(std::string_view line, std::size_t tail) {
    return test::request_with(std::string(line) + "\r\n") + std::string(tail, 'T');
}

TEST(H1Offsets, RefuseAByteThatIsNoTokensAtEveryPlaceOfAName) {
    RequestHead head;
    for (const std::size_t size : kBlockSizes) {
        for (std::size_t at = 0; at < size; ++at) {
            for (const char bad : kNotToken) {
                std::string name(size, 'n');
                name[at] = bad;
                for (const std::size_t tail : kTails) {
                    const Exact bytes(fields_request(name + ": v", tail));
                    ASSERT_EQ(test::parse_request(bytes.view(), head).state, State::failed)
                        << size << " " << at << " " << int{bad} << " " << tail;
                }
            }
        }
    }
}

TEST(H1Offsets, KeepAMarkAtEveryPlaceOfAName) {
    RequestHead head;
    for (const std::size_t size : kBlockSizes) {
        for (std::size_t at = 0; at < size; ++at) {
            for (const char mark : kMarks) {
                std::string name(size, 'N');
                name[at] = mark;
                const Exact bytes(fields_request(name + ": v", at % 20));
                ASSERT_EQ(test::parse_request(bytes.view(), head).state, State::done) << name;
                ASSERT_EQ(test::field_lines(head.headers), "Host=a\n" + name + "=v\n");
            }
        }
    }
}

TEST(H1Offsets, EndTheNameAtTheFirstColonWhereverItIs) {
    RequestHead head;
    for (const std::size_t size : kBlockSizes) {
        for (std::size_t at = 1; at < size; ++at) {
            std::string line(size, 'x');
            line[at] = ':';
            line += ":y";
            const Exact bytes(fields_request(line, at % 3));
            ASSERT_EQ(test::parse_request(bytes.view(), head).state, State::done) << line;
            ASSERT_EQ(test::field_lines(head.headers),
                      "Host=a\n" + line.substr(0, at) + "=" + line.substr(at + 1) + "\n");
        }
    }
}

// In lines of every size: an underscore is found behind the first block too.
TEST(H1Offsets, SeeAnUnderscoreAtEveryPlaceOfAName) {
    RequestHead head;
    H1Limits limits;
    for (const std::size_t size : kBlockSizes) {
        for (std::size_t at = 0; at < size; ++at) {
            std::string name(size, 'n');
            name[at] = '_';
            const Exact bytes(fields_request(name + ": v\r\nB: w", at % 20));
            limits.underscores = H1Limits::Underscores::reject;
            ASSERT_EQ(test::parse_request(bytes.view(), head, limits).state, State::failed) << name;
            limits.underscores = H1Limits::Underscores::drop;
            ASSERT_EQ(test::parse_request(bytes.view(), head, limits).state, State::done) << name;
            ASSERT_EQ(test::field_lines(head.headers), "Host=a\nB=w\n") << name;
            limits.underscores = H1Limits::Underscores::allow;
            ASSERT_EQ(test::parse_request(bytes.view(), head, limits).state, State::done) << name;
            ASSERT_EQ(test::field_lines(head.headers), "Host=a\n" + name + "=v\nB=w\n") << name;
        }
    }
}

TEST(H1Offsets, RefuseAControlAtEveryPlaceOfAValue) {
    RequestHead head;
    for (const std::size_t size : kBlockSizes) {
        for (std::size_t at = 0; at < size; ++at) {
            for (const char bad : kNotValue) {
                std::string value(size, 'v');
                value[at] = bad;
                for (const std::size_t tail : kTails) {
                    const Exact bytes(fields_request("Name: " + value, tail));
                    ASSERT_EQ(test::parse_request(bytes.view(), head).state, State::failed)
                        << size << " " << at << " " << int{bad} << " " << tail;
                }
            }
        }
    }
}

TEST(H1Offsets, KeepEveryOtherByteAtEveryPlaceOfAValue) {
    RequestHead head;
    for (const std::size_t size : kBlockSizes) {
        for (std::size_t at = 0; at < size; ++at) {
            for (const char good : kInValue) {
                std::string value(size + 2, 'v');
                value[at + 1] = good;
                const Exact bytes(fields_request("Name: " + value, at % 18));
                ASSERT_EQ(test::parse_request(bytes.view(), head).state, State::done) << value;
                ASSERT_EQ(head.headers.find("name")->value, value);
            }
        }
    }
}

// RFC 9112, 5.1: blanks around a value are no part of it; those inside are.
TEST(H1Offsets, TakeBlanksOffAValueOfAnySize) {
    RequestHead head;
    for (const std::size_t size : kBlockSizes) {
        const std::string value =
            size < 3 ? std::string(size, 'v') : "v" + std::string(size - 2, ' ') + "v";
        for (const std::size_t before : {0U, 1U, 2U, 15U, 16U, 17U}) {
            for (const std::size_t after : {0U, 1U, 2U, 15U, 16U, 17U}) {
                for (const char blank : {' ', '\t'}) {
                    std::string line = "Name:" + std::string(before, blank) + value;
                    line.append(after, blank);
                    const Exact bytes(fields_request(line, before));
                    ASSERT_EQ(test::parse_request(bytes.view(), head).state, State::done) << line;
                    ASSERT_EQ(head.headers.find("name")->value, value) << line;
                }
            }
        }
    }
}

TEST(H1Offsets, FindNothingInAValueOfBlanks) {
    RequestHead head;
    for (std::size_t size = 0; size <= 70; ++size) {
        for (const char blank : {' ', '\t'}) {
            const Exact bytes(fields_request("Name:" + std::string(size, blank), size % 5));
            ASSERT_EQ(test::parse_request(bytes.view(), head).state, State::done) << size;
            ASSERT_EQ(head.headers.find("name")->value, "") << size;
        }
    }
}

// The CRLF of a line falls on every offset of a block, and its two bytes on either side of one.
TEST(H1Offsets, EndALineAtEveryPlace) {
    RequestHead head;
    for (std::size_t first = 0; first <= 50; ++first) {
        for (std::size_t second = 0; second <= 50; ++second) {
            const std::string one(first, '1');
            const std::string two(second, '2');
            const Exact bytes(fields_request("A: " + one + "\r\nBb: " + two, 0));
            const HeadParse parse = test::parse_request(bytes.view(), head);
            ASSERT_EQ(parse.state, State::done) << first << " " << second;
            ASSERT_EQ(parse.consumed, bytes.view().size());
            ASSERT_EQ(test::field_lines(head.headers), "Host=a\nA=" + one + "\nBb=" + two + "\n");
        }
    }
}

TEST(H1Offsets, RefuseALineEndThatIsNoneAtEveryPlace) {
    RequestHead head;
    for (std::size_t size = 0; size <= 66; ++size) {
        for (const std::string_view end : {"\n"sv, "\r"sv, "\r\r\n"sv, "\n\r\n"sv, "\n\r"sv}) {
            for (const std::size_t tail : kTails) {
                const Exact bytes("GET / HTTP/1.1\r\nHost: a\r\nA: " + std::string(size, 'v') +
                                  std::string(end) + "B: 2\r\n\r\n" + std::string(tail, 'T'));
                ASSERT_EQ(test::parse_request(bytes.view(), head).state, State::failed)
                    << size << " " << tail;
            }
        }
    }
}

std::string line_of(std::string_view target, std::size_t tail = 0) {
    return std::string("GET ").append(target) + " HTTP/1.1\r\nHost: a\r\n\r\n" +
           std::string(tail, 'T');
}

TEST(H1Offsets, RefuseAByteThatIsNoTargetsAtEveryPlaceOfAPath) {
    RequestHead head;
    for (const std::size_t size : kBlockSizes) {
        for (std::size_t at = 0; at < size; ++at) {
            for (const char bad : kNotTarget) {
                std::string path(size, 'p');
                path[at] = bad;
                const Exact bytes(line_of("/" + path, at % 20));
                ASSERT_EQ(test::parse_request(bytes.view(), head).state, State::failed)
                    << size << " " << at << " " << int{bad};
            }
            for (const std::string_view bad : {"#"sv, "\\"sv, "%zz"sv, "%2F"sv, "%5c"sv, "%00"sv}) {
                std::string path(size, 'p');
                path.replace(at, 1, bad);
                const Exact bytes(line_of("/" + path, at % 20));
                ASSERT_EQ(test::parse_request(bytes.view(), head).state, State::failed) << path;
            }
        }
    }
}

TEST(H1Offsets, RefuseAByteThatIsNoTargetsAtEveryPlaceOfAQuery) {
    RequestHead head;
    for (const std::size_t path : {1U, 2U, 14U, 15U, 16U, 17U, 31U, 32U, 33U}) {
        for (const std::size_t size : kBlockSizes) {
            for (std::size_t at = 0; at < size; ++at) {
                for (const char bad : kNotTarget) {
                    std::string query(size, 'q');
                    query[at] = bad;
                    const Exact bytes(line_of("/" + std::string(path - 1, 'p') + "?" + query));
                    ASSERT_EQ(test::parse_request(bytes.view(), head).state, State::failed)
                        << path << " " << size << " " << at << " " << int{bad};
                }
                std::string query(size, 'q');
                query[at] = '#';
                const Exact bytes(line_of("/" + std::string(path - 1, 'p') + "?" + query));
                ASSERT_EQ(test::parse_request(bytes.view(), head).state, State::failed) << query;
            }
        }
    }
}

// The query is not the proxy's to read: dots, slashes, escapes and further marks go on as they are.
TEST(H1Offsets, SplitATargetAtItsFirstQuestionMarkWhereverItIs) {
    RequestHead head;
    for (std::size_t size = 1; size <= 70; ++size) {
        const std::string path = "/" + std::string(size - 1, 'p');
        for (const std::string_view query : {""sv, "?"sv, "a"sv, "//../."sv, "%2f%zz\\"sv,
                                             "a=b&c=/d?e=0123456789abcdef0123456"sv}) {
            const Exact bytes(line_of(path + "?" + std::string(query), size % 3));
            ASSERT_EQ(test::parse_request(bytes.view(), head).state, State::done) << query;
            ASSERT_EQ(head.path, path);
            ASSERT_TRUE(head.has_query);
            ASSERT_EQ(head.query, query);
        }
        const Exact plain(line_of(path));
        ASSERT_EQ(test::parse_request(plain.view(), head).state, State::done);
        ASSERT_EQ(head.path, path);
        ASSERT_FALSE(head.has_query);
    }
}

struct Detour {
    std::string_view text;    // in a path, before "z"
    std::string_view stands;  // what stands there afterwards
};
constexpr Detour kDetours[] = {
    {"//", "/"},      {"///", "/"},       {"/./", "/"},           {"/././", "/"},
    {"/%2e/", "/"},   {"/y/../", "/"},    {"/y/%2E%2e/", "/"},    {"//y/..//", "/"},
    {"/%79", "/y"},   {"/%7E", "/~"},     {"/%c3%a9", "/%C3%A9"}, {"/.y", "/.y"},
    {"/..y", "/..y"}, {"/.../", "/.../"}, {"/y./", "/y./"},
};

TEST(H1Offsets, NormaliseAPathAlikeAtEveryPlace) {
    RequestHead head;
    for (const Detour& row : kDetours) {
        for (std::size_t before = 0; before <= 50; ++before) {
            for (const std::size_t after : {0U, 1U, 15U, 16U, 17U, 33U}) {
                const std::string front = "/p" + std::string(before, 'p');
                const std::string back = "z" + std::string(after, 'z');
                const Exact bytes(line_of(front + std::string(row.text) + back + "?q=//"));
                ASSERT_EQ(test::parse_request(bytes.view(), head).state, State::done) << row.text;
                ASSERT_EQ(head.path, front + std::string(row.stands) + back);
                ASSERT_EQ(head.query, "q=//");
            }
        }
    }
}

TEST(H1Offsets, KeepDoubleSlashesAtEveryPlaceWhenTold) {
    RequestHead head;
    H1Limits limits;
    limits.merge_slashes = false;
    for (std::size_t before = 0; before <= 50; ++before) {
        for (const std::size_t slashes : {2U, 3U, 16U, 17U}) {
            const std::string path =
                "/" + std::string(before, 'p') + std::string(slashes, '/') + "zz";
            const Exact bytes(line_of(path));
            ASSERT_EQ(test::parse_request(bytes.view(), head, limits).state, State::done) << path;
            ASSERT_EQ(head.path, path);
            const Exact dotted(line_of(path + "/../y"));
            ASSERT_EQ(test::parse_request(dotted.view(), head, limits).state, State::done) << path;
            ASSERT_EQ(head.path, path.substr(0, path.size() - 2) + "y");
        }
    }
}

TEST(H1Offsets, RefuseAControlAtEveryPlaceOfAPhrase) {
    ResponseHead head;
    for (const std::size_t size : kBlockSizes) {
        for (std::size_t at = 0; at < size; ++at) {
            for (const char bad : kNotValue) {
                std::string phrase(size, 'p');
                phrase[at] = bad;
                const Exact bytes("HTTP/1.1 200 " + phrase + "\r\nContent-Length: 0\r\n\r\n");
                const HeadParse parse = parse_response_head(bytes.view(), Method::get, {}, head);
                ASSERT_EQ(parse.state, State::failed) << size << " " << at << " " << int{bad};
            }
            for (const char good : "\t !~\x80\xff"sv) {
                std::string phrase(size, 'p');
                phrase[at] = good;
                const Exact bytes("HTTP/1.1 200 " + phrase + "\r\nContent-Length: 0\r\n\r\n");
                const HeadParse parse = parse_response_head(bytes.view(), Method::get, {}, head);
                ASSERT_EQ(parse.state, State::done) << size << " " << at << " " << int{good};
                ASSERT_EQ(head.phrase, phrase);
            }
        }
    }
}

TEST(H1Offsets, RefuseABadByteAtEveryPlaceOfAMethod) {
    RequestHead head;
    for (std::size_t size = 1; size <= 32; ++size) {
        for (std::size_t at = 0; at < size; ++at) {
            for (const char bad : kNotToken) {
                std::string method(size, 'M');
                method[at] = bad;
                const Exact bytes(method + " / HTTP/1.1\r\nHost: a\r\n\r\n");
                ASSERT_EQ(test::parse_request(bytes.view(), head).state, State::failed)
                    << size << " " << at << " " << int{bad};
            }
        }
        const std::string method(size, 'M');
        const Exact bytes(method + " / HTTP/1.1\r\nHost: a\r\n\r\n");
        ASSERT_EQ(test::parse_request(bytes.view(), head).state, State::done) << size;
        ASSERT_EQ(head.method_text, method);
    }
}

TEST(H1Offsets, RefuseAnyOtherByteInTheVersion) {
    constexpr std::string_view kVersion = "HTTP/1.1";
    RequestHead request;
    ResponseHead response;
    for (std::size_t at = 0; at < kVersion.size(); ++at) {
        for (int byte = 0; byte < 256; ++byte) {
            std::string version(kVersion);
            version[at] = static_cast<char>(byte);
            if (version == "HTTP/1.1" || version == "HTTP/1.0") continue;
            const Exact asked("GET / " + version + "\r\nHost: a\r\n\r\n");
            ASSERT_EQ(test::parse_request(asked.view(), request).state, State::failed) << version;
            const Exact answered(version + " 200 OK\r\nContent-Length: 0\r\n\r\n");
            ASSERT_EQ(parse_response_head(answered.view(), Method::get, {}, response).state,
                      State::failed)
                << version;
        }
    }
}

}  // namespace
}  // namespace weir::http

#include "discovery/srv_message.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>
#include <string>
#include <vector>

namespace weir::discovery {
namespace {

using namespace std::chrono_literals;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

// Puts a message together, byte by byte.
struct Message {
    std::string bytes = std::string("\x12\x34\x81\x80\0\1\0\0\0\0\0\0", 12);

    Message() { bytes += name("_http._tcp.svc.test") + half(33) + half(1); }

    static std::string half(unsigned value) {
        return {static_cast<char>(value >> 8), static_cast<char>(value & 0xff)};
    }
    static std::string word(std::uint32_t value) {
        return half(value >> 16) + half(value & 0xffff);
    }
    static std::string name(const std::string& text) {
        std::string out;
        for (std::size_t at = 0; at < text.size();) {
            const std::size_t end = std::min(text.find('.', at), text.size());
            out += static_cast<char>(end - at);
            out += text.substr(at, end - at);
            at = end + 1;
        }
        return out + '\0';
    }
    // To section 1 (answers), 2 (authorities) or 3 (additional).
    Message& record(int section,
                    const std::string& owner,
                    unsigned type,
                    std::uint32_t ttl,
                    const std::string& data) {
        const std::size_t count = 5 + 2 * static_cast<std::size_t>(section);
        bytes[count] = static_cast<char>(bytes[count] + 1);
        bytes += owner + half(type) + half(1) + word(ttl) +
                 half(static_cast<unsigned>(data.size())) + data;
        return *this;
    }
    Message& srv(unsigned priority,
                 unsigned weight,
                 unsigned port,
                 const std::string& target,
                 std::uint32_t ttl = 60) {
        return record(1, "\xc0\x0c", 33, ttl, half(priority) + half(weight) + half(port) + target);
    }
    Message& soa(std::uint32_t ttl, std::uint32_t minimum) {
        return record(2, name("test"), 6, ttl,
                      name("ns.test") + name("me.test") + word(1) + word(2) + word(3) + word(4) +
                          word(minimum));
    }

    [[nodiscard]] SrvAnswer read() const { return read_bytes(bytes); }
    static SrvAnswer read_bytes(const std::string& bytes) {
        return read_srv({reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size()});
    }
};

TEST(SrvMessage, GivesEachTargetWithTheSmallestTtl) {
    const SrvAnswer answer = Message()
                                 .srv(1, 10, 80, Message::name("a.test"))
                                 .srv(2, 20, 8080, Message::name("B.Test"), 30)
                                 .read();
    EXPECT_EQ(answer.error, "");
    EXPECT_THAT(answer.records, ElementsAre(SrvRecord{"a.test", 80, 1, 10, {}},
                                            SrvRecord{"b.test", 8080, 2, 20, {}}));
    EXPECT_EQ(answer.ttl, 30s);
}

TEST(SrvMessage, TakesAddressesThatComeAlong) {
    const SrvAnswer answer =
        Message()
            .srv(0, 0, 80, Message::name("a.test"))
            .srv(0, 0, 81, Message::name("b.test"))
            .record(3, Message::name("A.test"), 1, 20, std::string("\x0a\0\0\1", 4))
            .record(3, Message::name("a.test"), 28, 40, std::string(15, '\0') + '\1')
            .record(3, Message::name("c.test"), 1, 5, std::string("\x0a\0\0\2", 4))
            .read();
    ASSERT_EQ(answer.records.size(), 2U);
    EXPECT_THAT(answer.records[0].addresses,
                ElementsAre(*Address::parse("10.0.0.1:80"), *Address::parse("[::1]:80")));
    EXPECT_THAT(answer.records[1].addresses, IsEmpty());
    EXPECT_EQ(answer.ttl, 20s);
}

TEST(SrvMessage, FollowsAnAlias) {
    const SrvAnswer answer = Message()
                                 .record(1, "\xc0\x0c", 5, 7, Message::name("other.test"))
                                 .record(1, Message::name("other.test"), 33, 60,
                                         Message::half(0) + Message::half(0) + Message::half(80) +
                                             Message::name("a.test"))
                                 .read();
    EXPECT_EQ(answer.records.size(), 1U);
    EXPECT_EQ(answer.ttl, 7s);
}

TEST(SrvMessage, KnowsNoneByTheDotAndByAnEmptyAnswer) {
    const SrvAnswer dot = Message().srv(0, 0, 0, std::string(1, '\0'), 50).read();
    EXPECT_THAT(dot.records, IsEmpty());
    EXPECT_EQ(dot.error, "");
    EXPECT_EQ(dot.ttl, 50s);
    const SrvAnswer empty = Message().read();
    EXPECT_THAT(empty.records, IsEmpty());
    EXPECT_EQ(empty.error, "");
    EXPECT_EQ(empty.ttl, std::nullopt);
}

TEST(SrvMessage, RemembersNoneForTheSmallerOfTwoTimes) {
    EXPECT_EQ(Message().soa(100, 30).read().ttl, 30s);
    EXPECT_EQ(Message().soa(10, 30).read().ttl, 10s);
    EXPECT_EQ(Message().soa(0x80000000, 30).read().ttl, 0s);  // RFC 2181
}

TEST(SrvMessage, RefusesWhatIsNoHostNameAndNoPort) {
    EXPECT_THAT(Message().srv(0, 0, 80, Message::name("a b.test")).read().error,
                HasSubstr("no host name"));
    EXPECT_THAT(Message().srv(0, 0, 0, Message::name("a.test")).read().error,
                HasSubstr("no port: a.test"));
}

TEST(SrvMessage, RefusesPointersThatLeadForwardOrInCircles) {
    const auto at = static_cast<char>(Message().bytes.size() + 18);
    EXPECT_NE(Message().srv(0, 0, 80, std::string{'\xc0', at}).read().error, "");
    EXPECT_NE(Message().srv(0, 0, 80, std::string{'\xc1', '\xff'}).read().error, "");
    EXPECT_NE(Message().srv(0, 0, 80, std::string(1, '\x80')).read().error, "");
}

TEST(SrvMessage, RefusesNamesThatAreTooLong) {
    std::string name;
    for (int i = 0; i < 5; ++i)
        name += '\x3f' + std::string(63, 'a');
    EXPECT_NE(Message().srv(0, 0, 80, name + '\0').read().error, "");
}

TEST(SrvMessage, RefusesEveryMessageThatIsCutShort) {
    const std::string whole = Message()
                                  .srv(1, 10, 80, Message::name("a.test"))
                                  .soa(1, 1)
                                  .record(3, Message::name("a.test"), 1, 20, "1234")
                                  .bytes;
    EXPECT_EQ(Message::read_bytes(whole).error, "");
    for (std::size_t size = 0; size < whole.size(); ++size) {
        const SrvAnswer answer = Message::read_bytes(whole.substr(0, size));
        EXPECT_NE(answer.error, "") << size;
        EXPECT_THAT(answer.records, IsEmpty()) << size;
    }
}

TEST(SrvMessage, EndsWhateverTheBytes) {
    const std::string whole =
        Message().srv(1, 10, 80, Message::name("a.test")).srv(1, 1, 1, "\xc0\x0c").soa(1, 1).bytes;
    std::minstd_rand random(1);  // NOLINT: the same each time
    for (int turn = 0; turn < 20'000; ++turn) {
        std::string bytes = whole;
        for (int i = 0; i < 3; ++i)
            bytes[random() % bytes.size()] = static_cast<char>(random() & 0xff);
        const SrvAnswer answer = Message::read_bytes(bytes);
        EXPECT_TRUE(answer.error.empty() || answer.records.empty());
    }
}

}  // namespace
}  // namespace weir::discovery

#include "discovery/srv_message.hpp"

#include <algorithm>
#include <netinet/in.h>
#include <utility>

namespace weir::discovery {
namespace {

enum Type : std::uint16_t { a = 1, cname = 5, soa = 6, aaaa = 28, srv = 33 };
constexpr std::uint16_t kInternet = 1;
constexpr std::size_t kHeadSize = 12;
constexpr std::size_t kLongestName = 255;
// RFC 2181, section 8: a TTL with its highest bit set is zero.
constexpr std::uint32_t kHighestBit = 0x80000000;

// Names that can be asked for. Others (an escaped dot, a blank) are nobody's host.
bool is_of_host(std::uint8_t byte) {
    return (byte >= 'a' && byte <= 'z') || (byte >= '0' && byte <= '9') || byte == '-' ||
           byte == '_';
}

struct Record {
    std::string owner;
    std::uint16_t type = 0;
    std::uint16_t in_class = 0;
    std::uint32_t ttl = 0;
    std::size_t begin = 0;  // of its data
    std::size_t end = 0;
};

// Looks at a message from left to right. Once something was amiss, everything reads as nothing.
class Reader {
  public:
    explicit Reader(std::span<const std::uint8_t> message) : message_(message) {}

    [[nodiscard]] bool is_good() const { return is_good_; }
    [[nodiscard]] std::size_t at() const { return at_; }
    void go_to(std::size_t at) { at_ = at; }
    void fail() { is_good_ = false; }

    std::uint8_t byte() {
        if (!is_good_ || at_ >= message_.size()) {
            fail();
            return 0;
        }
        return message_[at_++];
    }
    std::uint16_t half() {
        const std::uint32_t high = byte();
        return static_cast<std::uint16_t>(high << 8 | byte());
    }
    std::uint32_t word() {
        const std::uint32_t high = half();
        return high << 16 | half();
    }

    // A name of which no label has a byte that hosts have not, else it is "?". Each pointer leads
    // further back than the one before, so that following them ends.
    std::string name() {
        std::string text;
        bool is_odd = false;
        std::size_t after = 0;
        std::size_t lowest = at_;
        for (std::uint8_t length = byte(); length != 0 && is_good_; length = byte()) {
            if (length >= 0xc0) {
                const std::size_t to = (length & 0x3fU) << 8 | byte();
                if (after == 0) after = at_;
                if (to >= lowest) fail();
                lowest = at_ = to;
                continue;
            }
            if (length >= 0x40 || text.size() + length >= kLongestName) fail();
            if (!text.empty()) text += '.';
            for (; length > 0 && is_good_; --length) {
                std::uint8_t next = byte();
                if (next >= 'A' && next <= 'Z') next = static_cast<std::uint8_t>(next | 0x20);
                is_odd = is_odd || !is_of_host(next);
                text += static_cast<char>(next);
            }
        }
        if (after != 0) at_ = after;
        return is_odd ? "?" : text;
    }

    Record record() {
        Record record;
        record.owner = name();
        record.type = half();
        record.in_class = half();
        record.ttl = word();
        if ((record.ttl & kHighestBit) != 0) record.ttl = 0;
        const std::size_t size = half();
        record.begin = at_;
        record.end = at_ + size;
        if (record.end > message_.size()) fail();
        at_ = record.end;
        return record;
    }

    std::optional<Address> address(const Record& record) const {
        const std::size_t size = record.end - record.begin;
        const std::uint8_t* const bytes = message_.data() + record.begin;
        if (record.type == a && size == sizeof(in_addr)) {
            sockaddr_in from{};
            from.sin_family = AF_INET;
            std::copy_n(bytes, size, reinterpret_cast<std::uint8_t*>(&from.sin_addr));
            return Address::from_socket(reinterpret_cast<const sockaddr*>(&from), sizeof from);
        }
        if (record.type == aaaa && size == sizeof(in6_addr)) {
            sockaddr_in6 from{};
            from.sin6_family = AF_INET6;
            std::copy_n(bytes, size, reinterpret_cast<std::uint8_t*>(&from.sin6_addr));
            return Address::from_socket(reinterpret_cast<const sockaddr*>(&from), sizeof from);
        }
        return std::nullopt;
    }

  private:
    std::span<const std::uint8_t> message_;
    std::size_t at_ = 0;
    bool is_good_ = true;
};

class Response {
  public:
    explicit Response(std::span<const std::uint8_t> message) : reader_(message) {}

    SrvAnswer read() {
        std::uint16_t counts[4] = {};  // questions, answers, authorities, additional records
        reader_.go_to(kHeadSize - sizeof counts);
        for (std::uint16_t& count : counts)
            count = reader_.half();
        for (; counts[0] > 0 && reader_.is_good(); --counts[0]) {
            reader_.name();
            reader_.word();
        }
        for_each(counts[1], [this](const Record& record) { take_answer(record); });
        for_each(counts[2], [this](const Record& record) { take_authority(record); });
        for_each(counts[3], [this](const Record& record) { take_additional(record); });
        if (!reader_.is_good()) return failed("the answer is no message of DNS");
        if (!odd_.empty()) return failed(odd_);
        if (answer_.records.empty()) answer_.ttl = none_for_;
        return std::move(answer_);
    }

  private:
    static SrvAnswer failed(std::string error) {
        SrvAnswer answer;
        answer.error = std::move(error);
        return answer;
    }

    template <typename Take>
    void for_each(unsigned count, Take&& take) {
        for (; count > 0 && reader_.is_good(); --count) {
            const Record record = reader_.record();
            if (reader_.is_good() && record.in_class == kInternet) take(record);
        }
    }

    static void lower(std::optional<Duration>& ttl, std::uint32_t seconds) {
        const Duration told = std::chrono::seconds{seconds};
        ttl = ttl ? std::min(*ttl, told) : told;
    }

    void take_answer(const Record& record) {
        if (record.type == cname) lower(answer_.ttl, record.ttl);
        if (record.type != srv) return;
        lower(answer_.ttl, record.ttl);
        reader_.go_to(record.begin);
        SrvRecord found;
        found.priority = reader_.half();
        found.weight = reader_.half();
        found.port = reader_.half();
        found.target = reader_.name();
        if (reader_.at() != record.end) reader_.fail();
        reader_.go_to(record.end);
        if (found.target.empty()) {  // "." is no target: it says that there is none
            lower(none_for_, record.ttl);
            return;
        }
        if (found.target == "?") odd_ = "a target of the answer is no host name";
        if (found.port == 0) odd_ = "a target of the answer has no port: " + found.target;
        answer_.records.push_back(std::move(found));
    }

    void take_authority(const Record& record) {
        if (record.type != soa) return;
        reader_.go_to(record.begin);
        reader_.name();
        reader_.name();
        for (int i = 0; i < 4; ++i)
            reader_.word();
        lower(none_for_, std::min(record.ttl, reader_.word()));
        reader_.go_to(record.end);
    }

    void take_additional(const Record& record) {
        const auto address = reader_.address(record);
        if (!address) return;
        for (SrvRecord& found : answer_.records) {
            if (found.target != record.owner) continue;
            if (const auto whole = Address::from_ip(address->ip(), found.port))
                found.addresses.push_back(*whole);
            lower(answer_.ttl, record.ttl);
        }
    }

    Reader reader_;
    SrvAnswer answer_;
    std::optional<Duration> none_for_;
    std::string odd_;
};

}  // namespace

SrvAnswer read_srv(std::span<const std::uint8_t> message) {
    return Response(message).read();
}

}  // namespace weir::discovery

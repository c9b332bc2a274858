#include "telemetry/access_record.hpp"

#include "weir/core/json.hpp"

#include <algorithm>
#include <charconv>
#include <cstring>
#include <ctime>

namespace weir::telemetry {
namespace {

constexpr std::int64_t kSecond = 1'000'000'000;
constexpr std::uint64_t kPlain = 0x6161616161000000ULL;  // five letters and room for three bytes

template <std::size_t N>
char* put(char* out, const char (&literal)[N]) {
    std::memcpy(out, literal, N - 1);
    return out + N - 1;
}

char* put_raw(char* out, std::string_view text) {
    std::memcpy(out, text.data(), text.size());
    return out + text.size();
}

char* put_number(char* out, std::uint64_t number) {
    if (number < 10) {
        *out = static_cast<char>('0' + number);
        return out + 1;
    }
    return std::to_chars(out, out + 20, number).ptr;
}

char* put_digits3(char* out, unsigned number) {
    out[0] = static_cast<char>('0' + number / 100);
    out[1] = static_cast<char>('0' + number / 10 % 10);
    out[2] = static_cast<char>('0' + number % 10);
    return out + 3;
}

std::uint64_t load8(const char* from) {
    std::uint64_t word;
    std::memcpy(&word, from, sizeof word);
    return word;
}

std::uint64_t load4(const char* from) {
    std::uint32_t word;
    std::memcpy(&word, from, sizeof word);
    return word;
}

// Sixteen bytes at a time, on any machine (a vector of GCC and Clang).
using Block = signed char __attribute__((vector_size(16)));

Block block_of(std::uint64_t low, std::uint64_t high) {
    const std::array<std::uint64_t, 2> words{low, high};
    Block block;
    std::memcpy(&block, words.data(), sizeof block);
    return block;
}

// Not 0 where a byte is a control, a quote, a backslash or no ASCII: these are below 0x20 if
// signed.
Block to_escape(Block bytes) {
    constexpr Block kZero{};
    return (bytes < kZero + 0x20) | (bytes == kZero + '"') | (bytes == kZero + '\\') |
           (bytes == kZero + 0x7f);
}

// Copies and looks for what must be escaped in one go; the last piece overlaps the one before.
[[gnu::always_inline]] inline void copy(char* out,
                                        const char* from,
                                        std::size_t size,
                                        Block& found) {
    if (size >= sizeof(Block)) {
        Block block;
        for (std::size_t i = 0; i + sizeof block < size; i += sizeof block) {
            std::memcpy(&block, from + i, sizeof block);
            std::memcpy(out + i, &block, sizeof block);
            found |= to_escape(block);
        }
        std::memcpy(&block, from + size - sizeof block, sizeof block);
        std::memcpy(out + size - sizeof block, &block, sizeof block);
        found |= to_escape(block);
        return;
    }
    if (size >= 8) {
        const std::uint64_t first = load8(from);
        const std::uint64_t last = load8(from + size - 8);
        std::memcpy(out, &first, 8);
        std::memcpy(out + size - 8, &last, 8);
        found |= to_escape(block_of(first, last));
        return;
    }
    if (size >= 4) {
        const std::uint64_t first = load4(from);
        const std::uint64_t last = load4(from + size - 4);
        std::memcpy(out, &first, 4);
        std::memcpy(out + size - 4, &last, 4);
        const std::uint64_t both = first | (last << 32U);
        found |= to_escape(block_of(both, both));
        return;
    }
    if (size == 0) return;
    const std::array<char, 3> bytes{from[0], from[size / 2], from[size - 1]};
    out[0] = bytes[0];
    out[size / 2] = bytes[1];
    out[size - 1] = bytes[2];
    std::uint64_t word = 0;
    for (const char byte : bytes)
        word = (word << 8U) | static_cast<unsigned char>(byte);
    word |= kPlain;
    found |= to_escape(block_of(word, word));
}

constexpr std::array<std::string_view, 6> kFlagWords{"retried",     "none_ready", "probe",
                                                     "stale_reuse", "shadow",     "upgraded"};

char* put_flags(char* out, std::uint8_t flags) {
    const char* separator = "";
    for (std::size_t i = 0; i < kFlagWords.size(); ++i) {
        if ((flags & (1U << i)) == 0) continue;
        out = put_raw(out, separator);
        separator = ",";
        out = put_raw(out, kFlagWords[i]);
    }
    return out;
}

class JsonLine {
  public:
    explicit JsonLine(char* out) : out_(out) {}

    template <std::size_t N>
    void literal(const char (&text)[N]) {
        out_ = put(out_, text);
    }
    void raw(std::string_view value) { out_ = put_raw(out_, value); }
    void number(std::uint64_t value) { out_ = put_number(out_, value); }
    void digits3(unsigned value) { out_ = put_digits3(out_, value); }
    void status(std::uint16_t value) {
        if (value >= 100 && value < 1000) {
            digits3(value);
        } else {
            number(value);
        }
    }
    void milliseconds(Duration value) {
        const auto microseconds =
            static_cast<std::uint64_t>(std::max<std::int64_t>(value.count(), 0)) / 1000;
        number(microseconds / 1000);
        *out_++ = '.';
        digits3(static_cast<unsigned>(microseconds % 1000));
    }
    void flags(std::uint8_t value) {
        if (value != 0) out_ = put_flags(out_, value);
    }
    [[nodiscard]] char* end() const { return out_; }

  protected:
    char* out_;
};

// Copies texts as they are and remembers whether that was right.
class PlainLine : public JsonLine {
  public:
    using JsonLine::JsonLine;

    [[gnu::always_inline]] void text(std::string_view value, std::size_t longest = kLongestText) {
        const std::size_t size = std::min(value.size(), longest);
        copy(out_, value.data(), size, found_);
        out_ += size;
    }
    [[nodiscard]] bool is_right() const {
        std::array<std::uint64_t, 2> words;
        std::memcpy(words.data(), &found_, sizeof found_);
        return (words[0] | words[1]) == 0;
    }

  private:
    Block found_{};
};

class EscapedLine : public JsonLine {
  public:
    EscapedLine(char* out, std::string& scratch) : JsonLine(out), scratch_(scratch) {}

    void text(std::string_view value, std::size_t longest = kLongestText) {
        scratch_.clear();
        append_json_escaped(scratch_, value.substr(0, longest));
        raw(scratch_);
    }

  private:
    std::string& scratch_;
};

struct Instant {
    std::int64_t second;
    unsigned millisecond;
};

Instant split(WallTime at) {
    const std::int64_t nanoseconds = std::max<std::int64_t>(
        std::chrono::duration_cast<Duration>(at.time_since_epoch()).count(), 0);
    const std::int64_t second = nanoseconds / kSecond;
    return {second, static_cast<unsigned>((nanoseconds - second * kSecond) / 1'000'000)};
}

// "2026-11-23T12:01:07" and the same milliseconds, in UTC (RFC 3339).
constexpr std::size_t kUtcSize = 19;
constexpr std::size_t kLocalSize = 8;

void refresh(AccessTime& time, std::int64_t second, bool is_local) {
    time.second = second;
    const auto seconds = static_cast<std::time_t>(second);
    std::tm parts{};
    if (is_local) {
        ::localtime_r(&seconds, &parts);
        std::strftime(time.text.data(), time.text.size(), "%H:%M:%S", &parts);
    } else {
        ::gmtime_r(&seconds, &parts);
        std::strftime(time.text.data(), time.text.size(), "%Y-%m-%dT%H:%M:%S", &parts);
    }
}

char* put_visible(char* out, std::string_view text, std::size_t longest = kLongestText) {
    static constexpr std::string_view kHex = "0123456789abcdef";
    for (const char c : text.substr(0, longest)) {
        const auto byte = static_cast<unsigned char>(c);
        if (byte >= 0x20 && byte < 0x7f) {
            *out++ = c;
            continue;
        }
        *out++ = '\\';
        *out++ = 'x';
        *out++ = kHex[byte >> 4U];
        *out++ = kHex[byte & 15U];
    }
    return out;
}

char* pad(char* out, const char* start, std::size_t width) {
    while (static_cast<std::size_t>(out - start) < width)
        *out++ = ' ';
    return out;
}

// "3.1ms", in a column of eight.
char* put_duration(char* out, Duration duration) {
    const auto tenths =
        static_cast<std::uint64_t>(std::max<std::int64_t>(duration.count(), 0)) / 100'000;
    std::array<char, 32> text;
    char* end = put_number(text.data(), tenths / 10);
    *end++ = '.';
    *end++ = static_cast<char>('0' + tenths % 10);
    end = put(end, "ms");
    const auto size = static_cast<std::size_t>(end - text.data());
    for (std::size_t i = size; i < 8; ++i)
        *out++ = ' ';
    return put_raw(out, {text.data(), size});
}

}  // namespace

std::size_t most_bytes(const AccessRecord& record) {
    constexpr std::size_t kFixed = 1024;  // keys, numbers, flags, padding
    const std::size_t texts = record.listener.size() + record.route.size() + record.cluster.size() +
                              record.endpoint.size() + record.method.size() + record.host.size() +
                              record.protocol.size() + record.request_id.size() +
                              record.trace_id.size() + record.client.size() + record.peer.size();
    // Each byte becomes six at most, "\u001f".
    return kFixed +
           6 * (std::min(record.path.size(), kLongestPath) + std::min(texts, 11 * kLongestText));
}

namespace {

template <typename Line>
void fill(Line& line, const AccessRecord& record, const AccessTime& time, unsigned millisecond) {
    line.literal("{\"time\":\"");
    line.raw({time.text.data(), kUtcSize});
    line.literal(".");
    line.digits3(millisecond);
    line.literal("Z\",\"listener\":\"");
    line.text(record.listener);
    line.literal("\",\"route\":\"");
    line.text(record.route);
    line.literal("\",\"cluster\":\"");
    line.text(record.cluster);
    line.literal("\",\"endpoint\":\"");
    line.text(record.endpoint);
    line.literal("\",\"method\":\"");
    line.text(record.method);
    line.literal("\",\"host\":\"");
    line.text(record.host);
    line.literal("\",\"path\":\"");
    line.text(record.path, kLongestPath);
    line.literal("\",\"protocol\":\"");
    line.text(record.protocol);
    line.literal("\",\"status\":");
    line.status(record.status);
    line.literal(",\"reason\":\"");
    line.raw(word(record.reason));
    line.literal("\",\"flags\":\"");
    line.flags(record.flags);
    line.literal("\",\"duration_ms\":");
    line.milliseconds(record.duration);
    line.literal(",\"upstream_ms\":");
    line.milliseconds(record.upstream);
    line.literal(",\"request_bytes\":");
    line.number(record.request_bytes);
    line.literal(",\"response_bytes\":");
    line.number(record.response_bytes);
    line.literal(",\"attempts\":");
    line.number(record.attempts);
    line.literal(",\"request_id\":\"");
    line.text(record.request_id);
    line.literal("\",\"trace_id\":\"");
    line.text(record.trace_id);
    line.literal("\",\"client\":\"");
    line.text(record.client);
    line.literal("\",\"peer\":\"");
    line.text(record.peer);
    line.literal("\"}\n");
}

}  // namespace

char* write_json(char* out, const AccessRecord& record, AccessTime& time, std::string& scratch) {
    const Instant instant = split(record.time);
    if (instant.second != time.second) refresh(time, instant.second, false);
    PlainLine plain(out);
    fill(plain, record, time, instant.millisecond);
    if (plain.is_right()) return plain.end();
    EscapedLine escaped(out, scratch);
    fill(escaped, record, time, instant.millisecond);
    return escaped.end();
}

char* write_local_time(char* out, WallTime at, AccessTime& time) {
    const Instant instant = split(at);
    if (instant.second != time.second) refresh(time, instant.second, true);
    out = put_raw(out, {time.text.data(), kLocalSize});
    *out++ = '.';
    return put_digits3(out, instant.millisecond);
}

char* write_text(char* out, const AccessRecord& record, AccessTime& time) {
    out = write_local_time(out, record.time, time);
    out = put(out, "  ");
    const char* column = out;
    out = pad(put_visible(out, record.method), column, 4);
    *out++ = ' ';
    column = out;
    out = pad(put_visible(out, record.path, kLongestPath), column, 11);
    out = put(out, "  ");
    out = put_number(out, record.status);
    out = put_duration(out, record.duration);
    if (record.reason != Reason::none) {
        out = put(out, "  ✗ ");
        out = put_raw(out, word(record.reason));
        if (!record.cluster.empty()) out = put(out, "  ");
    } else if (!record.cluster.empty()) {
        out = put(out, "  → ");
    }
    out = put_visible(out, record.cluster);
    if (!record.endpoint.empty()) {
        *out++ = ' ';
        out = put_visible(out, record.endpoint);
    }
    if (record.flags != 0) {
        out = put(out, "  (");
        out = put_flags(out, record.flags);
        *out++ = ')';
    }
    *out++ = '\n';
    return out;
}

}  // namespace weir::telemetry

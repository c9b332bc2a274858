#include "telemetry/access_record.hpp"

#include "weir/core/json.hpp"

#include <algorithm>
#include <charconv>
#include <cstring>
#include <ctime>

namespace weir::telemetry {
namespace {

constexpr std::int64_t kSecond = 1'000'000'000;
constexpr std::uint64_t kPlain = 0x6161616161616161ULL;  // letters, where there is no text

constexpr std::string_view kUsualProtocol = "HTTP/1.1";

template <std::size_t N>
char* put(char* out, const char (&literal)[N]) {
    std::memcpy(out, literal, N - 1);
    return out + N - 1;
}

char* put_raw(char* out, std::string_view text) {
    std::memcpy(out, text.data(), text.size());
    return out + text.size();
}

// "00" to "99".
constexpr std::array<char, 200> make_digit_pairs() {
    std::array<char, 200> pairs{};
    for (std::size_t i = 0; i < 100; ++i) {
        pairs[2 * i] = static_cast<char>('0' + i / 10);
        pairs[2 * i + 1] = static_cast<char>('0' + i % 10);
    }
    return pairs;
}
constexpr std::array<char, 200> kPairs = make_digit_pairs();

char* put_pair(char* out, std::uint32_t below_hundred) {
    std::memcpy(out, &kPairs[std::size_t{2} * below_hundred], 2);
    return out + 2;
}

char* put_digits3(char* out, std::uint32_t number) {
    *out = static_cast<char>('0' + number / 100);
    return put_pair(out + 1, number % 100);
}

[[gnu::noinline]] char* put_long_number(char* out, std::uint64_t number) {
    if (number >= 10'000) return std::to_chars(out, out + 20, number).ptr;
    const auto small = static_cast<std::uint32_t>(number);
    if (small >= 1000) return put_pair(put_pair(out, small / 100), small % 100);
    if (small >= 100) return put_digits3(out, small);
    return put_pair(out, small);
}

// Most numbers of a record have one digit.
char* put_number(char* out, std::uint64_t number) {
    if (number >= 10) return put_long_number(out, number);
    *out = static_cast<char>('0' + number);
    return out + 1;
}

template <typename Word>
Word load(const char* from) {
    Word word;
    std::memcpy(&word, from, sizeof word);
    return word;
}
template <typename Word>
void store(char* to, Word word) {
    std::memcpy(to, &word, sizeof word);
}

// Sixteen bytes at a time, on any machine (a vector of GCC and Clang).
using Block = signed char __attribute__((vector_size(16)));
using Words = std::uint64_t __attribute__((vector_size(16)));

// Not 0 where a byte is a quote, a backslash, a control or no ASCII: the last two are below 0x20 if
// signed. (DEL needs no escape in JSON.)
Block to_escape(Block bytes) {
    constexpr Block kZero{};
    return (bytes < kZero + 0x20) | (bytes == kZero + '"') | (bytes == kZero + '\\');
}

// Copies and gathers what was copied, so that one look at `Block`s finds what must be escaped; the
// last piece overlaps the one before.
[[gnu::always_inline]] inline void copy(char* out,
                                        const char* from,
                                        std::size_t size,
                                        Block& found) {
    if (size >= sizeof(Block)) {
        for (std::size_t i = 0; i + sizeof(Block) < size; i += sizeof(Block)) {
            const auto block = load<Block>(from + i);
            store(out + i, block);
            found |= to_escape(block);
        }
        const auto block = load<Block>(from + size - sizeof(Block));
        store(out + size - sizeof(Block), block);
        found |= to_escape(block);
        return;
    }
    Words words{kPlain, kPlain};
    if (size >= 8) {
        words[0] = load<std::uint64_t>(from);
        words[1] = load<std::uint64_t>(from + size - 8);
        store(out, words[0]);
        store(out + size - 8, words[1]);
    } else if (size >= 4) {
        const auto first = load<std::uint32_t>(from);
        const auto last = load<std::uint32_t>(from + size - 4);
        store(out, first);
        store(out + size - 4, last);
        words[0] = first | (std::uint64_t{last} << 32U);
    } else if (size > 0) {
        const char middle = from[size / 2];
        const char last = from[size - 1];
        out[0] = from[0];
        out[size / 2] = middle;
        out[size - 1] = last;
        words[0] = (kPlain << 24U) | (std::uint64_t{static_cast<unsigned char>(out[0])} << 16U) |
                   (std::uint64_t{static_cast<unsigned char>(middle)} << 8U) |
                   static_cast<unsigned char>(last);
    }
    found |= to_escape(reinterpret_cast<Block>(words));
}

constexpr std::array<std::string_view, 8> kFlagWords{
    "retried", "none_ready", "probe", "stale_reuse", "shadow", "upgraded", "hedged", "fallback"};

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

// Copies texts as they are and remembers whether that was right.
class PlainLine {
  public:
    explicit PlainLine(std::string& /*scratch*/) {}

    [[gnu::always_inline]] char* put(char* out,
                                     std::string_view value,
                                     std::size_t longest = kLongestText) {
        const std::size_t size = std::min(value.size(), longest);
        copy(out, value.data(), size, found_);
        return out + size;
    }
    [[nodiscard]] bool is_right() const {
        const auto words = reinterpret_cast<Words>(found_);
        return (words[0] | words[1]) == 0;
    }

  private:
    Block found_{};
};

class EscapedLine {
  public:
    explicit EscapedLine(std::string& scratch) : scratch_(scratch) {}

    char* put(char* out, std::string_view value, std::size_t longest = kLongestText) {
        scratch_.clear();
        append_json_escaped(scratch_, value.substr(0, longest));
        return put_raw(out, scratch_);
    }

  private:
    std::string& scratch_;
};

// "2026-11-23T12:01:07." in UTC (RFC 3339), or "12:01:07." here.
constexpr std::size_t kUtcSize = 20;
constexpr std::size_t kLocalSize = 9;

void refresh(AccessTime& time, std::int64_t second, bool is_local) {
    time.second = second;
    const auto seconds = static_cast<std::time_t>(second);
    std::tm parts{};
    if (is_local) {
        ::localtime_r(&seconds, &parts);
        std::strftime(time.text.data(), time.text.size(), "%H:%M:%S.", &parts);
    } else {
        ::gmtime_r(&seconds, &parts);
        std::strftime(time.text.data(), time.text.size(), "%Y-%m-%dT%H:%M:%S.", &parts);
    }
}

// Makes the text that of this second; returns the milliseconds in it.
std::uint32_t follow(AccessTime& time, WallTime at, bool is_local) {
    const std::int64_t nanoseconds = std::max<std::int64_t>(
        std::chrono::duration_cast<Duration>(at.time_since_epoch()).count(), 0);
    const std::int64_t within = nanoseconds - time.second * kSecond;
    if (time.second >= 0 && within >= 0 && within < kSecond)
        return static_cast<std::uint32_t>(within) / 1'000'000;
    refresh(time, nanoseconds / kSecond, is_local);
    return static_cast<std::uint32_t>(nanoseconds % kSecond) / 1'000'000;
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

char* put_milliseconds(char* out, Duration value) {
    const auto microseconds =
        static_cast<std::uint64_t>(std::max<std::int64_t>(value.count(), 0)) / 1000;
    out = put_number(out, microseconds / 1000);
    *out++ = '.';
    return put_digits3(out, static_cast<std::uint32_t>(microseconds % 1000));
}

// From the status to the end of the flags; most requests are nobody's fault.
char* put_outcome(char* out, const AccessRecord& record) {
    out = put(out, ",\"status\":");
    out = put_number(out, record.status);
    if (record.reason == Reason::none && record.flags == 0)
        return put(out, ",\"reason\":\"none\",\"flags\":\"\"");
    out = put(out, ",\"reason\":\"");
    out = put_raw(out, word(record.reason));
    out = put(out, "\",\"flags\":\"");
    out = put_flags(out, record.flags);
    return put(out, "\"");
}

template <typename Line>
char* put_fields(char* out, Line& line, const AccessRecord& record) {
    const auto& fields = record.policy->fields();
    for (std::size_t i = 0; i < fields.size(); ++i) {
        out = put_raw(out, fields[i].json_key);
        out = put_raw(out, fields[i].json_text);
        if (record.fields != nullptr)
            out = line.put(out, record.fields->value(i), AccessFields::kLongest);
        *out++ = '"';
    }
    return out;
}

template <typename Line>
[[gnu::always_inline]] inline char* fill(char* out,
                                         Line& line,
                                         const AccessRecord& record,
                                         std::string_view path,
                                         const AccessTime& time,
                                         std::uint32_t millisecond) {
    out = put(out, "{\"time\":\"");
    std::memcpy(out, time.text.data(), kUtcSize);
    out = put_digits3(out + kUtcSize, millisecond);
    *out++ = 'Z';
    out = put_raw(out, record.policy->json_names());
    out = line.put(out, record.endpoint);
    out = put(out, "\",\"method\":\"");
    out = line.put(out, record.method);
    out = put(out, "\",\"host\":\"");
    out = line.put(out, record.host);
    out = put(out, "\",\"path\":\"");
    out = line.put(out, path, kLongestPath);
    if (record.protocol == kUsualProtocol) {
        out = put(out, "\",\"protocol\":\"HTTP/1.1\"");
    } else {
        out = put(out, "\",\"protocol\":\"");
        out = line.put(out, record.protocol);
        *out++ = '"';
    }
    out = put_outcome(out, record);
    out = put(out, ",\"duration_ms\":");
    out = put_milliseconds(out, record.duration);
    out = put(out, ",\"upstream_ms\":");
    out = put_milliseconds(out, record.upstream);
    out = put(out, ",\"request_bytes\":");
    out = put_number(out, record.request_bytes);
    out = put(out, ",\"response_bytes\":");
    out = put_number(out, record.response_bytes);
    out = put(out, ",\"attempts\":");
    out = put_number(out, record.attempts);
    out = put(out, ",\"request_id\":\"");
    out = line.put(out, record.request_id);
    out = put(out, "\",\"trace_id\":\"");
    if (!record.trace_id.empty()) out = line.put(out, record.trace_id);
    out = put(out, "\",\"client\":\"");
    out = line.put(out, record.client);
    out = put(out, "\",\"peer\":\"");
    if (!record.peer.empty()) out = line.put(out, record.peer);
    *out++ = '"';
    if (!record.policy->fields().empty()) out = put_fields(out, line, record);
    return put(out, "}\n");
}

}  // namespace

std::size_t most_bytes(const AccessRecord& record, std::string_view path) {
    constexpr std::size_t kFixed = 768;  // keys, numbers, flags, padding
    const std::size_t texts = record.endpoint.size() + record.method.size() + record.host.size() +
                              record.protocol.size() + record.request_id.size() +
                              record.trace_id.size() + record.client.size() + record.peer.size();
    const std::size_t fields = record.fields == nullptr ? 0 : record.fields->bytes();
    // Each byte becomes six at most, "\u001f".
    return kFixed + record.policy->fixed_bytes() +
           6 * (std::min(path.size(), kLongestPath) + std::min(texts, 8 * kLongestText) + fields);
}

char* write_json(char* out,
                 const AccessRecord& record,
                 std::string_view path,
                 AccessTime& time,
                 std::string& scratch) {
    const std::uint32_t millisecond = follow(time, record.time, false);
    PlainLine plain(scratch);
    char* const end = fill(out, plain, record, path, time, millisecond);
    if (plain.is_right()) return end;
    EscapedLine escaped(scratch);
    return fill(out, escaped, record, path, time, millisecond);
}

char* write_local_time(char* out, WallTime at, AccessTime& time) {
    const std::uint32_t millisecond = follow(time, at, true);
    return put_digits3(put_raw(out, {time.text.data(), kLocalSize}), millisecond);
}

void append_visible(std::string& out, std::string_view text) {
    std::string room(4 * text.size(), '\0');
    out.append(room.data(), put_visible(room.data(), text, text.size()));
}

char* write_text(char* out, const AccessRecord& record, std::string_view path, AccessTime& time) {
    out = write_local_time(out, record.time, time);
    out = put(out, "  ");
    const char* column = out;
    out = pad(put_visible(out, record.method), column, 4);
    *out++ = ' ';
    column = out;
    out = pad(put_visible(out, path, kLongestPath), column, 11);
    out = put(out, "  ");
    out = put_number(out, record.status);
    out = put_duration(out, record.duration);
    const std::string_view cluster = record.policy->text_cluster();
    if (record.reason != Reason::none) {
        out = put(out, "  ✗ ");
        out = put_raw(out, word(record.reason));
        if (!cluster.empty()) out = put(out, "  ");
    } else if (!cluster.empty()) {
        out = put(out, "  → ");
    }
    out = put_raw(out, cluster);
    if (!record.endpoint.empty()) {
        *out++ = ' ';
        out = put_visible(out, record.endpoint);
    }
    if (record.flags != 0) {
        out = put(out, "  (");
        out = put_flags(out, record.flags);
        *out++ = ')';
    }
    const auto& fields = record.policy->fields();
    for (std::size_t i = 0; i < fields.size(); ++i) {
        out = put_raw(out, fields[i].text);
        if (record.fields != nullptr)
            out = put_visible(out, record.fields->value(i), AccessFields::kLongest);
    }
    *out++ = '\n';
    return out;
}

std::vector<std::string_view> words_of_flags(std::uint8_t flags) {
    std::vector<std::string_view> words;
    for (std::size_t i = 0; i < kFlagWords.size(); ++i) {
        if ((flags & (1U << i)) != 0) words.push_back(kFlagWords[i]);
    }
    return words;
}

}  // namespace weir::telemetry

#include "http/h1_fields.hpp"

#include "http/known.hpp"
#include "http/scan.hpp"
#include "http/target.hpp"
#include "http/words.hpp"

#include <cstring>
#include <limits>

namespace weir::http {
namespace {

// A member of Connection costs a comparison with every field when the head is written: so few.
constexpr std::uint32_t kMaxConnectionOptions = 32;

// So many digits fit 64 bits; zeros in front are counted, nobody needs them.
constexpr std::size_t kMaxLengthDigits = 19;

constexpr std::uint32_t bit(HeaderId id) {
    return 1U << static_cast<unsigned>(id);
}
constexpr std::uint32_t kNoted = bit(HeaderId::connection) | bit(HeaderId::content_length) |
                                 bit(HeaderId::expect) | bit(HeaderId::host) |
                                 bit(HeaderId::keep_alive) | bit(HeaderId::te) |
                                 bit(HeaderId::transfer_encoding) | bit(HeaderId::upgrade);

const char* name_fault(char byte, bool is_first) {
    if (byte == ':') return "empty field name";
    if (byte == ' ' || byte == '\t') return is_first ? "folded line" : "blank in a field name";
    return byte == '\n' ? "bare LF" : "bad byte in a field name";
}

const char* value_fault(char byte) {
    if (byte == '\n') return "bare LF";
    return byte == '\0' ? "NUL in a field value" : "control byte in a field value";
}

bool is_blank(char byte) {
    return byte == ' ' || byte == '\t';
}

std::string_view trim(const char* begin, const char* end) {
    while (begin != end && is_blank(*begin))
        ++begin;
    while (end != begin && is_blank(end[-1]))
        --end;
    return {begin, static_cast<std::size_t>(end - begin)};
}

const char* note_length(std::string_view value, Framings& framings) {
    if (framings.has_content_length) return "more than one Content-Length";
    if (framings.is_chunked) return "Content-Length with Transfer-Encoding";
    if (value.empty()) return "empty Content-Length";
    constexpr std::uint64_t kMax = std::numeric_limits<std::int64_t>::max();
    if (value.size() > kMaxLengthDigits) return "Content-Length too large";
    std::uint64_t length = 0;
    for (const char byte : value) {
        const unsigned digit = static_cast<unsigned char>(byte) - unsigned{'0'};
        if (digit > 9) return "Content-Length is not a number";
        length = length * 10 + digit;
    }
    if (length > kMax) return "Content-Length too large";
    framings.has_content_length = true;
    framings.content_length = length;
    return nullptr;
}

const char* note_coding(std::string_view value, Framings& framings) {
    if (framings.is_chunked) return "more than one Transfer-Encoding";
    if (framings.has_content_length) return "Content-Length with Transfer-Encoding";
    if (framings.minor_version == 0) return "Transfer-Encoding in HTTP/1.0";
    if (!is_word(value, "chunked")) return "Transfer-Encoding is not chunked";
    framings.is_chunked = true;
    return nullptr;
}

void note_option(std::string_view option, Framings& framings) {
    if (is_word(option, "keep-alive")) {
        framings.has_keep_alive = true;
    } else if (is_word(option, "close")) {
        framings.has_close = true;
    } else if (is_word(option, "upgrade")) {
        framings.has_upgrade_option = true;
    } else if (is_word(option, "te")) {
        framings.has_te_option = true;
    } else {
        framings.has_nominated = true;
    }
}

const char* note_options(std::string_view value, Framings& framings) {
    if (is_word(value, "keep-alive")) {
        framings.has_keep_alive = true;
        return nullptr;
    }
    while (!value.empty()) {
        const std::string_view option = next_member(value);
        if (option.empty()) continue;
        if (++framings.options > kMaxConnectionOptions) return "too many options in Connection";
        note_option(option, framings);
    }
    return nullptr;
}

void note_keep_alive(std::string_view value, Framings& framings) {
    while (!value.empty()) {
        std::string_view member = next_member(value);
        if (member.size() < 9 || !equals_ignoring_case(member.substr(0, 8), "timeout=")) continue;
        member.remove_prefix(8);
        std::uint32_t seconds = 0;
        for (const char byte : member) {
            if (!scan::is(byte, scan::digit) || seconds > 100'000'000) return;
            seconds = seconds * 10 + static_cast<std::uint32_t>(byte - '0');
        }
        framings.keep_alive_timeout = seconds;
    }
}

bool lists_trailers(std::string_view value) {
    while (!value.empty()) {
        if (equals_ignoring_case(next_member(value), "trailers")) return true;
    }
    return false;
}

// The first protocol that may be tunnelled. h2c and its like would carry further requests past
// every rule of this proxy.
std::string_view tunnelled_protocol(std::string_view value) {
    while (!value.empty()) {
        const std::string_view protocol = next_member(value);
        const auto is = [protocol](std::string_view prefix) {
            return equals_ignoring_case(protocol.substr(0, prefix.size()), prefix);
        };
        if (!protocol.empty() && !is("h2") && !is("h3") && !is("http") && !is("tls"))
            return protocol;
    }
    return {};
}

const char* note_host(std::string_view value, Framings& framings) {
    if (framings.has_host && framings.is_request) return "more than one Host";
    framings.has_host = true;
    framings.host = value;
    return nullptr;
}

// What is wrong with the field, or nullptr.
const char* note(HeaderId id, std::string_view value, Framings& framings) {
    switch (id) {
        case HeaderId::host:
            return note_host(value, framings);
        case HeaderId::content_length:
            return note_length(value, framings);
        case HeaderId::transfer_encoding:
            return note_coding(value, framings);
        case HeaderId::connection:
            return note_options(value, framings);
        case HeaderId::keep_alive:
            note_keep_alive(value, framings);
            return nullptr;
        case HeaderId::te:
            framings.has_te_trailers = framings.has_te_trailers || lists_trailers(value);
            return nullptr;
        case HeaderId::upgrade:
            if (framings.upgrade.empty()) framings.upgrade = tunnelled_protocol(value);
            return nullptr;
        case HeaderId::expect:
            framings.expects_continue =
                framings.expects_continue || equals_ignoring_case(value, "100-continue");
            return nullptr;
        default:
            return nullptr;
    }
}

// Where the line ends: its CR, or what cannot be in it.
const char* to_value_end(const Cursor& cursor, const char* at) {
    const char* stop = scan::to_control(at, cursor.end, cursor.begin);
    while (stop != cursor.end && *stop == '\t')
        stop = scan::to_control(stop + 1, cursor.end, cursor.begin);
    return stop;
}

#if defined(__SSE2__)
// Takes a line as nearly all are: a name of at most 16 letters and '-', ": ", a printable value
// without blanks around it, CRLF. Returns what follows, or nullptr if the line is not so plain, or
// lies within the last bytes at hand.
[[gnu::always_inline]] inline const char* take_plain_line(const char* begin,
                                                          const char* end,
                                                          FieldLine& line) {
    if (end - begin < scan::kBlock + 2) return nullptr;
    const char* const last_block = end - scan::kBlock;
    const char* const colon = begin + scan::name_size(scan::load(begin));
    if (std::memcmp(colon, ": ", 2) != 0 || colon == begin) return nullptr;
    const char* const value = colon + 2;
    const char* at = value;
    unsigned found = 0;
    for (; at <= last_block; at += scan::kBlock) {
        found = scan::unprintable(scan::load(at));
        if (found != 0) break;
    }
    if (found == 0) {
        found = scan::unprintable(scan::load(last_block)) >> (at - last_block);
        if (found == 0) return nullptr;
    }
    const char* const stop = at + scan::first(found);
    if (stop == end - 1 || std::memcmp(stop, "\r\n", 2) != 0) return nullptr;
    if (*value == ' ' || stop[-1] == ' ') return nullptr;  // stop[-1] is so if there is no value
    line.name = {begin, static_cast<std::size_t>(colon - begin)};
    line.value = {value, static_cast<std::size_t>(stop - value)};
    return stop + 2;
}
#else
inline const char* take_plain_line(const char*, const char*, FieldLine&) {
    return nullptr;
}
#endif

}  // namespace

std::optional<std::uint64_t> read_length(std::string_view value) {
    Framings framings;
    if (note_length(value, framings) != nullptr) return std::nullopt;
    return framings.content_length;
}

std::string_view next_member(std::string_view& list) {
    const std::size_t comma = std::min(list.find(','), list.size());
    const std::string_view member = trim(list.data(), list.data() + comma);
    list.remove_prefix(std::min(comma + 1, list.size()));
    return member;
}

Step parse_field_line(Cursor& cursor, FieldLine& line) {
    const char* const begin = cursor.at;
    const char* const colon = scan::to_token_end(begin, cursor.end, line.has_underscore);
    if (colon == cursor.end) return Step::more;
    if (*colon != ':' || colon == begin) return cursor.fail(name_fault(*colon, colon == begin));
    const char* const stop = to_value_end(cursor, colon + 1);
    if (stop == cursor.end) return Step::more;
    if (*stop != '\r') return cursor.fail(value_fault(*stop));
    cursor.at = stop;
    if (const Step step = parse_line_end(cursor); step != Step::ok) return step;
    line.name = {begin, static_cast<std::size_t>(colon - begin)};
    line.value = trim(colon + 1, stop);
    return Step::ok;
}

Step parse_fields(Cursor& cursor, const H1Limits& limits, HeaderList& headers, Framings& framings) {
    const char* at = cursor.at;
    const char* const end = cursor.end;
    for (std::size_t left = limits.headers;; --left) {
        if (at == end) return Step::more;
        if (*at == '\r') {
            cursor.at = at;
            return parse_line_end(cursor);
        }
        if (left == 0) return cursor.fail("too many fields", Reason::headers_too_large);
        FieldLine line;  // in registers: the call gets another
        if (const char* const next = take_plain_line(at, end, line)) {
            at = next;
        } else {
            FieldLine unusual;
            cursor.at = at;
            if (const Step step = parse_field_line(cursor, unusual); step != Step::ok) return step;
            line = unusual;
            at = cursor.at;
        }
        if (line.has_underscore && limits.underscores != H1Limits::Underscores::allow) {
            if (limits.underscores == H1Limits::Underscores::drop) continue;
            return cursor.fail("underscore in a field name");
        }
        const HeaderId id = find_header_id(line.name);
        headers.add(line.name, line.value, id);
        if ((kNoted & bit(id)) == 0) continue;
        if (const char* wrong = note(id, line.value, framings)) return cursor.fail(wrong);
    }
}

}  // namespace weir::http

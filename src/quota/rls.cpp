#include "weir/quota/rls.hpp"

#include "weir/http/headers.hpp"

#include <algorithm>

namespace weir::quota::rls {
namespace {

// Wire types.
constexpr std::uint32_t kVarint = 0;
constexpr std::uint32_t kFixed64 = 1;
constexpr std::uint32_t kBytes = 2;
constexpr std::uint32_t kFixed32 = 5;

constexpr std::uint64_t kOk = 1;
constexpr std::uint64_t kOverLimit = 2;
constexpr std::size_t kMostHeaders = 64;

void append_varint(std::string& out, std::uint64_t value) {
    for (; value >= 0x80; value >>= 7)
        out += static_cast<char>(value | 0x80);
    out += static_cast<char>(value);
}
void append_bytes(std::string& out, std::uint32_t field, std::string_view bytes) {
    append_varint(out, field << 3 | kBytes);
    append_varint(out, bytes.size());
    out += bytes;
}

struct Field {
    std::uint32_t number = 0;
    std::uint32_t type = 0;
    std::uint64_t value = 0;  // of a varint
    std::string_view bytes;
};

class Fields {
  public:
    explicit Fields(std::string_view bytes) : rest_(bytes) {}

    // False at the end, and where it is broken: is_good() tells.
    bool next(Field& into);
    [[nodiscard]] bool is_good() const { return is_good_; }

  private:
    bool broken() {
        is_good_ = false;
        return false;
    }
    bool varint(std::uint64_t& into);
    bool skip(std::size_t size) {
        if (rest_.size() < size) return broken();
        rest_.remove_prefix(size);
        return true;
    }

    std::string_view rest_;
    bool is_good_ = true;
};

bool Fields::varint(std::uint64_t& into) {
    into = 0;
    for (unsigned shift = 0; shift < 64 && !rest_.empty(); shift += 7) {
        const auto byte = static_cast<unsigned char>(rest_.front());
        rest_.remove_prefix(1);
        into |= std::uint64_t{byte & 0x7FU} << shift;
        if ((byte & 0x80U) == 0) return true;
    }
    return broken();
}

bool Fields::next(Field& into) {
    if (rest_.empty() || !is_good_) return false;
    std::uint64_t tag = 0;
    if (!varint(tag)) return false;
    if (tag >> 3 == 0 || tag >> 32 != 0) return broken();
    into = {static_cast<std::uint32_t>(tag >> 3), static_cast<std::uint32_t>(tag & 7), 0, {}};
    switch (into.type) {
        case kVarint:
            return varint(into.value);
        case kFixed64:
            return skip(8);
        case kFixed32:
            return skip(4);
        case kBytes: {
            std::uint64_t size = 0;
            if (!varint(size)) return false;
            if (size > rest_.size()) return broken();
            into.bytes = rest_.substr(0, size);
            rest_.remove_prefix(size);
            return true;
        }
        default:
            return broken();
    }
}

constexpr Duration kUnits[] = {Duration{0},
                               std::chrono::seconds{1},
                               std::chrono::minutes{1},
                               std::chrono::hours{1},
                               std::chrono::hours{24},
                               std::chrono::hours{24 * 30},
                               std::chrono::hours{24 * 365},
                               std::chrono::hours{24 * 7}};

bool read_limit(std::string_view bytes, Answer& into) {
    Fields fields(bytes);
    Field field;
    into.has_limit = true;
    while (fields.next(field)) {
        if (field.type != kVarint) continue;
        if (field.number == 1) into.limit = field.value;
        if (field.number == 2 && field.value < std::size(kUnits)) into.unit = kUnits[field.value];
    }
    return fields.is_good();
}

bool read_duration(std::string_view bytes, Answer& into) {
    Fields fields(bytes);
    Field field;
    std::uint64_t seconds = 0;
    std::uint64_t nanos = 0;
    while (fields.next(field)) {
        if (field.type != kVarint) continue;
        if (field.number == 1) seconds = field.value;
        if (field.number == 2) nanos = field.value;
    }
    constexpr std::uint64_t kLongest = 400ULL * 24 * 3600;  // a year and some
    if (seconds > (std::uint64_t{1} << 62)) seconds = 0;    // negative
    into.until_reset = std::chrono::seconds{std::min(seconds, kLongest)} +
                       Duration{std::min<std::uint64_t>(nanos, 999'999'999)};
    return fields.is_good();
}

bool read_status(std::string_view bytes, Answer& into) {
    Fields fields(bytes);
    Field field;
    while (fields.next(field)) {
        if (field.number == 3 && field.type == kVarint) into.remaining = field.value;
        if (field.type != kBytes) continue;
        if (field.number == 2 && !read_limit(field.bytes, into)) return false;
        if (field.number == 4 && !read_duration(field.bytes, into)) return false;
    }
    return fields.is_good();
}

bool is_token(std::string_view text) {
    constexpr std::string_view kMarks = "!#$%&'*+-.^_`|~";
    return !text.empty() && std::all_of(text.begin(), text.end(), [&](char c) {
        return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
               kMarks.find(c) != std::string_view::npos;
    });
}
bool is_value(std::string_view text) {
    return std::all_of(text.begin(), text.end(),
                       [](char c) { return static_cast<unsigned char>(c) >= ' ' && c != '\x7F'; });
}

bool read_header(std::string_view bytes, std::vector<Header>& into) {
    Fields fields(bytes);
    Field field;
    Header header;
    while (fields.next(field)) {
        if (field.type != kBytes) continue;
        if (field.number == 1) header.name.assign(field.bytes);
        if (field.number == 2 || field.number == 3) header.value.assign(field.bytes);
    }
    if (!fields.is_good() || into.size() >= kMostHeaders) return false;
    if (is_token(header.name) && is_value(header.value)) into.push_back(std::move(header));
    return true;
}

}  // namespace

std::string encode(const Request& request) {
    std::string descriptor;
    for (const auto& entry : request.entries) {
        std::string bytes;
        append_bytes(bytes, 1, entry.key);
        append_bytes(bytes, 2, entry.value);
        append_bytes(descriptor, 1, bytes);
    }
    std::string out;
    append_bytes(out, 1, request.domain);
    append_bytes(out, 2, descriptor);
    append_varint(out, 3U << 3 | kVarint);
    append_varint(out, request.hits_addend);
    return out;
}

std::optional<Answer> decode(std::string_view bytes) {
    Fields fields(bytes);
    Field field;
    Answer answer;
    std::uint64_t code = 0;
    while (fields.next(field)) {
        if (field.number == 1 && field.type == kVarint) code = field.value;
        if (field.type != kBytes) continue;
        if (field.number == 2 && !read_status(field.bytes, answer)) return std::nullopt;
        if (field.number == 3 && !read_header(field.bytes, answer.response_headers))
            return std::nullopt;
        if (field.number == 4 && !read_header(field.bytes, answer.request_headers))
            return std::nullopt;
    }
    if (!fields.is_good() || (code != kOk && code != kOverLimit)) return std::nullopt;
    answer.is_over_limit = code == kOverLimit;
    return answer;
}

std::string framed(std::string_view message) {
    std::string out(1, '\0');
    for (unsigned shift = 32; shift > 0; shift -= 8)
        out += static_cast<char>((message.size() >> (shift - 8)) & 0xFFU);
    return out.append(message);
}

std::optional<Answer> decode_body(std::string_view body) {
    constexpr std::size_t kPrefix = 5;
    if (body.size() < kPrefix || body[0] != '\0') return std::nullopt;
    std::size_t size = 0;
    for (std::size_t i = 1; i < kPrefix; ++i)
        size = size << 8 | static_cast<unsigned char>(body[i]);
    if (body.size() != kPrefix + size) return std::nullopt;
    return decode(body.substr(kPrefix));
}

void append_lines(std::string& out, const std::vector<Header>& headers) {
    for (const auto& header : headers) {
        switch (http::header_id(header.name)) {
            case http::HeaderId::connection:
            case http::HeaderId::content_length:
            case http::HeaderId::expect:
            case http::HeaderId::host:
            case http::HeaderId::keep_alive:
            case http::HeaderId::proxy_connection:
            case http::HeaderId::te:
            case http::HeaderId::trailer:
            case http::HeaderId::transfer_encoding:
            case http::HeaderId::upgrade:
                continue;
            default:
                out.append(header.name).append(": ").append(header.value).append("\r\n");
        }
    }
}

}  // namespace weir::quota::rls

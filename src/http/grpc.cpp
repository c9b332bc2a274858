#include "weir/http/grpc.hpp"

#include "weir/http/headers.hpp"

#include <algorithm>
#include <array>
#include <charconv>

namespace weir::http {
namespace {

using namespace std::chrono_literals;

constexpr std::array<std::string_view, 17> kWords = {
    "OK",        "CANCELLED",      "UNKNOWN",           "INVALID_ARGUMENT",   "DEADLINE_EXCEEDED",
    "NOT_FOUND", "ALREADY_EXISTS", "PERMISSION_DENIED", "RESOURCE_EXHAUSTED", "FAILED_PRECONDITION",
    "ABORTED",   "OUT_OF_RANGE",   "UNIMPLEMENTED",     "INTERNAL",           "UNAVAILABLE",
    "DATA_LOSS", "UNAUTHENTICATED"};

constexpr std::size_t kMostDigits = 8;
constexpr Duration kLongest = std::chrono::hours{24 * 365};

bool takes(std::string_view& text, std::string_view word) {
    if (!equals_ignoring_case(text.substr(0, word.size()), word)) return false;
    text.remove_prefix(word.size());
    return true;
}

// In nanoseconds; 0 if it is none.
std::uint64_t unit_of(char letter) {
    switch (letter) {
        case 'H':
            return 3'600'000'000'000;
        case 'M':
            return 60'000'000'000;
        case 'S':
            return 1'000'000'000;
        case 'm':
            return 1'000'000;
        case 'u':
            return 1'000;
        case 'n':
            return 1;
        default:
            return 0;
    }
}

}  // namespace

GrpcKind grpc_kind_if_any(std::string_view content_type) {
    std::string_view rest = content_type;
    if (!takes(rest, "application/grpc")) return GrpcKind::none;
    GrpcKind kind = GrpcKind::plain;
    if (takes(rest, "-web")) kind = takes(rest, "-text") ? GrpcKind::web_text : GrpcKind::web;
    const bool is_whole =
        rest.empty() || rest[0] == '+' || rest[0] == ';' || rest[0] == ' ' || rest[0] == '\t';
    return is_whole ? kind : GrpcKind::none;
}

GrpcCode to_grpc_code(std::uint32_t number) {
    return number < kWords.size() ? static_cast<GrpcCode>(number) : GrpcCode::unknown;
}

std::string_view word(GrpcCode code) {
    return kWords[static_cast<std::size_t>(code)];
}

GrpcCode grpc_code(std::uint16_t status) {
    switch (status) {
        case 400:
            return GrpcCode::internal;
        case 401:
            return GrpcCode::unauthenticated;
        case 403:
            return GrpcCode::permission_denied;
        case 404:
            return GrpcCode::unimplemented;
        case 429:
        case 502:
        case 503:
        case 504:
            return GrpcCode::unavailable;
        default:
            return GrpcCode::unknown;
    }
}

GrpcCode grpc_code(Reason reason) {
    switch (reason) {
        case Reason::headers_too_large:
        case Reason::body_too_large:
            return GrpcCode::resource_exhausted;
        case Reason::uri_too_long:
            return GrpcCode::internal;
        case Reason::misdirected:
            return GrpcCode::unimplemented;
        case Reason::request_timeout:
        case Reason::upstream_timeout:
            return GrpcCode::deadline_exceeded;
        case Reason::client_closed:
            return GrpcCode::cancelled;
        default:
            break;
    }
    const std::uint16_t status = info(reason).status;
    // There is a better word for a limit of ours than for somebody else's.
    return status == 429 ? GrpcCode::resource_exhausted : grpc_code(status);
}

std::optional<Duration> parse_grpc_timeout(std::string_view text) {
    if (text.size() < 2 || text.size() > kMostDigits + 1) return std::nullopt;
    const std::uint64_t unit = unit_of(text.back());
    if (unit == 0) return std::nullopt;
    std::uint64_t count = 0;
    for (const char digit : text.substr(0, text.size() - 1)) {
        if (digit < '0' || digit > '9') return std::nullopt;
        count = count * 10 + static_cast<std::uint64_t>(digit - '0');
    }
    const auto longest = static_cast<std::uint64_t>(kLongest.count());
    if (count > longest / unit) return kLongest;
    return Duration{static_cast<Duration::rep>(count * unit)};
}

void append_grpc_timeout(std::string& out, Duration left) {
    using std::chrono::ceil;
    constexpr std::int64_t kMostNumber = 99'999'999;
    std::int64_t number = std::max<std::int64_t>(ceil<std::chrono::milliseconds>(left).count(), 1);
    char unit = 'm';
    if (number > kMostNumber) {
        number = ceil<std::chrono::seconds>(std::min(left, kLongest)).count();
        unit = 'S';
    }
    char digits[20];
    const auto end = std::to_chars(std::begin(digits), std::end(digits), number).ptr;
    out.append("grpc-timeout: ").append(digits, static_cast<std::size_t>(end - digits));
    out.push_back(unit);
    out.append("\r\n");
}

void append_grpc_message(std::string& out, std::string_view text) {
    constexpr std::string_view kHex = "0123456789ABCDEF";
    for (const char c : text) {
        const auto byte = static_cast<unsigned char>(c);
        if (byte >= 0x20 && byte <= 0x7e && c != '%') {
            out.push_back(c);
        } else {
            out.push_back('%');
            out.push_back(kHex[byte >> 4U]);
            out.push_back(kHex[byte & 15U]);
        }
    }
}

}  // namespace weir::http

#include "weir/quota/headers.hpp"

#include <charconv>

namespace weir::quota {
namespace {

void append_number(std::string& out, std::uint64_t number) {
    char digits[20];
    const auto end = std::to_chars(digits, digits + sizeof(digits), number);
    out.append(digits, end.ptr);
}

// A string of RFC 9651. Names of rules are letters, digits and . _ - / only.
void append_name(std::string& out, std::string_view name) {
    out += '"';
    out += name;
    out += '"';
}

void append_draft(std::string& out, const Standing& standing) {
    const bool has_window = standing.promise.window > Duration{0};
    out += "RateLimit-Policy: ";
    append_name(out, standing.rule);
    out += ";q=";
    append_number(out, standing.promise.quota);
    if (has_window) {
        out += ";w=";
        append_number(out, whole_seconds(standing.promise.window));
    }
    out += "\r\nRateLimit: ";
    append_name(out, standing.rule);
    out += ";r=";
    append_number(out, standing.decision.remaining);
    if (has_window) {
        out += ";t=";
        append_number(out, whole_seconds(standing.decision.reset));
    }
    out += "\r\n";
}

void append_legacy(std::string& out, const Standing& standing) {
    out += "X-RateLimit-Limit: ";
    append_number(out, standing.promise.quota);
    out += "\r\nX-RateLimit-Remaining: ";
    append_number(out, standing.decision.remaining);
    if (standing.promise.window > Duration{0}) {
        out += "\r\nX-RateLimit-Reset: ";
        append_number(out, whole_seconds(standing.decision.reset));
    }
    out += "\r\n";
}

}  // namespace

bool is_tighter(const Standing& a, const Standing& b) {
    if (a.decision.is_admitted != b.decision.is_admitted) return !a.decision.is_admitted;
    if (!a.decision.is_admitted && a.decision.retry_after != b.decision.retry_after)
        return a.decision.retry_after > b.decision.retry_after;
    if (a.decision.remaining != b.decision.remaining)
        return a.decision.remaining < b.decision.remaining;
    return a.decision.reset > b.decision.reset;
}

std::uint64_t whole_seconds(Duration duration) {
    if (duration <= Duration{0}) return 0;
    return static_cast<std::uint64_t>(std::chrono::ceil<std::chrono::seconds>(duration).count());
}

void append_headers(std::string& out, HeaderStyle style, const Standing& standing) {
    if (style == HeaderStyle::draft) append_draft(out, standing);
    if (style == HeaderStyle::legacy) append_legacy(out, standing);
}

}  // namespace weir::quota

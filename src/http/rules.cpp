#include "weir/http/rules.hpp"

#include "http/scan.hpp"

#include <cstring>

namespace weir::http {
namespace {

constexpr std::size_t kMaxHost = 255;

Error refusal(const char* detail) {
    return Error{.reason = Reason::bad_request,
                 .origin = Error::Origin::downstream,
                 .retry = Error::Retry::never,
                 .detail = detail};
}

// Whether the path has nothing to normalise: no escape, no empty or dot segment, no refused byte.
bool is_plain(std::string_view path, bool merge_slashes) {
    const char* at = path.data();
    const char* const end = at + path.size();
    bool after_slash = false;
#if defined(__SSE2__)
    for (; end - at >= scan::kBlock; at += scan::kBlock) {
        const scan::PathBlock block = scan::path_block(scan::load(at), merge_slashes);
        if (block.faults(after_slash) != 0) return false;
        after_slash = (block.slashes & 0x8000U) != 0;
    }
#endif
    for (; at != end; ++at) {
        if (!scan::is(*at, scan::path)) return false;
        if (after_slash && (*at == '.' || (*at == '/' && merge_slashes))) return false;
        after_slash = *at == '/';
    }
    return true;
}

unsigned hex_value(char digit) {
    const auto code = static_cast<unsigned>(static_cast<unsigned char>(digit));
    return code <= '9' ? code - '0' : (code | 0x20U) - 'a' + 10;
}

// Appends the escape at the front of `rest` in its one form; what is wrong with it, or nullptr.
const char* append_escape(std::string_view rest, bool takes_slashes, std::string& out) {
    constexpr std::string_view kCapitals = "0123456789ABCDEF";
    if (rest.size() < 3 || !scan::is(rest[1], scan::hex) || !scan::is(rest[2], scan::hex)) {
        return "broken escape in the path";
    }
    const unsigned high = hex_value(rest[1]);
    const unsigned low = hex_value(rest[2]);
    const auto byte = static_cast<char>(high << 4 | low);
    const bool is_slash = byte == '/' || byte == '\\';
    if (byte == '\0' || (is_slash && !takes_slashes)) return "%00, %2F or %5C in the path";
    if (scan::is(byte, scan::unreserved)) {
        out.push_back(byte);
    } else {
        out.push_back('%');
        out.push_back(kCapitals[high]);
        out.push_back(kCapitals[low]);
    }
    return nullptr;
}

const char* decode(std::string_view path, bool takes_slashes, std::string& out) {
    for (std::size_t at = 0; at < path.size(); ++at) {
        if (path[at] == '%') {
            if (const char* wrong = append_escape(path.substr(at), takes_slashes, out))
                return wrong;
            at += 2;
        } else if (scan::is(path[at], scan::path)) {
            out.push_back(path[at]);
        } else {
            return "refused byte in the path";
        }
    }
    return nullptr;
}

// "..;x" is a name to some servers and ".." to others (CVE-2026-73551).
bool is_ambiguous_dot(std::string_view segment) {
    if (segment.empty() || segment[0] != '.') return false;
    segment.remove_prefix(segment.size() > 1 && segment[1] == '.' ? 2 : 1);
    return segment.starts_with(';') || segment.starts_with("%3B");
}

constexpr std::string_view kEscapedSlashes[] = {"%2F", "%5C"};

std::size_t find_escaped_slash(std::string_view text) {
    std::size_t first = std::string_view::npos;
    for (const std::string_view slash : kEscapedSlashes)
        first = std::min(first, text.find(slash));
    return first;
}

// "a%2F.." is one segment here, and two where it is decoded.
bool hides_dots(std::string_view segment) {
    while (find_escaped_slash(segment) != std::string_view::npos) {
        const std::size_t end = find_escaped_slash(segment);
        const std::string_view part = segment.substr(0, end);
        if (part == "." || part == ".." || is_ambiguous_dot(part)) return true;
        segment.remove_prefix(end + kEscapedSlashes[0].size());
        if (segment == "." || segment == ".." || is_ambiguous_dot(segment)) return true;
    }
    return false;
}

// Resolves dot and empty segments in place: what is written never overtakes what is read.
const char* resolve_segments(std::string& path, bool merge_slashes) {
    std::size_t size = 0;  // of the result so far: no trailing slash
    for (std::size_t at = 1; at <= path.size();) {
        const std::size_t end = std::min(path.find('/', at), path.size());
        const bool is_last = end == path.size();
        const std::string_view segment = std::string_view(path).substr(at, end - at);
        if (is_ambiguous_dot(segment)) return "dot segment with a parameter in the path";
        if (hides_dots(segment)) return "dot segment behind %2F or %5C in the path";
        const bool is_up = segment == "..";
        if (is_up) {
            if (size == 0) return "path above the root";
            size = path.rfind('/', size - 1);
        }
        const bool is_dots = is_up || segment == ".";
        const bool is_merged = merge_slashes && segment.empty();
        if (!is_dots && !is_merged) {
            path[size] = '/';
            std::memmove(path.data() + size + 1, segment.data(), segment.size());
            size += 1 + segment.size();
        } else if (is_last) {
            path[size++] = '/';
        }
        at = end + 1;
    }
    path.resize(size);
    return nullptr;
}

bool is_port(std::string_view port) {
    if (port.empty() || port.size() > 5) return false;
    unsigned number = 0;
    for (const char digit : port) {
        if (!scan::is(digit, scan::digit)) return false;
        number = number * 10 + static_cast<unsigned>(digit - '0');
    }
    return number >= 1 && number <= 65535;
}

// What may stand between brackets; whether it is a real address is for who connects to it.
bool is_ipv6_text(std::string_view text) {
    std::size_t colons = 0;
    for (const char byte : text) {
        if (byte == ':') {
            ++colons;
        } else if (byte != '.' && !scan::is(byte, scan::hex)) {
            return false;
        }
    }
    return colons >= 2 && text.size() <= 45;
}

}  // namespace

namespace {

Result<std::string_view> normalise(std::string_view path,
                                   bool merge_slashes,
                                   bool takes_escaped_slashes,
                                   std::string& storage) {
    if (path.empty() || path[0] != '/') return refusal("path without a leading slash");
    if (is_plain(path, merge_slashes)) return path;
    storage.clear();
    if (const char* wrong = decode(path, takes_escaped_slashes, storage)) return refusal(wrong);
    if (const char* wrong = resolve_segments(storage, merge_slashes)) return refusal(wrong);
    if (storage == path) return path;
    return std::string_view(storage);
}

}  // namespace

Result<std::string_view> normalise_path(std::string_view path,
                                        bool merge_slashes,
                                        std::string& storage) {
    return normalise(path, merge_slashes, false, storage);
}

Result<std::string_view> normalise_path_with_escaped_slashes(std::string_view path,
                                                             bool merge_slashes,
                                                             std::string& storage) {
    return normalise(path, merge_slashes, true, storage);
}

bool has_escaped_slash(std::string_view normalised) {
    return find_escaped_slash(normalised) != std::string_view::npos;
}

bool is_valid_authority(std::string_view authority) {
    if (authority.starts_with('[')) {
        const std::size_t close = authority.find(']');
        if (close == std::string_view::npos) return false;
        if (!is_ipv6_text(authority.substr(1, close - 1))) return false;
        const std::string_view rest = authority.substr(close + 1);
        return rest.empty() || (rest[0] == ':' && is_port(rest.substr(1)));
    }
    const char* const end = authority.data() + authority.size();
    const char* const stop = scan::to_host_end(authority.data(), end);
    const auto host_size = static_cast<std::size_t>(stop - authority.data());
    if (host_size == 0 || host_size > kMaxHost) return false;
    return stop == end || (*stop == ':' && is_port(authority.substr(host_size + 1)));
}

bool is_valid_request_id(std::string_view id) {
    if (id.empty() || id.size() > 128) return false;
    for (const char byte : id) {
        const bool is_mark = std::string_view("-_.:=+/").find(byte) != std::string_view::npos;
        if (!is_mark && (!scan::is(byte, scan::unreserved) || byte == '~')) return false;
    }
    return true;
}

}  // namespace weir::http

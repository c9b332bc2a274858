#include "weir/http/h1.hpp"
#include "weir/http/rules.hpp"

#include "http/h1_fields.hpp"
#include "http/scan.hpp"
#include "http/target.hpp"

#include <cstring>

namespace weir::http {
namespace {

constexpr std::size_t kMaxMethod = 32;
constexpr int kMaxEmptyLines = 4;

std::string_view text(const char* begin, const char* end) {
    return {begin, static_cast<std::size_t>(end - begin)};
}

// RFC 9112, 2.2: some clients send an empty line after a body.
Step skip_empty_lines(Cursor& cursor) {
    for (int lines = 0; cursor.at != cursor.end; ++lines) {
        if (*cursor.at != '\r' && *cursor.at != '\n') return Step::ok;
        if (lines == kMaxEmptyLines) return cursor.fail("too many empty lines before the request");
        if (const Step step = parse_line_end(cursor); step != Step::ok) return step;
    }
    return Step::more;
}

Step parse_method(Cursor& cursor, RequestHead& head) {
    const char* const begin = cursor.at;
    if (cursor.end - begin >= 4 && std::memcmp(begin, "GET ", 4) == 0) {  // nearly all
        head.method = Method::get;
        head.method_text = text(begin, begin + 3);
        cursor.at = begin + 4;
        return Step::ok;
    }
    const char* at = begin;
    while (at != cursor.end && scan::is(*at, scan::token))
        ++at;
    if (static_cast<std::size_t>(at - begin) > kMaxMethod) return cursor.fail("method too long");
    if (at == cursor.end) return Step::more;
    if (*at != ' ' || at == begin) return cursor.fail("bad byte in the method");
    head.method_text = text(begin, at);
    head.method = method_from(head.method_text);
    if (head.method == Method::connect) return cursor.fail("CONNECT is not offered");
    cursor.at = at + 1;
    return Step::ok;
}

Step parse_target(Cursor& cursor, const H1Limits& limits, std::string_view& target) {
    const char* const begin = cursor.at;
    const char* const end = scan::to_invisible(begin, cursor.end, cursor.begin);
    if (static_cast<std::size_t>(end - begin) > limits.target) {
        return cursor.fail("target too long", Reason::uri_too_long);
    }
    if (end == cursor.end) return Step::more;
    if (*end != ' ') return cursor.fail("bad byte in the target, or no version");
    if (end == begin) return cursor.fail("empty target");
    target = text(begin, end);
    cursor.at = end + 1;
    return Step::ok;
}

// "HTTP/1.0" or "HTTP/1.1"; refused at the first byte that differs.
[[gnu::noinline]] Step parse_any_version(Cursor& cursor, std::uint8_t& minor) {
    constexpr std::string_view kVersion = "HTTP/1.";
    const auto have = static_cast<std::size_t>(cursor.end - cursor.at);
    if (have <= kVersion.size()) {
        if (have == 0 || std::memcmp(cursor.at, kVersion.data(), have) == 0) return Step::more;
        return cursor.fail("unknown version");
    }
    if (std::memcmp(cursor.at, kVersion.data(), kVersion.size()) != 0) {
        return cursor.fail("unknown version");
    }
    const char digit = cursor.at[kVersion.size()];
    if (digit != '0' && digit != '1') return cursor.fail("unknown version");
    minor = static_cast<std::uint8_t>(digit - '0');
    cursor.at += kVersion.size() + 1;
    return Step::ok;
}

Step parse_version(Cursor& cursor, std::uint8_t& minor) {
    if (cursor.end - cursor.at < 8 || std::memcmp(cursor.at, "HTTP/1.1", 8) != 0) {
        return parse_any_version(cursor, minor);
    }
    minor = 1;
    cursor.at += 8;
    return Step::ok;
}

#if defined(__SSE2__)
// Takes a target as nearly all are, and the blank after it: a path that normalise_path leaves
// alone, and perhaps a query. False if it is not so plain, or lies within the last bytes at hand.
bool take_plain_target(Cursor& cursor, const H1Limits& limits, RequestHead& head) {
    const char* const begin = cursor.at;
    const char* at = begin;
    unsigned found = 0;
    for (bool after_slash = false; found == 0; at += scan::kBlock) {
        if (cursor.end - at < scan::kBlock) return false;
        const scan::PathBlock block = scan::path_block(scan::load(at), limits.merge_slashes);
        found = block.faults(after_slash);
        after_slash = (block.slashes & 0x8000U) != 0;
    }
    const char* const path_end = at - scan::kBlock + scan::first(found);
    const char* end = path_end;
    if (*end == '?') {
        end = scan::to_invisible(path_end + 1, cursor.end, cursor.begin);
        if (std::memchr(path_end, '#', static_cast<std::size_t>(end - path_end)) != nullptr) {
            return false;
        }
    }
    if (end == cursor.end || *end != ' ' || *begin != '/') return false;
    if (static_cast<std::size_t>(end - begin) > limits.target) return false;
    head.path = text(begin, path_end);
    if (end != path_end) {
        head.has_query = true;
        head.query = text(path_end + 1, end);
    }
    cursor.at = end + 1;
    return true;
}
#else
bool take_plain_target(Cursor&, const H1Limits&, RequestHead&) {
    return false;
}
#endif

// Takes "http://authority" off an absolute-form target (RFC 9112, 3.2.2).
Step parse_absolute(Cursor& cursor, std::string_view& target, RequestHead& head) {
    const std::size_t colon = target.find("://");
    if (colon == std::string_view::npos) return cursor.fail("target is neither path nor http URI");
    const std::string_view scheme = target.substr(0, colon);
    if (!equals_ignoring_case(scheme, "http") && !equals_ignoring_case(scheme, "https")) {
        return cursor.fail("scheme of the target is not http or https");
    }
    target.remove_prefix(colon + 3);
    const std::size_t end = std::min(target.find_first_of("/?#"), target.size());
    head.authority = target.substr(0, end);
    if (!is_valid_authority(head.authority)) return cursor.fail("bad authority in the target");
    target.remove_prefix(end);
    return Step::ok;
}

// Origin-form, absolute-form or "*".
Step understand_target(Cursor& cursor,
                       std::string_view target,
                       const H1Limits& limits,
                       RequestHead& head) {
    if (target[0] != '/' && target != "*") {
        if (const Step step = parse_absolute(cursor, target, head); step != Step::ok) return step;
        if (target.empty()) {  // RFC 9112, 3.2.4
            head.path = head.method == Method::options ? "*" : "/";
            return Step::ok;
        }
    }
    const char* const wrong = take_path(target, limits, head);
    return wrong == nullptr ? Step::ok : cursor.fail(wrong);
}

Step take_target(Cursor& cursor, const H1Limits& limits, RequestHead& head) {
    if (take_plain_target(cursor, limits, head)) return Step::ok;
    std::string_view target;
    const Step step = parse_target(cursor, limits, target);
    return step == Step::ok ? understand_target(cursor, target, limits, head) : step;
}

// What the fields mean for this request.
Step conclude(Cursor& cursor, const Framings& framings, RequestHead& head) {
    if (!framings.has_host && head.minor_version == 1) return cursor.fail("no Host");
    if (framings.has_host && !is_valid_authority(framings.host)) return cursor.fail("bad Host");
    if (head.authority.empty()) head.authority = framings.host;
    if (framings.is_chunked) {
        head.framing = Framing::chunked;
    } else if (framings.has_content_length) {
        head.framing = Framing::length;
        head.content_length = framings.content_length;
    }
    const bool has_body = framings.is_chunked || framings.content_length != 0;
    const bool is_current = head.minor_version == 1;
    head.keep_alive = !framings.has_close && (is_current || framings.has_keep_alive);
    head.expect_continue = framings.expects_continue && is_current && has_body;
    head.has_nominated = framings.has_nominated;
    head.takes_trailers = framings.has_te_option && framings.has_te_trailers;
    if (is_current && framings.has_upgrade_option && !framings.upgrade.empty() && !has_body) {
        head.is_upgrade = true;
        head.upgrade_protocol = framings.upgrade;
    }
    return Step::ok;
}

Step parse_request(Cursor& cursor, const H1Limits& limits, RequestHead& head) {
    Framings framings;
    Step step = skip_empty_lines(cursor);
    if (step == Step::ok) step = parse_method(cursor, head);
    if (step == Step::ok) step = take_target(cursor, limits, head);
    if (step == Step::ok) step = parse_version(cursor, head.minor_version);
    if (step == Step::ok) step = parse_line_end(cursor);
    framings.minor_version = head.minor_version;
    if (step == Step::ok) step = parse_fields(cursor, limits, head.headers, framings);
    if (step == Step::ok) step = conclude(cursor, framings, head);
    return step;
}

// "HTTP/1.1 200 OK", the phrase and the blank before it may be missing.
Step parse_status_line(Cursor& cursor, ResponseHead& head) {
    if (const Step step = parse_version(cursor, head.minor_version); step != Step::ok) return step;
    constexpr std::ptrdiff_t kStatus = 4;  // " 200"
    unsigned status = 0;
    for (std::ptrdiff_t at = 0; at < kStatus; ++at) {
        if (cursor.at + at == cursor.end) return Step::more;
        const char byte = cursor.at[at];
        const unsigned digit = static_cast<unsigned char>(byte) - unsigned{'0'};
        if (at == 0 ? byte != ' ' : digit > 9) return cursor.fail("bad status");
        if (at > 0) status = status * 10 + digit;
    }
    if (status < 100 || status > 599) return cursor.fail("status out of range");
    head.status = static_cast<std::uint16_t>(status);
    cursor.at += kStatus;
    if (cursor.at == cursor.end) return Step::more;
    if (*cursor.at != ' ') return parse_line_end(cursor);
    const char* const begin = cursor.at + 1;
    const char* end = scan::to_control(begin, cursor.end, cursor.begin);
    while (end != cursor.end && *end == '\t')
        end = scan::to_control(end + 1, cursor.end, cursor.begin);
    head.phrase = text(begin, end);
    cursor.at = end;
    return parse_line_end(cursor);
}

// RFC 9112, 6.3.
Step conclude(Cursor& cursor, const Framings& framings, Method method, ResponseHead& head) {
    const bool is_interim = head.status < 200;
    const bool claims_body = framings.is_chunked || framings.content_length != 0;
    const bool is_bodiless = is_interim || head.status == 204;
    if (is_interim && claims_body) return cursor.fail("body announced in a 1xx response");
    head.keep_alive = !framings.has_close && (head.minor_version == 1 || framings.has_keep_alive);
    head.keep_alive_timeout = framings.keep_alive_timeout;
    head.has_nominated = framings.has_nominated;
    if (head.status == 101) {
        if (framings.upgrade.empty()) return cursor.fail("101 without Upgrade");
        head.is_upgrade = true;
        head.upgrade_protocol = framings.upgrade;
    }
    if (is_bodiless || head.status == 304 || method == Method::head) {
        // Whether a 204 that announces a body sends one is anybody's guess: its connection ends.
        if (is_bodiless && claims_body) head.keep_alive = false;
        head.content_length = framings.content_length;
        return Step::ok;
    }
    if (framings.is_chunked) {
        head.framing = Framing::chunked;
    } else if (framings.has_content_length) {
        head.framing = Framing::length;
        head.content_length = framings.content_length;
    } else {
        head.framing = Framing::until_close;
        head.keep_alive = false;
    }
    return Step::ok;
}

Step parse_response(Cursor& cursor, Method method, const H1Limits& limits, ResponseHead& head) {
    Framings framings;
    framings.is_request = false;
    Step step = parse_status_line(cursor, head);
    framings.minor_version = head.minor_version;
    if (step == Step::ok) step = parse_fields(cursor, limits, head.headers, framings);
    if (step == Step::ok) step = conclude(cursor, framings, method, head);
    return step;
}

// No more than header_size bytes are looked at: so what is refused does not depend on how they
// arrive.
Cursor within_limit(std::string_view bytes, const H1Limits& limits) {
    const char* const begin = bytes.data();
    return Cursor{
        .begin = begin, .end = begin + std::min(bytes.size(), limits.header_size), .at = begin};
}

HeadParse outcome(Step step, Cursor& cursor, std::string_view bytes, const H1Limits& limits) {
    if (step == Step::more && bytes.size() >= limits.header_size) {
        step = cursor.fail("head too large", Reason::headers_too_large);
    }
    HeadParse parse;
    if (step == Step::ok) {
        parse.state = HeadParse::State::done;
        parse.consumed = static_cast<std::size_t>(cursor.at - bytes.data());
    } else if (step == Step::failed) {
        parse.state = HeadParse::State::failed;
        parse.error.reason = cursor.reason;
        parse.error.origin = Error::Origin::downstream;
        parse.error.detail = cursor.detail;
    }
    return parse;
}

}  // namespace

const char* take_path(std::string_view target, const H1Limits& limits, RequestHead& head) {
    if (target == "*") {
        if (head.method != Method::options) return "target * is for OPTIONS";
        head.path = target;
        return nullptr;
    }
    const std::size_t mark = target.find('?');
    std::string_view path = target.substr(0, mark);
    if (mark != std::string_view::npos) {
        head.has_query = true;
        head.query = target.substr(mark + 1);
        if (head.query.find('#') != std::string_view::npos) return "fragment in the target";
    }
    if (path.empty()) path = "/";
    const auto normalise =
        limits.takes_escaped_slashes ? normalise_path_with_escaped_slashes : normalise_path;
    const auto normal = normalise(path, limits.merge_slashes, head.path_storage);
    if (!normal) return normal.error().detail;
    head.path = *normal;
    if (limits.takes_escaped_slashes) head.has_escaped_slash = has_escaped_slash(head.path);
    if (!limits.keeps_unmerged) return nullptr;
    const auto unmerged = normalise(path, false, head.unmerged_storage);
    if (!unmerged) return unmerged.error().detail;
    if (*unmerged != head.path) head.unmerged_path = *unmerged;
    return nullptr;
}

HeadParse parse_request_head(std::string_view bytes,
                             const H1Limits& limits,
                             RequestHead& head,
                             std::size_t seen) {
    if (is_line_open(bytes, seen, limits.header_size)) return {};
    head.clear();
    Cursor cursor = within_limit(bytes, limits);
    const Step step = parse_request(cursor, limits, head);
    return outcome(step, cursor, bytes, limits);
}

HeadParse parse_response_head(std::string_view bytes,
                              Method method,
                              const H1Limits& limits,
                              ResponseHead& head,
                              std::size_t seen) {
    if (is_line_open(bytes, seen, limits.header_size)) return {};
    head.clear();
    Cursor cursor = within_limit(bytes, limits);
    const Step step = parse_response(cursor, method, limits, head);
    HeadParse parse = outcome(step, cursor, bytes, limits);
    if (parse.state == HeadParse::State::failed) {
        parse.error.reason = Reason::upstream_protocol;
        parse.error.origin = Error::Origin::upstream;
    }
    return parse;
}

}  // namespace weir::http

#include "http/h2_block.hpp"

#include "weir/http/rules.hpp"
#include "weir/http/websocket.hpp"

#include "http/h1_fields.hpp"
#include "http/known.hpp"
#include "http/scan.hpp"
#include "http/target.hpp"

#include <algorithm>

namespace weir::http {
namespace {

// Beyond so many times limits.header_size a block is an attack, not a mistake.
constexpr std::size_t kWorthWhile = 4;
constexpr std::size_t kFieldOverhead = 32;

constexpr std::uint32_t bit(HeaderId id) {
    return 1U << static_cast<unsigned>(id);
}
// RFC 9113, 8.2.2: about a connection, which here is another.
constexpr std::uint32_t kOfConnection = bit(HeaderId::connection) | bit(HeaderId::keep_alive) |
                                        bit(HeaderId::proxy_connection) |
                                        bit(HeaderId::transfer_encoding) | bit(HeaderId::upgrade);
constexpr std::uint32_t kNoted = kOfConnection | bit(HeaderId::host) |
                                 bit(HeaderId::content_length) | bit(HeaderId::te) |
                                 bit(HeaderId::expect);

Error refusal(const char* detail, Reason reason = Reason::bad_request) {
    return {reason, Error::Origin::downstream, Error::Retry::never, detail};
}

Error upstream_refusal(const char* detail) {
    return {Reason::upstream_protocol, Error::Origin::upstream, Error::Retry::never, detail};
}

bool is_visible(std::string_view text) {
    const char* const end = text.data() + text.size();
    return scan::to_invisible(text.data(), end, text.data()) == end;
}

// It is another one on each connection.
bool is_of_handshake(std::string_view name) {
    return name == kWebSocketKey || name == kWebSocketAccept;
}

bool is_value(std::string_view text) {
    const char* const end = text.data() + text.size();
    const char* at = scan::to_control(text.data(), end, text.data());
    while (at != end && *at == '\t')
        at = scan::to_control(at + 1, end, text.data());
    return at == end;
}

}  // namespace

void H2Block::begin() {
    scratch_.block.clear();
    scratch_.cookies.clear();
    scratch_.entries.clear();
    has_pseudo_ = 0;
    for (Entry& entry : pseudos_)
        entry = {};
    decoded_ = fields_ = 0;
    is_too_large_ = false;
}

bool H2Block::add(std::string_view name, std::string_view value) {
    decoded_ += name.size() + value.size() + kFieldOverhead;
    const bool is_crumb = name == "cookie";
    const bool is_pseudo = name.starts_with(':');
    if (!is_pseudo && (!is_crumb || scratch_.cookies.empty())) ++fields_;
    is_too_large_ =
        is_too_large_ || decoded_ > limits_.head.header_size || fields_ > limits_.head.headers;
    if (is_too_large_) return decoded_ <= kWorthWhile * limits_.head.header_size;
    if (is_pseudo) {
        keep_pseudo(name, value);
    } else if (is_crumb) {  // RFC 9113, 8.2.3
        if (!scratch_.cookies.empty()) scratch_.cookies.append("; ");
        scratch_.cookies.append(value);
    } else {
        keep(name, value);
    }
    return true;
}

std::string_view H2Block::content_type() const {
    for (const Entry& entry : scratch_.entries) {
        if (name(entry) == "content-type") return value(entry);
    }
    return {};
}

void H2Block::keep_pseudo(std::string_view name, std::string_view value) {
    constexpr std::string_view kNames[kPseudos] = {":method", ":scheme",   ":authority",
                                                   ":path",   ":protocol", ":status"};
    const auto* const found = std::find(std::begin(kNames), std::end(kNames), name);
    if (found == std::end(kNames)) return;  // the library refuses it
    const auto which = static_cast<std::size_t>(found - kNames);
    has_pseudo_ |= 1U << which;
    pseudos_[which] = {0, 0, scratch_.block.size(), value.size()};
    scratch_.block.append(value);
}

void H2Block::keep(std::string_view name, std::string_view value) {
    std::string& block = scratch_.block;
    const std::size_t at = block.size();
    block.append(name).append(": ").append(value).append("\r\n");
    scratch_.entries.push_back({at, name.size(), at + name.size() + 2, value.size()});
}

void H2Block::end_cookies() {
    if (scratch_.cookies.empty()) return;
    keep("cookie", scratch_.cookies);
    scratch_.cookies.clear();
}

void H2Block::leave_scratch() {
    has_left_ = true;
    kept_block_.swap(scratch_.block);
    kept_cookies_.swap(scratch_.cookies);
    kept_entries_.swap(scratch_.entries);
}

void H2Block::return_to_scratch() {
    if (!has_left_) return;
    leave_scratch();
    has_left_ = false;
    kept_block_ = {};
    kept_cookies_ = {};
    kept_entries_ = {};
}

const char* H2Block::note(HeaderId id, std::string_view value) {
    if ((kOfConnection & bit(id)) != 0) return "a field of the connection in HTTP/2";
    switch (id) {
        case HeaderId::host:
            if (has_host_) return "more than one Host";
            has_host_ = true;
            host_ = value;
            return nullptr;
        case HeaderId::content_length: {
            if (has_length_) return "more than one Content-Length";
            has_length_ = true;
            const auto length = read_length(value);
            if (!length) return "bad Content-Length";
            content_length_ = *length;
            return nullptr;
        }
        case HeaderId::te:
            takes_trailers_ = equals_ignoring_case(value, "trailers");
            return takes_trailers_ ? nullptr : "TE is not trailers";
        default:
            expects_continue_ = expects_continue_ || equals_ignoring_case(value, "100-continue");
            return nullptr;
    }
}

// What the library let pass is looked at again: on the other side a line feed would be a line.
const char* H2Block::take_fields(HeaderList& headers) {
    has_host_ = has_length_ = expects_continue_ = takes_trailers_ = false;
    content_length_ = 0;
    using Policy = H1Limits::Underscores;
    for (const Entry& entry : scratch_.entries) {
        const std::string_view name = this->name(entry);
        const std::string_view value = this->value(entry);
        bool has_underscore = false;
        const char* const end = name.data() + name.size();
        if (name.empty() || scan::to_token_end(name.data(), end, has_underscore) != end)
            return "bad byte in a field name";
        if (!is_value(value)) return "control byte in a field value";
        if (has_underscore && limits_.head.underscores != Policy::allow) {
            if (limits_.head.underscores == Policy::drop) continue;
            return "underscore in a field name";
        }
        const HeaderId id = find_header_id(name);
        if (is_websocket_ && is_of_handshake(name)) continue;
        headers.add(name, value, id);
        if ((kNoted & bit(id)) == 0) continue;
        if (const char* const wrong = note(id, value)) return wrong;
    }
    return nullptr;
}

const char* H2Block::take_authority(RequestHead& head) const {
    head.authority = pseudo(authority);
    if (!has(authority)) head.authority = host_;
    if (head.authority.empty()) return "no :authority";
    if (!is_valid_authority(head.authority)) return "bad :authority";
    // RFC 9113, 8.3.1: one of them would be matched, and the other served.
    if (has_host_ && !equals_ignoring_case(host_, head.authority))
        return ":authority and Host differ";
    return nullptr;
}

Error H2Block::to_request(RequestHead& head, bool is_whole) {
    head.clear();
    if (is_too_large_) return refusal("head too large", Reason::headers_too_large);
    end_cookies();  // last of what may move the block
    head.is_h2 = true;
    head.method_text = pseudo(method);
    head.method = method_from(head.method_text);
    is_websocket_ = head.method == Method::connect && pseudo(protocol) == kWebSocket && !is_whole;
    if (head.method == Method::connect && !is_websocket_)
        return refusal(has(protocol) ? "CONNECT is offered for WebSocket alone"
                                     : "CONNECT is not offered");
    if (pseudo(scheme) != "http" && pseudo(scheme) != "https")
        return refusal(":scheme is not http or https");
    if (const char* const wrong = take_fields(head.headers)) return refusal(wrong);
    if (const char* const wrong = take_authority(head)) return refusal(wrong);
    const std::string_view target = pseudo(path);
    if (target.size() > limits_.head.target)
        return refusal("target too long", Reason::uri_too_long);
    if (!is_visible(target)) return refusal("bad byte in the target");
    if (!target.starts_with('/') && target != "*") return refusal(":path is no path");
    if (const char* const wrong = take_path(target, limits_.head, head)) return refusal(wrong);
    if (is_websocket_) return to_upgrade(head);
    head.takes_trailers = takes_trailers_;
    head.expect_continue = expects_continue_ && !is_whole;
    if (is_whole) {
        // A length that promises a body which never comes was refused by the library.
        head.framing = has_length_ ? Framing::length : Framing::none;
    } else {
        head.framing = has_length_ ? Framing::length : Framing::chunked;
        head.content_length = content_length_;
    }
    return {};
}

// As HTTP/1 says it (RFC 8441, 5).
Error H2Block::to_upgrade(RequestHead& head) const {
    if (has_length_) return refusal("Content-Length in a CONNECT");
    if (head.path == "*") return refusal(":path is no path");
    head.method = Method::get;
    head.method_text = "GET";
    head.is_upgrade = true;
    head.upgrade_protocol = kWebSocket;
    return {};
}

Error H2Block::to_response(ResponseHead& head, Method asked, bool is_whole) {
    head.clear();
    is_websocket_ = asked == Method::connect;
    if (is_too_large_) return upstream_refusal("head too large");
    end_cookies();
    const std::string_view text = pseudo(status);
    if (text.size() != 3 || !std::all_of(text.begin(), text.end(),
                                         [](char byte) { return scan::is(byte, scan::digit); })) {
        return upstream_refusal("bad :status");
    }
    head.status =
        static_cast<std::uint16_t>((text[0] - '0') * 100 + (text[1] - '0') * 10 + (text[2] - '0'));
    if (head.status < 100 || head.status > 599 || head.status == 101)
        return upstream_refusal("status out of range");
    head.phrase = reason_phrase(head.status);
    if (const char* const wrong = take_fields(head.headers)) return upstream_refusal(wrong);
    head.content_length = content_length_;
    const bool is_bodiless =
        head.status < 200 || head.status == 204 || head.status == 304 || asked == Method::head;
    if (is_bodiless || (is_whole && !has_length_)) return {};
    head.framing = has_length_ ? Framing::length : Framing::chunked;
    return {};
}

bool H2Block::to_trailers(std::string& lines) {
    if (is_too_large_ || has_pseudo_ != 0) return false;
    end_cookies();
    using Policy = H1Limits::Underscores;
    for (const Entry& entry : scratch_.entries) {
        const std::string_view name = this->name(entry);
        bool has_underscore = false;
        const char* const end = name.data() + name.size();
        if (name.empty() || scan::to_token_end(name.data(), end, has_underscore) != end ||
            !is_value(value(entry)))
            return false;
        if (has_underscore && limits_.head.underscores == Policy::reject) return false;
        if (has_underscore && limits_.head.underscores == Policy::drop) continue;
        if (!may_be_trailer(find_header_id(name), name)) continue;
        lines.append(name).append(": ").append(value(entry)).append("\r\n");
    }
    return true;
}

namespace {

// Most names are that already. `names` has room, so that what lies in it stays where it is.
std::string_view in_lower_case(std::string_view name, std::string& names) {
    const auto is_capital = [](char byte) { return byte >= 'A' && byte <= 'Z'; };
    if (std::none_of(name.begin(), name.end(), is_capital)) return name;
    const std::size_t at = names.size();
    names.append(name);
    for (auto byte = names.begin() + static_cast<std::ptrdiff_t>(at); byte != names.end(); ++byte)
        *byte = is_capital(*byte) ? static_cast<char>(*byte | 0x20) : *byte;
    return std::string_view(names).substr(at);
}

}  // namespace

std::string_view to_fields(std::string_view lines,
                           std::string& names,
                           std::vector<H2Field>& fields) {
    names.clear();
    names.reserve(lines.size());
    std::string_view host;
    while (!lines.empty()) {
        const std::size_t end = lines.find("\r\n");
        const std::string_view line = lines.substr(0, end);
        lines.remove_prefix(end == std::string_view::npos ? lines.size() : end + 2);
        const std::size_t colon = line.find(':');
        if (colon == std::string_view::npos || colon == 0) continue;  // the empty line
        std::string_view value = line.substr(colon + 1);
        if (value.starts_with(' ')) value.remove_prefix(1);
        const HeaderId id = find_header_id(line.substr(0, colon));
        if ((kOfConnection & bit(id)) != 0) continue;
        if (id == HeaderId::host) {
            host = value;
            continue;
        }
        fields.push_back({in_lower_case(line.substr(0, colon), names), value});
    }
    return host;
}

}  // namespace weir::http

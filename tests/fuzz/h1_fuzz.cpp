#include "weir/http/h1.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

// Any bytes as a request with its body, and as a response: what is accepted is written and parsed
// again, and must be the same message, in whatever pieces it came.
namespace {

using namespace weir::http;  // NOLINT(google-build-using-namespace)
using State = HeadParse::State;

void require(bool holds) {
    if (!holds) __builtin_trap();
}

struct Body {
    std::string data;
    std::string trailers;
    std::size_t consumed = 0;
    bool is_done = false;
    bool has_failed = false;
    bool operator==(const Body&) const = default;
};

Body decode(std::string_view input, Framing framing, std::uint64_t length, std::size_t piece) {
    BodyDecoder decoder;
    decoder.start(framing, length, {});
    Body body;
    body.is_done = decoder.is_done();
    while (body.consumed < input.size() && !body.is_done && !body.has_failed) {
        const BodyDecoder::Step step = decoder.next(input.substr(body.consumed, piece));
        require(step.consumed > 0 && step.data.size() <= step.consumed);
        body.data.append(step.data);
        body.consumed += step.consumed;
        body.is_done = step.is_done;
        body.has_failed = step.has_failed;
    }
    body.trailers = decoder.trailers();
    return body;
}

void check_body(std::string_view input, Framing framing, std::uint64_t length) {
    const Body whole = decode(input, framing, length, input.size());
    Body bytes = decode(input, framing, length, 1);
    // Where a broken body is noticed, and with how much data before, is the same too; trailers of
    // it are not.
    require(whole == bytes);
    if (!whole.is_done || framing != Framing::chunked) return;
    char buffer[20];
    std::string again;
    if (!whole.data.empty()) {
        again.append(chunk_prefix(whole.data.size(), buffer)).append(whole.data).append(kChunkEnd);
    }
    again.append("0\r\n").append(whole.trailers).append("\r\n");
    const Body second = decode(again, Framing::chunked, 0, 7);
    require(second.is_done && second.data == whole.data && second.trailers == whole.trailers);
}

bool is_clean(std::string_view text) {
    return std::none_of(text.begin(), text.end(),
                        [](char byte) { return byte == '\r' || byte == '\n' || byte == '\0'; });
}

template <typename Head, typename Parse>
void check_cuts(std::string_view bytes, const HeadParse& whole, Head& head, Parse parse) {
    std::size_t seen = 0;
    const std::size_t step = 1 + bytes.size() / 64;
    for (std::size_t size = 0; size < bytes.size(); size += step) {
        const std::vector<char> cut(bytes.begin(),
                                    bytes.begin() + static_cast<std::ptrdiff_t>(size));
        const std::string_view view(cut.data(), cut.size());
        const HeadParse part = parse(view, head, std::size_t{0});
        if (whole.state == State::need_more) require(part.state == State::need_more);
        if (whole.state == State::failed) require(part.state != State::done);
        if (whole.state == State::done) {
            require(part.state == (size < whole.consumed ? State::need_more : State::done));
        }
        const HeadParse waited = parse(view, head, seen);
        require(waited.state == part.state || waited.state == State::need_more);
        if (part.state == State::done) require(waited.state == State::done);
        if (part.state != State::need_more) break;
        seen = size;
    }
}

void check_request(std::string_view bytes) {
    const H1Limits limits;
    RequestHead head;
    const auto parse_it = [&limits](std::string_view input, RequestHead& into, std::size_t seen) {
        return parse_request_head(input, limits, into, seen);
    };
    RequestHead scratch;
    const HeadParse parse = parse_it(bytes, head, 0);
    check_cuts(bytes, parse, scratch, parse_it);
    if (parse.state != State::done) return;
    require(parse.consumed <= bytes.size() && parse.consumed <= limits.header_size);
    require(!head.path.empty() && (head.path[0] == '/' || head.path == "*"));
    require(is_clean(head.path) && is_clean(head.query) && is_clean(head.authority));
    for (const HeaderField& field : head.headers) {
        require(!field.name.empty() && is_clean(field.name) && is_clean(field.value));
    }
    check_body(bytes.substr(parse.consumed), head.framing, head.content_length);

    for (const bool is_trusted : {false, true}) {
        std::string out;
        write_request_head(out, head,
                           {.client_ip = "::1",
                            .request_id = "i",
                            .trusts_client = is_trusted,
                            .is_upgrade = head.is_upgrade});
        H1Limits wide = limits;  // what we add may be above the client's limits
        wide.header_size *= 4;
        wide.headers *= 2;
        RequestHead again;
        const HeadParse second = parse_request_head(out, wide, again);
        if (head.authority.empty()) continue;  // HTTP/1.0 without Host
        require(second.state == State::done && second.consumed == out.size());
        require(again.method_text == head.method_text && again.authority == head.authority);
        require(again.path == head.path && again.query == head.query &&
                again.has_query == head.has_query);
        require(again.framing == head.framing && again.content_length == head.content_length);
        require(again.is_upgrade == head.is_upgrade && !again.expect_continue &&
                !again.has_nominated);
    }
}

void check_response(std::string_view bytes, Method method) {
    const H1Limits limits;
    ResponseHead head;
    const auto parse_it = [&limits, method](std::string_view input, ResponseHead& into,
                                            std::size_t seen) {
        return parse_response_head(input, method, limits, into, seen);
    };
    ResponseHead scratch;
    const HeadParse parse = parse_it(bytes, head, 0);
    check_cuts(bytes, parse, scratch, parse_it);
    if (parse.state != State::done) return;
    require(head.status >= 100 && head.status <= 599 && is_clean(head.phrase));
    check_body(bytes.substr(parse.consumed), head.framing, head.content_length);
    for (const std::uint8_t minor : {std::uint8_t{0}, std::uint8_t{1}}) {
        std::string out;
        const Framing framing = write_response_head(
            out, head, {.client_minor = minor, .is_head = method == Method::head});
        H1Limits wide = limits;
        wide.header_size *= 4;
        wide.headers *= 2;
        ResponseHead again;
        const HeadParse second = parse_response_head(out, method, wide, again);
        require(second.state == State::done && second.consumed == out.size());
        require(again.status == head.status && again.phrase == head.phrase);
        require(again.framing == framing && again.is_upgrade == head.is_upgrade &&
                !again.has_nominated);
        require(framing != Framing::length || again.content_length == head.content_length);
    }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    // A copy of just the bytes, so that a read past them is seen.
    const std::vector<char> copy(data, data + size);
    const std::string_view bytes(copy.data(), copy.size());
    check_request(bytes);
    check_response(bytes, Method::get);
    check_response(bytes, Method::head);
    check_body(bytes, Framing::chunked, 0);
    return 0;
}

#pragma once

#include "weir/core/random.hpp"
#include "weir/http/h1.hpp"

#include <gtest/gtest.h>

#include <string>
#include <string_view>
#include <vector>

namespace weir::http::test {

inline std::string field_lines(const HeaderList& headers) {
    std::string text;
    for (const HeaderField& field : headers) {
        text.append(field.name).append("=").append(field.value).append("\n");
    }
    return text;
}

// Everything a head says, for comparing two of them.
inline std::string describe(const RequestHead& head) {
    std::string text(head.method_text);
    text.append(" ").append(head.authority).append(" ").append(head.path);
    if (head.has_query) text.append("?").append(head.query);
    text += " 1." + std::to_string(head.minor_version);
    text += " framing " + std::to_string(static_cast<int>(head.framing)) + "/" +
            std::to_string(head.content_length);
    if (head.keep_alive) text += " keep";
    if (head.expect_continue) text += " expect";
    if (head.is_upgrade) text.append(" upgrade ").append(head.upgrade_protocol);
    if (head.has_nominated) text += " nominated";
    if (head.takes_trailers) text += " trailers";
    return text + "\n" + field_lines(head.headers);
}

inline std::string describe(const ResponseHead& head) {
    std::string text = std::to_string(head.status);
    text.append(" ").append(head.phrase).append(" 1.") += std::to_string(head.minor_version);
    text += " framing " + std::to_string(static_cast<int>(head.framing)) + "/" +
            std::to_string(head.content_length);
    if (head.keep_alive) text += " keep " + std::to_string(head.keep_alive_timeout);
    if (head.is_upgrade) text += " upgrade";
    if (head.has_nominated) text += " nominated";
    return text + "\n" + field_lines(head.headers);
}

// What a body came out as, fed in pieces of at most `piece` bytes.
struct Decoded {
    std::string data;
    std::string trailers;
    std::string rest;  // of the input, after the body
    bool is_done = false;
    bool has_failed = false;
    std::size_t steps_with_data = 0;
};

inline Decoded decode(BodyDecoder& decoder, std::string_view input, std::size_t piece) {
    Decoded result;
    result.is_done = decoder.is_done();
    std::size_t at = 0;
    while (at < input.size() && !result.is_done && !result.has_failed) {
        const BodyDecoder::Step step = decoder.next(input.substr(at, piece));
        EXPECT_GT(step.consumed, 0U) << "stuck at " << at;
        if (step.consumed == 0) break;
        result.data.append(step.data);
        if (!step.data.empty()) ++result.steps_with_data;
        at += step.consumed;
        result.is_done = step.is_done;
        result.has_failed = step.has_failed;
    }
    result.rest = input.substr(at);
    result.trailers = decoder.trailers();
    return result;
}

}  // namespace weir::http::test

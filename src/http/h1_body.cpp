#include "weir/http/h1.hpp"

#include "http/h1_fields.hpp"
#include "http/scan.hpp"
#include "http/target.hpp"

#include <algorithm>

namespace weir::http {
namespace {

constexpr std::size_t kMaxSizeDigits = 15;
constexpr std::size_t kMaxChunkLine = 4096;
// Extensions are skipped, so a body of nothing but them would be work without progress: this many
// bytes of them may run ahead of the data (signed uploads send 90 a chunk of 8 KiB and more).
constexpr std::uint64_t kMaxExcess = 16384;

}  // namespace

bool may_be_trailer(HeaderId id, std::string_view name) {
    constexpr std::string_view kRefused[] = {
        "age",
        "authorization",
        "cache-control",
        "content-encoding",
        "content-range",
        "cookie",
        "cookie2",
        "expires",
        "if-match",
        "if-modified-since",
        "if-none-match",
        "if-range",
        "if-unmodified-since",
        "location",
        "max-forwards",
        "pragma",
        "range",
        "set-cookie",
        "set-cookie2",
        "vary",
        "warning",
        "www-authenticate",
    };
    if (id != HeaderId::other) return false;
    return std::none_of(std::begin(kRefused), std::end(kRefused), [name](std::string_view refused) {
        return equals_ignoring_case(name, refused);
    });
}

void BodyDecoder::start(Framing framing, std::uint64_t content_length, const H1Limits& limits) {
    excess_ = 0;
    line_bytes_ = trailer_bytes_ = trailer_count_ = 0;
    max_trailer_bytes_ = limits.header_size;
    max_trailers_ = limits.headers;
    underscores_ = limits.underscores;
    line_.clear();
    trailers_.clear();
    remaining_ = framing == Framing::length ? content_length : 0;
    switch (framing) {
        case Framing::none:
            state_ = State::done;
            break;
        case Framing::length:
            state_ = content_length == 0 ? State::done : State::length;
            break;
        case Framing::chunked:
            state_ = State::chunk_size;
            break;
        case Framing::until_close:
            state_ = State::until_close;
            break;
    }
}

BodyDecoder::Step BodyDecoder::next(std::string_view input) {
    Step step;
    if (state_ == State::length) {
        step.data = input.substr(
            0, static_cast<std::size_t>(std::min<std::uint64_t>(remaining_, input.size())));
        step.consumed = step.data.size();
        remaining_ -= step.consumed;
        if (remaining_ == 0) state_ = State::done;
        step.is_done = remaining_ == 0;
        return step;
    }
    bool has_data = false;
    while (step.consumed < input.size() && state_ != State::done && state_ != State::failed) {
        const std::string_view rest = input.substr(step.consumed);
        if (state_ == State::chunk_data || state_ == State::until_close) {
            if (has_data) break;
            const bool is_bounded = state_ != State::until_close;
            const std::uint64_t wanted = is_bounded ? remaining_ : rest.size();
            step.data = rest.substr(
                0, static_cast<std::size_t>(std::min<std::uint64_t>(wanted, rest.size())));
            step.consumed += step.data.size();
            has_data = true;
            if (!is_bounded) break;
            remaining_ -= step.data.size();
            if (remaining_ == 0) state_ = State::chunk_data_cr;
            excess_ -= std::min<std::uint64_t>(excess_, step.data.size());
        } else {
            take_control_byte(rest.front());
            ++step.consumed;
        }
    }
    step.is_done = state_ == State::done;
    step.has_failed = state_ == State::failed;
    return step;
}

bool BodyDecoder::on_eof() {
    if (state_ == State::until_close) state_ = State::done;
    if (state_ != State::done) state_ = State::failed;
    return state_ == State::done;
}

void BodyDecoder::take_control_byte(char byte) {
    switch (state_) {
        case State::chunk_size:
            take_size_byte(byte);
            break;
        case State::chunk_extension:
            take_extension_byte(byte);
            break;
        case State::chunk_size_lf:
            if (byte == '\n') {
                end_size_line();
            } else {
                state_ = State::failed;
            }
            break;
        case State::chunk_data_cr:
            state_ = byte == '\r' ? State::chunk_data_lf : State::failed;
            break;
        case State::chunk_data_lf:
            state_ = byte == '\n' ? State::chunk_size : State::failed;
            break;
        case State::trailer:
            take_trailer_byte(byte);
            break;
        default:
            state_ = State::failed;
            break;
    }
}

void BodyDecoder::take_size_byte(char byte) {
    if (scan::is(byte, scan::hex)) {
        const auto code = static_cast<unsigned>(static_cast<unsigned char>(byte));
        const unsigned digit = code <= '9' ? code - '0' : (code | 0x20U) - 'a' + 10;
        remaining_ = remaining_ << 4 | digit;
        if (++line_bytes_ > kMaxSizeDigits) state_ = State::failed;
    } else if (line_bytes_ == 0) {
        state_ = State::failed;
    } else if (byte == '\r') {
        state_ = State::chunk_size_lf;
    } else {
        state_ = byte == ';' ? State::chunk_extension : State::failed;
    }
}

void BodyDecoder::take_extension_byte(char byte) {
    ++excess_;
    if (byte == '\r') {
        state_ = State::chunk_size_lf;
        return;
    }
    const bool is_too_long = ++line_bytes_ > kMaxChunkLine || excess_ > kMaxExcess;
    const bool is_forbidden = scan::is_control(byte) && byte != '\t';
    if (is_too_long || is_forbidden) state_ = State::failed;
}

void BodyDecoder::end_size_line() {
    line_bytes_ = 0;
    state_ = remaining_ == 0 ? State::trailer : State::chunk_data;
}

void BodyDecoder::take_trailer_byte(char byte) {
    if (++trailer_bytes_ > max_trailer_bytes_) {
        state_ = State::failed;
        return;
    }
    const bool ends = byte == '\n' && !line_.empty() && line_.back() == '\r';
    const bool is_broken =
        (byte == '\n') != ends || (!ends && !line_.empty() && line_.back() == '\r');
    if (is_broken) {
        state_ = State::failed;
        return;
    }
    line_.push_back(byte);
    if (ends) end_trailer_line();
}

void BodyDecoder::end_trailer_line() {
    if (line_ == "\r\n") {
        state_ = State::done;
        line_.clear();
        return;
    }
    Cursor cursor{.begin = line_.data(), .end = line_.data() + line_.size(), .at = line_.data()};
    FieldLine field;
    if (++trailer_count_ > max_trailers_ || parse_field_line(cursor, field) != http::Step::ok) {
        state_ = State::failed;
        return;
    }
    if (field.has_underscore && underscores_ == H1Limits::Underscores::reject) {
        state_ = State::failed;
        return;
    }
    const bool is_dropped = field.has_underscore && underscores_ == H1Limits::Underscores::drop;
    if (!is_dropped && may_be_trailer(header_id(field.name), field.name)) {
        trailers_.append(field.name).append(": ").append(field.value).append("\r\n");
    }
    line_.clear();
}

}  // namespace weir::http

#include "weir/http/grpc_web.hpp"

#include "http/base64.hpp"

#include <algorithm>
#include <array>
#include <utility>

namespace weir::http {
namespace {

constexpr std::string_view kGrpc = "application/grpc";
constexpr std::string_view kWeb = "application/grpc-web";
constexpr std::string_view kWebText = "application/grpc-web-text";
constexpr char kTrailersFrame = static_cast<char>(0x80);

constexpr std::uint8_t kNoDigit = 255;

consteval std::array<std::uint8_t, 256> make_values() {
    std::array<std::uint8_t, 256> values{};
    values.fill(kNoDigit);
    for (std::size_t i = 0; i < kBase64Digits.size(); ++i)
        values[static_cast<unsigned char>(kBase64Digits[i])] = static_cast<std::uint8_t>(i);
    return values;
}
constexpr auto kValues = make_values();

// The type of the other side, with what stands behind: "+proto".
void translate(std::string_view type,
               std::string_view from,
               std::string_view to,
               std::string& out) {
    out.assign(to).append(type.substr(std::min(from.size(), type.size())));
}

// "name: value" lines as a frame: names in lower case, as HTTP/2 has them.
void append_trailers(std::string& out, std::string_view lines) {
    const std::size_t start = out.size();
    out.append(5, kTrailersFrame);
    while (!lines.empty()) {
        const std::size_t end = std::min(lines.find("\r\n"), lines.size());
        const std::string_view line = lines.substr(0, end);
        lines.remove_prefix(std::min(end + 2, lines.size()));
        const std::size_t colon = std::min(line.find(':'), line.size());
        for (const char c : line.substr(0, colon))
            out.push_back(c >= 'A' && c <= 'Z' ? static_cast<char>(c | 0x20) : c);
        out.append(line.substr(colon)).append("\r\n");
    }
    const auto size = static_cast<std::uint32_t>(out.size() - start - 5);
    for (std::size_t i = 0; i < 4; ++i)
        out[start + 1 + i] = static_cast<char>(size >> (24 - 8 * i) & 255U);
}

// All fields but those for which `is_dropped`, and then the type.
template <typename Head, typename Predicate>
void copy_fields(const HeaderList& from, Head& head, std::string_view type, Predicate is_dropped) {
    head.headers.clear();
    for (const HeaderField& field : from) {
        if (field.id == HeaderId::content_type || is_dropped(field)) continue;
        head.headers.add(field.name, field.value, field.id);
    }
    head.headers.add("content-type", type, HeaderId::content_type);
}

}  // namespace

GrpcWeb::GrpcWeb(const RequestHead& head) {
    const HeaderField* const type = head.headers.find(HeaderId::content_type);
    is_request_text_ = type != nullptr && grpc_kind(type->value) == GrpcKind::web_text;
    const HeaderField* const accept = head.headers.find(HeaderId::accept);
    const GrpcKind wanted = accept != nullptr ? grpc_kind(accept->value) : GrpcKind::none;
    is_answer_text_ =
        wanted == GrpcKind::web_text || (wanted == GrpcKind::none && is_request_text_);
}

void GrpcWeb::to_server(const RequestHead& from, RequestHead& head) {
    head = from;
    const HeaderField* const type = from.headers.find(HeaderId::content_type);
    if (type != nullptr) translate(type->value, is_request_text_ ? kWebText : kWeb, kGrpc, type_);
    copy_fields(from.headers, head, type_, [this](const HeaderField& field) {
        return is_request_text_ && field.id == HeaderId::content_length;
    });
    head.takes_trailers = true;
    if (!is_request_text_ || head.framing != Framing::length) return;
    head.framing = Framing::chunked;
    head.content_length = 0;
}

// Padding may stand in the middle: a client encodes each of its messages for itself.
std::string_view GrpcWeb::to_server(std::string_view data) {
    if (!is_request_text_) return data;
    out_.clear();
    for (const char c : data) {
        const std::uint8_t value = kValues[static_cast<unsigned char>(c)];
        const bool is_pad = c == '=' && count_ >= 2;
        if ((value == kNoDigit && !is_pad) || (padding_ > 0 && !is_pad)) {
            is_broken_ = true;
            return out_;
        }
        group_ = group_ << 6U | (is_pad ? 0U : value);
        padding_ = static_cast<std::uint8_t>(padding_ + (is_pad ? 1 : 0));
        if (++count_ < 4) continue;
        out_.push_back(static_cast<char>(group_ >> 16U & 255U));
        if (padding_ < 2) out_.push_back(static_cast<char>(group_ >> 8U & 255U));
        if (padding_ < 1) out_.push_back(static_cast<char>(group_ & 255U));
        count_ = padding_ = 0;
        group_ = 0;
    }
    return out_;
}

bool GrpcWeb::to_client(const ResponseHead& from, ResponseHead& head) {
    const HeaderField* const type = from.headers.find(HeaderId::content_type);
    passes_ = type == nullptr || grpc_kind(type->value) != GrpcKind::plain;
    if (passes_) return false;
    head = from;
    translate(type->value, kGrpc, is_answer_text_ ? kWebText : kWeb, type_);
    passes_ = from.headers.find(kGrpcStatus) != nullptr;
    copy_fields(from.headers, head, type_, [this](const HeaderField& field) {
        const bool is_framing =
            field.id == HeaderId::content_length || field.id == HeaderId::trailer;
        return is_framing && !passes_;
    });
    if (passes_) return true;
    head.framing = Framing::chunked;
    head.content_length = 0;
    return true;
}

std::string_view GrpcWeb::to_client(std::string_view data,
                                    bool is_last,
                                    std::string_view& trailers) {
    if (passes_) return data;
    const std::string_view lines = is_last ? std::exchange(trailers, {}) : std::string_view();
    if (!is_answer_text_ && lines.empty()) return data;
    frame_.assign(data);
    if (!lines.empty()) append_trailers(frame_, lines);
    if (!is_answer_text_) return frame_;
    out_.clear();
    append_base64(out_, frame_);
    return out_;
}

}  // namespace weir::http

#pragma once

#include "weir/http/h2.hpp"

#include <array>
#include <cstdint>
#include <initializer_list>
#include <list>
#include <string>
#include <string_view>
#include <utility>

namespace weir::test {

// Frames by hand, for what no library would send.
namespace h2 {

enum Type : std::uint8_t {
    data = 0,
    headers = 1,
    priority = 2,
    rst_stream = 3,
    settings = 4,
    ping = 6,
    goaway = 7,
    window_update = 8,
    continuation = 9
};
inline constexpr std::uint8_t kEndStream = 1;
inline constexpr std::uint8_t kAck = 1;
inline constexpr std::uint8_t kEndHeaders = 4;

inline std::string number(std::uint32_t value, int bytes) {
    std::string out;
    for (int at = bytes - 1; at >= 0; --at)
        out.push_back(static_cast<char>(value >> (8 * at) & 0xffU));
    return out;
}
inline std::string frame(Type type,
                         std::uint8_t flags,
                         std::uint32_t stream,
                         std::string_view payload = {}) {
    std::string out = number(static_cast<std::uint32_t>(payload.size()), 3);
    out.push_back(static_cast<char>(type));
    out.push_back(static_cast<char>(flags));
    out.append(number(stream, 4)).append(payload);
    return out;
}
// A literal field, never indexed, without Huffman's code.
inline std::string field(std::string_view name, std::string_view value) {
    const auto text = [](std::string_view of) {
        std::string out;
        if (of.size() < 127) return out.append(1, static_cast<char>(of.size())).append(of);
        out.push_back(0x7f);
        std::size_t rest = of.size() - 127;
        for (; rest >= 128; rest >>= 7U)
            out.push_back(static_cast<char>(rest % 128 + 128));
        return out.append(1, static_cast<char>(rest)).append(of);
    };
    return std::string(1, '\x10') + text(name) + text(value);
}
using Fields = std::initializer_list<std::pair<std::string_view, std::string_view>>;
inline std::string block(Fields fields) {
    std::string out;
    for (const auto& [name, value] : fields)
        out += field(name, value);
    return out;
}
// GET / of example.com, and these fields.
inline std::string get(std::uint32_t stream, Fields more = {}) {
    return frame(headers, kEndStream | kEndHeaders, stream,
                 block({{":method", "GET"},
                        {":scheme", "http"},
                        {":authority", "example.com"},
                        {":path", "/"}}) +
                     block(more));
}
inline std::string begin() {
    return std::string(http::kH2Preface) + frame(settings, 0, 0);
}

}  // namespace h2

// One side of a connection, which writes down what it is told, a line an event.
class H2Peer final : public http::H2Events {
  public:
    struct Stream final : http::H2Stream {};

    explicit H2Peer(http::H2Codec::Side side, const http::H2Limits& limits = {})
        : codec(side, limits, scratch_, *this) {}

    http::H2Stream& on_open() override { return streams.emplace_back(); }
    void on_request(http::H2Stream& stream, const http::RequestHead& head, bool whole) override {
        told += "request " + std::to_string(stream.id()) + " " + std::string(head.method_text) +
                " " + std::string(head.authority) + " " + std::string(head.path);
        if (head.has_query) told += "?" + std::string(head.query);
        told += framing(head.framing, head.content_length) + fields(head.headers) + end(whole);
    }
    void on_refused(http::H2Stream& stream, const http::H2Refusal& refusal) override {
        told += "refused " + std::to_string(stream.id()) + " " +
                std::string(word(refusal.error.reason)) + ": " + refusal.error.detail +
                end(refusal.is_whole);
        refused_type = refusal.content_type;
    }
    void on_response(http::H2Stream& stream, const http::ResponseHead& head, bool whole) override {
        told += "response " + std::to_string(stream.id()) + " " + std::to_string(head.status) +
                framing(head.framing, head.content_length) + fields(head.headers) + end(whole);
    }
    void on_body(http::H2Stream& stream, std::string_view data) override {
        body += data;
        if (consumes) codec.consume(stream, data.size());
    }
    void on_end(http::H2Stream& stream, std::string_view trailers) override {
        told += "end " + std::to_string(stream.id()) + " " + std::string(trailers) + "\n";
    }
    void on_drained(http::H2Stream& stream) override {
        told += "drained " + std::to_string(stream.id()) + "\n";
    }
    void on_closed(http::H2Stream& stream, http::H2Code code) override {
        told += "closed " + std::to_string(stream.id()) + " " +
                std::to_string(static_cast<unsigned>(code)) + "\n";
    }
    void on_goaway() override { told += "goaway\n"; }
    void on_settings() override {}
    void on_pong() override { told += "pong\n"; }
    void on_fault(http::H2Fault fault, bool is_enforced) override {
        ++faults[static_cast<std::size_t>(fault)];
        if (is_enforced) ++enforced;
    }
    void on_output() override {}

    // What it has to say.
    std::string speak() {
        codec.pump();
        return codec.take_output();
    }
    // In pieces of that size; pauses are overcome.
    void hear(std::string_view bytes, std::size_t piece = std::string_view::npos) {
        while (!bytes.empty()) {
            std::string_view part = bytes.substr(0, piece);
            bytes.remove_prefix(part.size());
            do {
                part.remove_prefix(codec.receive(part, now));
                ++turns;
            } while (codec.is_paused() || !part.empty());
        }
    }

    std::list<Stream> streams;
    std::string told;
    std::string body;
    std::string refused_type;
    bool consumes = true;
    std::array<int, http::kH2Faults> faults{};
    int enforced = 0;
    int turns = 0;
    TimePoint now{std::chrono::seconds{1}};

    [[nodiscard]] int count(http::H2Fault fault) const {
        return faults[static_cast<std::size_t>(fault)];
    }

  private:
    static std::string framing(http::Framing how, std::uint64_t length) {
        if (how == http::Framing::length) return " length=" + std::to_string(length);
        return how == http::Framing::none ? "" : " streamed";
    }
    static std::string fields(const http::HeaderList& list) {
        std::string out;
        for (const auto& each : list)
            out += " " + std::string(each.name) + "=" + std::string(each.value);
        return out;
    }
    static std::string end(bool is_whole) { return is_whole ? " .\n" : "\n"; }

    http::H2Scratch scratch_;

  public:
    http::H2Codec codec;
};

// Both say all they have to say.
inline void talk(H2Peer& one, H2Peer& other, std::size_t piece = std::string_view::npos) {
    while (true) {
        const std::string there = one.speak();
        other.hear(there, piece);
        const std::string back = other.speak();
        one.hear(back, piece);
        if (there.empty() && back.empty()) return;
    }
}

}  // namespace weir::test

#include "weir/http/websocket.hpp"

#include "http/base64.hpp"

#include <bit>
#include <cstring>

namespace weir::http {
namespace {

std::string to_base64(std::string_view bytes) {
    std::string text;
    append_base64(text, bytes);
    return text;
}

// SHA-1 (RFC 3174), as the handshake wants it: it shows that the peer means WebSocket, and protects
// nothing.
class Sha1 {
  public:
    [[nodiscard]] static std::string of(std::string text) {
        Sha1 sum;
        const std::uint64_t bits = text.size() * 8;
        text.push_back(static_cast<char>(0x80));
        text.resize((text.size() + 8 + kBlock - 1) / kBlock * kBlock - 8);
        for (int shift = 56; shift >= 0; shift -= 8)
            text.push_back(static_cast<char>(bits >> shift & 0xffU));
        for (std::size_t at = 0; at < text.size(); at += kBlock)
            sum.take(text.data() + at);
        std::string digest;
        for (const std::uint32_t word : sum.state_) {
            for (int shift = 24; shift >= 0; shift -= 8)
                digest.push_back(static_cast<char>(word >> shift & 0xffU));
        }
        return digest;
    }

  private:
    static constexpr std::size_t kBlock = 64;

    void take(const char* block) {
        std::array<std::uint32_t, 80> words{};
        for (std::size_t i = 0; i < kBlock; ++i)
            words[i / 4] = words[i / 4] << 8U | static_cast<unsigned char>(block[i]);
        for (std::size_t i = 16; i < words.size(); ++i)
            words[i] = std::rotl(words[i - 3] ^ words[i - 8] ^ words[i - 14] ^ words[i - 16], 1);
        auto [a, b, c, d, e] = state_;
        for (std::size_t i = 0; i < words.size(); ++i) {
            const auto [mixed, constant] = mix(i, b, c, d);
            const std::uint32_t next = std::rotl(a, 5) + mixed + e + constant + words[i];
            e = d;
            d = c;
            c = std::rotl(b, 30);
            b = a;
            a = next;
        }
        state_ = {state_[0] + a, state_[1] + b, state_[2] + c, state_[3] + d, state_[4] + e};
    }
    struct Mixed {
        std::uint32_t value, constant;
    };
    static Mixed mix(std::size_t round, std::uint32_t b, std::uint32_t c, std::uint32_t d) {
        if (round < 20) return {(b & c) | (~b & d), 0x5a827999U};
        if (round < 40) return {b ^ c ^ d, 0x6ed9eba1U};
        if (round < 60) return {(b & c) | (b & d) | (c & d), 0x8f1bbcdcU};
        return {b ^ c ^ d, 0xca62c1d6U};
    }

    std::array<std::uint32_t, 5> state_{0x67452301U, 0xefcdab89U, 0x98badcfeU, 0x10325476U,
                                        0xc3d2e1f0U};
};

}  // namespace

bool is_websocket(const RequestHead& head) {
    return head.is_upgrade && head.method == Method::get &&
           equals_ignoring_case(head.upgrade_protocol, kWebSocket) &&
           (head.is_h2 || head.headers.find(kWebSocketKey) != nullptr);
}

std::string websocket_key(const std::array<std::uint64_t, 2>& chance) {
    std::array<char, sizeof chance> bytes{};
    std::memcpy(bytes.data(), chance.data(), bytes.size());
    return to_base64({bytes.data(), bytes.size()});
}

std::string websocket_accept(std::string_view key) {
    constexpr std::string_view kOfWebSocket = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
    return to_base64(Sha1::of(std::string(key).append(kOfWebSocket)));
}

std::string_view find_websocket_key(std::string_view lines) {
    while (!lines.empty()) {
        const std::size_t end = lines.find("\r\n");
        const std::string_view line = lines.substr(0, end);
        lines.remove_prefix(end == std::string_view::npos ? lines.size() : end + 2);
        const std::size_t colon = line.find(':');
        if (colon == std::string_view::npos) continue;
        if (!equals_ignoring_case(line.substr(0, colon), kWebSocketKey)) continue;
        std::string_view value = line.substr(colon + 1);
        while (value.starts_with(' '))
            value.remove_prefix(1);
        return value;
    }
    return {};
}

}  // namespace weir::http

#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

// What a client's first bytes say, without taking them. Thread: any (pure).
namespace weir::transport {

enum class FirstBytes : std::uint8_t {
    undecided,  // more are needed
    tls,        // a handshake record
    h2,         // the preface of HTTP/2
    http1,      // a request line of HTTP/1
    opaque,     // something else
};

inline constexpr char kTlsFirstByte = 0x16;  // of a handshake record
// Never undecided from kMostSniffed bytes on.
inline constexpr std::size_t kMostSniffed = std::size_t{8} * 1024;
[[nodiscard]] FirstBytes sniff(std::string_view bytes);

// The first message of a TLS client, over as many records as it has.
struct ClientHello {
    enum class State : std::uint8_t { need_more, done, failed };
    State state = State::failed;
    std::string server_name;  // in lower case; empty if it names none
};

// Longer ones are refused: the largest in use, of post-quantum keys, have 2 KiB.
inline constexpr std::size_t kMostClientHello = std::size_t{16} * 1024;
[[nodiscard]] ClientHello parse_client_hello(std::string_view bytes);

}  // namespace weir::transport

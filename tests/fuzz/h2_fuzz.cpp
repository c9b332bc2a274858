#include "weir/http/h2.hpp"

#include "support/h2_peer.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

// Any frames behind a client's preface, and behind a server's settings: what is told is the same in
// whatever pieces it came. Each request is answered, each answer read.
namespace {

using namespace weir::http;  // NOLINT(google-build-using-namespace)
using weir::test::H2Peer;

void require(bool holds) {
    if (!holds) __builtin_trap();
}

void answer(H2Peer& server) {
    for (H2Peer::Stream& stream : server.streams) {
        if (stream.is_closed() || stream.has_ended()) continue;
        server.codec.send_head(stream, "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n", false);
        server.codec.send_body(stream, "abc", true, {});
    }
}

bool says_goaway(std::string_view frames) {
    while (frames.size() >= 9) {
        std::size_t size = 0;
        for (std::size_t i = 0; i < 3; ++i)
            size = size << 8U | static_cast<std::uint8_t>(frames[i]);
        if (frames[3] == weir::test::h2::goaway) return true;
        frames.remove_prefix(std::min(frames.size(), 9 + size));
    }
    return false;
}

struct Heard {
    std::string told;
    std::string body;
    bool may_end_early = false;
};

Heard serve(std::string_view bytes, std::size_t piece) {
    H2Peer server(H2Codec::Side::server);
    server.hear(weir::test::h2::begin());
    static_cast<void>(server.speak());
    server.hear(bytes, piece);
    const bool is_leaving = server.told.find("goaway\n") != std::string::npos;
    Heard heard{server.told, server.body, says_goaway(server.speak()) || is_leaving};
    answer(server);
    static_cast<void>(server.speak());
    return heard;
}

// What follows frames against the rules, or a goodbye while no stream is open, may be read in part,
// and in which pieces they came decides how far.
void check_server(std::string_view bytes) {
    const Heard whole = serve(bytes, std::string_view::npos);
    const Heard pieces = serve(bytes, 1);
    if (!whole.may_end_early && !pieces.may_end_early) {
        require(whole.told == pieces.told && whole.body == pieces.body);
    } else {
        require(whole.told.starts_with(pieces.told) || pieces.told.starts_with(whole.told));
    }
}

void check_client(std::string_view bytes) {
    H2Peer client(H2Codec::Side::client);
    H2Peer::Stream stream;
    require(client.codec.open(stream, "POST /a HTTP/1.1\r\nHost: h\r\n\r\n", "http", false));
    static_cast<void>(client.speak());
    client.hear(weir::test::h2::frame(weir::test::h2::settings, 0, 0));
    client.hear(bytes);
    client.codec.send_body(stream, "abc", true, "x: y\r\n");
    static_cast<void>(client.speak());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::vector<char> copy(data, data + size);
    const std::string_view bytes(copy.data(), copy.size());
    check_server(bytes);
    check_client(bytes);
    return 0;
}

#include "weir/http/h1.hpp"
#include "weir/http/h2.hpp"

#include "support/h2_peer.hpp"

#include <cstddef>
#include <cstdint>
#include <list>
#include <string>
#include <string_view>
#include <vector>

// Heads that cross versions: what one of them takes in is written for the other, and must be the
// same message there, whole and nothing behind it. That is what a smuggled request would break.
namespace {

using namespace weir::http;  // NOLINT(google-build-using-namespace)
using weir::test::H2Peer;
using State = HeadParse::State;

void require(bool holds) {
    if (!holds) __builtin_trap();
}

// What we add may be above the sender's limits.
H1Limits wide() {
    H1Limits limits;
    limits.header_size *= 4;
    limits.headers *= 2;
    limits.target *= 4;
    return limits;
}

std::string line_of(const RequestHead& head) {
    std::string line = std::string(head.method_text) + " " + std::string(head.authority) + " " +
                       std::string(head.path);
    if (head.has_query) line.append("?").append(head.query);
    return line;
}

void check_trailers(std::string_view trailers) {
    BodyDecoder decoder;
    decoder.start(Framing::chunked, 0, wide());
    const std::string body = "0\r\n" + std::string(trailers) + "\r\n";
    std::string_view rest = body;
    while (!rest.empty() && !decoder.is_done()) {
        const BodyDecoder::Step step = decoder.next(rest);
        require(!step.has_failed && step.consumed > 0 && step.data.empty());
        rest.remove_prefix(step.consumed);
    }
    require(decoder.is_done() && rest.empty() && decoder.trailers() == trailers);
}

// ---- from HTTP/1

H2Peer server() {
    return H2Peer(H2Codec::Side::server, {.head = wide()});
}

void check_request_from_h1(std::string_view bytes) {
    RequestHead head;
    const HeadParse parse = parse_request_head(bytes, {}, head);
    if (parse.state != State::done || head.is_upgrade || head.authority.empty()) return;
    std::string out;
    write_request_head(out, head, {.client_ip = "::1", .request_id = "i", .trusts_client = true});
    H2Peer client(H2Codec::Side::client);
    H2Peer peer = server();
    H2Peer::Stream stream;
    require(client.codec.open(stream, out, "http", head.framing == Framing::none));
    talk(client, peer);
    require(peer.told.starts_with("request 1 " + line_of(head)));
    require(peer.count(H2Fault::protocol) == 0);
    client.codec.forget(stream);
}

void check_response_from_h1(std::string_view bytes) {
    ResponseHead head;
    const HeadParse parse = parse_response_head(bytes, Method::get, {}, head);
    if (parse.state != State::done || head.is_upgrade || head.status == 101) return;
    std::string out;
    const Framing framing = write_response_head(out, head, {});
    H2Peer client(H2Codec::Side::client, {.head = wide()});
    H2Peer peer = server();
    H2Peer::Stream stream;
    require(client.codec.open(stream, "GET / HTTP/1.1\r\nHost: h\r\n\r\n", "http", true));
    talk(client, peer);
    require(peer.streams.size() == 1);
    if (head.status < 200) {
        peer.codec.send_interim(peer.streams.front(), out);
    } else {
        const bool is_whole = framing == Framing::none || head.content_length == 0;
        peer.codec.send_head(peer.streams.front(), out, is_whole && framing != Framing::chunked);
    }
    talk(client, peer);
    require(client.told.starts_with("response 1 " + std::to_string(head.status)));
    require(client.count(H2Fault::protocol) == 0);
    client.codec.forget(stream);
}

// ---- from HTTP/2

// Writes each head it is told as HTTP/1, and reads it back.
class Reader final : public H2Events {
  public:
    struct Stream final : H2Stream {};

    explicit Reader(H2Codec::Side side) : codec(side, {}, scratch_, *this) {}

    H2Stream& on_open() override { return streams_.emplace_back(); }
    void on_request(H2Stream& /*stream*/, const RequestHead& head, bool is_whole) override {
        for (const bool is_trusted : {false, true}) {
            std::string out;
            write_request_head(
                out, head, {.client_ip = "::1", .request_id = "i", .trusts_client = is_trusted});
            RequestHead again;
            const HeadParse parse = parse_request_head(out, wide(), again);
            require(parse.state == State::done && parse.consumed == out.size());
            require(line_of(again) == line_of(head) && again.framing == head.framing);
            require(again.content_length == head.content_length && !again.is_upgrade);
            require(!again.has_nominated && !again.expect_continue);
            require(!is_whole || head.framing == Framing::none || head.content_length == 0);
        }
    }
    void on_refused(H2Stream& /*stream*/, const weir::http::H2Refusal& /*refusal*/) override {}
    void on_response(H2Stream& /*stream*/, const ResponseHead& head, bool /*is_whole*/) override {
        std::string out;
        const Framing framing = write_response_head(out, head, {});
        ResponseHead again;
        const HeadParse parse = parse_response_head(out, Method::post, wide(), again);
        require(parse.state == State::done && parse.consumed == out.size());
        require(again.status == head.status && !again.has_nominated && !again.is_upgrade);
        if (head.status < 200) return;
        require(again.framing == framing);
        require(framing != Framing::length || again.content_length == head.content_length);
    }
    void on_body(H2Stream& stream, std::string_view data) override {
        codec.consume(stream, data.size());
    }
    void on_end(H2Stream& /*stream*/, std::string_view trailers) override {
        check_trailers(trailers);
    }
    void on_drained(H2Stream& /*stream*/) override {}
    void on_closed(H2Stream& /*stream*/, H2Code /*code*/) override {}
    void on_goaway() override {}
    void on_settings() override {}
    void on_pong() override {}
    void on_fault(H2Fault /*fault*/, bool /*is_enforced*/) override {}
    void on_output() override {}

    void hear(std::string_view bytes) {
        const weir::TimePoint now{std::chrono::seconds{1}};
        do {
            bytes.remove_prefix(codec.receive(bytes, now));
        } while (codec.is_paused() || !bytes.empty());
        codec.pump();
        static_cast<void>(codec.take_output());
    }

  private:
    H2Scratch scratch_;
    std::list<Stream> streams_;

  public:
    H2Codec codec;
};

void check_from_h2(std::string_view bytes) {
    Reader reader(H2Codec::Side::server);
    reader.hear(weir::test::h2::begin());
    reader.hear(bytes);

    Reader asking(H2Codec::Side::client);
    Reader::Stream stream;
    require(asking.codec.open(stream, "POST /a HTTP/1.1\r\nHost: h\r\n\r\n", "http", false));
    asking.hear(weir::test::h2::frame(weir::test::h2::settings, 0, 0));
    asking.hear(bytes);
    asking.codec.forget(stream);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::vector<char> copy(data, data + size);
    const std::string_view bytes(copy.data(), copy.size());
    check_request_from_h1(bytes);
    check_response_from_h1(bytes);
    check_from_h2(bytes);
    return 0;
}

#pragma once

#include "weir/connection/carrier.hpp"
#include "weir/connection/pool.hpp"
#include "weir/connection/silence.hpp"
#include "weir/connection/token.hpp"
#include "weir/core/error.hpp"
#include "weir/core/timing_wheel.hpp"
#include "weir/http/h2.hpp"
#include "weir/transport/stream.hpp"

#include <cstdint>
#include <memory>
#include <string_view>
#include <utility>
#include <vector>

namespace weir::connection {

// One HTTP/2 connection to an endpoint, owned by its pool: a stream a request, and one
// write a turn for all of them. Requests that come while it connects wait for it. The first one
// goes out with our side of the handshake, the others once the peer has said how many streams it
// takes; those that are too many ask for another connection.
//
//   connecting --connected-------------------> opening
//   connecting --ALPN says HTTP/1------------> over      (a H1Connection goes on)
//   opening    --SETTINGS--------------------> open
//   any        --GOAWAY, drain(), suspicion--> draining  (no new streams; the last one ends it)
//   any        --broken, or against the rules> over      (all streams fail)
//
// Who does not take an answer stops its stream, by the stream's window, and no other.
// Thread: worker.
class H2Connection final : public transport::Retired,
                           public transport::StreamHandler,
                           public transport::IoHandler,
                           private http::H2Events {
  public:
    // A peer that has not said how many streams it takes is expected to take so many, and given no
    // more than the other number whatever it says.
    static constexpr std::uint32_t kExpectedStreams = 100;
    static constexpr std::uint32_t kMostStreams = 1000;

    H2Connection(Context& context, Pool& pool, Hold hold);
    ~H2Connection() override;

    // One of them comes first: it connects, or goes on with a stream that has connected in `took`.
    void connect(transport::Socket socket, const transport::TlsStart& tls);
    void take_over(std::unique_ptr<transport::Stream> stream, Duration took);
    [[nodiscard]] std::pair<std::unique_ptr<transport::Stream>, Token> take_stream();

    [[nodiscard]] bool has_room() const;
    // For a request. There must be room. One that depends on what the peer takes is ready only when
    // that is known.
    [[nodiscard]] Carrier& add_stream(bool awaits_settings = false);
    [[nodiscard]] bool is_idle() const { return streams_.empty() && state_ != State::over; }
    [[nodiscard]] bool is_draining() const { return is_draining_; }
    [[nodiscard]] Duration connect_time() const { return connect_time_; }

    // No new streams; when there are none it closes.
    void drain();
    // Closes at once: streams fail.
    void abandon();

    // Of its stream and loop only.
    void on_connected() override;
    void on_bytes(std::string_view bytes) override;
    void on_eof() override;
    void on_broken(int error) override;
    void on_write_failed() override;
    void on_drained() override;
    void on_ready(transport::Readiness readiness) override;  // scheduled: the end of a turn

  private:
    class Stream;
    enum class State : std::uint8_t { connecting, opening, open, over };

    // http::H2Events
    http::H2Stream& on_open() override;  // never: the peer opens no streams
    void on_request(http::H2Stream& /*stream*/,
                    const http::RequestHead& /*head*/,
                    bool /*is_whole*/) override {}
    void on_refused(http::H2Stream& stream, const http::H2Refusal& refusal) override;
    void on_response(http::H2Stream& stream,
                     const http::ResponseHead& head,
                     bool is_whole) override;
    void on_body(http::H2Stream& stream, std::string_view data) override;
    void on_end(http::H2Stream& stream, std::string_view trailers) override;
    void on_drained(http::H2Stream& stream) override;
    void on_closed(http::H2Stream& stream, http::H2Code code) override;
    void on_goaway() override;
    void on_settings() override;
    void on_pong() override;
    void on_fault(http::H2Fault fault, bool is_enforced) override;
    void on_output() override;

    void speak_h1();
    void begin_to_speak();
    void begin(Stream& stream, const Carrier::Opening& opening);
    void serve_waiting();
    void on_timer();
    void look_by(TimePoint at);
    void ask(TimePoint now);
    void suspect(const Stream& stream);
    void hear(Stream& stream);
    void expect_fewer();
    void note_unprocessed();
    [[nodiscard]] bool has_carried() const { return carried_ > 0; }
    void flush();
    void tell_drained();
    void forget(Stream& stream);
    void leave(Stream& stream);
    void settle();
    void fail(const Error& error);
    void close();
    [[nodiscard]] std::vector<Stream*> all_streams() const;
    [[nodiscard]] bool is_blocked() const { return stream_->pending() > 0; }

    Context& context_;
    Pool& pool_;
    Hold hold_;
    std::unique_ptr<transport::Stream> stream_;
    http::H2Codec codec_;
    State state_ = State::connecting;
    std::vector<std::unique_ptr<Stream>> streams_;
    std::vector<Stream*> heard_;  // in this read
    std::uint32_t most_streams_ = kExpectedStreams;
    bool is_draining_ = false;
    bool is_going_ = false;      // the peer said so
    bool is_broken_ = false;     // it broke the rules: to fail as soon as nobody is in the codec
    bool has_drained_ = false;   // a stream
    std::uint32_t carried_ = 0;  // requests, but those it has not looked at
    Duration connect_time_{};
    TimePoint started_;
    TimePoint idle_since_;
    Silence silence_;
    TimerOf<H2Connection, &H2Connection::on_timer> timer_{*this};
};

}  // namespace weir::connection

#pragma once

#include "weir/http/h2.hpp"
#include "weir/proxy/local_listener.hpp"
#include "weir/transport/stream.hpp"

#include "downstream.hpp"

#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace weir::proxy {

class Exchange;

// A client's HTTP/2 connection: an exchange a stream, and one write a turn for all of them. The
// client may send so much of a body as the exchange has taken (WINDOW_UPDATE follows it), and an
// answer is asked for as fast as the client's windows let it go. Owned by its LocalListener.
// Thread: worker.
//
//   open      --GOAWAY of ours, or the client's; the last stream has ended--> lingering
//   open      --the client broke a rule, or floods--> lingering       (all streams end)
//   lingering --the client's end, or 2 s--> closed
//   open      --the client's end, or a reset--> closed                (all streams end)
class H2Session final : public ClientConnection,
                        public transport::StreamHandler,
                        public transport::IoHandler,
                        private http::H2Events {
  public:
    H2Session(WorkerContext& context,
              LocalListener& listener,
              std::unique_ptr<transport::Stream> stream,
              Client client);
    ~H2Session() override;

    // ClientConnection
    [[nodiscard]] bool is_idle_since(TimePoint before) const override {
        return state_ == State::open && streams_.empty() && idle_since_ <= before;
    }
    void drain() override;
    void close() override;
    void close_with_reset() override;

    // Of its stream and loop only.
    void on_bytes(std::string_view bytes) override;
    void on_eof() override;
    void on_broken(int error) override;
    void on_write_failed() override;
    void on_drained() override;
    void on_ready(transport::Readiness readiness) override;  // scheduled: the end of a turn

  private:
    class Stream;
    enum class State : std::uint8_t { open, lingering, closed };

    // http::H2Events
    http::H2Stream& on_open() override;
    void on_request(http::H2Stream& stream, const http::RequestHead& head, bool is_whole) override;
    void on_refused(http::H2Stream& stream, const http::H2Refusal& refusal) override;
    void on_response(http::H2Stream& /*stream*/,
                     const http::ResponseHead& /*head*/,
                     bool /*is_whole*/) override {}
    void on_body(http::H2Stream& stream, std::string_view data) override;
    void on_end(http::H2Stream& stream, std::string_view trailers) override;
    void on_drained(http::H2Stream& stream) override;
    void on_closed(http::H2Stream& stream, http::H2Code code) override;
    void on_goaway() override {}
    void on_settings() override {}
    void on_pong() override {}
    void on_fault(http::H2Fault fault, bool is_enforced) override;
    void on_output() override;

    void on_timer();
    void receive(std::string_view bytes);
    void flush();
    void tell_unblocked();
    void watch_time();
    void set_deadline(Duration from_now);
    void count_request();
    void forget(Stream& stream);
    void be_left();
    void leave_all();
    void linger();
    void finish();
    [[nodiscard]] bool is_blocked() const { return stream_->pending() > 0; }

    WorkerContext& context_;
    LocalListener& listener_;
    std::unique_ptr<transport::Stream> stream_;
    const Client client_;
    http::H2Codec codec_;
    State state_ = State::open;
    std::vector<std::unique_ptr<Stream>> streams_;
    std::size_t exchanges_ = 0;  // streams that have one
    std::uint32_t requests_ = 0;
    bool has_ended_ = false;  // GOAWAY was sent
    bool is_closing_ = false;
    bool is_timing_head_ = true;
    std::string partial_;  // bytes for the next turn
    TimePoint deadline_;
    TimePoint idle_since_;
    TimerOf<H2Session, &H2Session::on_timer> timer_{*this};
};

}  // namespace weir::proxy

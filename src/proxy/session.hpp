#pragma once

#include "weir/http/h1.hpp"
#include "weir/proxy/local_listener.hpp"
#include "weir/transport/stream.hpp"

#include "downstream.hpp"

#include <memory>
#include <string>
#include <string_view>

namespace weir::proxy {

class Exchange;

// A client's HTTP/1 connection: takes requests off it one after the other (pipelined ones wait in
// order), hands each to an exchange and writes what the exchange answers. Owned by its
// LocalListener. Thread: worker.
//
//   head      --a whole head-->            body or waiting     (an exchange begins)
//   body      --the request's last byte--> waiting
//   body, waiting --the response's last byte, both whole, kept--> head
//   body      --the response ended first--> lingering          (the client may still be sending)
//   waiting   --not kept-->                closed, or lingering if unread bytes would cause a reset
//   waiting   --upgraded-->                tunnel, or relaying where the upstream is a stream
//   head      --the preface of HTTP/2, or no HTTP--> another object has its stream
class Session final : public ClientConnection,
                      public Downstream,
                      public transport::StreamHandler,
                      public transport::IoHandler {
  public:
    Session(WorkerContext& context,
            LocalListener& listener,
            transport::Socket socket,
            Caller caller);
    ~Session() override;

    // Downstream
    void send_interim(const http::ResponseHead& head) override;
    void send_continue() override;
    void send_head(const http::ResponseHead& head,
                   bool keeps_alive,
                   const HeadEdits& edits) override;
    void send_body(std::string_view data, bool is_last, std::string_view trailers) override;
    void send_local(std::string_view whole) override;
    void flush() override;
    void cut_off(bool is_deadline) override;
    void end_exchange(bool keeps_alive) override;
    void client_left() override;
    [[nodiscard]] std::unique_ptr<transport::Stream> take_stream(std::string& waiting) override;
    void end_tunnel() override;
    void relay() override;
    void end_relay() override { stream_->shutdown_send(); }
    void resume_request() override;
    [[nodiscard]] std::size_t pending() const override { return stream_->pending(); }
    [[nodiscard]] bool is_request_whole() const override { return state_ != State::body; }
    [[nodiscard]] bool may_keep_alive() const override;

    // ClientConnection
    [[nodiscard]] bool is_idle_since(TimePoint before) const override {
        return state_ == State::head && partial_.empty() && idle_since_ <= before;
    }
    void close() override;
    void close_with_reset() override;

    // Of its stream and loop only.
    void on_connected() override;
    void on_bytes(std::string_view bytes) override;
    void on_eof() override;
    void on_broken(int error) override;
    void on_write_failed() override;
    void on_drained() override;
    void on_ready(transport::Readiness readiness) override;  // scheduled: go on with what waits

  private:
    enum class State : std::uint8_t { head, body, waiting, lingering, tunnel, relaying, closed };

    void on_timer();
    void count_connection();

    // Bytes of the client that were read and not used yet.
    [[nodiscard]] bool has_waiting() const { return !partial_.empty() || rest_ > 0; }
    void process(std::string_view input);
    // Of a listener that takes bytes of any kind: false where these are no HTTP, and another object
    // has the stream, or where more are needed to know.
    [[nodiscard]] bool is_http(std::string_view input);
    void go_opaque(std::string_view input, std::string server_name = {});
    [[nodiscard]] Duration first_wait() const;
    // The first bytes decide the protocol: false while they may be the preface of HTTP/2.
    [[nodiscard]] bool is_http1(std::string_view input);
    [[nodiscard]] bool take_head(std::string_view& input);
    [[nodiscard]] bool take_body(std::string_view& input);
    void begin_request();
    void begin_relay();
    void pass_on(std::string_view bytes);
    void refuse(const Error& error);
    void linger();
    void finish_close();
    void set_deadline(Duration from_now);

    WorkerContext& context_;
    std::unique_ptr<transport::Stream> stream_;
    std::unique_ptr<Exchange> exchange_;
    State state_ = State::head;
    http::Framing response_framing_ = http::Framing::none;
    http::Method method_ = http::Method::get;
    bool is_counted_ = false;
    bool is_detecting_;  // what its first bytes are
    bool keeps_alive_ = true;
    bool is_processing_ = false;
    bool is_refused_ =
        false;  // what the client still sends is no request of ours: it is read and ignored
    bool has_begun_head_ = true;     // its time has begun: for the first head with the connection
    bool has_head_waiting_ = false;  // in context_.out
    bool closes_when_drained_ = false;
    bool has_write_failed_ = false;
    std::uint32_t requests_ = 0;
    std::size_t rest_ = 0;  // bytes behind what is being processed
    std::size_t seen_ = 0;  // bytes of an incomplete head the parser has been shown
    TimePoint deadline_;
    TimePoint idle_since_;
    http::BodyDecoder decoder_;
    std::string partial_;  // bytes that wait: an incomplete head, or pipelined requests
    Client client_;
    TimerOf<Session, &Session::on_timer> timer_{*this};
};

}  // namespace weir::proxy

#pragma once

#include "weir/http/h1.hpp"
#include "weir/proxy/local_listener.hpp"
#include "weir/transport/stream.hpp"

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
//   any       --upgraded-->                tunnel
class Session final : public transport::Retired,
                      public transport::StreamHandler,
                      public transport::IoHandler {
  public:
    Session(WorkerContext& context,
            LocalListener& listener,
            transport::Socket socket,
            const Address& peer);
    ~Session() override;

    // What the exchange uses ------------------------------------------------------------------
    // The head waits for the first bytes of the body, or flush(), to go out in one write.
    void send_interim(const http::ResponseHead& head);
    void send_continue();
    void send_head(const http::ResponseHead& head, bool keeps_alive, std::string_view extra);
    void send_body(std::string_view data, bool is_last, std::string_view trailers);
    // A whole answer of our own.
    void send_local(std::string_view whole);
    void flush();
    // The answer cannot be completed: the client must see that it is cut off.
    void cut_off();
    // The exchange is over: the last call it makes.
    void end_exchange(bool keeps_alive);
    // For a tunnel, with the bytes that came behind the request.
    [[nodiscard]] std::unique_ptr<transport::Stream> take_stream(std::string& waiting);
    void end_tunnel();

    void resume_request();
    [[nodiscard]] std::size_t pending() const { return stream_->pending(); }
    [[nodiscard]] bool is_request_whole() const { return state_ != State::body; }
    [[nodiscard]] bool may_keep_alive() const;
    [[nodiscard]] std::string_view client_ip() const { return client_ip_; }
    // Under TLS; and who it is then, if its certificate was verified.
    [[nodiscard]] bool is_tls() const { return is_tls_; }
    [[nodiscard]] std::string_view peer() const { return peer_; }
    // Its X-Forwarded-*, Forwarded and x-weir-* are believed.
    [[nodiscard]] bool trusts_client() const { return trusts_client_; }
    [[nodiscard]] std::uint8_t client_minor() const { return client_minor_; }
    [[nodiscard]] LocalListener& listener() { return listener_; }
    // -----------------------------------------------------------------------------------------

    [[nodiscard]] bool is_idle_since(TimePoint before) const {
        return state_ == State::head && partial_.empty() && idle_since_ <= before;
    }
    void close();
    void close_with_reset();

    std::size_t index = 0;  // in its listener's list

    // Of its stream and loop only.
    void on_connected() override;
    void on_bytes(std::string_view bytes) override;
    void on_eof() override;
    void on_broken(int error) override;
    void on_write_failed() override;
    void on_drained() override;
    void on_ready(transport::Readiness readiness) override;  // scheduled: go on with what waits
    // It gave up, or nobody believes that it waits: the exchange ends, and the connection.
    void client_left();

  private:
    enum class State : std::uint8_t { head, body, waiting, lingering, tunnel, closed };

    void on_timer();
    void count_connection();

    // Bytes of the client that were read and not used yet.
    [[nodiscard]] bool has_waiting() const { return !partial_.empty() || rest_ > 0; }
    void process(std::string_view input);
    [[nodiscard]] bool take_head(std::string_view& input);
    [[nodiscard]] bool take_body(std::string_view& input);
    void begin_request();
    void refuse(const Error& error);
    void linger();
    void finish_close();
    void set_deadline(Duration from_now);

    WorkerContext& context_;
    LocalListener& listener_;
    std::unique_ptr<transport::Stream> stream_;
    std::unique_ptr<Exchange> exchange_;
    State state_ = State::head;
    http::Framing response_framing_ = http::Framing::none;
    http::Method method_ = http::Method::get;
    std::uint8_t client_minor_ = 1;
    bool trusts_client_ = false;
    bool is_tls_ = false;
    bool is_counted_ = false;
    bool keeps_alive_ = true;
    bool is_processing_ = false;
    bool is_refused_ =
        false;  // what the client still sends is no request of ours: it is read and ignored
    bool has_begun_head_ = true;     // its time has begun: for the first head with the connection
    bool has_head_waiting_ = false;  // in context_.out
    bool closes_when_drained_ = false;
    std::uint32_t requests_ = 0;
    std::size_t rest_ = 0;  // bytes behind what is being processed
    std::size_t seen_ = 0;  // bytes of an incomplete head the parser has been shown
    TimePoint deadline_;
    TimePoint idle_since_;
    http::BodyDecoder decoder_;
    std::string partial_;  // bytes that wait: an incomplete head, or pipelined requests
    std::string client_ip_;
    std::string peer_;
    TimerOf<Session, &Session::on_timer> timer_{*this};
};

}  // namespace weir::proxy

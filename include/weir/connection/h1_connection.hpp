#pragma once

#include "weir/connection/carrier.hpp"
#include "weir/connection/pool.hpp"
#include "weir/connection/token.hpp"
#include "weir/core/error.hpp"
#include "weir/core/timing_wheel.hpp"
#include "weir/http/h1.hpp"
#include "weir/transport/stream.hpp"

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

namespace weir::connection {

// One HTTP/1.1 connection to an endpoint, owned by its pool: connects, carries one request
// at a time, and goes back to the pool when both messages are whole and the upstream keeps it.
// Thread: worker.
class H1Connection final : public transport::Retired,
                           public transport::StreamHandler,
                           public Carrier {
  public:
    H1Connection(Context& context, Pool& pool, Hold hold);
    ~H1Connection() override;

    // One of them comes first: it connects, or goes on with a stream that has connected in `took`,
    // for that user if there is one.
    void connect(transport::Socket socket, const transport::TlsStart& tls);
    void take_over(std::unique_ptr<transport::Stream> stream, Duration took, User* user);

    void attach(User& user) override;
    // What is whole goes back to the pool, the short rest of a body is discarded, and anything else
    // closes the connection.
    void detach() override;

    void begin(const Opening& opening) override;
    void send_body(std::string_view data, bool is_last, std::string_view trailers) override;
    [[nodiscard]] std::size_t pending() const override { return stream_->pending(); }

    // Before all else, while it connects.
    void send_first(std::string_view bytes) override { stream_->send_first(bytes); }
    void do_not_reuse() override { keeps_alive_ = false; }
    void pause_response() override { stream_->pause(); }
    void resume_response() override { stream_->resume(); }
    [[nodiscard]] std::pair<std::unique_ptr<transport::Stream>, Token> take_stream() override;

    // Closes an idle one, or fails its user's request: its endpoint goes.
    void abandon();

    void watch_acknowledgements() override {
        acknowledged_ = stream_->socket().bytes_acknowledged();
    }
    // What the upstream said of keeping it when it was last idle: Keep-Alive's `timeout`, or zero.
    [[nodiscard]] Duration promised() const { return std::chrono::seconds{promised_}; }

    // Bookkeeping of its pool: its place among all connections, its neighbours among the idle.
    std::size_t index = 0;
    H1Connection* newer = nullptr;
    H1Connection* older = nullptr;
    std::uint32_t tls_epoch = 0;

    // Of its stream only.
    void on_connected() override;
    void on_bytes(std::string_view bytes) override;
    void on_eof() override;
    void on_broken(int error) override;
    void on_write_failed() override;
    void on_drained() override;

  private:
    enum class State : std::uint8_t { connecting, idle, head, body, discarding, closed };

    void write(std::string_view head,
               std::string_view data,
               bool is_last,
               std::string_view trailers);
    void on_idle_timer();
    void watch_idleness();
    void ended_while_idle();

    [[nodiscard]] std::string_view take_head(std::string_view bytes);
    void begin_upgraded();
    void take_body(std::string_view bytes);
    void discard(std::string_view bytes);
    void settle();
    void fail(const Error& error);
    void close();

    Context& context_;
    Pool& pool_;
    std::unique_ptr<transport::Stream> stream_;
    User* user_ = nullptr;
    Hold hold_;
    State state_ = State::connecting;
    http::Method method_ = http::Method::get;
    bool is_request_whole_ = false;
    bool is_response_whole_ = false;
    bool keeps_alive_ = true;
    bool is_tunnel_ = false;  // somebody else has its stream
    bool has_write_failed_ = false;
    bool is_chunked_ = false;  // the request's body
    std::optional<std::uint64_t> acknowledged_;
    std::uint32_t requests_ = 0;
    std::uint32_t promised_ = 0;  // seconds
    std::size_t discarded_ = 0;
    TimePoint started_;
    http::BodyDecoder decoder_;
    std::size_t seen_ = 0;  // bytes of an incomplete head the parser has been shown
    std::string partial_;   // the beginning of a head that came in pieces
    TimerOf<H1Connection, &H1Connection::on_idle_timer> idle_timer_{*this};
};

}  // namespace weir::connection

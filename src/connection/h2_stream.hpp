#pragma once

#include "weir/connection/h2_connection.hpp"

#include <string>
#include <string_view>
#include <utility>

namespace weir::connection {

// One request on an HTTP/2 connection. Thread: worker.
class H2Connection::Stream final : public transport::Retired,
                                   public http::H2Stream,
                                   public Carrier {
  public:
    Stream(H2Connection& connection, bool awaits_settings)
        : Carrier(true), connection_(connection), awaits_settings_(awaits_settings) {
        is_reused_ = connection.has_carried();
        connect_time_ = connection.connect_time_;
        const State state = connection.state_;
        is_connected_ =
            state == State::open || (state == State::opening && !is_reused_ && !awaits_settings);
    }

    // Carrier
    void attach(User& user) override { user_ = &user; }
    void detach() override;
    void begin(const Opening& opening) override;
    void send_body(std::string_view data, bool is_last, std::string_view trailers) override {
        last_write_ = Clock::now();
        connection_.codec_.send_body(*this, data, is_last, trailers);
    }
    [[nodiscard]] std::size_t pending() const override {
        if (is_closed()) return 0;
        const std::size_t size = waiting() + (connection_.is_blocked() ? 1 : 0);
        if (size > 0) is_told_full_ = true;
        return size;
    }
    void pause_response() override { is_paused_ = true; }
    void resume_response() override {
        is_paused_ = false;
        connection_.codec_.consume(*this, std::exchange(held_, 0));
    }
    [[nodiscard]] bool takes_websockets() const override {
        return connection_.codec_.takes_websockets();
    }
    [[nodiscard]] std::pair<std::unique_ptr<transport::Stream>, Token> take_stream() override {
        assertion_failed("a stream is no connection", __FILE__, __LINE__);
    }

    // What the connection tells
    [[nodiscard]] bool is_begun() const { return is_begun_; }
    [[nodiscard]] bool awaits_settings() const { return awaits_settings_; }
    [[nodiscard]] bool is_upgraded() const { return is_upgraded_; }
    [[nodiscard]] User* leave_user() { return std::exchange(user_, nullptr); }
    void ready() {
        is_connected_ = true;
        connect_time_ = connection_.connect_time_;
        is_reused_ = connection_.has_carried();
        if (user_ != nullptr) user_->on_ready();
    }
    void take_head(const http::ResponseHead& head, bool is_whole);
    void take_body(std::string_view data) {
        if (user_ != nullptr) user_->on_body(data, false, {});
        if (is_paused_ && user_ != nullptr) {
            held_ += data.size();
        } else {
            connection_.codec_.consume(*this, data.size());
        }
    }
    void take_end(std::string_view trailers) {
        is_whole_ = true;
        if (user_ != nullptr) user_->on_body({}, true, trailers);
    }
    void flush() {
        is_heard_ = false;
        if (user_ != nullptr) user_->on_flush();
    }
    void drained() {
        is_told_full_ = false;
        if (user_ != nullptr) user_->on_request_drained();
    }
    [[nodiscard]] bool is_told_full() const { return is_told_full_; }
    void closed(http::H2Code code);
    // With its connection: what that means depends on how far it has come.
    void fail(Error error, bool is_first) {
        was_told_of_ = !is_first;
        const bool is_sent_again = !has_response_bytes_ && is_reused_;
        if (!is_begun_) {
            error.retry = Error::Retry::safe;
        } else if (error.reason == Reason::upstream_reset) {
            error.retry = is_sent_again ? Error::Retry::if_reused : Error::Retry::never;
        }
        if (User* const user = leave_user()) user->on_failed(error);
    }
    void fail_alone(const Error& error) {
        was_reset_alone_ = true;
        if (User* const user = leave_user()) user->on_failed(error);
    }

    std::size_t index = 0;   // in its connection's list
    bool is_heard_ = false;  // it is in the list of those that heard something

  private:
    H2Connection& connection_;
    User* user_ = nullptr;
    const bool awaits_settings_;
    bool is_begun_ = false;
    bool is_whole_ = false;  // the answer
    bool is_paused_ = false;
    mutable bool is_told_full_ = false;
    std::size_t held_ = 0;  // of the answer, not consumed
    std::string accept_;    // what HTTP/1 would answer to the key of a WebSocket
};

}  // namespace weir::connection

#include "connection/h2_stream.hpp"

#include "weir/http/websocket.hpp"

#include "connection/errors.hpp"

namespace weir::connection {

void H2Connection::Stream::begin(const Opening& opening) {
    is_begun_ = true;
    last_write_ = Clock::now();
    if (opening.is_websocket)
        accept_ = http::websocket_accept(http::find_websocket_key(opening.head));
    connection_.begin(*this, opening);
}

void H2Connection::Stream::take_head(const http::ResponseHead& head, bool is_whole) {
    has_response_bytes_ = true;
    is_whole_ = is_whole;
    is_upgraded_ = head.is_upgrade;
    if (user_ != nullptr && is_upgraded_) {
        http::ResponseHead answered = head;
        answered.headers.add("Sec-WebSocket-Accept", accept_, http::HeaderId::other);
        user_->on_head(answered);
    } else if (user_ != nullptr) {
        user_->on_head(head);
    }
    if (is_whole && user_ != nullptr) user_->on_body({}, true, {});
}

void H2Connection::Stream::detach() {
    user_ = nullptr;
    if (connection_.state_ == State::over) return;
    if (!is_begun_) return connection_.leave(*this);
    if (is_closed() || (is_whole_ && has_ended() && waiting() == 0)) return;
    if (!has_response_bytes_) connection_.suspect(*this);
    connection_.codec_.reset(*this, http::H2Code::cancel);
}

// The last word about it, while it had a user.
void H2Connection::Stream::closed(http::H2Code code) {
    if (user_ == nullptr) return;
    // Both ways have ended, and all has gone out.
    if (is_upgraded_ && is_whole_ && !was_reset_by_peer() && code == http::H2Code::no_error)
        return user_->on_request_drained();
    if (code == http::H2Code::refused_stream && !has_response_bytes_) {
        Error error = upstream_error(Reason::upstream_reset, Error::Retry::safe,
                                     "the upstream refused the stream");
        if (!connection_.is_going_ || was_reset_by_peer()) return fail_alone(error);
        is_unprocessed_ = true;
        connection_.note_unprocessed();
        error.detail = "the upstream closes the connection";
        if (User* const user = leave_user()) user->on_failed(error);
        return;
    }
    if (was_reset_by_peer()) {
        return fail_alone(upstream_error(Reason::upstream_reset, Error::Retry::never,
                                         "the upstream reset the stream"));
    }
    fail_alone(upstream_error(Reason::upstream_protocol, Error::Retry::never,
                              "a message against the rules of HTTP/2"));
}

}  // namespace weir::connection

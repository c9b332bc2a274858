#include "connection/h2_stream.hpp"

#include "connection/errors.hpp"

namespace weir::connection {

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

#include "tunnel.hpp"

namespace weir::proxy {

Tunnel::Tunnel(transport::EventLoop& loop,
               std::unique_ptr<transport::Stream> downstream,
               std::unique_ptr<transport::Stream> upstream,
               Duration idle,
               Ended ended)
    : loop_(loop),
      idle_(idle),
      last_moved_(Clock::now()),
      ended_(std::move(ended)),
      downstream_(*this, std::move(downstream)),
      upstream_(*this, std::move(upstream)) {
    downstream_.other_ = &upstream_;
    upstream_.other_ = &downstream_;
    for (Side* const side : {&downstream_, &upstream_}) {
        side->stream_->set_handler(*side);
        side->stream_->report_reset_while_paused();
        if (!side->stream_->has_eof()) side->stream_->resume();
    }
    loop_.timers().arm(timer_, last_moved_ + idle_);
    if (downstream_.stream_->has_eof()) downstream_.on_eof();
}

void Tunnel::Side::pass_on(std::string_view bytes) {
    bytes_ += bytes.size();
    tunnel_.last_moved_ = Clock::now();
    other_->stream_->write({bytes});
    if (other_->stream_->pending() > 0) stream_->pause();
}

void Tunnel::Side::on_eof() {
    has_ended_ = true;
    other_->stream_->shutdown_send();
    if (other_->has_ended_ && stream_->pending() == 0 && other_->stream_->pending() == 0)
        tunnel_.end(false);
}

void Tunnel::Side::on_broken(int /*error*/) {
    tunnel_.end(true);
}

void Tunnel::Side::on_write_failed() {
    tunnel_.end(true);
}

void Tunnel::Side::on_drained() {
    if (has_ended_ && other_->has_ended_ && other_->stream_->pending() == 0)
        return tunnel_.end(false);
    if (!other_->has_ended_) other_->stream_->resume();
}

void Tunnel::on_idle() {
    const TimePoint due = last_moved_ + idle_;
    if (Clock::now() < due) return loop_.timers().arm(timer_, due);
    end(false);
}

void Tunnel::close() {
    end(true);
}

void Tunnel::end(bool is_broken) {
    if (!ended_) return;
    timer_.cancel();
    for (Side* const side : {&downstream_, &upstream_}) {
        if (is_broken) {
            side->stream_->close_with_reset();
        } else {
            side->stream_->close();
        }
    }
    const Ended ended = std::exchange(ended_, nullptr);
    ended(downstream_.bytes_, upstream_.bytes_);
}

}  // namespace weir::proxy

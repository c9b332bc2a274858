#include "weir/transport/tunnel.hpp"

namespace weir::transport {

Tunnel::Tunnel(EventLoop& loop,
               std::unique_ptr<Stream> downstream,
               std::unique_ptr<Stream> upstream,
               Duration idle,
               Ended ended)
    : loop_(loop),
      idle_(idle),
      last_moved_(Clock::now()),
      ended_(std::move(ended)),
      downstream_(*this, std::move(downstream)),
      upstream_(*this, std::move(upstream)),
      may_splice_(!downstream_.stream_->is_tls() && !upstream_.stream_->is_tls()) {
    downstream_.other_ = &upstream_;
    upstream_.other_ = &downstream_;
    for (Side* const side : {&downstream_, &upstream_}) {
        side->stream_->set_handler(*side);
        side->stream_->report_reset_while_paused();
        if (!side->stream_->has_eof()) side->stream_->resume();
    }
    loop_.timers().arm(timer_, last_moved_ + idle_);
}

void Tunnel::start(std::string_view waiting) {
    if (!waiting.empty()) downstream_.pass_on(waiting);
    if (downstream_.stream_->has_eof()) downstream_.on_eof();
}

void Tunnel::Side::count(std::size_t bytes) {
    if (tunnel_.told_) std::exchange(tunnel_.told_, nullptr)(this == &tunnel_.upstream_);
    bytes_ += bytes;
    tunnel_.last_moved_ = Clock::now();
}

void Tunnel::Side::pass_on(std::string_view bytes) {
    count(bytes.size());
    other_->stream_->write({bytes});
    if (other_->stream_->waiting() > 0) stream_->pause();
}

// A read that filled the scratch buffer is of a long run: what follows need not pass through here.
void Tunnel::Side::on_bytes(std::string_view bytes) {
    pass_on(bytes);
    if (tunnel_.may_splice_ && bytes.size() == EventLoop::kScratchSize)
        stream_->splice_into(*other_->stream_);
}

void Tunnel::Side::on_spliced(std::size_t bytes) {
    count(bytes);
    if (other_->stream_->waiting() > 0) stream_->pause();
}

void Tunnel::Side::on_eof() {
    has_ended_ = true;
    other_->stream_->shutdown_send();
    if (other_->has_ended_ && stream_->waiting() == 0 && other_->stream_->waiting() == 0)
        tunnel_.end(TunnelEnd::How::closed);
}

// What came before goes out yet.
void Tunnel::Side::on_broken(int /*error*/) {
    if (tunnel_.broken_ != nullptr || other_->stream_->waiting() == 0)
        return tunnel_.end(tunnel_.how_broken(*this));
    tunnel_.broken_ = this;
    has_ended_ = true;
    stream_->close_with_reset();
}

// What it takes no more is lost; what it sent before may be its last word, and is passed on.
void Tunnel::Side::on_write_failed() {
    if (has_ended_) return tunnel_.end(tunnel_.how_broken(*this));
    tunnel_.lost_ = this;
    stream_->shutdown_send();
    other_->has_ended_ = true;
    other_->stream_->pause();
    if (other_->stream_->waiting() == 0) stream_->resume();
}

void Tunnel::Side::on_drained() {
    if (tunnel_.broken_ == other_) return tunnel_.end(tunnel_.how_broken(*other_));
    if (has_ended_ && other_->has_ended_ && other_->stream_->waiting() == 0)
        return tunnel_.end(TunnelEnd::How::closed);
    if (!other_->has_ended_) other_->stream_->resume();
}

void Tunnel::on_idle() {
    const TimePoint due = last_moved_ + idle_;
    if (Clock::now() < due) return loop_.timers().arm(timer_, due);
    end(TunnelEnd::How::idle);
}

void Tunnel::close() {
    end(TunnelEnd::How::abandoned);
}

void Tunnel::end(TunnelEnd::How how) {
    if (!ended_) return;
    timer_.cancel();
    const bool is_proper = how == TunnelEnd::How::closed || how == TunnelEnd::How::idle;
    for (Side* const side : {&downstream_, &upstream_}) {
        if (is_proper) {
            side->stream_->close();
        } else {
            side->stream_->close_with_reset();
        }
    }
    if (is_proper && lost_ != nullptr) how = how_broken(*lost_);
    const Ended ended = std::exchange(ended_, nullptr);
    ended({how, downstream_.bytes_, upstream_.bytes_});
}

}  // namespace weir::transport

#include "weir/transport/stream.hpp"

#include "tls_session.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>

namespace weir::transport {
namespace {

// After so many full reads others have their turn.
constexpr int kReadsInARow = 4;
constexpr std::size_t kMaxParts = 9;
// Less than this in a turn is no long run of bytes.
constexpr std::size_t kLongRun = std::size_t{32} * 1024;
// A drained buffer above this is given back.
constexpr std::size_t kKeptCapacity = 0;

}  // namespace

Stream::Stream(
    EventLoop& loop, Socket socket, StreamHandler& handler, bool is_connecting, const TlsStart& tls)
    : loop_(loop), handler_(&handler), socket_(std::move(socket)), is_connecting_(is_connecting) {
    if (tls.context) tls_ = std::make_unique<TlsSession>(tls, loop_.tls_scratch());
    wants_writes_ = is_connecting;
    loop_.watch(socket_.fd(), *this,
                is_connecting ? EventLoop::Interest::reads_and_writes : EventLoop::Interest::reads);
}

Stream::~Stream() {
    close();
}

void Stream::close() {
    if (!socket_.is_open()) return;
    // Not where something is missing: the peer must not take that for the whole.
    if (tls_ && pending_.empty() && !write_failed_) {
        tls_->close_notify();
        send_tls();
    }
    loop_.unwatch(socket_.fd(), *this);
    socket_.close();
    if (pipe_) loop_.give_back(std::move(pipe_));
}

void Stream::close_with_reset() {
    if (!socket_.is_open()) return;
    write_failed_ = true;
    socket_.reset_on_close();
    close();
}

void Stream::resume() {
    if (is_reading_) return;
    is_reading_ = true;
    if (is_readable_) loop_.schedule(*this);
}

void Stream::want_writes() {
    if (wants_writes_) return;
    wants_writes_ = true;
    loop_.rewatch(socket_.fd(), *this, EventLoop::Interest::reads_and_writes);
}

void Stream::send_first(std::string_view bytes) {
    WEIR_ASSERT(is_connecting_ && pending_.empty());
    pending_.assign(bytes);
}

void Stream::write(std::initializer_list<std::string_view> parts) {
    if (write_failed_ || !socket_.is_open()) return;
    if (tls_) return write_tls(parts);
    std::size_t sent = 0;
    if (pending_.empty() && !is_connecting_) {
        std::array<iovec, kMaxParts> vectors;
        std::size_t count = 0;
        std::size_t size = 0;
        for (const std::string_view part : parts) {
            if (part.empty()) continue;
            WEIR_ASSERT(count < kMaxParts);
            vectors[count++] = {const_cast<char*>(part.data()), part.size()};
            size += part.size();
        }
        if (size == 0) return;
        const IoResult result = socket_.send({vectors.data(), count});
        if (result.state == IoResult::State::failed) return fail_write(result.error);
        sent = result.bytes;
        if (sent == size) return;
    }
    for (const std::string_view part : parts) {
        const std::size_t skipped = std::min(sent, part.size());
        sent -= skipped;
        pending_.append(part.substr(skipped));
    }
    want_writes();
}

// The bytes that wait are worthless now; what the peer sent before may still be its answer.
void Stream::fail_write(int error) {
    write_failed_ = true;
    was_reset_ = error == ECONNRESET;
    tells_write_failed_ = true;
    sees_end_ = true;
    is_readable_ = true;
    pending_ = {};
    pending_offset_ = 0;
    loop_.schedule(*this);
}

void Stream::flush() {
    if (pipe_) return flush_pipe();
    if (pending_.empty()) return;
    const iovec rest{pending_.data() + pending_offset_, pending_.size() - pending_offset_};
    const IoResult result = socket_.send({&rest, 1});
    if (result.state == IoResult::State::failed) return fail_write(result.error);
    pending_offset_ += result.bytes;
    if (pending_offset_ < pending_.size()) return;
    pending_offset_ = 0;
    pending_.clear();
    if (pending_.capacity() > kKeptCapacity) pending_ = {};
    if (shuts_down_) socket_.shutdown_send();
    if (tls_ && tls_->is_handshaking()) return;  // it was of ours, not of the handler's
    handler_->on_drained();
}

void Stream::shutdown_send() {
    if (shuts_down_ || !socket_.is_open()) return;
    shuts_down_ = true;
    if (tls_ && !write_failed_) {
        tls_->close_notify();
        send_tls();
    }
    if (waiting() == 0) socket_.shutdown_send();
}

void Stream::on_ready(Readiness readiness) {
    if (is_connecting_ && (readiness.writable || readiness.broken)) on_connect_decided();
    if (!is_open() || is_connecting_) return;
    if (tells_write_failed_) {
        tells_write_failed_ = false;
        handler_->on_write_failed();
        if (!is_open()) return;
    }
    if (readiness.writable && !write_failed_) flush();
    if (!is_open()) return;
    if (readiness.readable) is_readable_ = true;
    if (readiness.peer_closed || readiness.broken) sees_end_ = true;
    if (is_reading_) {
        if (is_readable_) read_ready();
    } else if (readiness.broken && reports_reset_) {
        handler_->on_broken(ECONNRESET);
    }
}

void Stream::on_connect_decided() {
    const int error = socket_.connect_error();
    is_connecting_ = false;
    if (error != 0) {
        handler_->on_broken(error);
        return;
    }
    if (tls_) {
        tls_->handshake();
        send_tls();
        if (!tls_->is_handshaking()) handler_->on_broken(kTlsError);
        return;
    }
    handler_->on_connected();
    if (is_open()) flush();
}

void Stream::read_ready() {
    if (tls_) {
        read_tls();
    } else if (sink_ != nullptr) {
        read_spliced();
    } else {
        read_clear();
    }
}

void Stream::read_clear() {
    const std::span<char> scratch = loop_.scratch();
    for (int reads = 0; reads < kReadsInARow; ++reads) {
        const IoResult result = socket_.receive(scratch);
        switch (result.state) {
            case IoResult::State::would_block:
                is_readable_ = false;
                return;
            case IoResult::State::failed:
                handler_->on_broken(result.error);
                return;
            case IoResult::State::eof:
                return on_end_in_clear();
            case IoResult::State::done:
                break;
        }
        // A short read emptied the socket: the next edge will tell of more, unless the end was told
        // already.
        const bool is_emptied = result.bytes < scratch.size() && !sees_end_;
        if (is_emptied) is_readable_ = false;
        handler_->on_bytes({scratch.data(), result.bytes});
        if (!is_open() || !is_reading_ || is_emptied) return;
    }
    loop_.schedule(*this);
}

void Stream::on_end_in_clear() {
    is_readable_ = false;
    is_reading_ = false;
    // The kernel tells of a reset once: a write that was told leaves reads an end that nobody sent.
    if (was_reset_) return handler_->on_broken(ECONNRESET);
    has_eof_ = true;
    handler_->on_eof();
}

// ---- inside the kernel

// Moves until there is no more; where little came, the next bytes are read as usual, which costs
// fewer calls for each.
void Stream::read_spliced() {
    Stream& sink = *sink_;
    std::size_t moved = 0;
    for (int reads = 0; reads < kReadsInARow; ++reads) {
        auto pipe = sink.is_open() ? loop_.take_pipe() : nullptr;
        if (!pipe) {
            sink_ = nullptr;
            return read_clear();
        }
        const IoResult result = socket_.splice_into(*pipe);
        if (result.state != IoResult::State::done) {
            loop_.give_back(std::move(pipe));
            if (moved < kLongRun) sink_ = nullptr;
            if (result.state == IoResult::State::eof) return on_end_in_clear();
            if (result.state == IoResult::State::failed) return handler_->on_broken(result.error);
            is_readable_ = false;
            return;
        }
        moved += result.bytes;
        sink.take_pipe(std::move(pipe));
        handler_->on_spliced(result.bytes);
        if (!is_open() || !is_reading_) return;
    }
    loop_.schedule(*this);
}

void Stream::take_pipe(std::unique_ptr<Pipe> pipe) {
    WEIR_ASSERT(waiting() == 0 && !tls_ && !is_connecting_);
    IoResult result;
    if (!write_failed_) result = socket_.splice_from(*pipe);
    if (write_failed_ || result.state == IoResult::State::failed || pipe->bytes() == 0) {
        loop_.give_back(std::move(pipe));
        if (result.state == IoResult::State::failed) fail_write(result.error);
        return;
    }
    pipe_ = std::move(pipe);
    want_writes();
}

void Stream::flush_pipe() {
    const IoResult result = socket_.splice_from(*pipe_);
    const bool has_failed = result.state == IoResult::State::failed;
    if (!has_failed && pipe_->bytes() > 0) return;
    loop_.give_back(std::move(pipe_));
    if (has_failed) return fail_write(result.error);
    if (shuts_down_) socket_.shutdown_send();
    handler_->on_drained();
}

// ---- TLS

void Stream::send_tls() {
    std::string& out = loop_.tls_scratch().out;
    if (out.empty()) return;
    std::size_t sent = 0;
    if (pending_.empty()) {
        const iovec whole{out.data(), out.size()};
        const IoResult result = socket_.send({&whole, 1});
        if (result.state == IoResult::State::failed) {
            out.clear();
            return fail_write(result.error);
        }
        sent = result.bytes;
    }
    if (sent < out.size()) {
        pending_.append(out, sent);
        want_writes();
    }
    out.clear();
}

void Stream::write_tls(std::initializer_list<std::string_view> parts) {
    if (is_connecting_ || tls_->is_handshaking()) {
        for (const std::string_view part : parts)
            tls_->held.append(part);
        return;
    }
    const bool is_sealed = tls_->write(parts);
    send_tls();
    if (!is_sealed && !write_failed_) fail_write(kTlsError);
}

void Stream::read_tls() {
    const std::span<char> raw = loop_.tls_scratch().read;
    for (int reads = 0; reads < kReadsInARow; ++reads) {
        const IoResult result = socket_.receive(raw);
        if (result.state == IoResult::State::would_block) {
            is_readable_ = false;
            return;
        }
        if (result.state == IoResult::State::failed) return on_end_of_bytes(result.error);
        if (result.state == IoResult::State::eof) return on_end_of_bytes(ECONNRESET);
        if (has_eof_) continue;  // behind its close_notify
        const bool is_emptied = result.bytes < raw.size() && !sees_end_;
        if (is_emptied) is_readable_ = false;
        tls_->feed({raw.data(), result.bytes});
        if (tls_->state() == TlsSession::State::clear)
            return take_clear_start({raw.data(), result.bytes});
        if (tls_->is_handshaking() && !take_handshake()) return;
        const std::span<char> scratch = loop_.scratch();
        const std::size_t size = tls_->read(scratch);
        send_tls();
        if (size > 0) handler_->on_bytes({scratch.data(), size});
        if (!is_open()) return;
        if (tls_->state() == TlsSession::State::failed) return handler_->on_broken(kTlsError);
        if (tls_->state() == TlsSession::State::ended) {
            is_reading_ = false;
            has_eof_ = true;
            return handler_->on_eof();
        }
        if (!is_reading_ || is_emptied) return;
    }
    loop_.schedule(*this);
}

// False: the stream is closed, or broken and the handler told.
bool Stream::take_handshake() {
    tls_->handshake();
    send_tls();
    if (tls_->state() == TlsSession::State::failed) {
        handler_->on_broken(kTlsError);
        return false;
    }
    if (tls_->is_handshaking()) return true;
    const std::string held = std::exchange(tls_->held, {});
    if (!held.empty()) write_tls({held});
    handler_->on_connected();
    return is_open();
}

// It is no TLS, and may be so.
void Stream::take_clear_start(std::string_view bytes) {
    tls_.reset();
    const std::span<char> scratch = loop_.scratch();
    std::memcpy(scratch.data(), bytes.data(), bytes.size());
    handler_->on_connected();
    if (!is_open()) return;
    handler_->on_bytes({scratch.data(), bytes.size()});
    if (is_open() && is_reading_) loop_.schedule(*this);
}

// A reset, or an end without close_notify.
void Stream::on_end_of_bytes(int error) {
    is_readable_ = false;
    is_reading_ = false;
    if (has_eof_) return;
    if (tls_->is_handshaking()) {
        tls_->give_up(telemetry::Handshake::closed);
        return handler_->on_broken(kTlsError);
    }
    handler_->on_broken(error);
}

bool Stream::is_handshaking() const {
    return tls_ && tls_->is_handshaking();
}

std::string_view Stream::alpn() const {
    return tls_ ? tls_->alpn() : std::string_view();
}

std::string_view Stream::peer() const {
    return tls_ ? std::string_view(tls_->peer()) : std::string_view();
}

auth::PeerNames Stream::peer_names() const {
    return tls_ ? tls_->peer_names() : auth::PeerNames();
}

std::string Stream::describe_peer() const {
    return tls_ ? tls_->describe_peer() : std::string();
}

const char* Stream::tls_error() const {
    return tls_ ? tls_->result_text() : "";
}

bool Stream::was_refused_by_peer() const {
    return tls_ && tls_->was_refused_by_peer();
}

void Stream::give_up_handshake() {
    if (tls_) tls_->give_up(telemetry::Handshake::timeout);
    close();
}

}  // namespace weir::transport

#include "weir/transport/control_stream.hpp"

#include "tls_session.hpp"
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <array>
#include <cstdint>
#include <sys/uio.h>
#include <utility>

namespace weir::transport {
namespace {

using boost::asio::as_tuple;
using boost::asio::use_awaitable;
using Descriptor = boost::asio::posix::stream_descriptor;

constexpr std::size_t kReadSize = std::size_t{16} * 1024;
constexpr std::size_t kMostLingered = std::size_t{1024} * 1024;

}  // namespace

struct ControlStream::State {
    State(const boost::asio::any_io_executor& executor, Socket given)
        : socket(std::move(given)), descriptor(executor, socket.fd()), deadline(executor) {}
    State(const State&) = delete;
    State& operator=(const State&) = delete;
    ~State() {
        if (descriptor.is_open()) descriptor.release();  // socket closes it
    }

    Task<bool> wait(TaskScope& scope, Descriptor::wait_type what) {
        if (is_late) co_return false;
        const auto [ec] =
            co_await scope.run(descriptor, descriptor.async_wait(what, as_tuple(use_awaitable)));
        co_return !ec && !is_late;
    }

    // Not part of the coroutine, whose frame would hold the buffer while it waits.
    IoResult::State receive(std::string& in) const {
        if (tls) return receive_tls(in);
        std::array<char, kReadSize> buffer;
        const IoResult result = socket.receive(buffer);
        if (result.state == IoResult::State::done) in.append(buffer.data(), result.bytes);
        return result.state;
    }

    IoResult::State receive_tls(std::string& in) const {
        const IoResult result = socket.receive(scratch->read);
        if (result.state == IoResult::State::eof) tls->give_up(telemetry::Handshake::closed);
        if (result.state != IoResult::State::done) return result.state;
        tls->feed({scratch->read.data(), result.bytes});
        if (tls->is_handshaking()) tls->handshake();
        std::string plain(EventLoop::kScratchSize, '\0');
        in.append(plain, 0, tls->read(plain));
        if (tls->state() == TlsSession::State::ended) return IoResult::State::eof;
        if (tls->state() == TlsSession::State::failed) return IoResult::State::failed;
        return IoResult::State::done;
    }

    // What TLS has for the peer.
    [[nodiscard]] std::string take_out() const { return std::exchange(scratch->out, {}); }

    Socket socket;
    std::unique_ptr<TlsScratch> scratch;  // of tls
    std::unique_ptr<TlsSession> tls;
    std::string early;      // came with the end of the handshake
    Descriptor descriptor;  // of the same fd: waits for it, never closes it
    ControlTimer deadline;
    std::uint64_t deadline_number = 0;
    bool is_late = false;
};

ControlStream::ControlStream(const boost::asio::any_io_executor& executor, Socket socket)
    : state_(std::make_shared<State>(executor, std::move(socket))) {}

ControlStream::~ControlStream() = default;

void ControlStream::set_deadline(Duration from_now) {
    state_->is_late = false;
    const std::uint64_t number = ++state_->deadline_number;
    state_->deadline.expires_after(from_now);
    state_->deadline.async_wait(
        [weak = std::weak_ptr(state_), number](const boost::system::error_code& ec) {
            const auto state = weak.lock();
            // One that was moved may have fired already.
            if (ec || !state || state->deadline_number != number) return;
            state->is_late = true;
            state->descriptor.cancel();
        });
}

bool ControlStream::is_late() const {
    return state_->is_late;
}

void ControlStream::close() {
    state_->deadline.cancel();
    state_->is_late = true;
    if (state_->descriptor.is_open()) state_->descriptor.release();
    state_->socket.close();
}

const Socket& ControlStream::socket() const {
    return state_->socket;
}

Task<bool> ControlStream::finish_connect(TaskScope& scope) {
    const bool is_decided = co_await state_->wait(scope, Descriptor::wait_write);
    co_return is_decided && state_->socket.connect_error() == 0;
}

Task<bool> ControlStream::read_more(TaskScope& scope, std::string& in) {
    const std::size_t before = in.size();
    in += std::exchange(state_->early, {});
    for (;;) {
        if (in.size() > before) co_return true;
        const IoResult::State result = state_->receive(in);
        if (in.size() > before) co_return true;
        const bool is_over = result == IoResult::State::eof || result == IoResult::State::failed;
        if (is_over) co_return false;
        if (result == IoResult::State::done) continue;  // of TLS, nothing for us
        const bool is_ready = co_await state_->wait(scope, Descriptor::wait_read);
        if (!is_ready) co_return false;
    }
}

Task<bool> ControlStream::start_tls(TaskScope& scope, TlsStart start) {
    state_->scratch = std::make_unique<TlsScratch>();
    state_->tls = std::make_unique<TlsSession>(start, *state_->scratch);
    state_->tls->handshake();
    for (;;) {
        const std::string out = state_->take_out();
        const bool is_sent = co_await write_raw(scope, out, std::nullopt);
        if (!is_sent || !state_->tls->is_handshaking()) break;
        const IoResult::State result = state_->receive(state_->early);
        if (result == IoResult::State::done) continue;
        if (result != IoResult::State::would_block && state_->tls->is_handshaking()) break;
        if (result != IoResult::State::would_block) continue;
        const bool is_ready = co_await state_->wait(scope, Descriptor::wait_read);
        if (!is_ready) break;
    }
    if (is_late()) state_->tls->give_up(telemetry::Handshake::timeout);
    co_return state_->tls->state() == TlsSession::State::open;
}

const char* ControlStream::tls_error() const {
    return state_->tls ? state_->tls->result_text() : "";
}

std::string_view ControlStream::alpn() const {
    return state_->tls ? state_->tls->alpn() : std::string_view();
}

Task<bool> ControlStream::write(TaskScope& scope, std::string_view bytes, Duration stall) {
    std::string sealed;
    if (state_->tls) {
        const bool is_sealed = state_->tls->write({bytes});
        sealed = state_->take_out();
        if (!is_sealed) co_return false;
        bytes = sealed;
    }
    const bool is_sent = co_await write_raw(scope, bytes, stall);
    co_return is_sent;
}

// Without `stall` the deadline stays as it is.
Task<bool> ControlStream::write_raw(TaskScope& scope,
                                    std::string_view bytes,
                                    std::optional<Duration> stall) {
    while (!bytes.empty()) {
        const iovec part{const_cast<char*>(bytes.data()), bytes.size()};
        const IoResult result = state_->socket.send(std::span(&part, 1));
        if (result.state == IoResult::State::failed) co_return false;
        bytes.remove_prefix(result.bytes);
        if (bytes.empty()) break;
        if (stall) set_deadline(*stall);
        const bool is_ready = co_await state_->wait(scope, Descriptor::wait_write);
        if (!is_ready) co_return false;
    }
    co_return true;
}

Task<> ControlStream::linger(TaskScope& scope, Duration at_most) {
    if (state_->tls) {
        state_->tls->close_notify();
        const std::string out = state_->take_out();
        const bool is_sent = co_await write_raw(scope, out, at_most);
        if (!is_sent) co_return;
    }
    state_->socket.shutdown_send();
    set_deadline(at_most);
    std::string ignored;
    for (std::size_t taken = 0; taken < kMostLingered; taken += ignored.size()) {
        ignored.clear();
        const bool has_more = co_await read_more(scope, ignored);
        if (!has_more) co_return;
    }
}

}  // namespace weir::transport

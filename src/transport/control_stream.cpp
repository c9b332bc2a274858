#include "weir/transport/control_stream.hpp"

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
        std::array<char, kReadSize> buffer;
        const IoResult result = socket.receive(buffer);
        if (result.state == IoResult::State::done) in.append(buffer.data(), result.bytes);
        return result.state;
    }

    Socket socket;
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
    for (;;) {
        const IoResult::State result = state_->receive(in);
        if (result != IoResult::State::would_block) co_return result == IoResult::State::done;
        const bool is_ready = co_await state_->wait(scope, Descriptor::wait_read);
        if (!is_ready) co_return false;
    }
}

Task<bool> ControlStream::write(TaskScope& scope, std::string_view bytes, Duration stall) {
    while (!bytes.empty()) {
        const iovec part{const_cast<char*>(bytes.data()), bytes.size()};
        const IoResult result = state_->socket.send(std::span(&part, 1));
        if (result.state == IoResult::State::failed) co_return false;
        bytes.remove_prefix(result.bytes);
        if (bytes.empty()) break;
        set_deadline(stall);
        const bool is_ready = co_await state_->wait(scope, Descriptor::wait_write);
        if (!is_ready) co_return false;
    }
    co_return true;
}

Task<> ControlStream::linger(TaskScope& scope, Duration at_most) {
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

#include "weir/transport/control_listener.hpp"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <chrono>

namespace weir::transport {
namespace {

using boost::asio::as_tuple;
using boost::asio::use_awaitable;
using Descriptor = boost::asio::posix::stream_descriptor;

constexpr Duration kRest = std::chrono::milliseconds{100};

}  // namespace

struct ControlListener::State {
    State(const boost::asio::any_io_executor& executor, Socket given, Accepted function)
        : socket(std::move(given)),
          accepted(std::move(function)),
          descriptor(executor, socket.fd()) {}
    State(const State&) = delete;
    State& operator=(const State&) = delete;
    ~State() {
        accepting.cancel();
        descriptor.release();  // socket closes it
    }

    Task<> accept(TaskScope& scope) {
        for (;;) {
            auto next = socket.accept();
            if (!next) {
                co_await scope.sleep_for(kRest);
            } else if (next->first.is_open()) {
                accepted(std::move(next->first));
            } else {
                const auto [ec] = co_await scope.run(
                    descriptor,
                    descriptor.async_wait(Descriptor::wait_read, as_tuple(use_awaitable)));
                if (ec) co_return;
            }
        }
    }

    Socket socket;
    Accepted accepted;
    Descriptor descriptor;  // of the same fd: waits for it, never closes it
    TaskHandle accepting;
};

ControlListener::ControlListener(const boost::asio::any_io_executor& executor,
                                 std::string name,
                                 Socket socket,
                                 Accepted accepted)
    : state_(std::make_unique<State>(executor, std::move(socket), std::move(accepted))) {
    state_->accepting = spawn(executor, std::move(name),
                              [state = state_.get()](auto& scope) { return state->accept(scope); });
}

ControlListener::~ControlListener() = default;

Address ControlListener::local_address() const {
    return state_->socket.local_address();
}

}  // namespace weir::transport

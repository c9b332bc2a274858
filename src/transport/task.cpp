#include "weir/transport/task.hpp"

#include "weir/core/log.hpp"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <exception>

namespace weir::transport {
namespace {

using boost::asio::as_tuple;
using boost::asio::use_awaitable;

}  // namespace

Task<> TaskScope::sleep_for(Duration duration) {
    ControlTimer timer(executor_, duration);
    co_await run(timer, timer.async_wait(as_tuple(use_awaitable)));
}

// The parameters live in the frame, hence outlive the body.
Task<> TaskScope::run_body(std::shared_ptr<TaskScope> scope,
                           std::string name,
                           std::function<Task<>(TaskScope&)> body) {
    try {
        co_await boost::asio::post(scope->executor_, use_awaitable);
        scope->throw_if_cancelled();
        co_await body(*scope);
    } catch (const Cancelled&) {
    } catch (const std::exception& error) {
        log::error("task failed", {{"task", name}, {"error", error.what()}});
    }
    scope->is_done_ = true;
}

TaskHandle& TaskHandle::operator=(TaskHandle&& other) noexcept {
    if (this != &other) {
        cancel();
        scope_ = std::move(other.scope_);
    }
    return *this;
}

void TaskHandle::cancel() {
    if (!scope_ || scope_->is_done_ || scope_->is_cancelled_) return;
    scope_->is_cancelled_ = true;
    if (scope_->cancel_wait_) std::exchange(scope_->cancel_wait_, nullptr)();
}

bool TaskHandle::is_running() const {
    return scope_ && !scope_->is_done_ && !scope_->is_cancelled_;
}

TaskHandle spawn(boost::asio::any_io_executor executor,
                 std::string name,
                 std::function<Task<>(TaskScope&)> body) {
    auto scope = std::make_shared<TaskScope>(std::move(executor));
    boost::asio::co_spawn(scope->executor(),
                          TaskScope::run_body(scope, std::move(name), std::move(body)),
                          boost::asio::detached);
    TaskHandle handle;
    handle.scope_ = std::move(scope);
    return handle;
}

}  // namespace weir::transport

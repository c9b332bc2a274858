#include "drain.hpp"

#include <boost/asio/post.hpp>

namespace weir::runtime {
namespace {

constexpr Duration kStep = std::chrono::milliseconds{50};
constexpr Duration kQuiet = std::chrono::milliseconds{500};
constexpr Duration kLongestAccept = std::chrono::seconds{5};

}  // namespace

struct Drain::Loads {
    std::size_t missing = 0;
    Worker::Load sum;
};

Drain::Drain(boost::asio::io_context& main,
             std::vector<std::unique_ptr<Worker>>& workers,
             Duration limit,
             std::function<void()> over)
    : main_(main), workers_(workers), limit_(limit), over_(std::move(over)) {
    task_ = transport::spawn(main.get_executor(), "drain",
                             [this](transport::TaskScope& scope) { return run(scope); });
}

transport::Task<Worker::Load> Drain::gather(transport::TaskScope& scope) {
    auto loads = std::make_shared<Loads>();
    loads->missing = workers_.size();
    for (const auto& worker : workers_) {
        worker->ask([this, loads](Worker::Load load) {
            boost::asio::post(main_, [loads, load] {
                --loads->missing;
                loads->sum.sessions += load.sessions;
                loads->sum.last_accept = std::max(loads->sum.last_accept, load.last_accept);
            });
        });
    }
    do {
        co_await scope.sleep_for(kStep);
    } while (loads->missing > 0);
    co_return loads->sum;
}

transport::Task<> Drain::run(transport::TaskScope& scope) {
    const TimePoint began = Clock::refresh();
    bool are_listening = true;
    while (true) {
        const Worker::Load load = co_await gather(scope);
        const TimePoint now = Clock::refresh();
        if (are_listening) {
            const bool is_quiet = now - std::max(load.last_accept, began) >= kQuiet;
            if (is_quiet || now - began >= kLongestAccept) {
                are_listening = false;
                for (const auto& worker : workers_)
                    worker->close_listeners();
            }
        } else if (load.sessions == 0) {
            break;
        }
        for (const auto& worker : workers_)
            worker->close_idle();
        if (now - began >= limit_) break;
    }
    over_();
}

}  // namespace weir::runtime

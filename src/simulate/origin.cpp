#include "origin.hpp"

#include <cmath>
#include <numbers>

namespace weir::simulate {
namespace {

using namespace std::chrono_literals;

// To a connection refused by the machine.
constexpr Duration kRefusal = 200us;
constexpr double kZ99 = 2.3263478740408408;  // of the normal distribution

Duration of_nanoseconds(double value) {
    return Duration{static_cast<Duration::rep>(std::max(value, 1.0))};
}

}  // namespace

Origins::Origins(const Scenario& scenario, std::uint64_t seed)
    : scenario_(scenario), random_(seed) {
    if (scenario.concurrency == 0) return;
    workers_.resize(scenario.endpoints);
    for (Workers& workers : workers_)
        for (std::uint32_t i = 0; i < scenario.concurrency; ++i)
            workers.push(Duration{0});
}

bool Origins::is_faulty(std::uint32_t endpoint, Duration at) const {
    for (const Fault& fault : scenario_.faults)
        if (fault.holds(endpoint, at)) return true;
    return false;
}

Duration Origins::draw() {
    const Latency& latency = scenario_.latency;
    const auto low = static_cast<double>(latency.low.count());
    const auto high = static_cast<double>(latency.high.count());
    const double u = random_.uniform();
    switch (latency.kind) {
        case Latency::Kind::fixed:
            return latency.low;
        case Latency::Kind::uniform:
            return of_nanoseconds(low + (high - low) * u);
        case Latency::Kind::exponential:
            return of_nanoseconds(-low * std::log(1.0 - u));
        case Latency::Kind::lognormal:
            break;
    }
    const double radius = std::sqrt(-2.0 * std::log(1.0 - u));
    const double normal = radius * std::cos(2.0 * std::numbers::pi * random_.uniform());
    return of_nanoseconds(low * std::exp(normal * std::log(high / low) / kZ99));
}

Duration Origins::finish(std::uint32_t endpoint, Duration at, Duration work) {
    if (workers_.empty()) return at + work;
    Workers& workers = workers_[endpoint];
    const Duration begins = std::max(at, workers.top());
    workers.pop();
    workers.push(begins + work);
    return begins + work;
}

Origins::Reply Origins::serve(std::uint32_t endpoint, Duration at) {
    Reply reply;
    Duration work = draw();
    for (const Fault& fault : scenario_.faults) {
        if (!fault.holds(endpoint, at)) continue;
        const bool is_hit = fault.rate >= 1 || random_.uniform() < fault.rate;
        if (!is_hit) continue;
        Answer& answer = reply.answer;
        answer.is_by_fault = true;
        switch (fault.kind) {
            case Fault::Kind::refuse:
                answer.reason = Reason::upstream_connect_refused;
                reply.at = at + kRefusal;
                return reply;
            case Fault::Kind::hang: {
                const Duration over = fault.ends(at);
                if (over < scenario_.duration) reply.at = finish(endpoint, over, work);
                return reply;
            }
            case Fault::Kind::error:
                answer.status = fault.status;
                break;
            case Fault::Kind::throttle:
                answer.status = 429;
                break;
            case Fault::Kind::delay:
                work += fault.by;
                break;
            case Fault::Kind::cut:
                answer.is_cut = true;
                answer.reason = Reason::upstream_reset;
                break;
            case Fault::Kind::reset:
                answer.reason = Reason::upstream_reset;
                break;
        }
    }
    reply.at = finish(endpoint, at, work);
    return reply;
}

}  // namespace weir::simulate

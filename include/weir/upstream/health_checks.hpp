#pragma once

#include "weir/core/random.hpp"
#include "weir/transport/task.hpp"
#include "weir/upstream/cluster.hpp"

#include <cstddef>
#include <map>
#include <memory>
#include <string>
#include <vector>

namespace weir::upstream {

// The active checks of all clusters, over connections of their own, and the probes of ejected
// endpoints that no request has come for. Nothing runs where no cluster has `health` and no
// endpoint is ejected.
//
//   An endpoint is checked as soon as it is known, then each interval, 10 % more or less; the
//   second time after a part of it, so that they spread. At most kMostAtOnce checks are under way,
//   those that are late go first.
//   Failing ones take an endpoint out, unless too few would be left: where checks alone leave fewer
//   than half, those that answered well when they were asked last are used all the same.
//   A machine that wants a probe and got none for a second is probed from here: by a connection,
//   if it was lost for want of one, else by a check, which is never its last good probe.
//
// Thread: main.
class HealthChecks {
  public:
    static constexpr std::size_t kMostAtOnce = 64;

    HealthChecks(boost::asio::any_io_executor executor, telemetry::Registry& registry);
    HealthChecks(const HealthChecks&) = delete;
    HealthChecks& operator=(const HealthChecks&) = delete;
    ~HealthChecks();

    // Those in force now. What was found of endpoints that stay is kept; other rules than before
    // begin anew with it.
    void follow(const std::vector<std::shared_ptr<Cluster>>& clusters, TimePoint now);
    // A few times a second: endpoints that came and went, and probes.
    void tick(TimePoint now);

    // Checks and probes under way.
    [[nodiscard]] std::size_t running() const;

  private:
    struct Subject;
    struct Watched;
    struct Job;

    void watch_endpoints(Watched& watched, TimePoint now);
    void forget_health(Watched& watched);
    void look_for_probes(Watched& watched, TimePoint now);
    void probe(Watched& watched, const std::shared_ptr<Endpoint>& endpoint, TimePoint now);
    void run_due(TimePoint now);
    void start(std::unique_ptr<Job> job);
    transport::Task<> run(transport::TaskScope& scope, Job& job);
    void finish(Job& job, TimePoint now);
    void note(const Job& job, TimePoint now);
    void reschedule(const Job& job, TimePoint now);
    void judge(Watched& watched, TimePoint now);
    void arm();

    const boost::asio::any_io_executor executor_;
    telemetry::Registry& registry_;
    Random random_;
    std::map<std::string, Watched, std::less<>> watched_;  // by cluster
    std::multimap<TimePoint, std::shared_ptr<Subject>> due_;
    std::vector<std::unique_ptr<Job>> jobs_;
    transport::ControlTimer timer_;
    std::shared_ptr<HealthChecks*> self_;  // for the timer, which may have fired when we go
};

}  // namespace weir::upstream

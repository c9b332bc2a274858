#include "weir/finders/registry.hpp"

#include "discovery/found_set.hpp"
#include "finders/kinds.hpp"
#include "finders/replica.hpp"
#include <boost/asio/io_context.hpp>

#include <memory>
#include <utility>
#include <vector>

namespace weir::finders {
namespace {

// A process that has just started has no registrations yet, but will: heartbeats come. It says
// "none" only when they have had time to.
constexpr Duration kFirstHeartbeats = std::chrono::seconds{10};

// The endpoints that registered themselves for one service. Thread: main.
class RegisteredProvider final : public Provider {
  public:
    RegisteredProvider(const config::Cluster& cluster,
                       const Surroundings& surroundings,
                       Registry& registry)
        : service_(cluster.discovery.name.empty() ? cluster.name : cluster.discovery.name),
          executor_(surroundings.main.get_executor()),
          registry_(registry),
          set_(executor_, {cluster.name, "registry", cluster.discovery, surroundings.state_dir}) {
        if (cluster.discovery.sources.empty()) return;
        replica_ = std::make_unique<Replica>(cluster.discovery, service_, surroundings, registry_);
    }

    void start(Sink sink) override {
        set_.start(std::move(sink));
        had_snapshot_ = set_.status().is_snapshot;
        token_ = registry_.subscribe(
            service_, [this](Registry::Change change, const std::string& address) {
                if (replica_) replica_->on_change(change, address);
                change == Registry::Change::heartbeat ? set_.contacted() : look();
            });
        if (replica_) replica_->start();
        const TimePoint now = Clock::refresh();
        const Duration left = registry_.began() + kFirstHeartbeats - now;
        if (left <= Duration::zero()) return look();
        if (registry_.services().contains(service_)) look();
        waiting_ = transport::spawn(executor_, "registrations of " + service_,
                                    [this, left](auto& scope) { return wait(scope, left); });
    }

    [[nodiscard]] Status status() const override {
        Status status = set_.status();
        if (!replica_) return status;
        status.failures += replica_->failures();
        if (!replica_->error().empty()) status.last_error = replica_->error();
        return status;
    }

  private:
    transport::Task<> wait(transport::TaskScope& scope, Duration left) {
        co_await scope.sleep_for(left);
        had_snapshot_ = false;
        look();
    }

    // The first to come back after a start do not push out those whose heartbeat is due.
    void look() {
        std::vector<Found> endpoints = registry_.endpoints(service_);
        if (had_snapshot_)
            endpoints.insert(endpoints.end(), set_.endpoints().begin(), set_.endpoints().end());
        set_.answered(std::move(endpoints));
    }

    const std::string service_;
    boost::asio::any_io_executor executor_;
    Registry& registry_;
    discovery::FoundSet set_;
    std::unique_ptr<Replica> replica_;  // none: nobody else has this registry
    bool had_snapshot_ = false;         // and it still counts
    Registry::Token token_;
    transport::TaskHandle waiting_;
};

}  // namespace

std::unique_ptr<Provider> make_registered_provider(const config::Cluster& cluster,
                                                   const Surroundings& surroundings,
                                                   Registry& registry) {
    return std::make_unique<RegisteredProvider>(cluster, surroundings, registry);
}

}  // namespace weir::finders

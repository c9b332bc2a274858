#include "cluster_table.hpp"

#include "weir/core/random.hpp"
#include "weir/finders/finders.hpp"

#include <utility>

namespace weir::runtime {
namespace {

bool has_same_source(const config::Cluster& a, const config::Cluster& b) {
    return a.discovery == b.discovery && a.endpoints == b.endpoints;
}

}  // namespace

ClusterTable::Plan ClusterTable::plan(const config::Config& next, bool must_renew) const {
    Plan plan;
    for (const auto& [name, section] : next.clusters) {
        Slot& slot = plan[name];
        const auto known = slots_.find(name);
        const upstream::Cluster* const before =
            known == slots_.end() ? nullptr : known->second.cluster.get();
        if (before != nullptr && before->config() == section && !must_renew) {
            slot.cluster = known->second.cluster;
            continue;
        }
        upstream::Surroundings surroundings = surroundings_;
        surroundings.seed = Random::from_system()();
        slot.cluster =
            std::make_shared<upstream::Cluster>(section, surroundings, Clock::refresh(), before);
        if (before != nullptr && has_same_source(before->config(), section)) continue;
        slot.provider = finders::make_provider(
            section, {.main = main_, .registry = surroundings_.registry, .state_dir = state_dir_},
            registrations_);
    }
    return plan;
}

std::vector<std::shared_ptr<upstream::Cluster>> ClusterTable::clusters(const Plan& plan) {
    std::vector<std::shared_ptr<upstream::Cluster>> all;
    all.reserve(plan.size());
    for (const auto& [name, slot] : plan)
        all.push_back(slot.cluster);
    return all;
}

void ClusterTable::commit(Plan plan) {
    slots_.swap(plan);
    Plan& before = plan;
    for (auto& [name, slot] : slots_) {
        const auto known = before.find(name);
        if (known != before.end()) {
            Slot& old = known->second;
            if (slot.cluster != old.cluster) slot.cluster->take_over(*old.cluster, Clock::now());
            if (!slot.provider) {
                slot.provider = std::move(old.provider);
                slot.is_started = old.is_started;
                slot.target = old.target;
                *slot.target = slot.cluster;
            }
        }
        if (slot.is_started) continue;
        slot.is_started = true;
        slot.target = std::make_shared<std::weak_ptr<upstream::Cluster>>(slot.cluster);
        slot.provider->start([target = slot.target](const discovery::Update& update) {
            if (const auto found = target->lock()) found->set_endpoints(update, Clock::refresh());
        });
    }
}

std::optional<discovery::Status> ClusterTable::status(std::string_view cluster) const {
    const auto found = slots_.find(cluster);
    if (found == slots_.end()) return std::nullopt;
    return found->second.provider->status();
}

std::vector<std::string> ClusterTable::waiting() const {
    std::vector<std::string> names;
    for (const auto& [name, slot] : slots_) {
        if (!slot.provider->status().has_answered) names.push_back(name);
    }
    return names;
}

}  // namespace weir::runtime

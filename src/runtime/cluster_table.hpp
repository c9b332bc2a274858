#pragma once

#include "weir/config/config.hpp"
#include "weir/discovery/provider.hpp"
#include "weir/finders/registry.hpp"
#include "weir/upstream/cluster.hpp"

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace boost::asio {
class io_context;
}

namespace weir::runtime {

// The clusters in force and who finds their endpoints. A reload changes as little as it can:
//
//   a section that is as it was       keeps its cluster, whole
//   another section, the same source  another object that takes over (see upstream::Cluster); its
//                                     source goes on
//   another source                    likewise; serves the endpoints it had until the new source
//                                     has answered
//
// Thread: main.
class ClusterTable {
  public:
    // `state_dir`: where the last good endpoints are kept for the next process; empty: nowhere.
    ClusterTable(boost::asio::io_context& main,
                 const upstream::Surroundings& surroundings,
                 finders::Registry& registrations,
                 std::string state_dir = {})
        : main_(main),
          surroundings_(surroundings),
          registrations_(registrations),
          state_dir_(std::move(state_dir)) {}
    ClusterTable(const ClusterTable&) = delete;
    ClusterTable& operator=(const ClusterTable&) = delete;

    // What a configuration needs, made beside what runs. Whether all clusters are made anew, as
    // their metrics are: `must_renew`.
    struct Slot {
        std::shared_ptr<upstream::Cluster> cluster;
        std::unique_ptr<discovery::Provider> provider;  // none: that of the slot before
        bool is_started = false;
        // Whom the provider tells, now.
        std::shared_ptr<std::weak_ptr<upstream::Cluster>> target;
    };
    using Plan = std::map<std::string, Slot, std::less<>>;
    [[nodiscard]] Plan plan(const config::Config& next, bool must_renew) const;
    // In the order of their names.
    [[nodiscard]] static std::vector<std::shared_ptr<upstream::Cluster>> clusters(const Plan& plan);
    void commit(Plan plan);
    void clear() { slots_.clear(); }

    [[nodiscard]] std::optional<discovery::Status> status(std::string_view cluster) const;
    // Clusters whose source has not answered yet.
    [[nodiscard]] std::vector<std::string> waiting() const;

  private:
    boost::asio::io_context& main_;
    const upstream::Surroundings surroundings_;
    finders::Registry& registrations_;
    const std::string state_dir_;
    Plan slots_;
};

}  // namespace weir::runtime

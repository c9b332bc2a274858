#include "discovery/kinds.hpp"
#include "discovery/name_set.hpp"

#include <utility>
#include <vector>

namespace weir::discovery {
namespace {

// Thread: main.
class ListProvider final : public Provider {
  public:
    ListProvider(const config::Cluster& cluster, boost::asio::any_io_executor executor)
        : endpoints_(cluster.endpoints),
          names_(std::move(executor), {cluster.name, type_of(cluster), cluster.discovery}) {}

    void start(Sink sink) override {
        names_.start(std::move(sink));
        names_.replace(endpoints_);
    }

    [[nodiscard]] Status status() const override { return names_.status(); }

  private:
    static const char* type_of(const config::Cluster& cluster) {
        return cluster.discovery.type == config::Discovery::Type::dns ? "dns" : "static";
    }

    std::vector<config::Endpoint> endpoints_;
    NameSet names_;
};

}  // namespace

std::unique_ptr<Provider> make_list_provider(const config::Cluster& cluster,
                                             boost::asio::any_io_executor executor) {
    return std::make_unique<ListProvider>(cluster, std::move(executor));
}

}  // namespace weir::discovery

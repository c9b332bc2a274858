#include "weir/control/backoff.hpp"
#include "weir/core/log.hpp"
#include "weir/core/random.hpp"

#include "discovery/found_set.hpp"
#include "finders/etcd_client.hpp"
#include "finders/kinds.hpp"
#include "finders/options.hpp"
#include <boost/asio/io_context.hpp>

#include <map>
#include <string>
#include <utility>
#include <vector>

namespace weir::finders {
namespace {

// Lists what is below a prefix, then follows each change from that revision on. Where that ends, or
// the revision was compacted away, it lists anew; and also when nothing was heard for a minute.
// Thread: main.
class EtcdProvider final : public Provider {
  public:
    EtcdProvider(const config::Cluster& cluster, const Surroundings& surroundings)
        : cluster_(cluster.name),
          prefix_(looked_up(cluster)),
          executor_(surroundings.main.get_executor()),
          client_(executor_, surroundings.registry, cluster.discovery),
          set_(executor_, {cluster.name, "etcd", cluster.discovery, surroundings.state_dir}) {
        // So that the endpoints of "orders2" are not those of "orders".
        if (!prefix_.ends_with('/')) prefix_ += '/';
    }

    void start(Sink sink) override {
        set_.start(std::move(sink));
        following_ = transport::spawn(executor_, "etcd below " + prefix_,
                                      [this](auto& scope) { return follow(scope); });
    }

    // A key that is no endpoint is left out, and said.
    [[nodiscard]] Status status() const override {
        Status status = set_.status();
        if (status.last_error.empty() && !wrong_.empty())
            status.last_error = wrong_.begin()->second;
        return status;
    }

  private:
    transport::Task<> follow(transport::TaskScope& scope) {
        for (;;) {
            const bool is_well = co_await list_and_watch(scope);
            if (is_well) continue;
            set_.failed(client_.error());
            co_await scope.sleep_for(backoff_.wait(random_));
        }
    }

    // True: to be done again at once.
    transport::Task<bool> list_and_watch(transport::TaskScope& scope) {
        auto listed = co_await client_.list(scope, prefix_);
        if (!listed) co_return false;
        found_.clear();
        wrong_.clear();
        for (const auto& [key, pair] : listed->pairs)
            put(key, pair.value);
        tell();
        const bool is_watching = co_await client_.watch(scope, prefix_, listed->revision);
        if (!is_watching) co_return false;
        for (;;) {
            const auto news = co_await client_.next_change(scope);
            if (!news && client_.is_quiet()) co_return true;
            if (!news) co_return false;
            if (news->kind == etcd::WatchAnswer::Kind::news) backoff_.succeeded();
            if (news->kind == etcd::WatchAnswer::Kind::compacted) {
                log::info("etcd has compacted what was watched: listing anew",
                          {{"cluster", cluster_}, {"prefix", prefix_}});
                co_return true;
            }
            if (news->kind == etcd::WatchAnswer::Kind::refused) {
                set_.failed(news->error);
                co_await scope.sleep_for(backoff_.wait(random_));
                co_return true;
            }
            take(*news);
        }
    }

    void take(const etcd::WatchAnswer& news) {
        set_.contacted();
        if (news.events.empty()) return;
        for (const etcd::KeyValue& event : news.events) {
            if (!event.key.starts_with(prefix_)) continue;
            const std::string key = event.key.substr(prefix_.size());
            if (event.is_gone) {
                found_.erase(key);
                wrong_.erase(key);
            } else {
                put(key, event.value);
            }
        }
        tell();
    }

    void put(const std::string& key, const std::string& value) {
        std::string why;
        auto found = etcd::read_endpoint(key, value, why);
        found_.erase(key);
        wrong_.erase(key);
        if (found) {
            found_.emplace(key, std::move(*found));
            return;
        }
        why = "key " + prefix_ + key + ": " + why;
        log::warn("key of etcd is no endpoint", {{"cluster", cluster_}, {"error", why}});
        wrong_.emplace(key, std::move(why));
    }

    // Where no key makes any sense that is no empty set, but a source that has gone mad.
    void tell() {
        if (found_.empty() && !wrong_.empty()) return set_.failed(wrong_.begin()->second);
        set_.changed([this] {
            std::vector<Found> endpoints;
            endpoints.reserve(found_.size());
            for (const auto& [key, found] : found_)
                endpoints.push_back(found);
            return endpoints;
        });
    }

    const std::string cluster_;
    std::string prefix_;
    boost::asio::any_io_executor executor_;
    etcd::Client client_;
    std::map<std::string, Found> found_;        // by the rest of the key
    std::map<std::string, std::string> wrong_;  // keys that are no endpoint, and why
    control::Backoff backoff_;
    Random random_ = Random::from_system();
    discovery::FoundSet set_;
    transport::TaskHandle following_;
};

}  // namespace

std::unique_ptr<Provider> make_etcd_provider(const config::Cluster& cluster,
                                             const Surroundings& surroundings) {
    return std::make_unique<EtcdProvider>(cluster, surroundings);
}

}  // namespace weir::finders

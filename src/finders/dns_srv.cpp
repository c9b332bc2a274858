#include "weir/control/backoff.hpp"
#include "weir/core/log.hpp"

#include "discovery/dns_query.hpp"
#include "discovery/last_good.hpp"
#include "discovery/name_set.hpp"
#include "finders/kinds.hpp"
#include <boost/asio/io_context.hpp>

#include <algorithm>
#include <limits>
#include <set>
#include <string>
#include <utility>
#include <vector>

namespace weir::finders {
namespace {

constexpr Duration kShortestTtl = std::chrono::seconds{1};
constexpr Duration kLongestTtl = std::chrono::hours{1};
// RFC 2308 would let "none" be remembered for hours; a service that comes back is wanted sooner.
constexpr Duration kLongestNone = std::chrono::minutes{1};
// A weight of 0 beside others is "a very small chance" (RFC 2782).
constexpr std::uint32_t kZeroIsTo = 100;

// Records as endpoints: priorities by rank, the earliest 0; weights as they stand to each other.
std::vector<discovery::NameSet::Entry> entries_of(
    const std::vector<discovery::SrvRecord>& records) {
    std::set<std::uint16_t> priorities;
    bool has_zero = false;
    bool has_weight = false;
    for (const discovery::SrvRecord& record : records) {
        priorities.insert(record.priority);
        has_zero = has_zero || record.weight == 0;
        has_weight = has_weight || record.weight != 0;
    }
    std::vector<discovery::NameSet::Entry> entries;
    for (const discovery::SrvRecord& record : records) {
        const auto rank = std::distance(priorities.begin(), priorities.find(record.priority));
        discovery::NameSet::Entry entry;
        entry.priority = static_cast<std::uint8_t>(
            std::min<std::ptrdiff_t>(rank, std::numeric_limits<std::uint8_t>::max()));
        entry.endpoint.text = record.target + ":" + std::to_string(record.port);
        entry.endpoint.host = record.target + ".";  // whole: no search domains
        entry.endpoint.port = record.port;
        if (has_weight) {
            entry.endpoint.weight =
                record.weight == 0 ? 1 : record.weight * (has_zero ? kZeroIsTo : 1U);
        }
        if (record.addresses.empty()) entries.push_back(entry);
        for (const Address& address : record.addresses) {
            entry.endpoint.address = address;
            entries.push_back(entry);
        }
    }
    // Of two that name the same address the earlier one counts.
    std::stable_sort(entries.begin(), entries.end(),
                     [](const auto& a, const auto& b) { return a.priority < b.priority; });
    return entries;
}

// Asks for SRV by its TTL, and for the addresses of its targets by theirs. Thread: main.
class SrvProvider final : public Provider {
  public:
    SrvProvider(const config::Cluster& cluster, const Surroundings& surroundings)
        : cluster_(cluster.name),
          discovery_(cluster.discovery),
          executor_(surroundings.main.get_executor()),
          records_({cluster.discovery.keep_last, cluster.discovery.empty_hold}),
          targets_(executor_, {cluster.name, "dns-srv", cluster.discovery}) {
        if (discovery_.name.empty()) discovery_.name = cluster_;
    }

    void start(Sink sink) override {
        targets_.start(std::move(sink));
        asking_ = transport::spawn(executor_, "discovery of " + discovery_.name,
                                   [this](auto& scope) { return keep_fresh(scope); });
    }

    // That the service cannot be asked for stays said, whatever its targets say meanwhile.
    [[nodiscard]] Status status() const override {
        Status status = targets_.status();
        if (!error_.empty()) status.last_error = error_;
        return status;
    }

  private:
    transport::Task<> keep_fresh(transport::TaskScope& scope) {
        for (;;) {
            // Named: g++ 12 copies a braced temporary in a co_await expression bit by bit.
            discovery::DnsQuestion question{discovery_.name, 0, discovery_.servers};
            const discovery::SrvAnswer answer =
                co_await discovery::ask_srv(scope, std::move(question));
            const Duration wait = learn(answer, Clock::refresh());
            co_await scope.sleep_for(wait);
        }
    }

    // Returns when to ask again.
    Duration learn(const discovery::SrvAnswer& answer, TimePoint now) {
        tell_of(answer.error);
        if (!answer.error.empty()) {
            records_.failed();
            targets_.failed(error_);
            // That nothing was ever said is not an empty set.
            if (has_answered_) use();
            return backoff_.wait(random_);
        }
        has_answered_ = true;
        targets_.contacted(now);
        records_.answered(answer.records, now);
        use();
        if (!answer.records.empty()) {
            backoff_.succeeded();
            const Duration ttl = std::min(answer.ttl.value_or(kShortestTtl), kLongestTtl);
            return discovery_.refresh.value_or(std::max(ttl, kShortestTtl));
        }
        const Duration none = answer.ttl ? std::clamp(*answer.ttl, kShortestTtl, kLongestNone)
                                         : backoff_.wait(random_);
        const auto recheck = records_.recheck_at();
        if (!recheck) return none;
        return std::min(none, std::max(*recheck - now, Duration{std::chrono::milliseconds{1}}));
    }

    void use() {
        if (given_ && *given_ == records_.items()) return;
        given_ = records_.items();
        targets_.replace(entries_of(*given_));
    }

    void tell_of(const std::string& error) {
        const bool was_failing = !error_.empty();
        error_ = error.empty() ? std::string() : discovery_.name + ": " + error;
        if (error.empty() != was_failing) return;
        if (!was_failing) {
            log::warn("service name does not resolve", {{"cluster", cluster_},
                                                        {"name", discovery_.name},
                                                        {"error", error},
                                                        {"targets_kept", records_.items().size()}});
        } else {
            log::info("service name resolves again",
                      {{"cluster", cluster_}, {"name", discovery_.name}});
        }
    }

    const std::string cluster_;
    config::Discovery discovery_;
    boost::asio::any_io_executor executor_;
    discovery::LastGood<discovery::SrvRecord> records_;
    std::optional<std::vector<discovery::SrvRecord>> given_;  // to targets_
    bool has_answered_ = false;
    std::string error_;  // of the last question for the service; empty if it was answered
    control::Backoff backoff_{{.first = std::chrono::seconds{1}}};
    Random random_ = Random::from_system();
    discovery::NameSet targets_;
    transport::TaskHandle asking_;
};

}  // namespace

std::unique_ptr<Provider> make_srv_provider(const config::Cluster& cluster,
                                            const Surroundings& surroundings) {
    return std::make_unique<SrvProvider>(cluster, surroundings);
}

}  // namespace weir::finders

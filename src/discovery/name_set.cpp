#include "discovery/name_set.hpp"

#include "weir/core/log.hpp"

#include "discovery/found_set.hpp"

#include <algorithm>
#include <unordered_map>
#include <utility>

namespace weir::discovery {
namespace {

constexpr Duration kShortestTtl = std::chrono::seconds{1};
constexpr Duration kLongestTtl = std::chrono::hours{1};
// A hosts file has no TTL and is cheap to read.
constexpr Duration kHostsTtl = std::chrono::seconds{10};
constexpr Duration kFirstRetry = std::chrono::seconds{1};
constexpr Duration kLastRetry = std::chrono::seconds{30};

LastGood<Address>::Options belief(const config::Discovery& discovery) {
    return {discovery.keep_last, discovery.empty_hold};
}

Duration ttl_of(const DnsAnswer& answer) {
    Duration ttl = kLongestTtl;
    for (const DnsRecords* records : {&answer.v4, &answer.v6}) {
        if (!records->addresses.empty()) ttl = std::min(ttl, records->ttl.value_or(kHostsTtl));
    }
    return std::max(ttl, kShortestTtl);
}

}  // namespace

// One endpoint as written. An address answers for itself and has no task.
struct NameSet::Name {
    Name(const Entry& from, const config::Discovery& discovery)
        : endpoint(from.endpoint),
          priority(from.priority),
          v4(belief(discovery)),
          v6(belief(discovery)) {}

    config::Endpoint endpoint;
    std::uint8_t priority;
    LastGood<Address> v4;  // a literal address of any family is here
    LastGood<Address> v6;
    bool was_asked = false;
    bool has_answered = false;
    bool is_failing = false;
    Duration retry = kFirstRetry;
    transport::TaskHandle task;
};

NameSet::NameSet(boost::asio::any_io_executor executor, Options options)
    : executor_(std::move(executor)), options_(std::move(options)) {
    status_.type = options_.type;
}

NameSet::~NameSet() = default;

void NameSet::replace(const std::vector<config::Endpoint>& endpoints) {
    std::vector<Entry> entries;
    entries.reserve(endpoints.size());
    for (const config::Endpoint& endpoint : endpoints)
        entries.push_back({endpoint});
    replace(entries);
}

void NameSet::replace(const std::vector<Entry>& entries) {
    if (!last_.endpoints.empty()) {
        left_ = last_.endpoints;
        left_at_ = Clock::refresh();
    }
    std::unordered_multimap<std::string, std::unique_ptr<Name>> before;
    for (auto& name : names_) {
        std::string text = name->endpoint.text;
        before.emplace(std::move(text), std::move(name));
    }
    names_.clear();
    for (const Entry& entry : entries) {
        const config::Endpoint& endpoint = entry.endpoint;
        const auto [begin, end] = before.equal_range(endpoint.text);
        const auto known = std::find_if(begin, end, [&](const auto& each) {
            return each.second->endpoint.address == endpoint.address;
        });
        if (known != end) {
            auto& name = *names_.emplace_back(std::move(known->second));
            before.erase(known);
            name.endpoint = endpoint;
            name.priority = entry.priority;
            continue;
        }
        auto& name = *names_.emplace_back(std::make_unique<Name>(entry, options_.discovery));
        if (endpoint.address) {
            name.v4.answered({*endpoint.address}, TimePoint{});
            name.was_asked = name.has_answered = true;
            continue;
        }
        name.task = transport::spawn(
            executor_, "discovery of " + endpoint.text,
            [this, &name](transport::TaskScope& scope) { return keep_fresh(scope, name); });
    }
    publish();
}

void NameSet::contacted(TimePoint now) {
    status_.last_contact = now;
    status_.last_error.clear();
}

void NameSet::failed(std::string error) {
    ++status_.failures;
    status_.last_error = std::move(error);
}

transport::Task<> NameSet::keep_fresh(transport::TaskScope& scope, Name& name) {
    for (;;) {
        // Named: g++ 12 copies a braced temporary in a co_await expression bit by bit.
        DnsQuestion question{name.endpoint.host, name.endpoint.port, options_.discovery.servers};
        const DnsAnswer answer = co_await ask_dns(scope, std::move(question));
        const Duration wait = learn(name, answer, Clock::refresh());
        publish();
        co_await scope.sleep_for(wait);
    }
}

// Returns when to ask again.
Duration NameSet::learn(Name& name, const DnsAnswer& answer, TimePoint now) {
    name.was_asked = true;
    const auto believe = [now](LastGood<Address>& last, const DnsRecords& records) {
        records.error.empty() ? last.answered(records.addresses, now) : last.failed();
    };
    believe(name.v4, answer.v4);
    believe(name.v6, answer.v6);
    const std::string& error = answer.v4.error.empty() ? answer.v6.error : answer.v4.error;
    tell_of(name, error);
    if (!error.empty()) {
        failed(name.endpoint.host + ": " + error);
        return back_off(name);
    }
    name.has_answered = true;
    contacted(now);
    const bool is_empty = answer.v4.addresses.empty() && answer.v6.addresses.empty();
    Duration wait;
    if (is_empty) {
        wait = back_off(name);
    } else {
        name.retry = kFirstRetry;
        wait = options_.discovery.refresh.value_or(ttl_of(answer));
    }
    for (const LastGood<Address>* last : {&name.v4, &name.v6}) {
        if (const auto at = last->recheck_at()) {
            wait = std::min(wait, std::max(*at - now, Duration{std::chrono::milliseconds{1}}));
        }
    }
    return wait;
}

// Doubling, and spread over its last quarter: many names fail together with their resolver.
Duration NameSet::back_off(Name& name) {
    const Duration full = std::exchange(name.retry, std::min(name.retry * 2, kLastRetry));
    return full * 3 / 4 + Duration{static_cast<Duration::rep>(
                              static_cast<double>((full / 4).count()) * random_.uniform())};
}

void NameSet::tell_of(Name& name, const std::string& error) {
    const bool is_failing = !error.empty();
    if (is_failing == name.is_failing) return;
    name.is_failing = is_failing;
    if (is_failing) {
        const bool keeps = !name.v4.items().empty() || !name.v6.items().empty();
        log::warn("endpoint name does not resolve", {{"cluster", options_.cluster},
                                                     {"name", name.endpoint.host},
                                                     {"error", error},
                                                     {"last_answer_kept", keeps ? "yes" : "no"}});
    } else {
        log::info("endpoint name resolves again",
                  {{"cluster", options_.cluster}, {"name", name.endpoint.host}});
    }
}

bool NameSet::knows_all() const {
    return std::all_of(names_.begin(), names_.end(), [](const auto& n) { return n->was_asked; });
}

Found NameSet::found_at(const Name& name, const Address& address) {
    Found found;
    found.address = address;
    found.name = name.endpoint.text;
    found.weight = name.endpoint.weight;
    found.priority = name.priority;
    return found;
}

void NameSet::publish() {
    Update update;
    bool has_answer = names_.empty();
    for (const auto& name : names_) {
        has_answer = has_answer || name->has_answered;
        for (const LastGood<Address>* last : {&name->v4, &name->v6}) {
            for (const Address& address : last->items()) {
                update.endpoints.push_back(found_at(*name, address));
            }
        }
    }
    // Names that came and have no addresses are as much an empty answer as any other.
    const bool is_held =
        !names_.empty() && (!has_answer || !knows_all() ||
                            Clock::refresh() - left_at_ < options_.discovery.empty_hold);
    if (!update.endpoints.empty() || !is_held) left_.clear();
    if (options_.discovery.keep_last && update.endpoints.empty()) update.endpoints = left_;
    sort_unique(update.endpoints);
    // Endpoints may be used at once; but that there are none is not known before all were asked.
    const bool may_say_none = status_.updates > 0 || (has_answer && knows_all());
    if (update.endpoints.empty() && !may_say_none) return;
    status_.has_answered = status_.has_answered || knows_all();
    if (status_.updates > 0 && update == last_) return;
    status_.size = update.endpoints.size();
    ++status_.updates;
    last_ = update;
    sink_(std::move(update));
}

}  // namespace weir::discovery

#include "finders/replica.hpp"

#include "weir/core/json.hpp"
#include "weir/core/log.hpp"
#include "weir/crypto/base64.hpp"

#include "finders/options.hpp"
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <utility>

#ifndef __clang__
// g++ 12 takes the allocation of a coroutine's frame, seen from its caller, for another's.
#pragma GCC diagnostic ignored "-Wmismatched-new-delete"
#endif

namespace weir::finders {

using transport::Task;
using transport::TaskScope;

namespace {

constexpr std::string_view kPrefix = "/weir/registry/";

std::string prefix_of(const config::Discovery& discovery, const std::string& service) {
    std::string prefix = option(discovery, "prefix");
    if (prefix.empty()) prefix = kPrefix;
    if (!prefix.ends_with('/')) prefix += '/';
    return prefix + service + '/';
}

std::string seconds(Duration ttl) {
    return std::to_string(std::chrono::ceil<std::chrono::seconds>(ttl).count());
}

template <typename Write>
std::string object(Write&& write) {
    std::string body;
    JsonWriter json(body);
    json.begin_object();
    write(json);
    json.end_object();
    return body;
}

}  // namespace

Replica::Replica(const config::Discovery& discovery,
                 std::string service,
                 const Surroundings& surroundings,
                 Registry& registry)
    : service_(std::move(service)),
      prefix_(prefix_of(discovery, service_)),
      executor_(surroundings.main.get_executor()),
      registry_(registry),
      reader_(executor_, surroundings.registry, discovery),
      writer_(executor_, surroundings.registry, discovery),
      wake_(executor_) {}

void Replica::start() {
    following_ = transport::spawn(executor_, "registry in etcd of " + service_,
                                  [this](auto& scope) { return follow(scope); });
    writing_ = transport::spawn(executor_, "registry to etcd of " + service_,
                                [this](auto& scope) { return write(scope); });
}

void Replica::on_change(Registry::Change change, const std::string& address) {
    if (is_showing_) return;
    if (change == Registry::Change::withdrawn) withdrawn_.insert(address);
    if (change == Registry::Change::put || change == Registry::Change::heartbeat)
        withdrawn_.erase(address);
    // A lease here ran out, and another Weir holds the address.
    if (change == Registry::Change::expired) show_others();
    has_news_ = true;
    wake_.cancel();
}

void Replica::failed(std::string& before, std::string error) {
    ++failures_;
    if (error != before)
        log::warn("registry is not shared", {{"service", service_}, {"error", error}});
    before = std::move(error);
}

// ---- what others wrote

Task<> Replica::follow(TaskScope& scope) {
    control::Backoff backoff;
    for (;;) {
        const bool is_well = co_await list_and_watch(scope);
        if (read_error_.empty()) backoff.succeeded();
        if (is_well) continue;
        failed(read_error_, reader_.error());
        co_await scope.sleep_for(backoff.wait(random_));
    }
}

// True: to be done again at once.
Task<bool> Replica::list_and_watch(TaskScope& scope) {
    auto listed = co_await reader_.list(scope, prefix_);
    if (!listed) co_return false;
    known_.clear();
    // What is written here and not there was lost, and is written anew.
    std::erase_if(written_,
                  [&listed](const auto& each) { return !listed->pairs.contains(each.first); });
    read_error_.clear();
    for (auto& [address, pair] : listed->pairs)
        take(pair);
    show_others();
    has_news_ = true;
    wake_.cancel();
    const bool is_watching = co_await reader_.watch(scope, prefix_, listed->revision);
    if (!is_watching) co_return false;
    for (;;) {
        const auto news = co_await reader_.next_change(scope);
        if (!news) co_return reader_.is_quiet();
        if (news->kind == etcd::WatchAnswer::Kind::compacted) co_return true;
        if (news->kind == etcd::WatchAnswer::Kind::refused) co_return false;
        read_error_.clear();
        for (const etcd::KeyValue& event : news->events) {
            if (event.key.starts_with(prefix_)) take(event);
        }
        show_others();
    }
}

void Replica::take(const etcd::KeyValue& pair) {
    const std::string address = pair.key.substr(prefix_.size());
    if (pair.is_gone) return take_deletion(address);
    std::string wrong;
    auto found = etcd::read_endpoint(address, pair.value, wrong);
    if (!found) return failed(read_error_, "key " + pair.key + ": " + wrong);
    // Where the address is written is the key.
    if (found->address.to_string() != address)
        return failed(read_error_, "key " + pair.key + " is no address");
    known_[address] = {std::move(*found), pair.lease};
}

void Replica::take_deletion(const std::string& address) {
    const auto known = known_.find(address);
    const std::string lease = known == known_.end() ? std::string() : known->second.lease;
    known_.erase(address);
    const auto ours = written_.find(address);
    if (ours == written_.end()) return;
    const bool was_ours = ours->second.lease == lease;
    written_.erase(ours);
    has_news_ = true;
    wake_.cancel();
    // Another Weir held it last, and has given it up: it is written anew. Else somebody has deleted
    // what we hold: it is withdrawn.
    if (!was_ours) return;
    is_showing_ = true;
    if (const auto parsed = Address::parse(address)) registry_.remove(service_, *parsed);
    is_showing_ = false;
}

// The registry here has what etcd has, but for what registered here.
void Replica::show_others() {
    is_showing_ = true;
    std::vector<std::pair<Address, Registry::Lease>> others;
    for (const auto& [address, known] : known_) {
        const auto ours = written_.find(address);
        if (ours != written_.end() && ours->second.lease == known.lease) continue;
        if (withdrawn_.contains(address)) continue;
        others.emplace_back(
            known.found.address,
            Registry::Lease{.ttl = {}, .weight = known.found.weight, .zone = known.found.zone});
    }
    registry_.set_remote(service_, others, Clock::refresh());
    is_showing_ = false;
}

// ---- what registers here

std::map<std::string, Registry::Entry> Replica::entries_here() const {
    std::map<std::string, Registry::Entry> entries;
    const auto service = registry_.services().find(service_);
    if (service == registry_.services().end()) return entries;
    for (const auto& [address, entry] : service->second) {
        if (!entry.is_remote) entries.emplace(address, entry);
    }
    return entries;
}

Task<> Replica::write(TaskScope& scope) {
    control::Backoff backoff;
    for (;;) {
        if (!has_news_) {
            wake_.expires_at(TimePoint::max());
            co_await scope.run(wake_,
                               wake_.async_wait(boost::asio::as_tuple(boost::asio::use_awaitable)));
            continue;
        }
        has_news_ = false;
        const bool is_done = co_await write_all(scope);
        if (is_done) {
            write_error_.clear();
            backoff.succeeded();
            continue;
        }
        failed(write_error_, writer_.error());
        has_news_ = true;
        co_await scope.sleep_for(backoff.wait(random_));
    }
}

// Whether etcd has now what registered here.
Task<bool> Replica::write_all(TaskScope& scope) {
    while (!withdrawn_.empty()) {
        const std::string address = *withdrawn_.begin();
        const bool is_gone = co_await erase(scope, address);
        if (!is_gone) co_return false;
        withdrawn_.erase(address);
    }
    const auto here = entries_here();
    std::map<std::string, std::string> ended;  // leases, by address
    for (const auto& [address, written] : written_) {
        if (!here.contains(address)) ended.emplace(address, written.lease);
    }
    for (const auto& [address, lease] : ended) {
        written_.erase(address);
        const bool is_gone = co_await give_up(scope, lease);
        if (!is_gone) co_return false;
    }
    for (const auto& [address, entry] : here) {
        const auto known = written_.find(address);
        bool is_done = true;
        if (known == written_.end() || !(known->second.said == entry.lease)) {
            is_done = co_await write_one(scope, address, entry);
        } else if (known->second.renewed < entry.renewed) {
            // Of several Weirs the one that heard from it last holds the key.
            const auto there = known_.find(address);
            const bool is_taken =
                there != known_.end() && there->second.lease != known->second.lease;
            if (is_taken) is_done = co_await write_one(scope, address, entry);
            if (!is_taken) is_done = co_await renew(scope, address, entry);
        }
        if (!is_done) co_return false;
    }
    co_return true;
}

Task<bool> Replica::write_one(TaskScope& scope, std::string address, Registry::Entry entry) {
    std::string answer;
    std::string body = object([&](auto& json) { json.field("TTL", seconds(entry.lease.ttl)); });
    const bool is_granted = co_await writer_.ask(scope, "/v3/lease/grant", std::move(body), answer);
    if (!is_granted) co_return false;
    const auto granted = JsonValue::parse(answer);
    const std::string lease = granted ? (*granted)["ID"].text() : std::string();
    if (lease.empty()) co_return false;
    const std::string value = object([&](auto& json) {
        json.field("weight", entry.lease.weight).field("zone", entry.lease.zone);
    });
    body = object([&](auto& json) {
        json.field("key", crypto::encode_base64(prefix_ + address));
        json.field("value", crypto::encode_base64(value)).field("lease", lease);
    });
    // Before etcd tells of it: it is ours.
    written_[address] = {lease, entry.lease, entry.renewed};
    const bool is_put = co_await writer_.ask(scope, "/v3/kv/put", std::move(body), answer);
    if (!is_put) written_.erase(address);
    co_return is_put;
}

Task<bool> Replica::renew(TaskScope& scope, std::string address, Registry::Entry entry) {
    std::string answer;
    std::string body = object([&](auto& json) { json.field("ID", written_[address].lease); });
    const bool is_answered =
        co_await writer_.ask(scope, "/v3/lease/keepalive", std::move(body), answer);
    if (!is_answered) co_return false;
    const auto json = JsonValue::parse(answer);
    const bool is_alive = json && etcd::number((*json)["result"]["TTL"]) > 0;
    const auto known = written_.find(address);
    if (known == written_.end()) co_return true;
    if (is_alive) {
        known->second.renewed = entry.renewed;
    } else {  // it ran out, or etcd has lost it
        written_.erase(known);
        has_news_ = true;
    }
    co_return true;
}

Task<bool> Replica::give_up(TaskScope& scope, std::string lease) {
    std::string answer;
    std::string body = object([&](auto& json) { json.field("ID", lease); });
    const bool is_gone = co_await writer_.ask(scope, "/v3/lease/revoke", std::move(body), answer);
    co_return is_gone || writer_.error().find("lease not found") != std::string::npos;
}

Task<bool> Replica::erase(TaskScope& scope, std::string address) {
    std::string answer;
    written_.erase(address);
    std::string body =
        object([&](auto& json) { json.field("key", crypto::encode_base64(prefix_ + address)); });
    const bool is_gone = co_await writer_.ask(scope, "/v3/kv/deleterange", std::move(body), answer);
    co_return is_gone;
}

}  // namespace weir::finders

#include "describe/computed.hpp"

#include "weir/config/values.hpp"

#include <algorithm>
#include <array>
#include <utility>

namespace weir::describe {
namespace {

// "max_x, or x if longer": the longest wait follows the first, unless it is written.
struct Pair {
    std::string_view block;
    std::string_view first;
    std::string_view most;
};
constexpr std::array kPairs{Pair{"breaker", "open_for", "max_open_for"},
                            Pair{"outlier", "eject_for", "max_eject_for"},
                            Pair{"retry", "backoff", "max_backoff"}};

Duration duration_of(const Branch& leaf) {
    const auto read = config::read_duration(leaf.chain.front().node.text);
    const auto* value = std::get_if<Duration>(&read);
    return value == nullptr ? Duration::zero() : *value;
}

// 0 for a word.
std::uint64_t integer_of(const Branch& leaf) {
    const auto read = config::read_integer(leaf.chain.front().node.text);
    const auto* value = std::get_if<std::uint64_t>(&read);
    return value == nullptr ? 0 : *value;
}

Branch* leaf_at(Branch& of, std::string_view block, std::string_view key) {
    Branch* found = child(of, block);
    return found == nullptr ? nullptr : child(*found, key);
}

}  // namespace

const Branch* child(const Branch& of, std::string_view key) {
    const auto found = std::find_if(of.children.begin(), of.children.end(),
                                    [&](const Branch& branch) { return branch.key == key; });
    return found == of.children.end() ? nullptr : &*found;
}
Branch* child(Branch& of, std::string_view key) {
    const auto found = std::find_if(of.children.begin(), of.children.end(),
                                    [&](const Branch& branch) { return branch.key == key; });
    return found == of.children.end() ? nullptr : &*found;
}

void follow_first(Branch& object, std::string_view block) {
    for (const auto& pair : kPairs) {
        if (pair.block != block) continue;
        const Branch* first = child(object, pair.first);
        Branch* most = child(object, pair.most);
        if (first == nullptr || most == nullptr || !most->chain.front().is_built_in()) continue;
        if (duration_of(*most) >= duration_of(*first)) continue;
        most->chain.front().node = first->chain.front().node;
        most->in_force = first->in_force;
    }
}

void mark_contradictions(Branch& cluster) {
    const auto* request = leaf_at(cluster, "timeout", "request");
    const bool has_request = request != nullptr && duration_of(*request) > Duration::zero();
    for (const auto& [block, key] :
         {std::pair("timeout", "connect"), std::pair("timeout", "response_header"),
          std::pair("limits", "queue_timeout")}) {
        auto* leaf = leaf_at(cluster, block, key);
        if (leaf == nullptr || !has_request || !leaf->chain.front().is_built_in()) continue;
        leaf->may_be_written = duration_of(*leaf) < duration_of(*request);
    }
    const auto* most = leaf_at(cluster, "limits", "max_connections");
    const auto bound = most == nullptr ? 0 : integer_of(*most);
    for (const auto* key : {"max_connecting", "idle_connections"}) {
        auto* leaf = leaf_at(cluster, "limits", key);
        if (leaf == nullptr || bound == 0 || !leaf->chain.front().is_built_in()) continue;
        leaf->may_be_written = integer_of(*leaf) <= bound;
    }
}

void mark_slow_rate(Branch& object) {
    const auto* call = child(object, "slow_call");
    auto* rate = child(object, "slow_rate");
    if (call == nullptr || rate == nullptr || !rate->chain.front().is_built_in()) return;
    rate->may_be_written = call->in_force != "none";
}

void drop_meaningless(Branch& object, std::string_view block) {
    const auto drop = [&](auto is_meaningless) {
        std::erase_if(object.children, [&](const Branch& leaf) {
            return leaf.kind == Branch::Kind::leaf && leaf.chain.front().is_built_in() &&
                   is_meaningless(leaf.key);
        });
    };
    if (block == "clusters{}.health") {
        const auto* type = child(object, "type");
        const bool is_tcp = type != nullptr && type->in_force == "tcp";
        drop([&](std::string_view key) { return is_tcp && (key == "path" || key == "expect"); });
    } else if (block == "breaker.fallback") {
        const auto* to = child(object, "to");
        const bool is_cluster = to != nullptr && to->in_force != "none";
        drop([&](std::string_view key) { return (key == "to") != is_cluster; });
    }
}

void drop_other_side(Branch& tls, bool is_listener) {
    std::erase_if(tls.children, [&](const Branch& leaf) {
        constexpr std::array<std::string_view, 3> kClusters{"ca", "server_name", "verify"};
        constexpr std::array<std::string_view, 5> kListeners{"certs", "client_ca", "client_auth",
                                                             "mode", "ocsp"};
        const auto has = [&](const auto& keys) {
            return std::find(keys.begin(), keys.end(), leaf.key) != keys.end();
        };
        const bool is_foreign = is_listener ? has(kClusters) : has(kListeners);
        return is_foreign && leaf.kind == Branch::Kind::leaf && leaf.chain.front().is_built_in();
    });
}

void mark_sample(Branch& access_log) {
    const auto* only = child(access_log, "only");
    auto* sample = child(access_log, "sample");
    if (only == nullptr || sample == nullptr || !sample->chain.front().is_built_in()) return;
    sample->may_be_written = only->chain.front().node.items.empty();
}

}  // namespace weir::describe

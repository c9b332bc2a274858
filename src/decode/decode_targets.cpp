#include "config/addresses.hpp"
#include "decode/sections.hpp"

#include <algorithm>
#include <cmath>
#include <tuple>
#include <utility>

namespace weir::config {
namespace {

constexpr double kWholeWeight = 10'000;  // of percents: a target's share in hundredths of a percent

struct Share {
    const ClusterDraft* draft = nullptr;
    std::uint32_t weight = 1;
};

// Decodes `to:` of one route.
class Targets {
  public:
    Targets(Context& ctx, const Defaults& defaults, ClusterDrafts& clusters)
        : ctx_(ctx), defaults_(defaults), clusters_(clusters) {}

    std::vector<Share> decode(const Node& node) {
        if (node.is_broken) return {};
        if (node.kind == Node::Kind::scalar) return one(node, node.text);
        if (node.kind == Node::Kind::list) return list(node);
        if (node.kind == Node::Kind::map) return shares(node);
        complain_kind(ctx_, node, "to", "a cluster, host:port, a list or {cluster: percent}");
        return {};
    }

  private:
    std::vector<Share> one(const Node& node, const std::string& text) {
        if (const auto* draft = find(text)) return {{draft, 1}};
        auto endpoint = address(node, text);
        if (!endpoint) return {};
        return {
            {&inline_cluster(ctx_, defaults_, {std::move(*endpoint)}, node.place, clusters_), 1}};
    }

    // Addresses of a list are one cluster, with the weight of their number beside named clusters.
    std::vector<Share> list(const Node& node) {
        std::vector<Share> shares;
        std::vector<Endpoint> endpoints;
        if (node.items.empty())
            complain(ctx_, node, {.code = 114, .what = "'to' is an empty list"});
        for (const Node* item : scalars(ctx_, node, "to")) {
            if (const auto* draft = find(item->text)) {
                shares.push_back({draft, 1});
            } else if (auto endpoint = address(*item, item->text)) {
                endpoints.push_back(std::move(*endpoint));
            }
        }
        if (endpoints.empty()) return shares;
        const auto weight = static_cast<std::uint32_t>(endpoints.size());
        shares.push_back(
            {&inline_cluster(ctx_, defaults_, std::move(endpoints), node.place, clusters_),
             weight});
        return shares;
    }

    std::vector<Share> shares(const Node& node) {
        std::vector<Share> shares;
        double sum = 0;
        const auto before = ctx_.report.errors();
        walk_names(ctx_, node, "to", [&](const Entry& entry) {
            const RowInfo row{entry.key, "percent", "", "", "", 0, 1};
            double share = 0;
            if (expect(ctx_, entry.value, Node::Kind::scalar, entry.key, "a percentage")) {
                assign(ctx_, entry.value, row, share);
            }
            sum += share;
            Node key;  // stands where the name of the target does
            key.kind = Node::Kind::scalar;
            key.text = entry.key;
            key.place = entry.place;
            key.width = entry.width;
            for (auto target : one(key, entry.key)) {
                target.weight = static_cast<std::uint32_t>(std::lround(share * kWholeWeight));
                shares.push_back(target);
            }
        });
        if (ctx_.report.errors() == before && std::abs(sum - 1) > 0.5 / kWholeWeight) {
            auto text = std::to_string(sum * 100);
            text.erase(text.find_last_not_of('0') + 1);
            if (text.ends_with('.')) text.pop_back();
            complain(
                ctx_, node,
                {.code = 141, .what = "the shares of 'to' are " + text + "% together, not 100%"});
        }
        return shares;
    }

    [[nodiscard]] const ClusterDraft* find(const std::string& text) const {
        const auto found = clusters_.find(text);
        return found != clusters_.end() && !found->second.cluster.is_inline ? &found->second
                                                                            : nullptr;
    }

    std::optional<Endpoint> address(const Node& node, const std::string& text) {
        if (text.find(':') == std::string::npos) {
            unknown(node, text);
            return std::nullopt;
        }
        auto read = read_endpoint(text);
        if (auto* complaint = std::get_if<Complaint>(&read)) {
            complain(ctx_, node, std::move(*complaint));
            return std::nullopt;
        }
        auto endpoint = std::get<Endpoint>(std::move(read));
        endpoint.place = node.place;
        return endpoint;
    }

    void unknown(const Node& node, const std::string& text) {
        std::vector<std::string_view> names;
        for (const auto& [name, draft] : clusters_) {
            if (!draft.cluster.is_inline) names.push_back(name);
        }
        std::string note;
        if (const auto meant = nearest(text, names); !meant.empty()) {
            const auto& place = clusters_.find(meant)->second.cluster.place;
            note = "did you mean '" + std::string(meant) + "' (" + where(ctx_, place, node.place) +
                   ")?   ";
        }
        if (is_host_name(text) || Address::from_ip(text, 1))
            note += "for a host write " + text + ":PORT";
        complain(ctx_, node,
                 {.code = 110, .what = "no cluster named '" + text + "'", .note = note});
    }

    Context& ctx_;
    const Defaults& defaults_;
    ClusterDrafts& clusters_;
};

// A breaker of the route, over its cluster's; none where the route has no say.
std::optional<Breaker> breaker_of(Context& ctx,
                                  const Share& share,
                                  const RouteBlock& route,
                                  const std::string& path,
                                  const Traced<TimeoutBlock>& timeout) {
    if (route.breaker == nullptr) return std::nullopt;
    auto breaker = share.draft->breaker;
    breaker.origins.layer = path;
    decode(ctx, *route.breaker, path + ".breaker", breaker.value, &breaker.origins);
    finish(ctx, breaker);
    check_breaker(ctx, breaker, timeout);
    if (const auto* scope = breaker.origins.find("scope");
        scope != nullptr && scope->layer == path) {
        complain_at(ctx, scope->place, 0,
                    {.code = 115, .what = "'scope' means nothing to the breaker of a route"});
    }
    const auto* fallback = breaker.origins.find("fallback");
    if (fallback != nullptr && fallback->layer == path && breaker.value.fallback &&
        breaker.value.fallback->to == share.draft->cluster.name) {
        complain_at(ctx, breaker.value.fallback->to_at.place, breaker.value.fallback->to_at.width,
                    {.code = 115,
                     .what = "'" + share.draft->cluster.name + "' cannot be its own fallback"});
    }
    return std::move(breaker.value);
}

Target settle(Context& ctx, const Share& share, const RouteBlock& route, const std::string& path) {
    auto timeout = share.draft->timeout;
    auto retry = share.draft->retry;
    timeout.origins.layer = retry.origins.layer = path;
    if (route.timeout != nullptr)
        decode(ctx, *route.timeout, path + ".timeout", timeout.value, &timeout.origins);
    if (route.retry != nullptr)
        decode(ctx, *route.retry, path + ".retry", retry.value, &retry.origins);
    if (route.timeout != nullptr) refuse_client_timeouts(ctx, timeout.origins);
    if (route.timeout != nullptr || route.retry != nullptr) check_times(ctx, retry, timeout);
    finish(ctx, retry);
    auto breaker = breaker_of(ctx, share, route, path, timeout);
    return {.cluster = share.draft->cluster.name,
            .weight = share.weight,
            .timeout = static_cast<const Timeouts&>(timeout.value),  // without the client's
            .retry = retry.value,
            .breaker = std::move(breaker)};
}

// The name of the cluster that a fallback names; makes that of an address.
class Fallbacks {
  public:
    Fallbacks(Context& ctx, const Defaults& defaults, ClusterDrafts& clusters)
        : ctx_(ctx), defaults_(defaults), clusters_(clusters) {}

    // Complains once of what several clusters inherit.
    void resolve(std::optional<Fallback>& fallback) {
        if (!fallback || fallback->to.empty()) return;
        const auto& place = fallback->to_at.place;
        const auto [at, is_new] =
            known_.try_emplace(std::tuple(place.file, place.line, place.column));
        if (is_new) at->second = find(*fallback);
        if (at->second.empty()) {
            fallback.reset();
        } else {
            fallback->to = at->second;
        }
    }

    // What all inherit is not for the one that they fall back to.
    void refuse_circle(ClusterDraft& draft) {
        auto& cluster = draft.cluster;
        auto& fallback = cluster.breaker.fallback;
        if (!fallback || fallback->to.empty()) return;
        const auto* origin = draft.breaker.origins.find("fallback");
        const bool is_inherited = origin == nullptr || origin->layer == "defaults";
        if (fallback->to == cluster.name && is_inherited) {
            fallback.reset();
            return;
        }
        std::string circle = cluster.name;
        const auto* next = &cluster;
        for (std::size_t steps = 0; steps <= clusters_.size(); ++steps) {
            const auto& to = next->breaker.fallback;
            const auto found = to ? clusters_.find(to->to) : clusters_.end();
            if (found == clusters_.end() || found->second.cluster.name == next->name) break;
            next = &found->second.cluster;
            circle += " -> " + next->name;
            if (next == &cluster) {
                complain(circle, *fallback);
                return;
            }
        }
        if (fallback->to == cluster.name) complain(circle + " -> " + cluster.name, *fallback);
    }

  private:
    std::string find(const Fallback& fallback) {
        Node node;
        node.kind = Node::Kind::scalar;
        node.text = fallback.to;
        node.place = fallback.to_at.place;
        node.width = fallback.to_at.width;
        const auto found = Targets(ctx_, defaults_, clusters_).decode(node);
        return found.empty() ? std::string() : found.front().draft->cluster.name;
    }
    void complain(const std::string& circle, const Fallback& fallback) {
        complain_at(ctx_, fallback.to_at.place, fallback.to_at.width,
                    {.code = 115,
                     .what = "fallbacks go round in a circle: " + circle,
                     .note = "end it with fallback: none, or {status, body}"});
    }

    Context& ctx_;
    const Defaults& defaults_;
    ClusterDrafts& clusters_;
    std::map<std::tuple<std::uint16_t, std::uint32_t, std::uint16_t>, std::string> known_;
};

}  // namespace

std::vector<Endpoint> decode_endpoints(Context& ctx, const Node& node, const std::string& path) {
    std::vector<Endpoint> endpoints;
    std::map<std::string, Place> seen;
    if (node.is_broken || !expect(ctx, node, Node::Kind::list, "endpoints", "a list: [host:port]"))
        return endpoints;
    for (std::size_t i = 0; i < node.items.size(); ++i) {
        const Node& item = node.items[i];
        EndpointBlock from;
        decode(ctx, item, below(path, i), from);
        if (from.address == nullptr) {
            if (item.kind == Node::Kind::map && !is_in_doubt(item))
                complain(ctx, item, {.code = 114, .what = "an endpoint needs an address"});
            continue;
        }
        if (from.address->kind != Node::Kind::scalar) {
            complain_kind(ctx, *from.address, "address", "host:port");
            continue;
        }
        auto read = read_endpoint(from.address->text);
        if (auto* complaint = std::get_if<Complaint>(&read)) {
            complain(ctx, *from.address, std::move(*complaint));
            continue;
        }
        auto& endpoint = std::get<Endpoint>(read);
        endpoint.weight = from.weight;
        endpoint.place = item.place;
        const auto [at, is_new] = seen.emplace(endpoint.text, item.place);
        if (!is_new) {
            complain(ctx, *from.address,
                     {.code = 131,
                      .what = "endpoint '" + endpoint.text + "' is given twice",
                      .note = "first at line " + std::to_string(at->second.line)});
        } else {
            endpoints.push_back(std::move(endpoint));
        }
    }
    return endpoints;
}

void settle_fallbacks(Context& ctx,
                      const Defaults& defaults,
                      ClusterDrafts& clusters,
                      std::vector<Listener>& listeners) {
    Fallbacks fallbacks(ctx, defaults, clusters);
    const auto of_routes = [&](const auto& act) {
        for (auto& listener : listeners) {
            for (auto& route : listener.routes) {
                auto* forward = std::get_if<Forward>(&route.action);
                if (forward == nullptr) continue;
                std::for_each(forward->targets.begin(), forward->targets.end(), act);
            }
        }
    };
    // A circle is looked for once all addresses are clusters.
    std::optional<Fallback> of_all = defaults.breaker.value.fallback;
    fallbacks.resolve(of_all);
    std::vector<ClusterDraft*> drafts;
    for (auto& [name, draft] : clusters)
        drafts.push_back(&draft);
    for (auto* draft : drafts)
        fallbacks.resolve(draft->cluster.breaker.fallback);
    of_routes([&](Target& target) {
        if (target.breaker) fallbacks.resolve(target.breaker->fallback);
    });
    for (auto& [name, draft] : clusters)
        if (draft.cluster.is_inline) fallbacks.resolve(draft.cluster.breaker.fallback);
    for (auto& [name, draft] : clusters)
        fallbacks.refuse_circle(draft);
    of_routes([](Target& target) {
        auto* fallback =
            target.breaker && target.breaker->fallback ? &*target.breaker->fallback : nullptr;
        if (fallback != nullptr && fallback->to == target.cluster) target.breaker->fallback.reset();
    });
}

std::string decode_one_target(Context& ctx,
                              const Node& node,
                              const Defaults& defaults,
                              ClusterDrafts& clusters) {
    const auto before = ctx.report.errors();
    const auto shares = Targets(ctx, defaults, clusters).decode(node);
    if (shares.size() == 1) return shares.front().draft->cluster.name;
    if (ctx.report.errors() == before)
        complain(ctx, node, {.code = 115, .what = "this is one cluster, or addresses of one"});
    return {};
}

std::vector<Target> decode_targets(Context& ctx,
                                   const RouteBlock& route,
                                   const std::string& path,
                                   const Defaults& defaults,
                                   ClusterDrafts& clusters) {
    std::vector<Target> targets;
    for (const auto& share : Targets(ctx, defaults, clusters).decode(*route.to)) {
        targets.push_back(settle(ctx, share, route, path));
    }
    return targets;
}

}  // namespace weir::config

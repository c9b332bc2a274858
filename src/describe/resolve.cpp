#include "describe/resolve.hpp"

#include "weir/core/address.hpp"

#include "describe/canonical.hpp"
#include "describe/computed.hpp"

#include <algorithm>
#include <optional>
#include <unordered_map>
#include <utility>

namespace weir::describe {
namespace {

using config::Entry;
using config::Node;

const Entry* find(const Node* map, std::string_view key) {
    if (map == nullptr || map->kind != Node::Kind::map) return nullptr;
    for (const auto& entry : map->entries) {
        if (entry.key == key) return &entry;
    }
    return nullptr;
}
const Node* node_at(const Node* map, std::string_view key) {
    const auto* entry = find(map, key);
    return entry == nullptr ? nullptr : &entry->value;
}
std::string text_at(const Node* map, std::string_view key) {
    const auto* node = node_at(map, key);
    return node != nullptr && node->kind == Node::Kind::scalar ? node->text : std::string();
}

// An object somebody wrote, and whose it is.
struct Layer {
    const Node* node = nullptr;
    std::string name;
};
using Layers = std::vector<Layer>;  // the strongest first

Layers below(const Layers& layers, std::string_view key) {
    Layers out;
    for (const auto& layer : layers) {
        if (const auto* node = node_at(layer.node, key)) out.push_back({node, layer.name});
    }
    return out;
}

// With its last slash.
std::string_view folder_of(std::string_view file) {
    return file.substr(0, file.rfind('/') + 1);
}

bool is_host_name(const std::string& endpoint) {
    return !endpoint.starts_with("unix:") && !Address::parse(endpoint);
}

class Resolver {
  public:
    Resolver(const config::Document& document, const Vocabulary& vocabulary, const Skipped& skipped)
        : document_(document), top_(&document.root), vocabulary_(vocabulary), skipped_(skipped) {
        clusters_ = node_at(top_, "clusters");
        defaults_ = {node_at(top_, "defaults"), "defaults"};
    }

    Branch root() {
        Branch root = map_named("");
        for (const auto& row : vocabulary_.rows("")) {
            if (row.name == "include") continue;  // merged
            const Layers said = below({{top_, std::string(row.name)}}, row.name);
            if (row.name == "listeners") {
                root.children.push_back(listeners());
            } else if (row.name == "clusters") {
                root.children.push_back(clusters());
            } else if (row.name == "defaults") {
                root.children.push_back(defaults(row));
            } else if (row.name == "access_log") {
                root.children.push_back(object(row, access_logs({})));
            } else if (row.info->type == "map" && !row.child.empty()) {
                root.children.push_back(named_objects(row));
            } else if (!row.child.empty()) {
                root.children.push_back(object(row, said));
            } else {
                add_leaf(root, row, "", {{top_, "top"}});
            }
        }
        // Targets of the listeners, which come first, make clusters.
        Branch* all = child(root, "clusters");
        for (auto& implied : implied_)
            all->children.push_back(std::move(implied));
        return root;
    }

  private:
    static Branch map_named(std::string key) {
        Branch branch;
        branch.key = std::move(key);
        branch.kind = Branch::Kind::map;
        return branch;
    }

    [[nodiscard]] bool is_cluster(std::string_view name) const {
        return find(clusters_, name) != nullptr;
    }

    [[nodiscard]] Node canonical_of(const config::KeyInfo& row, const Node& node) const {
        auto out = canonical(row, node, [this](std::string_view name) { return is_cluster(name); });
        if (row.type == "path" && node.place.file != 0) out.text = from_main(node);
        return out;
    }

    // Paths begin at the folder of the file they stand in; said of the main file's folder here.
    [[nodiscard]] std::string from_main(const Node& node) const {
        const auto& sources = document_.sources;
        if (node.text.starts_with('/') || node.place.file >= sources.size()) return node.text;
        auto folder = folder_of(sources[node.place.file].name);
        const auto main = folder_of(sources.front().name);
        if (folder.starts_with(main)) folder.remove_prefix(main.size());
        return std::string(folder) + node.text;
    }

    // What a layer says of a key: directly, by `off`, or by the value that stands for the object.
    [[nodiscard]] std::optional<Value> said(const Layer& layer,
                                            const Row& row,
                                            std::string_view block) const {
        const Node* node = layer.node;
        if (node == nullptr) return std::nullopt;
        if (node->kind == Node::Kind::scalar) {
            const auto* off = Vocabulary::off(block);
            if (off != nullptr && node->text == "off") {
                if (off->key != row.name) return std::nullopt;
                return Value{scalar(off->value), layer.name, node->place, {}};
            }
            if (!row.info->is_shorthand) return std::nullopt;
            return Value{canonical_of(*row.info, *node), layer.name, node->place, {}};
        }
        const auto* entry = find(node, row.name);
        if (entry == nullptr) return std::nullopt;
        const bool is_secret = row.info->type.starts_with("secret");
        return Value{canonical_of(*row.info, entry->value), layer.name, entry->place,
                     is_secret ? flow_text(entry->value) : std::string()};
    }

    void add_leaf(Branch& into,
                  const Row& row,
                  std::string_view block,
                  const Layers& layers,
                  std::string_view computed = {}) const {
        Branch leaf;
        leaf.key = row.name;
        leaf.row = row.info;
        for (const auto& layer : layers) {
            if (auto value = said(layer, row, block)) leaf.chain.push_back(std::move(*value));
        }
        const auto& fallback = row.info->fallback;
        const bool is_nothing = fallback.empty() || fallback == "-" || fallback == "required" ||
                                fallback == "inherits" || fallback == "on";
        if (!computed.empty()) {
            leaf.chain.push_back({scalar(computed), std::string(kBuiltIn), {}, {}});
        } else if (!is_nothing) {
            leaf.chain.push_back({built_in(*row.info), std::string(kBuiltIn), {}, {}});
        }
        add(into, std::move(leaf));
    }

    // The same for every thing of a kind, so it is made once.
    [[nodiscard]] const Node& built_in(const config::KeyInfo& row) const {
        const auto [at, is_new] = built_ins_.try_emplace(&row);
        if (is_new) {
            at->second = node_of(row.fallback);
            if (is_value(row) && row.type != "secret") at->second = canonical_of(row, at->second);
        }
        return at->second;
    }

    static void add(Branch& into, Branch leaf) {
        if (leaf.chain.empty()) return;
        const auto& node = leaf.chain.front().node;
        const bool is_secret = leaf.row->type.starts_with("secret");
        leaf.in_force = is_secret ? node.text : flow_text(node);
        into.children.push_back(std::move(leaf));
    }

    // Every key of a block, over these layers.
    [[nodiscard]] Branch object(const Row& row, const Layers& layers) const {
        Branch out = map_named(std::string(row.name));
        out.row = row.info;
        for (const auto& inner : vocabulary_.rows(row.child)) {
            const bool is_clients = row.child == "timeout" && (inner.name.starts_with("client_") ||
                                                               inner.name == "handshake");
            if (is_clients && !is_in_defaults_) continue;  // they apply before a route is known
            if (is_optional(inner)) {
                add_optional(out, inner, row.child, layers);
            } else if (!inner.child.empty() &&
                       inner.info->type.find("object") != std::string_view::npos) {
                out.children.push_back(object(inner, below(layers, inner.name)));
            } else {
                add_leaf(out, inner, row.child, layers);
            }
        }
        follow_first(out, row.child);
        drop_meaningless(out, row.child);
        if (row.child == "breaker" || row.child == "outlier") mark_slow_rate(out);
        if (row.child == "access_log") mark_sample(out);
        return out;
    }

    // What people have named, each with every key of its block.
    [[nodiscard]] Branch named_objects(const Row& row) const {
        Branch out = map_named(std::string(row.name));
        const Node* const all = node_at(top_, row.name);
        if (all == nullptr) return out;
        for (const auto& entry : all->entries) {
            Row each = row;
            each.name = entry.key;
            Branch made = object(each, {{&entry.value, std::string(row.name) + "." + entry.key}});
            made.row = nullptr;
            out.children.push_back(std::move(made));
        }
        return out;
    }

    // An object that is not there unless it is written; {to: x} over {status: 503} is {to: x}.
    [[nodiscard]] static bool is_optional(const Row& row) {
        return !row.child.empty() && (row.info->fallback == "off" || row.info->fallback == "none");
    }
    void add_optional(Branch& into,
                      const Row& row,
                      std::string_view block,
                      const Layers& layers) const {
        const Layers written = below(layers, row.name);
        const bool is_there = !written.empty() && !is_word(*written.front().node, row);
        if (!is_there) return add_leaf(into, row, block, layers);
        into.children.push_back(object(row, {written.front()}));
        if (row.name == "tls") drop_other_side(into.children.back(), block == "listeners[]");
        const Node& node = *written.front().node;
        if (node.entries.empty() && node.kind == Node::Kind::map)
            say_first(into.children.back(), written.front().name, node.place);
    }
    // {} says that it is there: as if its first key that has a value were written.
    static void say_first(Branch& object, const std::string& layer, const config::Place& place) {
        const auto found =
            std::find_if(object.children.begin(), object.children.end(), [](const Branch& each) {
                return each.kind == Branch::Kind::leaf && is_value(*each.row);
            });
        Branch& first = found == object.children.end() ? object.children.front() : *found;
        auto& value = first.chain.front();
        value.layer = layer;
        value.place = place;
        first.is_own = true;
    }
    [[nodiscard]] static bool is_word(const Node& node, const Row& row) {
        if (node.kind != Node::Kind::scalar) return false;
        const bool is_other = row.name == "tls" && node.text == "mesh";
        return is_other || node.text == row.info->fallback;
    }

    [[nodiscard]] Layers with_defaults(Layers layers, std::string_view key) const {
        for (auto& layer : below({defaults_}, key))
            layers.push_back(std::move(layer));
        return layers;
    }

    // Those of a route and a listener are before those of all.
    [[nodiscard]] Layers access_logs(Layers own) const {
        Layers layers = with_defaults(below(own, "access_log"), "access_log");
        for (auto& layer : below({{top_, "access_log"}}, "access_log"))
            layers.push_back(std::move(layer));
        return layers;
    }

    Branch defaults(const Row& row) {
        is_in_defaults_ = true;
        Branch out = object(row, {defaults_});
        is_in_defaults_ = false;
        mark_own(out, defaults_.name);
        // Built-in values of defaults are in force where they are inherited.
        if (Branch* timeout = child(out, "timeout")) {
            for (auto& leaf : timeout->children)
                leaf.is_own =
                    leaf.is_own || leaf.key.starts_with("client_") || leaf.key == "handshake";
        }
        return out;
    }

    // ---- clusters

    Branch clusters() {
        Branch out = map_named("clusters");
        if (clusters_ == nullptr) return out;
        for (const auto& entry : clusters_->entries) {
            if (skipped_.clusters.contains(entry.key)) continue;
            if (child(out, entry.key) != nullptr) continue;
            out.children.push_back(cluster(entry.key, {&entry.value, "clusters." + entry.key}, {}));
        }
        return out;
    }

    Branch cluster(const std::string& name, const Layer& own, const Value& endpoints) const {
        Branch out = map_named(name);
        for (const auto& row : vocabulary_.rows("clusters{}")) {
            if (row.name == "endpoints") {
                if (own.node == nullptr) {
                    Branch leaf;
                    leaf.key = row.name;
                    leaf.row = row.info;
                    leaf.chain.push_back(endpoints);
                    add(out, std::move(leaf));
                } else {
                    add_leaf(out, row, "clusters{}", {own});
                }
            } else if (row.name == "discovery") {
                const auto* list = child(out, "endpoints");
                out.children.push_back(discovery(row, own, name, list));
            } else if (is_optional(row)) {
                add_optional(out, row, "clusters{}", {own});
            } else if (!row.child.empty()) {
                out.children.push_back(
                    object(row, with_defaults(below({own}, row.name), row.name)));
            } else {
                add_leaf(out, row, "clusters{}", {own});
            }
        }
        mark_contradictions(out);
        return out;
    }

    [[nodiscard]] Branch discovery(const Row& row,
                                   const Layer& own,
                                   const std::string& cluster,
                                   const Branch* endpoints) const {
        const Layers layers = below({own}, row.name);
        Branch all = map_named(std::string(row.name));
        bool has_name = false;
        if (endpoints != nullptr) {
            for (const auto& item : endpoints->chain.front().node.items)
                has_name = has_name ||
                           is_host_name(item.kind == Node::Kind::map ? text_at(&item, "address")
                                                                     : item.text);
        }
        for (const auto& inner : vocabulary_.rows(row.child)) {
            const bool is_name = inner.name == "name";
            add_leaf(all, inner, row.child, layers,
                     inner.name == "type" ? (has_name ? "dns" : "static")
                     : is_name            ? std::string_view(cluster)
                                          : std::string_view());
        }
        const auto type = child(all, "type")->in_force;
        std::erase_if(all.children, [&](const Branch& leaf) {
            const bool is_twice =
                endpoints != nullptr && (leaf.key == "name" || leaf.key == "port");
            return leaf.chain.front().is_built_in() &&
                   (is_twice || !Vocabulary::is_meant(type, leaf.key));
        });
        return all;
    }

    // ---- listeners and routes

    Branch listeners() {
        Branch out;
        out.key = "listeners";
        out.kind = Branch::Kind::list;
        const auto* list = node_at(top_, "listeners");
        if (list == nullptr || skipped_.has_listeners) return out;
        for (const auto& item : list->items)
            out.children.push_back(listener(item));
        return out;
    }

    Branch listener(const Node& node) {
        const auto* listen = node_at(&node, "listen");
        std::string first = listen == nullptr ? std::string() : listen->text;
        if (listen != nullptr && !listen->items.empty()) first = listen->items.front().text;
        std::string name = text_at(&node, "name");
        if (name.empty()) name = first;
        const Layer own{&node, "listeners." + name};
        const bool is_gateway =
            text_at(&node, "mode").empty() || text_at(&node, "mode") == "gateway";
        Branch out = map_named(name);
        for (const auto& row : vocabulary_.rows("listeners[]")) {
            if (row.name == "to") continue;  // a route
            if (row.name == "routes") {
                out.children.push_back(routes(node, own));
            } else if (row.name == "access_log") {
                out.children.push_back(object(row, access_logs({own})));
            } else if (is_optional(row)) {
                add_optional(out, row, "listeners[]", {own});
            } else if (!row.child.empty()) {
                Layers layers = below({own}, row.name);
                for (auto& layer : below({{top_, std::string(row.name)}}, row.name))
                    layers.push_back(std::move(layer));
                out.children.push_back(object(row, layers));
            } else {
                const bool is_by_mode = row.name == "underscores";
                add_leaf(out, row, "listeners[]", {own},
                         row.name == "name" ? std::string_view(first)
                         : is_by_mode       ? (is_gateway ? "drop" : "allow")
                                            : std::string_view());
            }
        }
        return out;
    }

    Branch routes(const Node& node, const Layer& listener) {
        Branch out;
        out.key = "routes";
        out.kind = Branch::Kind::list;
        if (const auto* to = find(&node, "to")) {
            Node only;  // what the shorthand stands for
            only.kind = Node::Kind::map;
            only.entries.push_back(*to);
            Branch all = route(only, "default", listener);
            // Of routes that are written out the name would be another.
            if (Branch* name = child(all, "name"))
                name->chain.front() = {scalar("default"), listener.name, to->place, {}};
            out.children.push_back(std::move(all));
        }
        const auto* list = node_at(&node, "routes");
        if (list == nullptr) return out;
        for (std::size_t i = 0; i < list->items.size(); ++i) {
            std::string name = text_at(&list->items[i], "name");
            if (name.empty()) name = generated(*list, i);
            out.children.push_back(route(list->items[i], name, listener));
        }
        return out;
    }

    static std::string generated(const Node& list, std::size_t index) {
        std::string name = "route-" + std::to_string(index + 1);
        const auto is_taken = [&](const Node& item) { return text_at(&item, "name") == name; };
        while (std::any_of(list.items.begin(), list.items.end(), is_taken))
            name += '_';
        return name;
    }

    Branch route(const Node& node, const std::string& name, const Layer& listener) {
        const Layer own{&node, listener.name + ".routes." + name};
        Branch out = map_named(name);
        const auto* to = find(&node, "to");
        std::vector<std::string> targets;
        if (to != nullptr) targets = targets_of(to->value, own.name, to->place);
        if (const auto* mirror = find(&node, "mirror"))
            targets_of(mirror->value, own.name, mirror->place);
        for (const auto& row : vocabulary_.rows("routes[]")) {
            const auto* said = node_at(&node, row.name);
            if (row.name == "path" && said == nullptr && find(&node, "grpc") != nullptr)
                continue;  // that says it
            const bool is_for_targets = row.name == "timeout" || row.name == "retry";
            if (row.name == "breaker") {
                if (to == nullptr || said == nullptr) continue;
                out.children.push_back(of_targets(row, own, targets));
                Branch& breaker = out.children.back();
                if (!has_own(breaker)) say_first(breaker, own.name, said->place);
            } else if (is_for_targets) {
                if (to != nullptr) out.children.push_back(of_targets(row, own, targets));
            } else if (row.name == "access_log") {
                out.children.push_back(object(row, access_logs({own, listener})));
                mark_own(out.children.back(), own.name);
            } else if (row.name == "max_body") {
                max_body(out, row, own, listener);
            } else if (is_optional(row)) {
                add_optional(out, row, "routes[]", {own});
            } else if (!row.child.empty()) {
                if (said != nullptr) out.children.push_back(object(row, {{said, own.name}}));
            } else {
                add_leaf(out, row, "routes[]", {own},
                         row.name == "name" ? std::string_view(name) : std::string_view());
            }
        }
        return out;
    }

    static bool has_own(const Branch& branch) {
        if (branch.kind == Branch::Kind::leaf) return branch.is_own;
        return std::any_of(branch.children.begin(), branch.children.end(), has_own);
    }
    static void mark_own(Branch& block, const std::string& layer) {
        for (auto& below : block.children) {
            if (below.kind == Branch::Kind::leaf) {
                below.is_own = below.chain.front().layer == layer;
            } else {
                mark_own(below, layer);
            }
        }
    }

    void max_body(Branch& out, const Row& row, const Layer& own, const Layer& listener) const {
        Branch limits = map_named("limits");
        Layers layers = below({listener}, "limits");
        for (auto& layer : below({{top_, "limits"}}, "limits"))
            layers.push_back(std::move(layer));
        if (const auto* body = vocabulary_.find("limits", "body"))
            add_leaf(limits, *body, "limits", layers);
        Branch leaf;
        leaf.key = row.name;
        leaf.row = row.info;
        if (auto value = said(own, row, "routes[]")) leaf.chain.push_back(std::move(*value));
        leaf.is_own = !leaf.chain.empty();
        if (!limits.children.empty()) {
            const auto& inherited = limits.children.front().chain;
            leaf.chain.insert(leaf.chain.end(), inherited.begin(), inherited.end());
        }
        add(out, std::move(leaf));
    }

    // The clusters a target names; makes those that its addresses are.
    std::vector<std::string> targets_of(const Node& to,
                                        const std::string& layer,
                                        const config::Place& place) {
        std::vector<std::string> names;
        std::vector<std::string> addresses;
        const auto take = [&](const std::string& text) {
            (is_cluster(text) ? names : addresses).push_back(text);
        };
        if (to.kind == Node::Kind::scalar) take(to.text);
        for (const auto& item : to.items)
            take(item.text);
        if (to.kind == Node::Kind::list && addresses.size() > 1) {
            imply(addresses, layer, place, names);
            return names;
        }
        for (const auto& entry : to.entries)
            take(entry.key);
        for (const auto& address : addresses)
            imply({address}, layer, place, names);
        return names;
    }

    void imply(const std::vector<std::string>& addresses,
               const std::string& layer,
               const config::Place& place,
               std::vector<std::string>& names) {
        std::string name;
        Node list;
        list.kind = Node::Kind::list;
        for (const auto& address : addresses) {
            name += (name.empty() ? "" : ", ") + address;
            list.items.push_back(scalar(address));
        }
        names.push_back(name);
        const bool is_known = std::any_of(implied_.begin(), implied_.end(),
                                          [&](const Branch& b) { return b.key == name; });
        if (is_known) return;
        implied_.push_back(cluster(name, {nullptr, "clusters." + name}, {list, layer, place, {}}));
        implied_.back().is_implied = true;
    }

    // A block of a route over that of each of its targets' clusters.
    [[nodiscard]] Branch of_targets(const Row& row,
                                    const Layer& own,
                                    const std::vector<std::string>& targets) const {
        std::vector<Branch> blocks;
        const auto add_target = [&](const std::string& target) {
            Layers layers = below({own}, row.name);
            const Layer of_cluster{node_at(clusters_, target), "clusters." + target};
            for (auto& layer : below({of_cluster}, row.name))
                layers.push_back(std::move(layer));
            blocks.push_back(object(row, with_defaults(std::move(layers), row.name)));
        };
        for (const auto& target : targets)
            add_target(target);
        if (targets.empty()) add_target({});
        Branch merged = blocks.front();
        for (auto& leaf : merged.children) {
            std::string all;
            bool is_one = true;
            for (auto& block : blocks) {
                const auto* other = child(block, leaf.key);
                if (other == nullptr) continue;
                is_one = is_one && other->in_force == leaf.in_force;
                all += (all.empty() ? "" : " | ") + other->in_force;
            }
            if (!is_one) leaf.in_force = all;
        }
        mark_own(merged, own.name);
        return merged;
    }

    const config::Document& document_;
    const Node* top_;
    const Vocabulary& vocabulary_;
    const Node* clusters_ = nullptr;
    const Skipped& skipped_;
    Layer defaults_;
    std::vector<Branch> implied_;
    mutable std::unordered_map<const config::KeyInfo*, Node> built_ins_;
    bool is_in_defaults_ = false;
};

}  // namespace

std::unique_ptr<const Resolved> resolve(const config::Document& document, const Skipped& skipped) {
    auto out = std::make_unique<Resolved>();
    out->root = Resolver(document, out->vocabulary, skipped).root();
    return out;
}

}  // namespace weir::describe

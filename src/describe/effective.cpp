#include "weir/describe/effective.hpp"

#include "config/suggest.hpp"
#include "describe/canonical.hpp"
#include "describe/resolve.hpp"

#include <algorithm>
#include <charconv>
#include <map>
#include <set>
#include <utility>

namespace weir::describe {
namespace {

std::string path_of(const std::string& parent, const std::string& key) {
    return parent.empty() ? key : parent + "." + key;
}

// Every leaf with its path; those of implied clusters, too.
template <typename F>
void walk(const Branch& branch, const std::string& path, F take) {
    if (branch.kind == Branch::Kind::leaf) {
        take(path, branch);
        return;
    }
    for (const auto& below : branch.children)
        walk(below, path_of(path, below.key), take);
}

Setting setting_of(const std::string& path, const Branch& leaf, const Value& value) {
    const bool is_first = &value == &leaf.chain.front();
    return {.path = path,
            .key = leaf.row->path,
            .value = is_first ? leaf.in_force : flow_text(value.node),
            .layer = value.layer,
            .place = value.place,
            .doc = leaf.row->doc};
}

// ---- paths people type

struct Found {
    const Branch* branch = nullptr;
    std::string path;
};

// The item of a list that "[2]" names, which is cut off; null if it is none.
const Branch* item_at(const Branch& list, std::string_view& rest) {
    std::size_t index = 0;
    const auto end = rest.find(']');
    if (!rest.starts_with('[') || end == std::string_view::npos) return nullptr;
    const auto [stop, ec] = std::from_chars(rest.data() + 1, rest.data() + end, index);
    const bool is_index = ec == std::errc{} && stop == rest.data() + end;
    if (!is_index || index >= list.children.size()) return nullptr;
    rest.remove_prefix(end + 1);
    return &list.children[index];
}

// Names may hold dots, so every child that the rest begins with is tried. `deepest` is the last
// branch that was met.
Found find(const Branch& from, const std::string& path, std::string_view rest, Found& deepest) {
    if (path.size() > deepest.path.size() || deepest.branch == nullptr) deepest = {&from, path};
    if (rest.empty()) return {&from, path};
    if (from.kind == Branch::Kind::list && rest.front() == '[') {
        const auto* item = item_at(from, rest);
        return item == nullptr ? Found() : find(*item, path_of(path, item->key), rest, deepest);
    }
    if (!path.empty() && rest.front() != '.') return {};
    if (!path.empty()) rest.remove_prefix(1);
    for (const auto& child : from.children) {
        if (!rest.starts_with(child.key)) continue;
        const auto more = rest.substr(child.key.size());
        if (!more.empty() && more.front() != '.' && more.front() != '[') continue;
        auto found = find(child, path_of(path, child.key), more, deepest);
        if (found.branch != nullptr) return found;
    }
    return {};
}

// The leaf itself, or that for which a bare value in place of the object stands.
Found leaf_of(Found found) {
    if (found.branch == nullptr || found.branch->kind == Branch::Kind::leaf) return found;
    for (const auto& child : found.branch->children) {
        if (child.row != nullptr && child.kind == Branch::Kind::leaf && child.row->is_shorthand)
            return {&child, path_of(found.path, child.key)};
    }
    return {};
}

// A listener's own target is that of its only route.
std::string with_route(const Found& deepest, std::string_view rest) {
    const bool is_listener = deepest.branch != nullptr &&
                             deepest.branch->kind == Branch::Kind::map &&
                             deepest.path.starts_with("listeners.");
    if (!is_listener || rest != ".to") return {};
    return deepest.path + ".routes.default.to";
}

std::vector<std::string> suggestions(const Branch& root, std::string_view path) {
    constexpr std::size_t kMost = 5;
    struct Candidate {
        std::size_t cost;
        std::string path;
    };
    std::vector<Candidate> found;
    const auto last =
        path.substr(path.rfind('.') == std::string_view::npos ? 0 : path.rfind('.') + 1);
    walk(root, "", [&](const std::string& leaf, const Branch& /*branch*/) {
        const auto key = std::string_view(leaf).substr(leaf.rfind('.') + 1);
        if (leaf.starts_with(std::string(path) + ".")) {
            found.push_back({0, leaf});
        } else if (leaf.ends_with("." + std::string(path))) {
            found.push_back({1, leaf});
        } else if (leaf.size() < path.size() + 4 && path.size() < leaf.size() + 4 &&
                   path.size() <= 128) {
            const auto slips = config::distance(path, leaf);
            if (slips <= std::max<std::size_t>(2, last.size() / 3))
                found.push_back({1 + slips, leaf});
        } else if (key == last) {
            found.push_back({50, leaf});
        }
    });
    std::stable_sort(found.begin(), found.end(),
                     [](const Candidate& a, const Candidate& b) { return a.cost < b.cost; });
    std::vector<std::string> out;
    for (std::size_t i = 0; i < std::min(kMost, found.size()); ++i)
        out.push_back(std::move(found[i].path));
    return out;
}

// ---- differences

// Written keys of defaults are in force where they are inherited, and told there.
bool is_compared(const std::string& path) {
    return !path.starts_with("defaults.") || path.find(".client_") != std::string::npos;
}

// Texts in force; `in_order` is filled with the lists, whose order counts.
struct Side {
    struct Leaf {
        const Branch* branch = nullptr;
        bool is_implied = false;
    };
    std::map<std::string, Leaf> leaves;
    std::map<std::string, std::vector<std::string>> orders;

    void take(const Branch& branch, const std::string& path, bool is_implied) {
        if (branch.kind == Branch::Kind::leaf) {
            if (is_compared(path)) leaves.emplace(path, Leaf{&branch, is_implied});
            return;
        }
        for (const auto& child : branch.children) {
            if (branch.kind == Branch::Kind::list) orders[path].push_back(child.key);
            take(child, path_of(path, child.key), is_implied || child.is_implied);
        }
    }
};

// What a side that lacks the other's key has to say of it: nothing of defaults or inherited keys.
bool is_told_alone(const Side::Leaf& leaf) {
    return leaf.branch->is_own && !leaf.is_implied && !leaf.branch->chain.front().is_built_in();
}

void compare(const std::string& path,
             const Side::Leaf* from,
             const Side::Leaf* to,
             std::vector<Change>& out) {
    if (from != nullptr && to != nullptr) {
        const bool is_told = from->branch->is_own || to->branch->is_own;
        const bool is_same = from->branch->in_force == to->branch->in_force;
        // Another secret file looks the same.
        const bool is_secret = from->branch->row->type.starts_with("secret");
        const bool is_other_place =
            is_secret && from->branch->chain.front().written != to->branch->chain.front().written;
        if (is_told && (!is_same || is_other_place))
            out.push_back({path, from->branch->in_force, to->branch->in_force});
        return;
    }
    const auto* only = from != nullptr ? from : to;
    if (!is_told_alone(*only)) return;
    out.push_back({path, from != nullptr ? from->branch->in_force : std::string(),
                   to != nullptr ? to->branch->in_force : std::string()});
}

// The names that both have, in the order of each.
void compare_order(const std::string& path,
                   const std::vector<std::string>& from,
                   const std::vector<std::string>& to,
                   std::vector<Change>& out) {
    const auto common = [](const std::vector<std::string>& of,
                           const std::vector<std::string>& with) {
        std::string text;
        for (const auto& name : of) {
            if (std::find(with.begin(), with.end(), name) == with.end()) continue;
            text += (text.empty() ? "" : ", ") + quoted_if_needed(name, true);
        }
        return "[" + text + "]";
    };
    auto before = common(from, to);
    auto after = common(to, from);
    if (before != after) out.push_back({path, std::move(before), std::move(after)});
}

}  // namespace

std::vector<Setting> settings(const config::Document& document, bool with_defaults) {
    const auto resolved = resolve(document);
    std::vector<Setting> out;
    walk(resolved->root, "", [&](const std::string& path, const Branch& leaf) {
        const auto& value = leaf.chain.front();
        if (!leaf.is_own || (value.is_built_in() && !with_defaults)) return;
        out.push_back(setting_of(path, leaf, value));
    });
    return out;
}

std::optional<Explanation> explain(const config::Document& document,
                                   std::string_view path,
                                   std::vector<std::string>* nearest) {
    const auto resolved = resolve(document);
    Found deepest;
    auto found = leaf_of(find(resolved->root, "", path, deepest));
    if (found.branch == nullptr && path.size() >= 3) {
        const auto cut = path.rfind('.');
        Found listener;
        find(resolved->root, "", path.substr(0, cut), listener);
        const auto other =
            cut == std::string_view::npos ? std::string() : with_route(listener, path.substr(cut));
        if (!other.empty()) found = leaf_of(find(resolved->root, "", other, deepest));
    }
    if (found.branch == nullptr) {
        if (nearest != nullptr) *nearest = suggestions(resolved->root, path);
        return std::nullopt;
    }
    Explanation out;
    for (const auto& value : found.branch->chain)
        out.chain.push_back(setting_of(found.path, *found.branch, value));
    return out;
}

std::vector<Change> difference(const config::Document& from, const config::Document& to) {
    const auto before = resolve(from);
    const auto after = resolve(to);
    Side a;
    Side b;
    a.take(before->root, "", false);
    b.take(after->root, "", false);
    std::set<std::string> paths;
    for (const auto& [path, leaf] : a.leaves)
        paths.insert(path);
    for (const auto& [path, leaf] : b.leaves)
        paths.insert(path);
    std::vector<Change> out;
    for (const auto& path : paths) {
        const auto at = a.leaves.find(path);
        const auto other = b.leaves.find(path);
        compare(path, at == a.leaves.end() ? nullptr : &at->second,
                other == b.leaves.end() ? nullptr : &other->second, out);
    }
    for (const auto& [path, names] : a.orders) {
        const auto other = b.orders.find(path);
        if (other != b.orders.end()) compare_order(path, names, other->second, out);
    }
    std::stable_sort(out.begin(), out.end(),
                     [](const Change& x, const Change& y) { return x.path < y.path; });
    return out;
}

std::string origin_text(const config::Document& document, const Setting& setting) {
    if (setting.place.is_built_in()) return std::string(kBuiltIn);
    const auto line = std::to_string(setting.place.line);
    if (setting.place.file >= document.sources.size()) return "line " + line;
    return document.sources[setting.place.file].name + ":" + line;
}

}  // namespace weir::describe

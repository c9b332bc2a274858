#include "weir/describe/effective.hpp"

#include "weir/decode/suggest.hpp"

#include "describe/canonical.hpp"
#include "describe/resolve.hpp"

#include <algorithm>
#include <charconv>
#include <unordered_map>
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
    return !path.starts_with("defaults.") || path.find(".client_") != std::string::npos ||
           path.ends_with(".handshake");
}

// The children of a branch by key: the one at the same index is nearly always the one asked for.
class Children {
  public:
    explicit Children(const Branch* of) : of_(of) {}

    [[nodiscard]] const Branch* find(const std::string& key, std::size_t index) {
        if (of_ == nullptr) return nullptr;
        const auto& all = of_->children;
        if (index < all.size() && all[index].key == key) return &all[index];
        if (by_key_.empty()) {
            for (const auto& child : all)
                by_key_.emplace(child.key, &child);
        }
        const auto found = by_key_.find(key);
        return found == by_key_.end() ? nullptr : found->second;
    }

  private:
    const Branch* of_;
    std::unordered_map<std::string_view, const Branch*> by_key_;
};

// Two trees side by side; a side that has no such branch is null.
class Comparison {
  public:
    [[nodiscard]] std::vector<Change> run(const Branch& from, const Branch& to) {
        compare(&from, &to, false);
        return std::move(changes_);
    }

  private:
    void compare(const Branch* from, const Branch* to, bool is_implied) {
        const Branch* either = from != nullptr ? from : to;
        is_implied = is_implied || either->is_implied;
        if (from != nullptr && to != nullptr && from->kind != to->kind) {
            compare(from, nullptr, is_implied);  // `off` became an object, or the other way round
            compare(nullptr, to, is_implied);
            return;
        }
        if (either->kind == Branch::Kind::leaf) {
            if (is_compared(path_)) compare_leaf(from, to, is_implied);
            return;
        }
        if (either->kind == Branch::Kind::list && from != nullptr && to != nullptr)
            compare_order(*from, *to);
        Children before(from);
        Children after(to);
        if (from != nullptr) {
            for (std::size_t i = 0; i < from->children.size(); ++i) {
                const auto& child = from->children[i];
                below(child.key, &child, after.find(child.key, i), is_implied);
            }
        }
        if (to == nullptr) return;
        for (std::size_t i = 0; i < to->children.size(); ++i) {
            const auto& child = to->children[i];
            if (before.find(child.key, i) == nullptr) below(child.key, nullptr, &child, is_implied);
        }
    }

    void below(const std::string& key, const Branch* from, const Branch* to, bool is_implied) {
        const auto size = path_.size();
        if (size != 0) path_ += '.';
        path_ += key;
        compare(from, to, is_implied);
        path_.resize(size);
    }

    void compare_leaf(const Branch* from, const Branch* to, bool is_implied) {
        if (from != nullptr && to != nullptr) {
            const bool is_told = from->is_own || to->is_own;
            // Another secret file looks the same.
            const bool is_same = from->in_force == to->in_force &&
                                 from->chain.front().written == to->chain.front().written;
            if (is_told && !is_same) changes_.push_back({path_, from->in_force, to->in_force});
            return;
        }
        // Nothing is to be said of defaults and inherited keys of what comes or goes.
        const Branch& only = from != nullptr ? *from : *to;
        if (!only.is_own || is_implied || only.chain.front().is_built_in()) return;
        changes_.push_back({path_, from != nullptr ? from->in_force : std::string(),
                            to != nullptr ? to->in_force : std::string()});
    }

    // The names that both have, in the order of each.
    void compare_order(const Branch& from, const Branch& to) {
        auto before = common(from, to);
        auto after = common(to, from);
        if (before != after) changes_.push_back({path_, std::move(before), std::move(after)});
    }

    static std::string common(const Branch& of, const Branch& with) {
        std::string text;
        Children others(&with);
        for (std::size_t i = 0; i < of.children.size(); ++i) {
            const auto& name = of.children[i].key;
            if (others.find(name, i) == nullptr) continue;
            text += (text.empty() ? "" : ", ") + quoted_if_needed(name, true);
        }
        return "[" + text + "]";
    }

    std::string path_;
    std::vector<Change> changes_;
};

// Written alike in the same files; where on a page does not count.
bool is_same(const config::Node& a, const config::Node& b) {
    if (a.kind != b.kind || a.place.file != b.place.file || a.text != b.text ||
        a.is_quoted != b.is_quoted || a.items.size() != b.items.size() ||
        a.entries.size() != b.entries.size())
        return false;
    return std::equal(a.items.begin(), a.items.end(), b.items.begin(), is_same) &&
           std::equal(a.entries.begin(), a.entries.end(), b.entries.begin(),
                      [](const auto& x, const auto& y) {
                          return x.key == y.key && is_same(x.value, y.value);
                      });
}

const config::Node* section(const config::Document& document, std::string_view key) {
    for (const auto& entry : document.root.entries) {
        if (entry.key == key) return &entry.value;
    }
    return nullptr;
}

bool has_same(const config::Document& from, const config::Document& to, std::string_view key) {
    const auto* before = section(from, key);
    const auto* after = section(to, key);
    if (before == nullptr || after == nullptr) return before == after;
    return is_same(*before, *after);
}

// What both write alike, and inherit alike: a reload changes little, and resolving is the work.
Skipped same_sections(const config::Document& from, const config::Document& to) {
    Skipped same;
    const auto names = [](const auto& x, const auto& y) { return x.name == y.name; };
    const bool has_same_files = std::equal(from.sources.begin(), from.sources.end(),
                                           to.sources.begin(), to.sources.end(), names);
    const auto* before = section(from, "clusters");
    const auto* after = section(to, "clusters");
    if (!has_same_files || !has_same(from, to, "defaults")) return same;
    if (before != nullptr && after != nullptr) {
        std::unordered_map<std::string_view, const config::Node*> known;
        for (const auto& entry : before->entries)
            known.emplace(entry.key, &entry.value);
        for (const auto& entry : after->entries) {
            const auto found = known.find(entry.key);
            if (found != known.end() && is_same(*found->second, entry.value))
                same.clusters.insert(entry.key);
        }
    }
    constexpr std::string_view kListenersNeed[] = {"listeners", "clusters", "access_log", "limits",
                                                   "errors"};
    same.has_listeners = std::all_of(std::begin(kListenersNeed), std::end(kListenersNeed),
                                     [&](auto key) { return has_same(from, to, key); });
    return same;
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
    const Skipped same = same_sections(from, to);
    const auto before = resolve(from, same);
    const auto after = resolve(to, same);
    auto out = Comparison().run(before->root, after->root);
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

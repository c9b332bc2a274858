#pragma once

#include "weir/config/values.hpp"
#include "weir/decode/suggest.hpp"

#include "config/tree.hpp"
#include "decode/files.hpp"
#include "decode/table.hpp"

#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

// The decoder that the key table drives: one generic function for every block. It assigns only what
// is written, so inheritance is decoding onto a copy of what is inherited.
namespace weir::config {

struct Context {
    Report& report;
    const Environment& environment;
    Files& files;
    const std::vector<SourceText>& sources;  // by Place::file
    std::string access_log_to{};             // of the process
    // Of `identity`, for `tls: mesh`.
    std::optional<Tls> identity{};
    bool has_identity = false;  // written, if perhaps no good
    // The blocks of `auth`, and where they are.
    std::map<std::string, Place, std::less<>> auths{};
    std::map<std::string, RateLimit, std::less<>> rate_limits{};  // inline ones come as met
    std::map<std::string, Redis, std::less<>> redis{};
};

// ---- complaints

// About a node, its whole text or the part the complaint names.
void complain(Context& ctx, const Node& node, Complaint complaint);
void complain_at(Context& ctx, const Place& place, std::uint32_t width, Complaint complaint);
void warn_at(Context& ctx, const Place& place, std::uint32_t width, Complaint complaint);
void complain_kind(Context& ctx, const Node& node, std::string_view key, std::string_view type);
// A word that is none of `words`: W105, or W109 if a later version takes it.
void complain_word(Context& ctx,
                   const Node& node,
                   std::string_view noun,
                   const std::vector<std::string_view>& words,
                   std::string_view path);

// "line 3"; in another file than what is said beside it, "conf.d/a.yaml:3".
[[nodiscard]] std::string where(const Context& ctx, const Place& place, const Place& beside);
// What the file at this place names by a relative path.
[[nodiscard]] std::string resolved(const Context& ctx, const Place& at, const std::string& path);

// "clusters.legacy" + "timeout"
[[nodiscard]] std::string below(const std::string& path, std::string_view key);
[[nodiscard]] std::string below(const std::string& path, std::size_t index);

// ---- where values come from

struct Origin {
    Place place;
    std::string layer;  // "defaults", "clusters.legacy"
};
// What was written of a block, by key; the rest is built in. Copied when a block is inherited.
struct Origins {
    std::string layer;  // of what is decoded next
    std::map<std::string_view, Origin> said;

    [[nodiscard]] const Origin* find(std::string_view key) const {
        const auto at = said.find(key);
        return at == said.end() ? nullptr : &at->second;
    }
};
template <typename T>
struct Traced {
    T value;
    Origins origins;
};

// ---- nodes

// The keys of a map, each once; refuses unknown and repeated ones. `block` is the path of the
// table.
void walk_keys(Context& ctx,
               const Node& map,
               const std::string& path,
               std::string_view block,
               const std::vector<std::string_view>& known,
               const std::function<void(std::size_t index, const Entry& entry)>& take);

// The keys of a map of names, each once.
void walk_names(Context& ctx,
                const Node& map,
                const std::string& path,
                const std::function<void(const Entry& entry)>& take);

// The items of a list, or the one scalar that stands for it. Only scalars, each with text.
[[nodiscard]] std::vector<const Node*> scalars(Context& ctx,
                                               const Node& node,
                                               std::string_view key);

// The value of a key in a map, else the node itself: where to point.
[[nodiscard]] const Node& value_of(const Node& map, std::string_view key);

// A word for off that is not the one of this language.
[[nodiscard]] bool means_off(std::string_view text);

// The value, or that of one of its keys, is refused already: what is not there was perhaps meant.
[[nodiscard]] bool is_in_doubt(const Node& node);

// True, or W108: "'listeners' takes a list".
bool expect(
    Context& ctx, const Node& node, Node::Kind kind, std::string_view key, std::string_view type);

// ---- rows

// What a row says to every member it may fill.
struct RowInfo {
    std::string_view name, type, fallback, noun;
    std::string path;  // of the table, "breaker.mode"
    double least, most;
};

void assign(Context& ctx, const Node& node, const RowInfo& row, bool& into);
void assign(Context& ctx, const Node& node, const RowInfo& row, std::uint16_t& into);
void assign(Context& ctx, const Node& node, const RowInfo& row, std::uint32_t& into);
void assign(Context& ctx, const Node& node, const RowInfo& row, std::optional<std::uint32_t>& into);
void assign(Context& ctx, const Node& node, const RowInfo& row, std::uint64_t& into);
void assign(Context& ctx, const Node& node, const RowInfo& row, std::optional<std::uint64_t>& into);
void assign(Context& ctx, const Node& node, const RowInfo& row, Duration& into);
void assign(Context& ctx, const Node& node, const RowInfo& row, std::optional<Duration>& into);
void assign(Context& ctx, const Node& node, const RowInfo& row, double& into);
void assign(Context& ctx, const Node& node, const RowInfo& row, std::optional<double>& into);
void assign(Context& ctx, const Node& node, const RowInfo& row, StallAfter& into);
void assign(Context& ctx, const Node& node, const RowInfo& row, std::string& into);
void assign(Context& ctx, const Node& node, const RowInfo& row, std::optional<std::string>& into);
// {file: path} or {env: NAME}, read now.
void assign(Context& ctx, const Node& node, const RowInfo& row, std::optional<Secret>& into);
// The index of the word, if it is one.
std::optional<std::size_t> assign_word(Context& ctx, const Node& node, const RowInfo& row);

template <typename T>
void assign_row(
    Context& ctx, const Node& node, const std::string& path, const Key<T>& key, T& into) {
    if (node.is_broken) return;
    const auto assign_to = [&](auto field) {
        using F = decltype(field);
        if constexpr (std::is_same_v<F, ReadNode<T>>) {
            field(ctx, node, below(path, key.name), into);
        } else if constexpr (std::is_same_v<F, const Node * T::*>) {
            into.*field = &node;
        } else {
            const RowInfo row{key.name,
                              key.type,
                              key.fallback,
                              key.noun,
                              below(std::string(block<T>().path), key.name),
                              key.least,
                              key.most};
            if constexpr (std::is_same_v<F, SetWord<T>>) {
                if (const auto index = assign_word(ctx, node, row)) field(into, *index);
            } else {
                assign(ctx, node, row, into.*field);
            }
        }
    };
    std::visit(assign_to, key.field);
}

// Fills a block from a map, from the word `off`, or from the value its shorthand stands for. Only
// what is written is assigned; a wrong value leaves what was there.
template <typename T>
void decode(
    Context& ctx, const Node& node, const std::string& path, T& into, Origins* origins = nullptr) {
    const Block<T>& table = block<T>();
    // A wrong value is not what holds, so it does not count as said.
    auto errors = ctx.report.errors();
    const auto note = [&](std::string_view key, const Place& place) {
        const bool is_good = std::exchange(errors, ctx.report.errors()) == ctx.report.errors();
        if (origins != nullptr && is_good) origins->said[key] = {place, origins->layer};
    };
    if (node.is_broken) return;
    if (node.kind == Node::Kind::scalar && table.off != nullptr && node.text == "off") {
        table.off(into);
        return;
    }
    if (node.kind == Node::Kind::scalar && table.off != nullptr && means_off(node.text)) {
        complain(ctx, node,
                 {.what = "'" + node.text + "' is no value of " + path, .note = "write off"});
        return;
    }
    if (node.kind == Node::Kind::scalar && !table.shorthand.empty()) {
        for (const auto& key : table.rows) {
            if (key.name != table.shorthand) continue;
            assign_row(ctx, node, path, key, into);
            note(key.name, node.place);
        }
        return;
    }
    const auto type = table.off != nullptr ? "a map of settings or off" : "a map of settings";
    if (!expect(ctx, node, Node::Kind::map, path, type)) return;
    std::vector<std::string_view> known;
    for (const auto& key : table.rows)
        known.push_back(key.name);
    walk_keys(ctx, node, path, table.path, known, [&](std::size_t index, const Entry& entry) {
        errors = ctx.report.errors();
        assign_row(ctx, entry.value, path, table.rows[index], into);
        note(table.rows[index].name, entry.value.place);
    });
}

}  // namespace weir::config

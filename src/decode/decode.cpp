#include "decode/decode.hpp"

#include "weir/decode/keys.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <unordered_map>
#include <utility>

namespace weir::config {
namespace {

std::string quoted(std::string_view text) {
    return "'" + std::string(text) + "'";
}

std::string in(const std::string& path) {
    return path.empty() ? " at the top" : " in " + path;
}

// Other objects that know this key: "clusters{}, routes[]".
std::string homes_of(std::string_view word) {
    std::string homes;
    for (const auto& key : keys()) {
        const auto dot = key.path.rfind('.');
        if (dot == std::string::npos || std::string_view(key.path).substr(dot + 1) != word)
            continue;
        if (!homes.empty()) homes += ", ";
        homes += key.path.substr(0, dot);
    }
    return homes;
}

void complain_unknown(Context& ctx,
                      const Entry& entry,
                      const std::string& path,
                      std::string_view block,
                      std::vector<std::string_view> known) {
    if (ctx.report.is_full()) return;
    if (block == "timeout" && !path.starts_with("defaults.")) {
        std::erase_if(known, [](std::string_view key) {
            return key.starts_with("client_") || key == "handshake";
        });
    }
    const auto later = later_words(block);
    const auto is_later = [&](std::string_view key) {
        return std::find(later.begin(), later.end(), key) != later.end();
    };
    if (is_later(entry.key)) {
        complain_at(ctx, entry.place, entry.width,
                    {.code = 109, .what = quoted(entry.key) + " is not supported by this version"});
        return;
    }
    Complaint complaint{.code = 101, .what = "unknown key " + quoted(entry.key) + in(path)};
    complaint.help = "keys here: " + joined(known);
    auto takes = known;
    takes.insert(takes.end(), later.begin(), later.end());
    const auto meant = synonym(entry.key, block, takes);
    const auto near = nearest(entry.key, known);
    if (meant.is_here && is_later(meant.path)) {
        complaint.note = "here it is " + quoted(meant.path) + ", not supported by this version";
    } else if (meant.is_here || !near.empty()) {
        complaint.note = "did you mean " + quoted(meant.is_here ? meant.path : near) + "?";
    } else if (const auto homes = homes_of(entry.key); !homes.empty()) {
        complaint.note = "this key belongs in " + homes;
    } else if (!meant.path.empty()) {
        complaint.note = "in Weir this is " + std::string(meant.path);
    }
    complain_at(ctx, entry.place, entry.width, std::move(complaint));
}

// Calls take for each key that comes for the first time.
template <typename F>
void walk_once(Context& ctx, const Node& map, const std::string& path, F take) {
    std::unordered_map<std::string_view, Place> seen;
    for (const auto& entry : map.entries) {
        const auto [at, is_new] = seen.emplace(entry.key, entry.place);
        if (is_new) {
            take(entry);
            continue;
        }
        complain_at(ctx, entry.place, entry.width,
                    {.code = 102,
                     .what = "key " + quoted(entry.key) + " is given twice" + in(path),
                     .note = "first given at " + where(ctx, at->second, entry.place) +
                             " (YAML would silently keep one of them)"});
    }
}

// The text of a scalar, or W108.
const std::string* text_of(Context& ctx, const Node& node, const RowInfo& row) {
    if (node.kind == Node::Kind::scalar) return &node.text;
    complain_kind(ctx, node, row.name, row.type);
    return nullptr;
}

bool is_none_word(const Node& node, const RowInfo& row) {
    const auto words = words_of(row.type);
    return node.kind == Node::Kind::scalar &&
           std::find(words.begin(), words.end(), node.text) != words.end();
}

std::string number_text(double value) {
    auto text = std::to_string(value);
    text.erase(text.find_last_not_of('0') + 1);
    if (text.ends_with('.')) text.pop_back();
    return text;
}

// A bound as the value would be written.
std::string bound_text(const RowInfo& row, double bound) {
    if (row.type.starts_with("duration")) {
        return to_text(std::chrono::microseconds(std::llround(bound * 1e6)));
    }
    if (row.type.starts_with("percent")) return number_text(bound * 100) + "%";
    if (row.type.starts_with("rate")) return number_text(bound) + "/s";
    if (row.type.starts_with("size")) return size_to_text(static_cast<std::uint64_t>(bound));
    return number_text(bound);
}

bool is_in_range(
    Context& ctx, const Node& node, const RowInfo& row, double value, double type_most) {
    const auto most = std::min(row.most, type_most);
    if (value >= row.least && value <= most) return true;
    const bool is_low = value < row.least;
    complain(ctx, node,
             {.code = 117,
              .what = quoted(row.name) + (is_low ? " must be at least " : " must be at most ") +
                      bound_text(row, is_low ? row.least : most)});
    return false;
}

// Reads the text, checks the range, assigns.
template <typename To, typename From, typename Measure>
void assign_read(Context& ctx,
                 const Node& node,
                 const RowInfo& row,
                 Read<From> (*read)(std::string_view),
                 Measure measure,
                 double type_most,
                 To& into) {
    const auto* text = text_of(ctx, node, row);
    if (text == nullptr) return;
    auto result = read(*text);
    if (auto* complaint = std::get_if<Complaint>(&result)) {
        const auto words = words_of(row.type);
        if (!words.empty() && complaint->code == 104 && !complaint->note.starts_with("did you")) {
            complaint->note += (complaint->note.empty() ? "or " : "; or ") + joined(words);
        }
        complain(ctx, node, std::move(*complaint));
        return;
    }
    const auto value = std::get<From>(result);
    if (is_in_range(ctx, node, row, measure(value), type_most)) into = static_cast<To>(value);
}

double as_is(double value) {
    return value;
}
double of_integer(std::uint64_t value) {
    return static_cast<double>(value);
}
double of_duration(Duration value) {
    return std::chrono::duration<double>(value).count();
}

bool has_line_break(std::string_view text) {
    return text.find_first_of(std::string_view("\r\n\0", 3)) != std::string_view::npos;
}

// The value of {file: path} or {env: NAME}; one line, never empty. A key with a bound of its own is
// a text of lines.
std::optional<std::string> secret_of(Context& ctx, const Entry& source, double most) {
    const bool has_lines = most != kNoMost;
    const std::size_t most_bytes = has_lines ? static_cast<std::size_t>(most) : 64 * 1024;
    const auto& name = source.value.text;
    std::string text;
    if (source.key == "env") {
        auto value = ctx.environment.variable ? ctx.environment.variable(name) : std::nullopt;
        if (!value) {
            complain(ctx, source.value,
                     {.code = 107, .what = "environment variable " + name + " is not set"});
            return std::nullopt;
        }
        text = std::move(*value);
    } else {
        auto content = ctx.files.read(resolved(ctx, source.value.place, name), most_bytes);
        if (!content.problem.empty()) {
            complain(ctx, source.value,
                     {.code = 121, .what = "cannot read " + quoted(name) + ": " + content.problem});
            return std::nullopt;
        }
        text = std::move(content.text);
        if (text.ends_with('\n')) text.pop_back();
        if (text.ends_with('\r')) text.pop_back();
    }
    if (!text.empty() && (has_lines || !has_line_break(text))) return text;
    const auto* is = text.empty() ? " is empty" : " is more than one line of text";
    complain(ctx, source.value, {.code = 121, .what = "the secret of " + quoted(name) + is});
    return std::nullopt;
}

template <typename T, typename Assign>
void assign_optional(
    Context& ctx, const Node& node, const RowInfo& row, std::optional<T>& into, Assign by) {
    if (is_none_word(node, row)) {
        into.reset();
        return;
    }
    std::optional<T> read;
    T value{};
    const auto before = ctx.report.errors();
    by(ctx, node, row, value);
    if (ctx.report.errors() == before) into = value;
}

}  // namespace

void complain_at(Context& ctx, const Place& place, std::uint32_t width, Complaint complaint) {
    ctx.report.add({.code = complaint.code,
                    .place = place,
                    .what = std::move(complaint.what),
                    .note = std::move(complaint.note),
                    .help = std::move(complaint.help),
                    .width = width});
}

void warn_at(Context& ctx, const Place& place, std::uint32_t width, Complaint complaint) {
    ctx.report.add({.severity = Problem::Severity::warning,
                    .code = complaint.code,
                    .place = place,
                    .what = std::move(complaint.what),
                    .note = std::move(complaint.note),
                    .help = std::move(complaint.help),
                    .width = width});
}

void complain(Context& ctx, const Node& node, Complaint complaint) {
    const bool is_part = complaint.size != 0 && !node.is_expanded &&
                         complaint.at + complaint.size <= node.text.size();
    const auto shift = is_part ? complaint.at + (node.is_quoted ? 1U : 0U) : 0;
    const auto width = is_part ? complaint.size : node.width;
    ctx.report.add({.code = complaint.code,
                    .place = node.place,
                    .what = std::move(complaint.what),
                    .note = std::move(complaint.note),
                    .help = std::move(complaint.help),
                    .width = static_cast<std::uint32_t>(width),
                    .shift = static_cast<std::uint32_t>(shift)});
}

void complain_kind(Context& ctx, const Node& node, std::string_view key, std::string_view type) {
    if (node.is_broken) return;
    constexpr std::string_view kKinds[] = {"has no value", "is a single value", "is a list",
                                           "is a map"};
    const auto is = kKinds[static_cast<std::size_t>(node.kind)];
    complain(ctx, node,
             {.code = 108,
              .what = quoted(key) + " " + std::string(is),
              .note = "it takes " + std::string(type)});
}

void complain_word(Context& ctx,
                   const Node& node,
                   std::string_view noun,
                   const std::vector<std::string_view>& words,
                   std::string_view path) {
    const auto later = later_words(path);
    if (std::find(later.begin(), later.end(), node.text) != later.end()) {
        complain(ctx, node,
                 {.code = 109,
                  .what = quoted(node.text) + " is not supported by this version",
                  .note = "one of: " + joined(words)});
        return;
    }
    if (node.text == "udp") {
        complain(ctx, node,
                 {.code = 105,
                  .what = "'udp' is no " + std::string(noun) + ": Weir relays TCP, not UDP",
                  .note = "one of: " + joined(words)});
        return;
    }
    const auto meant = nearest(node.text, words);
    complain(ctx, node,
             {.code = 105,
              .what = quoted(node.text) + " is no " + std::string(noun),
              .note = (meant.empty() ? std::string() : "did you mean " + quoted(meant) + "?   ") +
                      "one of: " + joined(words)});
}

std::string where(const Context& ctx, const Place& place, const Place& beside) {
    const auto line = std::to_string(place.line);
    if (place.file == beside.file || place.file >= ctx.sources.size()) return "line " + line;
    return ctx.sources[place.file].name + ":" + line;
}

std::string resolved(const Context& ctx, const Place& at, const std::string& path) {
    return at.file < ctx.sources.size() ? resolved(folder_of(ctx.sources[at.file].name), path)
                                        : path;
}

std::string below(const std::string& path, std::string_view key) {
    return path.empty() ? std::string(key) : path + "." + std::string(key);
}

std::string below(const std::string& path, std::size_t index) {
    return path + "[" + std::to_string(index) + "]";
}

void walk_keys(Context& ctx,
               const Node& map,
               const std::string& path,
               std::string_view block,
               const std::vector<std::string_view>& known,
               const std::function<void(std::size_t index, const Entry& entry)>& take) {
    walk_once(ctx, map, path, [&](const Entry& entry) {
        const auto at = std::find(known.begin(), known.end(), entry.key);
        if (at == known.end()) {
            complain_unknown(ctx, entry, path, block, known);
        } else {
            take(static_cast<std::size_t>(at - known.begin()), entry);
        }
    });
}

void walk_names(Context& ctx,
                const Node& map,
                const std::string& path,
                const std::function<void(const Entry& entry)>& take) {
    walk_once(ctx, map, path, take);
}

std::vector<const Node*> scalars(Context& ctx, const Node& node, std::string_view key) {
    std::vector<const Node*> found;
    if (node.is_broken) return found;
    if (node.kind == Node::Kind::scalar) {
        found.push_back(&node);
    } else if (expect(ctx, node, Node::Kind::list, key, "a value or a list")) {
        for (const auto& item : node.items) {
            if (item.is_broken) continue;
            if (expect(ctx, item, Node::Kind::scalar, key, "single values in its list"))
                found.push_back(&item);
        }
    }
    return found;
}

bool expect(
    Context& ctx, const Node& node, Node::Kind kind, std::string_view key, std::string_view type) {
    if (node.kind == kind) return !node.is_broken;
    complain_kind(ctx, node, key, type);
    return false;
}

const Node& value_of(const Node& map, std::string_view key) {
    for (const auto& entry : map.entries) {
        if (entry.key == key) return entry.value;
    }
    return map;
}

bool means_off(std::string_view text) {
    constexpr std::string_view kWords[] = {"false", "no", "none", "never", "disabled"};
    return std::find(std::begin(kWords), std::end(kWords), text) != std::end(kWords);
}

bool is_in_doubt(const Node& node) {
    return node.is_broken || std::any_of(node.entries.begin(), node.entries.end(),
                                         [](const Entry& entry) { return entry.value.is_broken; });
}

void assign(Context& ctx, const Node& node, const RowInfo& row, bool& into) {
    const auto measure = [](bool /*value*/) { return 0.0; };
    assign_read(ctx, node, row, read_boolean, measure, kNoMost, into);
}
void assign(Context& ctx, const Node& node, const RowInfo& row, std::uint16_t& into) {
    assign_read(ctx, node, row, read_integer, of_integer, std::numeric_limits<std::uint16_t>::max(),
                into);
}
void assign(Context& ctx, const Node& node, const RowInfo& row, std::uint32_t& into) {
    assign_read(ctx, node, row, read_integer, of_integer, std::numeric_limits<std::uint32_t>::max(),
                into);
}
void assign(Context& ctx, const Node& node, const RowInfo& row, std::uint64_t& into) {
    assign_read(ctx, node, row, read_size, of_integer, kNoMost, into);
}
void assign(Context& ctx, const Node& node, const RowInfo& row, Duration& into) {
    assign_read(ctx, node, row, read_duration, of_duration, kNoMost, into);
}
void assign(Context& ctx, const Node& node, const RowInfo& row, double& into) {
    const auto read = row.type == "rate" ? read_rate : read_percent;
    assign_read(ctx, node, row, read, as_is, kNoMost, into);
}
void assign(Context& ctx, const Node& node, const RowInfo& row, StallAfter& into) {
    if (is_none_word(node, row)) {
        into = {node.text == "off" ? StallAfter::Kind::off : StallAfter::Kind::automatic, {}};
        return;
    }
    Duration after{};
    const auto before = ctx.report.errors();
    assign(ctx, node, row, after);
    if (ctx.report.errors() == before) into = {StallAfter::Kind::after, after};
}

void assign(Context& ctx, const Node& node, const RowInfo& row, std::string& into) {
    const auto* text = text_of(ctx, node, row);
    if (text == nullptr) return;
    if (text->empty() && row.fallback != "\"\"") {
        complain(ctx, node, {.what = quoted(row.name) + " is empty"});
    } else {
        into = *text;
    }
}

void assign(Context& ctx,
            const Node& node,
            const RowInfo& row,
            std::optional<std::uint32_t>& into) {
    assign_optional(ctx, node, row, into, [](auto&... args) { assign(args...); });
}
void assign(Context& ctx,
            const Node& node,
            const RowInfo& row,
            std::optional<std::uint64_t>& into) {
    assign_optional(ctx, node, row, into, [](auto&... args) { assign(args...); });
}
void assign(Context& ctx, const Node& node, const RowInfo& row, std::optional<Duration>& into) {
    assign_optional(ctx, node, row, into, [](auto&... args) { assign(args...); });
}
void assign(Context& ctx, const Node& node, const RowInfo& row, std::optional<double>& into) {
    assign_optional(ctx, node, row, into, [](auto&... args) { assign(args...); });
}
void assign(Context& ctx, const Node& node, const RowInfo& row, std::optional<std::string>& into) {
    assign_optional(ctx, node, row, into, [](auto&... args) { assign(args...); });
}

void assign(Context& ctx, const Node& node, const RowInfo& row, std::optional<Secret>& into) {
    if (is_none_word(node, row)) {
        into.reset();
        return;
    }
    if (node.kind != Node::Kind::map) {
        ctx.report.add(
            {.code = 151,
             .place = node.place,
             .what = "the secret " + quoted(row.name) + " must not stand in the configuration",
             .note = "write {file: PATH} or {env: NAME}",
             .width = node.width,
             .is_secret = true});
        return;
    }
    const Entry* source = nullptr;
    const auto before = ctx.report.errors();
    walk_once(ctx, node, row.path, [&](const Entry& entry) {
        if (entry.key != "file" && entry.key != "env") {
            // Its value may be the secret itself.
            ctx.report.add({.code = 101,
                            .place = entry.value.place,
                            .what = "unknown key " + quoted(entry.key) + in(row.path),
                            .note = "write {file: PATH} or {env: NAME}",
                            .width = entry.value.width,
                            .is_secret = true});
        } else if (source != nullptr) {
            complain(ctx, node, {.code = 115, .what = "file and env exclude each other"});
        } else {
            source = &entry;
        }
    });
    if (source == nullptr && ctx.report.errors() == before) {
        complain(ctx, node,
                 {.code = 114,
                  .what = quoted(row.name) + " comes from nowhere",
                  .note = "write {file: PATH} or {env: NAME}"});
    }
    if (source == nullptr || ctx.report.errors() != before ||
        !expect(ctx, source->value, Node::Kind::scalar, source->key, "one name"))
        return;
    if (auto text = secret_of(ctx, *source, row.most)) into = Secret(std::move(*text));
}

std::optional<std::size_t> assign_word(Context& ctx, const Node& node, const RowInfo& row) {
    const auto* text = text_of(ctx, node, row);
    if (text == nullptr) return std::nullopt;
    const auto words = words_of(row.type);
    const auto at = std::find(words.begin(), words.end(), *text);
    if (at != words.end()) return static_cast<std::size_t>(at - words.begin());
    const auto noun =
        row.noun.empty() ? "value of '" + std::string(row.name) + "'" : std::string(row.noun);
    complain_word(ctx, node, noun, words, row.path);
    return std::nullopt;
}

}  // namespace weir::config

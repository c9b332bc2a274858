#include "weir/core/log.hpp"

#include "weir/core/json.hpp"

#include <spdlog/sinks/basic_file_sink.h>
#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <memory>
#include <mutex>
#include <stdexcept>

namespace weir::log {
namespace {

// As in cmake/Layers.cmake: a test compares them.
constexpr std::array<std::string_view, 33> kModules{
    "core",       "config",    "decode",   "describe",   "crypto",   "http",      "coding",
    "resilience", "balance",   "quota",    "route",      "auth",     "telemetry", "transport",
    "control",    "discovery", "finders",  "connection", "upstream", "redis",     "filter",
    "events",     "proxy",     "admin",    "runtime",    "client",   "demo",      "simulate",
    "intercept",  "inject",    "injector", "manual",     "cli"};
constexpr std::array<std::string_view, 5> kWords{"trace", "debug", "info", "warn", "error"};

spdlog::level::level_enum to_spdlog(Level level) {
    switch (level) {
        case Level::trace:
            return spdlog::level::trace;
        case Level::debug:
            return spdlog::level::debug;
        case Level::info:
            return spdlog::level::info;
        case Level::warn:
            return spdlog::level::warn;
        case Level::error:
            return spdlog::level::err;
    }
    return spdlog::level::info;
}

spdlog::sink_ptr make_sink(const std::string& to) {
    if (to == "stdout") return std::make_shared<spdlog::sinks::stdout_sink_mt>();
    if (to == "stderr") return std::make_shared<spdlog::sinks::stderr_sink_mt>();
    return std::make_shared<spdlog::sinks::basic_file_sink_mt>(to);
}

// Where it goes. Replaced whole, so that one who writes meanwhile has either.
struct Target {
    explicit Target(const Options& given) : options(given), logger("weir", make_sink(given.to)) {
        const bool is_json = given.format == Format::json;
        logger.set_pattern(
            is_json ? R"({"time":"%Y-%m-%dT%H:%M:%S.%eZ",%v)" : "%H:%M:%S.%e  %^%l%$  %v",
            is_json ? spdlog::pattern_time_type::utc : spdlog::pattern_time_type::local);
        logger.set_level(spdlog::level::trace);
        logger.flush_on(spdlog::level::info);
    }

    const Options options;
    spdlog::logger logger;
};

std::shared_ptr<Target> make_target(const Options& options) {
    try {
        return std::make_shared<Target>(options);
    } catch (const spdlog::spdlog_ex& error) {
        throw std::runtime_error(std::string("log.to ") + options.to + ": " + error.what());
    }
}

// The process's log: what is configured, what an operator said instead, and the levels in force,
// by module, in a form that costs a load to ask.
struct State {
    State() { apply(); }

    // mutex is held, or nobody else is there yet.
    void apply() {
        const Levels& wanted = override_levels ? *override_levels : configured;
        for (auto& level : by_module)
            level.store(wanted.level, std::memory_order_relaxed);
        Level least = wanted.level;
        for (const auto& [name, level] : wanted.modules) {
            const auto found = std::find(kModules.begin(), kModules.end(), name);
            if (found == kModules.end()) continue;
            by_module[static_cast<std::size_t>(found - kModules.begin())].store(
                level, std::memory_order_relaxed);
            least = std::min(least, level);
        }
        by_module.back().store(wanted.level, std::memory_order_relaxed);
        lowest.store(least, std::memory_order_relaxed);
    }

    std::atomic<std::shared_ptr<Target>> target{make_target({})};
    std::atomic<Level> lowest{Level::info};
    std::array<std::atomic<Level>, kModules.size() + 1> by_module{};  // the last: of no module
    std::mutex mutex;
    Levels configured;
    std::optional<Levels> override_levels;
    std::optional<TimePoint> until;
};

State& state() {
    static State only;
    return only;
}

// "/x/src/upstream/cluster.cpp" -> the index of upstream.
std::size_t module_of(std::string_view file) {
    for (const std::string_view root : {"src/", "include/weir/"}) {
        const std::size_t at = file.rfind(root);
        if (at == std::string_view::npos || (at > 0 && file[at - 1] != '/')) continue;
        file.remove_prefix(at + root.size());
        const auto found =
            std::find(kModules.begin(), kModules.end(), file.substr(0, file.find('/')));
        return static_cast<std::size_t>(found - kModules.begin());
    }
    return kModules.size();
}

bool needs_quotes(std::string_view value) {
    if (value.empty()) return true;
    for (const char c : value) {
        if (static_cast<unsigned char>(c) <= ' ' || c == '"' || c == '=') return true;
    }
    return false;
}

// spdlog's patterns do not escape, so the fields are rendered here and passed as one text.
std::string render_text(std::string_view message, Fields fields) {
    std::string out(message);
    for (const Field& field : fields) {
        out.append("  ").append(field.key).append("=");
        if (!needs_quotes(field.value)) {
            out += field.value;
            continue;
        }
        out += '"';
        append_json_escaped(out, field.value);
        out += '"';
    }
    return out;
}

std::string render_json(Level level, std::string_view message, Fields fields) {
    std::string out;
    JsonWriter json(out);
    json.begin_object().field("level", spdlog::level::to_string_view(to_spdlog(level)).data());
    json.field("message", message);
    for (const Field& field : fields)
        json.field(field.key, field.value);
    json.end_object();
    // The time is spdlog's: it stands in front, inside the object.
    return out.substr(1);
}

}  // namespace

void configure(const Options& options) {
    auto next = make_target(options);
    const std::lock_guard lock(state().mutex);
    state().target.store(std::move(next));
    state().configured.level = options.level;
    state().apply();
}

void reopen() {
    auto next = make_target(state().target.load()->options);
    state().target.store(std::move(next));
}

void set_level(Level level) {
    const std::lock_guard lock(state().mutex);
    state().configured.level = level;
    state().apply();
}

std::span<const std::string_view> modules() {
    return kModules;
}

std::string_view word(Level level) {
    return kWords[static_cast<std::size_t>(level)];
}

std::optional<Level> level_from(std::string_view word) {
    const auto found = std::find(kWords.begin(), kWords.end(), word);
    if (found == kWords.end()) return std::nullopt;
    return static_cast<Level>(found - kWords.begin());
}

void override_levels(const Levels& levels, std::optional<TimePoint> until) {
    const std::lock_guard lock(state().mutex);
    state().override_levels = levels;
    state().until = until;
    state().apply();
}

void restore_levels() {
    const std::lock_guard lock(state().mutex);
    state().override_levels.reset();
    state().until.reset();
    state().apply();
}

void tick(TimePoint now) {
    const std::lock_guard lock(state().mutex);
    if (!state().until || now < *state().until) return;
    state().override_levels.reset();
    state().until.reset();
    state().apply();
}

LevelState levels() {
    const std::lock_guard lock(state().mutex);
    const bool is_overridden = state().override_levels.has_value();
    return {is_overridden ? *state().override_levels : state().configured, is_overridden,
            state().until};
}

bool is_on(Level level, const char* file) {
    if (level < state().lowest.load(std::memory_order_relaxed)) return false;
    return level >= state().by_module[module_of(file)].load(std::memory_order_relaxed);
}

void write(Level level, std::string_view message, Fields fields, const char* file) {
    if (!is_on(level, file)) return;
    const auto target = state().target.load();
    const std::string text = target->options.format == Format::json
                                 ? render_json(level, message, fields)
                                 : render_text(message, fields);
    target->logger.log(to_spdlog(level), spdlog::string_view_t(text.data(), text.size()));
}

}  // namespace weir::log

#pragma once

#include "weir/core/clock.hpp"

#include <cstdint>
#include <initializer_list>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

// Diagnostic log: events an operator cares about, as a constant message and fields. Per request
// there is the access log instead. Each module has a level: that of the log unless it is given its
// own. Which module logs is seen by the folder of the source file. Thread: any, all functions; a
// call above every level costs one load (and its fields, see is_on()).
namespace weir::log {

enum class Level : std::uint8_t { trace, debug, info, warn, error };
enum class Format : std::uint8_t { text, json };

struct Field {
    std::string_view key;
    std::string value;

    Field(std::string_view name, std::string_view text) : key(name), value(text) {}
    Field(std::string_view name, const char* text) : key(name), value(text) {}
    Field(std::string_view name, const std::string& text) : key(name), value(text) {}
    template <typename Number>
    requires std::is_arithmetic_v<Number> Field(std::string_view name, Number number)
        : key(name), value(std::to_string(number)) {}
};
using Fields = std::initializer_list<Field>;

struct Options {
    Level level = Level::info;
    Format format = Format::text;
    std::string to = "stderr";  // stderr, stdout or a path
};

// Also while others log: what they write goes to the old place or the new. Until it is called,
// info and above go to stderr as text. Throws std::runtime_error, and changes nothing, if the file
// cannot be opened.
void configure(const Options& options);
// Opens the file again: the old one was moved away. Throws as configure() does.
void reopen();
void set_level(Level level);  // as configure() with another level

// How much is logged: of all, and of modules that differ.
struct Levels {
    Level level = Level::info;
    std::vector<std::pair<std::string, Level>> modules;  // names of modules(), each once

    bool operator==(const Levels&) const = default;
};
// The modules of src/, in their order.
[[nodiscard]] std::span<const std::string_view> modules();
[[nodiscard]] std::string_view word(Level level);
[[nodiscard]] std::optional<Level> level_from(std::string_view word);

// An operator's: in the place of what is configured, until then (see tick()) or restore_levels().
// Names that are no module's change nothing.
void override_levels(const Levels& levels, std::optional<TimePoint> until);
void restore_levels();
// Ends an override whose time is over.
void tick(TimePoint now);

struct LevelState {
    Levels levels;  // in force
    bool is_overridden = false;
    std::optional<TimePoint> until;  // of the override
};
[[nodiscard]] LevelState levels();

// For fields that cost something: whether the caller's module logs at this level. (clang 14 has no
// std::source_location.)
[[nodiscard]] bool is_on(Level level, const char* file = __builtin_FILE());

void write(Level level,
           std::string_view message,
           Fields fields,
           const char* file = __builtin_FILE());

inline void debug(std::string_view message,
                  Fields fields = {},
                  const char* file = __builtin_FILE()) {
    write(Level::debug, message, fields, file);
}
inline void info(std::string_view message,
                 Fields fields = {},
                 const char* file = __builtin_FILE()) {
    write(Level::info, message, fields, file);
}
inline void warn(std::string_view message,
                 Fields fields = {},
                 const char* file = __builtin_FILE()) {
    write(Level::warn, message, fields, file);
}
inline void error(std::string_view message,
                  Fields fields = {},
                  const char* file = __builtin_FILE()) {
    write(Level::error, message, fields, file);
}

}  // namespace weir::log

#include "weir/core/log.hpp"

#include "weir/core/json.hpp"

#include <spdlog/sinks/basic_file_sink.h>
#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

namespace weir::log {
namespace {

Format current_format = Format::text;

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

spdlog::logger& logger() {
    static const auto first = [] {
        auto created = std::make_shared<spdlog::logger>("weir", make_sink("stderr"));
        created->set_pattern("%H:%M:%S.%e  %^%l%$  %v");
        return created;
    }();
    return *first;
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
    current_format = options.format;
    logger().sinks() = {make_sink(options.to)};
    logger().set_pattern(options.format == Format::json ? R"({"time":"%Y-%m-%dT%H:%M:%S.%eZ",%v)"
                                                        : "%H:%M:%S.%e  %^%l%$  %v",
                         options.format == Format::json ? spdlog::pattern_time_type::utc
                                                        : spdlog::pattern_time_type::local);
    logger().set_level(to_spdlog(options.level));
    logger().flush_on(spdlog::level::info);
}

void set_level(Level level) {
    logger().set_level(to_spdlog(level));
}

void write(Level level, std::string_view message, Fields fields) {
    const auto at = to_spdlog(level);
    if (!logger().should_log(at)) return;
    const std::string text = current_format == Format::json ? render_json(level, message, fields)
                                                            : render_text(message, fields);
    logger().log(at, spdlog::string_view_t(text.data(), text.size()));
}

}  // namespace weir::log

// What the configuration is, was meant to be, and would be.
#include "weir/describe/effective.hpp"

#include "admin/describe.hpp"
#include "admin/handlers.hpp"
#include "admin/shapes.hpp"

#include <algorithm>

namespace weir::admin {
namespace {

using Severity = config::Problem::Severity;

void write_text_or_null(JsonWriter& json, std::string_view key, std::string_view text) {
    json.key(key);
    if (text.empty()) {
        json.null();
    } else {
        json.value(text);
    }
}

std::string code_of(const config::Problem& problem) {
    return "W" + std::to_string(problem.code);
}

std::string_view file_of(const config::Problem& problem,
                         const std::vector<config::SourceText>& sources) {
    const std::size_t file = problem.place.file;
    return file < sources.size() ? std::string_view(sources[file].name) : std::string_view();
}

void write_problem(JsonWriter& json,
                   const config::Problem& problem,
                   const std::vector<config::SourceText>& sources) {
    json.begin_object().field("code", code_of(problem)).field("message", problem.what);
    write_text_or_null(json, "file", file_of(problem, sources));
    const auto number = [&](std::string_view key, std::uint32_t value) {
        json.key(key);
        if (problem.place.is_built_in()) {
            json.null();
        } else {
            json.value(value);
        }
    };
    number("line", problem.place.line);
    number("column", problem.place.column + problem.shift);
    write_text_or_null(json, "note", problem.note);
    write_text_or_null(json, "help", problem.help);
    json.end_object();
}

void write_problems(JsonWriter& json,
                    std::string_view key,
                    const ConfigResult& result,
                    Severity severity) {
    json.key(key).begin_array();
    for (const config::Problem& problem : result.report.sorted()) {
        if (problem.severity == severity) write_problem(json, problem, result.sources);
    }
    json.end_array();
}

// 422: the first error is the error, as a client that shows one thing shows that.
Response invalid(const ConfigResult& result) {
    Response response;
    response.status = 422;
    JsonWriter json(response.body);
    json.begin_object().key("error").begin_object();
    const auto problems = result.report.sorted();
    const auto first = std::find_if(problems.begin(), problems.end(), [](const auto& problem) {
        return problem.severity == Severity::error;
    });
    if (first == problems.end()) {
        json.field("code", "invalid").field("message", "the configuration is not valid");
    } else {
        json.field("code", code_of(*first)).field("message", first->what);
        if (const auto file = file_of(*first, result.sources); !file.empty()) {
            json.field("path", file);
        }
        if (!first->place.is_built_in()) {
            json.field("line", first->place.line);
            json.field("column", std::uint64_t{first->place.column} + first->shift);
        }
        if (!first->help.empty()) json.field("help", first->help);
    }
    json.end_object();
    write_problems(json, "errors", result, Severity::error);
    write_problems(json, "warnings", result, Severity::warning);
    json.end_object();
    response.body += '\n';
    return response;
}

Response applied(const ConfigResult& result) {
    Response response;
    JsonWriter json(response.body);
    json.begin_object().key("changed").begin_array();
    for (const describe::Change& change : result.changes)
        json.value(change.path);
    json.end_array().key("needs_restart").begin_array();
    for (const std::string& key : result.needs_restart)
        json.value(key);
    json.end_array().field("hash", result.hash);
    write_problems(json, "warnings", result, Severity::warning);
    json.end_object();
    response.body += '\n';
    response.etag = result.hash;
    return response;
}

Response outcome_of(const ConfigResult& result) {
    switch (result.status) {
        case ConfigResult::Status::accepted:
            return applied(result);
        case ConfigResult::Status::invalid:
            return invalid(result);
        case ConfigResult::Status::other_config:
            return error_response(412, "other_config",
                                  "another configuration runs by now: " + result.hash);
        case ConfigResult::Status::no_file:
            return error_response(409, "no_file", "this Weir was started without a file");
        case ConfigResult::Status::failed:
            break;
    }
    return error_response(409, "failed", result.failure);
}

// "\"41f2...\"" or 41f2...; "*" is whatever runs. An empty one stays "\"\"": it names none.
std::string hash_from(std::string_view if_match) {
    if (if_match == "*") return {};
    if (if_match.starts_with("W/\"")) if_match.remove_prefix(2);
    if (if_match.size() > 2 && if_match.front() == '"' && if_match.back() == '"') {
        if_match = if_match.substr(1, if_match.size() - 2);
    }
    return std::string(if_match);
}

Response not_wired() {
    return error_response(503, "not_ready", "the configuration cannot be asked for yet");
}

// Without origins where nobody asked for them.
void write_plain(JsonWriter& json, const describe::Setting& setting) {
    json.begin_object().field("path", setting.path).field("value", setting.value).end_object();
}

}  // namespace

void write_origin(JsonWriter& json,
                  const config::Document& document,
                  const describe::Setting& setting) {
    json.key("origin");
    if (setting.place.line == 0) {
        json.value("built-in");
        return;
    }
    const bool has_file = setting.place.file < document.sources.size();
    json.begin_object();
    json.field("file", has_file ? document.sources[setting.place.file].name : std::string{});
    json.field("line", std::uint64_t{setting.place.line});
    json.field("column", std::uint64_t{setting.place.column}).end_object();
}

void write_setting(JsonWriter& json,
                   const config::Document& document,
                   const describe::Setting& setting) {
    json.begin_object().field("path", setting.path).field("value", setting.value);
    write_origin(json, document, setting);
    json.field("layer", setting.layer).end_object();
}

Response config_dump(const Request& request, const Context& context) {
    const std::string format = request.query_value("format").value_or("yaml");
    if (format != "yaml" && format != "json") {
        return error_response(400, "bad_request", "format is yaml or json");
    }
    const auto document = context.document ? context.document() : nullptr;
    if (!document) return not_wired();
    const ConfigState state = context.config_state();
    const describe::DumpOptions options{.has_defaults = request.has_flag("defaults"),
                                        .has_origins = request.has_flag("origin")};
    Response response;
    response.etag = state.hash;
    if (format == "yaml") {
        response.content_type = "application/yaml";
        response.body = describe::dump(*document, options);
        return response;
    }
    JsonWriter json(response.body);
    json.begin_object().field("hash", state.hash).field("file", state.file);
    json.key("settings").begin_array();
    for (const auto& setting : describe::settings(*document, options.has_defaults)) {
        if (options.has_origins) {
            write_setting(json, *document, setting);
        } else {
            write_plain(json, setting);
        }
    }
    json.end_array().end_object();
    response.body += '\n';
    return response;
}

Response config_explain(const Request& request, const Context& context) {
    const auto path = request.query_value("path");
    if (!path || path->empty()) {
        return error_response(400, "bad_request",
                              "say which: ?path=clusters.orders.timeout.request");
    }
    const auto document = context.document ? context.document() : nullptr;
    if (!document) return not_wired();
    std::vector<std::string> nearest;
    const auto explanation = describe::explain(*document, *path, &nearest);
    if (!explanation || explanation->chain.empty()) {
        const std::string help = nearest.empty() ? "" : ": did you mean " + nearest.front() + "?";
        return error_response(404, "no_such_key", "there is no " + *path + help);
    }
    const describe::Setting& first = explanation->chain.front();
    Response response;
    JsonWriter json(response.body);
    json.begin_object().field("path", first.path).field("value", first.value);
    write_origin(json, *document, first);
    json.key("chain").begin_array();
    for (const describe::Setting& setting : explanation->chain)
        write_setting(json, *document, setting);
    json.end_array().field("doc", first.doc).end_object();
    response.body += '\n';
    return response;
}

Response config_validate(const Request& request, const Context& context) {
    if (!context.validate) return not_wired();
    const ConfigResult result = context.validate(request.body);
    Response response;
    JsonWriter json(response.body);
    const bool is_valid =
        result.status == ConfigResult::Status::accepted && !result.report.has_errors();
    json.begin_object().field("valid", is_valid);
    write_problems(json, "errors", result, Severity::error);
    write_problems(json, "warnings", result, Severity::warning);
    json.key("diff").begin_array();
    for (const describe::Change& change : result.changes) {
        json.begin_object().field("path", change.path);
        write_text_or_null(json, "from", change.from);
        write_text_or_null(json, "to", change.to);
        json.end_object();
    }
    json.end_array().end_object();
    response.body += '\n';
    return response;
}

Response config_reload(const Request& /*request*/, const Context& context) {
    if (!context.reload) return not_wired();
    return outcome_of(context.reload());
}

Response config_apply(const Request& request, const Context& context) {
    if (!context.apply) return not_wired();
    const std::string hash = hash_from(request.if_match);
    return outcome_of(context.apply(
        {.text = request.body, .if_match = hash, .is_persistent = request.has_flag("persist")}));
}

}  // namespace weir::admin

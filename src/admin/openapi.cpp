#include "weir/admin/openapi.hpp"

#include "weir/core/version.hpp"

#include "admin/handlers.hpp"
#include "admin/router.hpp"
#include "admin/schemas.hpp"

#include <algorithm>
#include <array>
#include <cctype>

namespace weir::admin {
namespace {

// "GET /api/v1/clusters/{cluster}" -> "get_clusters_cluster"
std::string operation_id(const Route& route) {
    std::string id;
    std::string_view path = route.path;
    if (path.starts_with("/api/v1/")) path.remove_prefix(7);
    for (const char c : std::string(name(route.method)) + std::string(path)) {
        if (std::isalnum(static_cast<unsigned char>(c)) != 0) {
            id += static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
        } else if (!id.empty() && id.back() != '_') {
            id += '_';
        }
    }
    while (id.ends_with('_'))
        id.pop_back();
    return id;
}

// "clusters" of "/api/v1/clusters/{cluster}"; what is not below it is "process".
std::string_view tag_of(std::string_view path) {
    constexpr std::string_view kBase = "/api/v1/";
    if (!path.starts_with(kBase)) return "process";
    path.remove_prefix(kBase.size());
    path = path.substr(0, path.find('/'));
    constexpr std::array<std::string_view, 5> kGroups{"clusters", "breakers", "config", "log",
                                                      "events"};
    for (const std::string_view group : kGroups) {
        if (path == group) return group;
    }
    return "process";
}

void write_parameter(JsonWriter& json,
                     std::string_view name,
                     std::string_view in,
                     bool is_required,
                     std::string_view type) {
    json.begin_object().field("name", name).field("in", in).field("required", is_required);
    json.key("schema");
    write_schema_of_type(json, type);
    json.end_object();
}

void write_parameters(JsonWriter& json, const Route& route) {
    json.key("parameters").begin_array();
    for (std::size_t at = route.path.find('{'); at != std::string_view::npos;
         at = route.path.find('{', at + 1)) {
        const std::size_t end = route.path.find('}', at);
        write_parameter(json, route.path.substr(at + 1, end - at - 1), "path", true, "string");
    }
    std::string_view rest = route.query;
    while (!rest.empty()) {
        const std::string_view field = rest.substr(0, rest.find(';'));
        rest.remove_prefix(std::min(rest.size(), field.size() + 1));
        const std::size_t begin = field.find_first_not_of(' ');
        const std::size_t blank = field.find(' ', begin);
        std::string_view name = field.substr(begin, blank - begin);
        const bool is_required = !name.ends_with('?');
        if (!is_required) name.remove_suffix(1);
        write_parameter(json, name, "query", is_required, field.substr(blank + 1));
    }
    json.end_array();
}

void write_content(JsonWriter& json, std::string_view media_type, std::string_view type) {
    json.key(media_type).begin_object().key("schema");
    write_schema_of_type(json, type);
    json.end_object();
}

void write_body(JsonWriter& json, const Route& route) {
    if (route.body.empty()) return;
    const bool is_config = route.body == "Config";
    json.key("requestBody").begin_object().field("required", is_config);
    json.key("content").begin_object();
    if (is_config) {
        write_content(json, "application/yaml", "string");
        write_content(json, "application/json", "{any}");
    } else {
        write_content(json, "application/json", route.body);
    }
    json.end_object().end_object();
}

void write_answer(JsonWriter& json,
                  std::string_view status,
                  std::string_view description,
                  std::string_view answer) {
    json.key(status).begin_object().field("description", description);
    json.key("content").begin_object();
    while (!answer.empty()) {
        const std::string_view one = answer.substr(0, answer.find(' '));
        answer.remove_prefix(std::min(answer.size(), one.size() + 1));
        const bool is_media_type = one.find('/') != std::string_view::npos;
        if (one == "application/json") {
            write_content(json, one, "{any}");
        } else if (is_media_type) {
            write_content(json, one, "string");
        } else {
            write_content(json, "application/json", one);
        }
    }
    json.end_object().end_object();
}

// "404 409" or "503:Waiting", each with what is answered then.
void write_errors(JsonWriter& json, std::string_view errors) {
    while (!errors.empty()) {
        const std::string_view word = errors.substr(0, errors.find(' '));
        errors.remove_prefix(std::min(errors.size(), word.size() + 1));
        const std::size_t colon = word.find(':');
        const auto status = static_cast<std::uint16_t>(std::stoi(std::string(word.substr(0, 3))));
        write_answer(json, word.substr(0, 3), http::reason_phrase(status),
                     colon == std::string_view::npos ? "Error" : word.substr(colon + 1));
    }
}

void write_operation(JsonWriter& json, const Route& route) {
    std::string method(name(route.method));
    for (char& c : method)
        c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
    json.key(method).begin_object();
    json.field("operationId", operation_id(route)).field("summary", route.doc);
    json.key("tags").begin_array().value(tag_of(route.path)).end_array();
    write_parameters(json, route);
    write_body(json, route);
    json.key("responses").begin_object();
    write_answer(json, "200", "OK", route.answer);
    write_errors(json, route.errors);
    write_answer(json, "default", "Refused, or failed.", "Error");
    json.end_object();
    if (route.ports == Ports::both) json.key("security").begin_array().end_array();
    json.end_object();
}

void write_paths(JsonWriter& json) {
    json.key("paths").begin_object();
    const auto all = routes();
    for (std::size_t i = 0; i < all.size(); ++i) {
        const auto same_path = [&](const Route& other) { return other.path == all[i].path; };
        const auto first = std::find_if(all.begin(), all.end(), same_path);
        if (first != all.begin() + static_cast<std::ptrdiff_t>(i)) continue;
        json.key(all[i].path).begin_object();
        for (const Route& route : all) {
            if (same_path(route)) write_operation(json, route);
        }
        json.end_object();
    }
    json.end_object();
}

void write_components(JsonWriter& json) {
    json.key("components").begin_object().key("schemas").begin_object();
    for (const Schema& schema : schemas()) {
        json.key(schema.name);
        write_schema_of_fields(json, schema.fields, schema.doc);
    }
    json.end_object().key("securitySchemes").begin_object().key("token").begin_object();
    json.field("type", "http").field("scheme", "bearer");
    json.field("description", "Where admin.token is set.");
    json.end_object().end_object().end_object();
}

}  // namespace

std::string openapi() {
    std::string text;
    JsonWriter json(text);
    json.begin_object().field("openapi", "3.1.0");
    json.key("info").begin_object();
    json.field("title", "Weir admin API").field("version", kVersion);
    json.field("description", "What an operator asks a running Weir, and tells it to do.");
    json.key("license").begin_object();
    json.field("name", "Apache-2.0").field("identifier", "Apache-2.0").end_object().end_object();
    json.key("servers").begin_array().begin_object();
    json.field("url", "http://127.0.0.1:9347").end_object().end_array();
    json.key("security").begin_array();
    json.begin_object().end_object();
    json.begin_object().key("token").begin_array().end_array().end_object().end_array();
    write_paths(json);
    write_components(json);
    json.end_object();
    text += '\n';
    return text;
}

Response openapi_document(const Request& /*request*/, const Context& /*context*/) {
    Response response;
    response.body = openapi();
    return response;
}

}  // namespace weir::admin

#pragma once

#include "weir/core/json.hpp"

#include <span>
#include <string_view>

// The shapes of requests and answers, in few words, for the OpenAPI document.
//
// A shape is a list of fields "name type; name? type": a `?` says that the field may be missing. No
// other fields are allowed. A type is one of
//
//   string integer number boolean any time   time is a string like "2026-11-23T02:07:36.412Z"
//   enum(a,b)                            one of these words
//   Name                                 another shape
//   [type]                               a list
//   {type}                               an object with any keys
//   type|null   type|"word"              or that
namespace weir::admin {

struct Schema {
    std::string_view name;
    std::string_view fields;
    std::string_view doc;
};

[[nodiscard]] std::span<const Schema> schemas();

// The same as JSON Schema (2020-12). They throw std::logic_error for what they cannot read: a bug
// of ours.
void write_schema_of_fields(JsonWriter& json, std::string_view fields, std::string_view doc = {});
void write_schema_of_type(JsonWriter& json, std::string_view type);

}  // namespace weir::admin

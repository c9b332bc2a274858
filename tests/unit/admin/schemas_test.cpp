#include "admin/schemas.hpp"

#include <gtest/gtest.h>

#include <set>
#include <stdexcept>

namespace weir::admin {
namespace {

std::string type(std::string_view text) {
    std::string out;
    JsonWriter json(out);
    write_schema_of_type(json, text);
    return out;
}

std::string fields(std::string_view text, std::string_view doc = {}) {
    std::string out;
    JsonWriter json(out);
    write_schema_of_fields(json, text, doc);
    return out;
}

TEST(Schemas, SpellsTypesAsJsonSchema) {
    EXPECT_EQ(type("string"), R"({"type":"string"})");
    EXPECT_EQ(type("any"), "{}");
    EXPECT_EQ(type("time"), R"({"type":"string","format":"date-time"})");
    EXPECT_EQ(type("enum(a,b_c)"), R"({"type":"string","enum":["a","b_c"]})");
    EXPECT_EQ(type("Status"), R"({"$ref":"#/components/schemas/Status"})");
    EXPECT_EQ(type("[integer]"), R"({"type":"array","items":{"type":"integer"}})");
    EXPECT_EQ(type("{string}"), R"({"type":"object","additionalProperties":{"type":"string"}})");
    EXPECT_EQ(type("number|null"), R"({"anyOf":[{"type":"number"},{"type":"null"}]})");
    EXPECT_EQ(type("integer|\"unlimited\""),
              R"({"anyOf":[{"type":"integer"},{"const":"unlimited"}]})");
    EXPECT_EQ(type("[[Place|null]]"),
              R"({"type":"array","items":{"type":"array","items":{"anyOf":[)"
              R"({"$ref":"#/components/schemas/Place"},{"type":"null"}]}}})");
}

TEST(Schemas, NamesFieldsAndForbidsOthers) {
    EXPECT_EQ(fields("a string; b? integer;c time"),
              R"({"type":"object","additionalProperties":false,"properties":{)"
              R"("a":{"type":"string"},"b":{"type":"integer"},)"
              R"("c":{"type":"string","format":"date-time"}},"required":["a","c"]})");
    EXPECT_EQ(fields("a? string", "why"),
              R"({"type":"object","additionalProperties":false,"description":"why",)"
              R"("properties":{"a":{"type":"string"}},"required":[]})");
}

TEST(Schemas, RefusesWhatItCannotRead) {
    for (const char* text :
         {"", "[string", "{string", "enum(a", "enum", "string)", "|null", "\"a"}) {
        EXPECT_THROW(type(text), std::logic_error) << text;
    }
    EXPECT_THROW(fields("a"), std::logic_error);
    EXPECT_THROW(fields("a string b string"), std::logic_error);
}

TEST(Schemas, AreReadableAndNamedOnce) {
    std::set<std::string_view> names;
    for (const Schema& schema : schemas()) {
        EXPECT_TRUE(names.insert(schema.name).second) << schema.name;
        EXPECT_NO_THROW(fields(schema.fields)) << schema.name;
    }
}

}  // namespace
}  // namespace weir::admin

#include "weir/admin/openapi.hpp"

#include "weir/core/json.hpp"

#include "admin/router.hpp"
#include "admin/schemas.hpp"
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <set>

namespace weir::admin {
namespace {

class OpenApi : public testing::Test {
  protected:
    const JsonValue document_ = JsonValue::parse(openapi()).value_or(JsonValue{});

    // Every "$ref" below a value.
    static void collect(const JsonValue& value, std::set<std::string>& references) {
        for (const auto& item : value.items())
            collect(item, references);
        for (const auto& [key, member] : value.members()) {
            if (key == "$ref") references.insert(member.text());
            collect(member, references);
        }
    }
};

TEST_F(OpenApi, HasEveryRouteOfTheTableAndNoOther) {
    std::size_t operations = 0;
    for (const auto& [path, methods] : document_["paths"].members())
        operations += methods.members().size();
    EXPECT_EQ(operations, routes().size());
    std::set<std::string> ids;
    for (const Route& route : routes()) {
        std::string method(name(route.method));
        std::transform(method.begin(), method.end(), method.begin(),
                       [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
        const JsonValue& operation = document_["paths"][route.path][method];
        EXPECT_EQ(operation["summary"].text(), route.doc) << route.path;
        EXPECT_TRUE(operation["responses"]["200"].is_object()) << route.path;
        EXPECT_EQ(operation["requestBody"].is_object(), !route.body.empty()) << route.path;
        EXPECT_TRUE(ids.insert(operation["operationId"].text()).second) << route.path;
        const auto braces = std::count(route.path.begin(), route.path.end(), '{');
        const auto& parameters = operation["parameters"].items();
        EXPECT_EQ(std::count_if(parameters.begin(), parameters.end(),
                                [](const auto& each) { return each["in"].text() == "path"; }),
                  braces)
            << route.path;
    }
}

TEST_F(OpenApi, DefinesWhatItRefersToAndNothingElse) {
    std::set<std::string> used;
    collect(document_, used);
    std::set<std::string> defined;
    for (const auto& [schema, ignored] : document_["components"]["schemas"].members())
        defined.insert("#/components/schemas/" + schema);
    EXPECT_THAT(used, testing::ElementsAreArray(defined));
}

}  // namespace
}  // namespace weir::admin

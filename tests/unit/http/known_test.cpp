#include "http/known.hpp"

#include <gtest/gtest.h>

#include <string>

namespace weir::http {
namespace {

TEST(KnownNames, AreToldFromNamesOfTheSameLengthAndFirstLetter) {
    for (const KnownName& known : kKnownNames) {
        for (std::size_t at = 0; at < known.name.size(); ++at) {
            std::string other(known.name);
            EXPECT_EQ(header_id(other), known.id);
            other[at] = other[at] == 'q' ? 'z' : 'q';
            EXPECT_NE(header_id(other), known.id) << other;
        }
    }
}

TEST(KnownNames, AreFoundByTheirIdOnlyWhereTheyAre) {
    for (const KnownName& known : kKnownNames) {
        HeaderList headers;
        EXPECT_EQ(headers.find(known.id), nullptr);
        headers.add("x-one", "1", HeaderId::other);
        headers.add(known.name, "2", known.id);
        headers.add(known.name, "3", known.id);
        ASSERT_NE(headers.find(known.id), nullptr) << known.name;
        EXPECT_EQ(headers.find(known.id)->value, "2");
        headers.clear();
        EXPECT_EQ(headers.find(known.id), nullptr) << known.name;
    }
}

}  // namespace
}  // namespace weir::http

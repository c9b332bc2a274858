#include "weir/auth/rule.hpp"

#include "weir/core/random.hpp"

#include <gtest/gtest.h>

#include <regex.h>
#include <stdexcept>
#include <string>

namespace weir::auth {
namespace {

const JsonValue kClaims =
    JsonValue::parse(
        R"({"sub":"7","age":30,"ok":true,"roles":["dev","admin",5],"scope":"read write","none":null,)"
        R"("org":{"name":"shop"},"https://x/y":"z","empty":"","mail":"a@shop.example"})")
        .value();
const PeerNames kPeer{"spiffe://shop/ns/web/sa/front",
                      {"spiffe://shop/ns/web/sa/front", "front.shop.example"},
                      "front"};

bool holds(std::string_view text, const Facts& facts) {
    const auto parsed = Rule::parse(text);
    EXPECT_TRUE(parsed.rule) << text << ": " << parsed.problem.what;
    return parsed.rule && parsed.rule->holds(facts);
}
bool holds(std::string_view text) {
    return holds(text, {"users", "7", &kClaims, &kPeer});
}

TEST(Rule, ComparesWhatIsKnown) {
    for (const auto* const rule : {R"(claims.sub == "7")",
                                   R"(claims.sub == '7')",
                                   R"(claims.sub != "8")",
                                   "claims.age == 30",
                                   "claims.age == 30.0",
                                   "claims.ok == true",
                                   "claims.ok != false",
                                   R"(claims.sub in ["1", "7"])",
                                   R"(claims.age in [1, "x", 30])",
                                   R"("admin" in claims.roles)",
                                   "5 in claims.roles",
                                   R"("write" in claims.scope)",
                                   R"(claims.org.name == "shop")",
                                   R"(claims["https://x/y"] == "z")",
                                   R"(claims.empty == "")",
                                   R"(auth == "users")",
                                   R"(principal in ["7"])",
                                   R"(spiffe == "spiffe://shop/ns/web/sa/front")",
                                   R"(spiffe like "spiffe://shop/ns/*/sa/front")",
                                   R"(san == "front.shop.example")",
                                   R"(san like "*.shop.example")",
                                   R"("front.shop.example" in san)",
                                   R"(cn == "front")",
                                   R"(claims.mail like "*@shop.example")",
                                   "has claims.sub",
                                   "has san",
                                   "not has claims.missing",
                                   "not has claims.none",
                                   R"(not claims.sub == "8")"}) {
        EXPECT_TRUE(holds(rule)) << rule;
    }
    for (const auto* const rule :
         {R"(claims.sub == "8")", R"(claims.sub == "")", R"(claims.sub != "7")", "claims.age == 31",
          R"("adm" in claims.roles)", R"("5" in claims.roles)", R"("rea" in claims.scope)",
          R"("read write" in claims.scope)", R"(spiffe like "spiffe://shop/ns/*")",
          R"(claims.mail like "*@evil.example")", "has claims.missing", R"(claims.empty == "x")"}) {
        EXPECT_FALSE(holds(rule)) << rule;
    }
}

// Neither a test nor its opposite holds of what is not there, or of another type.
TEST(Rule, WhatIsUnknownIsDeniedBothWays) {
    for (const std::string test :
         {R"(claims.missing == "x")", R"(claims.none == "x")", R"(claims.age == "30")",
          R"(claims.sub == 7)", R"(claims.roles == "admin")", R"(claims.org == "shop")",
          R"("x" in claims.org)", R"("x" in claims.missing)", R"(claims.age like "3*")",
          R"(claims.sub.deeper == "7")", "claims.sub == true"}) {
        EXPECT_FALSE(holds(test)) << test;
        EXPECT_FALSE(holds("not " + test)) << test;
        EXPECT_FALSE(holds("not not " + test)) << test;
        EXPECT_TRUE(holds(test + R"( or claims.sub == "7")")) << test;
        EXPECT_TRUE(holds(R"(claims.sub == "7" or )" + test)) << test;
        EXPECT_FALSE(holds(test + R"( and claims.sub == "7")")) << test;
        EXPECT_TRUE(holds("not (" + test + R"( and claims.sub == "8"))")) << test;
    }
    EXPECT_FALSE(holds(R"(claims.missing != "x")"));
}

TEST(Rule, NobodyFulfilsNothing) {
    const Facts nobody;
    for (const auto* const rule :
         {R"(auth == "users")", R"(auth != "users")", R"(principal != "x")", R"(spiffe != "x")",
          R"(san != "x")", R"(not san like "**")", R"(cn != "x")", R"(claims.sub != "x")",
          R"(not "admin" in claims.roles)", "has claims.sub", "has auth", "has spiffe"}) {
        EXPECT_FALSE(holds(rule, nobody)) << rule;
    }
    EXPECT_TRUE(holds("not has spiffe", nobody));
}

TEST(Rule, AndBindsTighterThanOr) {
    EXPECT_TRUE(holds(R"(auth == "users" or auth == "x" and auth == "y")"));
    EXPECT_FALSE(holds(R"((auth == "users" or auth == "x") and auth == "y")"));
    EXPECT_TRUE(holds(R"(not auth == "x" and auth == "users")"));
    EXPECT_FALSE(holds(R"(not (auth == "users" or auth == "y"))"));
}

TEST(Rule, SaysWhatIsWrongAndWhere) {
    struct Case {
        std::string_view rule, what;
        std::size_t offset;
    };
    for (const Case& each : std::initializer_list<Case>{
             {"", "its end is nothing a rule can ask", 0},
             {"claim.sub == '7'", "'claim.sub' is nothing a rule can ask", 0},
             {"claims == '7'", "a rule has '[' where this has '=='", 7},
             {"claims. == '7'", "'claims.' is nothing a rule can ask", 0},
             {"claims.sub = '7'", "where this has '='", 11},
             {"claims.sub == 7x", "a rule ends before 'x'", 15},
             {"claims.sub == \"7", "where this has '\"7'", 14},
             {"claims.sub == seven", "a rule has a value where this has 'seven'", 14},
             {"claims.sub", "a rule has ==, !=, in or like where this has its end", 10},
             {"claims.sub like 7", "a pattern in quotes", 16},
             {"claims.sub in '7'", "a rule has '['", 14},
             {"claims.sub in ['7'", "a rule has ']'", 18},
             {"(claims.sub == '7'", "a rule has ')'", 18},
             {"claims.sub == '7')", "a rule ends before ')'", 17},
             {"claims.a == 1 && claims.b == 2", "a rule ends before '&'", 14},
             {"claims.a == 1 claims.b == 2", "a rule ends before 'claims.b'", 14},
             {"'x' == claims.a", "a rule has 'in'", 4},
             {"claims.a == 1.2.3", "a number", 12},
             {"not", "its end is nothing a rule can ask", 3},
             {"claims.a == 1 or", "its end is nothing a rule can ask", 16},
             {"claims[''] == 1", "a name in quotes", 7}}) {
        const auto parsed = Rule::parse(each.rule);
        EXPECT_FALSE(parsed.rule) << each.rule;
        EXPECT_NE(parsed.problem.what.find(each.what), std::string::npos)
            << each.rule << ": " << parsed.problem.what;
        EXPECT_EQ(parsed.problem.offset, each.offset) << each.rule;
    }
}

TEST(Rule, HasABound) {
    EXPECT_FALSE(Rule::parse(std::string(33, '(') + "has auth" + std::string(33, ')')).rule);
    EXPECT_TRUE(Rule::parse(std::string(31, '(') + "has auth" + std::string(31, ')')).rule);
    std::string deep;
    for (int i = 0; i < 40; ++i)
        deep += "not ";
    EXPECT_FALSE(Rule::parse(deep + "has auth").rule);
    std::string wide = "has cn";
    for (int i = 0; i < 400; ++i)
        wide += " or has cn";
    EXPECT_FALSE(Rule::parse(wide).rule);
    EXPECT_FALSE(Rule::parse(std::string(5000, ' ')).rule);
}

TEST(Rule, KnowsWhetherItCanHold) {
    const auto can = [](std::string_view text, bool has_identity, bool has_peer) {
        return Rule::parse(text).rule->can_hold({has_identity, has_peer});
    };
    EXPECT_FALSE(can(R"(claims.sub == "7")", false, true));
    EXPECT_FALSE(can(R"(claims.sub != "7")", false, true));
    EXPECT_FALSE(can("has principal", false, true));
    EXPECT_TRUE(can("not has principal", false, false));
    EXPECT_TRUE(can(R"(claims.sub == "7" or spiffe == "x")", false, true));
    EXPECT_FALSE(can(R"(claims.sub == "7" or spiffe == "x")", false, false));
    EXPECT_FALSE(can(R"(claims.sub == "7" and spiffe == "x")", false, true));
    EXPECT_TRUE(can(R"(claims.sub == "7" and spiffe == "x")", true, true));
    EXPECT_TRUE(can(R"(not (has auth and has cn))", false, false));
}

TEST(Rule, NoTextMakesItFail) {
    constexpr std::string_view kPieces[] = {
        "claims.a", "and", "or",  "not",  "(", ")",      "==", "in",     "[",    "]", "'x'",
        "\"",       "1",   "has", "like", ",", "spiffe", "!",  "claims", "true", " "};
    Random random(7);
    for (int i = 0; i < 20'000; ++i) {
        std::string text;
        for (std::uint32_t n = random.below(12); n > 0; --n) {
            text += kPieces[random.below(std::size(kPieces))];
            text += random.below(4) == 0 ? "" : " ";
        }
        const auto parsed = Rule::parse(text);
        if (!parsed.rule) {
            EXPECT_FALSE(parsed.problem.what.empty());
            EXPECT_LE(parsed.problem.offset + parsed.problem.width, text.size());
        } else if (parsed.rule->holds({"users", "7", &kClaims, &kPeer})) {
            EXPECT_TRUE(parsed.rule->can_hold({true, true})) << text;
        }
    }
}

// POSIX's.
bool matches_whole(const std::string& expression, const std::string& text) {
    regex_t compiled;
    if (regcomp(&compiled, ("^(" + expression + ")$").c_str(), REG_EXTENDED | REG_NOSUB) != 0)
        throw std::invalid_argument(expression);
    const bool matches = regexec(&compiled, text.c_str(), 0, nullptr, 0) == 0;
    regfree(&compiled);
    return matches;
}

TEST(Pattern, AgreesWithARegularExpression) {
    Random random(11);
    constexpr std::string_view kLetters = "ab/";
    for (int i = 0; i < 20'000; ++i) {
        std::string pattern;
        std::string expression;
        for (std::uint32_t n = random.below(7); n > 0; --n) {
            switch (random.below(4)) {
                case 0:
                    // Two stars side by side would be one **.
                    if (pattern.ends_with('*')) break;
                    pattern += '*';
                    expression += "[^/]*";
                    break;
                case 1:
                    if (pattern.ends_with('*')) break;
                    pattern += "**";
                    expression += ".*";
                    break;
                default: {
                    const char c = kLetters[random.below(3)];
                    pattern += c;
                    expression += c;
                }
            }
        }
        std::string text;
        for (std::uint32_t n = random.below(9); n > 0; --n)
            text += kLetters[random.below(3)];
        EXPECT_EQ(matches_pattern(pattern, text), matches_whole(expression, text))
            << pattern << " " << text;
    }
}

}  // namespace
}  // namespace weir::auth

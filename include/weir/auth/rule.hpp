#pragma once

#include "weir/core/json.hpp"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace weir::auth {

// What a certificate says of its owner.
struct PeerNames {
    std::string spiffe;              // the URI of spiffe://; empty: none
    std::vector<std::string> names;  // every alternative name, the SPIFFE id among them
    std::string common_name;

    bool operator==(const PeerNames&) const = default;
};

// What is known of a request's sender. Views: they live for the call.
struct Facts {
    std::string_view auth;              // the section of `auth` that let it in; empty: none
    std::string_view principal;         // as whom; empty: nobody
    const JsonValue* claims = nullptr;  // an object, or null
    const PeerNames* peer = nullptr;    // of its verified certificate, or null
};

// `require`: a rule over identity and claims.
//
//     claims.sub == "7" and ("admin" in claims.roles or spiffe like "spiffe://shop/ns/*/sa/web")
//
//   rule   = all { "or" all }          all   = term { "and" term }
//   term   = "not" term | "(" rule ")" | test
//   test   = what ("==" | "!=") value | what "in" "[" value { "," value } "]"
//          | value "in" what | what "like" text | "has" what
//   what   = "auth" | "principal" | "spiffe" | "san" | "cn" | "claims." path | "claims" "[" text
//   "]" value  = "text" | 'text' | number | true | false
//
// `value in what` asks a list for an item, and a text for a word of it (`scope`). Of the names of a
// certificate (san) one must do. In a pattern of `like`, * is any run without a slash, ** any run.
// What is not there, or of another type than what it is compared with, is neither equal nor
// different: the test is unknown, as is its `not`, and a rule that is unknown does not hold.
// Thread: any (immutable). Costs no allocation.
class Rule {
  public:
    static constexpr std::size_t kMostBytes = 4096;
    static constexpr std::size_t kMostTests = 128;
    static constexpr unsigned kMostDepth = 32;

    struct Problem {
        std::string what;        // "'adn' is no word of a rule"
        std::string help;        // may be empty
        std::size_t offset = 0;  // in the text
        std::size_t width = 0;
    };
    struct Parsed;

    [[nodiscard]] static Parsed parse(std::string_view text);

    [[nodiscard]] bool holds(const Facts& facts) const;

    // What there will be to ask when it is evaluated.
    struct Available {
        bool has_identity = false;  // auth, principal and claims
        bool has_peer = false;      // spiffe, san and cn
    };
    // False if no request can fulfil it.
    [[nodiscard]] bool can_hold(const Available& available) const;

  private:
    friend class RuleParser;

    enum class Truth : std::uint8_t { no, unknown, yes };
    enum class Kind : std::uint8_t { any_of, all_of, negation, equals, contains, like, has };
    enum class What : std::uint8_t { auth, principal, spiffe, san, cn, claim };
    struct Value {
        JsonValue::Kind kind = JsonValue::Kind::string;
        std::string text;
        double number = 0;
    };
    struct Node {
        Kind kind = Kind::has;
        What what = What::claim;
        std::string path;                // of a claim
        std::vector<Value> values;       // of a test: one of them
        std::vector<std::size_t> parts;  // indices of nodes, each below its own
    };

    [[nodiscard]] Truth evaluate(std::size_t node, const Facts& facts) const;
    [[nodiscard]] std::uint8_t outcomes(std::size_t node, const Available& available) const;
    static Truth test(const Node& node, const Facts& facts);
    static Truth test_claim(const Node& node, const JsonValue& claim);
    static Truth test_text(const Node& node, std::string_view text);
    static bool is_one_of(const Node& node, std::string_view text);

    std::vector<Node> nodes_;  // the last one is the rule
};

struct Rule::Parsed {
    std::optional<Rule> rule;
    Problem problem;  // if there is none
};

// As `like` has it. Linear in the text for each star but the last.
[[nodiscard]] bool matches_pattern(std::string_view pattern, std::string_view text);

}  // namespace weir::auth

#include "weir/auth/rule.hpp"

#include "weir/auth/jwt.hpp"

#include <algorithm>

namespace weir::auth {
namespace {

// Sets of outcomes, a bit each: no, unknown, yes.
constexpr std::uint8_t kNo = 1;
constexpr std::uint8_t kUnknown = 2;
constexpr std::uint8_t kYes = 4;

bool has_word(std::string_view words, std::string_view wanted) {
    while (!words.empty()) {
        const auto end = std::min(words.find(' '), words.size());
        if (words.substr(0, end) == wanted) return true;
        words.remove_prefix(std::min(end + 1, words.size()));
    }
    return false;
}

}  // namespace

// Two places to go back to: a later ** makes the earlier star's forgotten, for whatever comes
// behind it can be moved as well.
bool matches_pattern(std::string_view pattern, std::string_view text) {
    struct Star {
        std::size_t pattern = std::string_view::npos;
        std::size_t text = 0;
    };
    Star one;
    Star any;
    std::size_t p = 0;
    std::size_t t = 0;
    while (t < text.size() || p < pattern.size()) {
        if (pattern.substr(p).starts_with("**")) {
            any = {p + 2, t};
            one = {};
            p += 2;
        } else if (p < pattern.size() && pattern[p] == '*') {
            one = {p + 1, t};
            p += 1;
        } else if (p < pattern.size() && t < text.size() && pattern[p] == text[t]) {
            ++p;
            ++t;
        } else if (one.pattern != std::string_view::npos && one.text < text.size() &&
                   text[one.text] != '/') {
            p = one.pattern;
            t = ++one.text;
        } else if (any.pattern != std::string_view::npos && any.text < text.size()) {
            p = any.pattern;
            t = ++any.text;
            one = {};
        } else {
            return false;
        }
    }
    return true;
}

bool Rule::is_one_of(const Node& node, std::string_view text) {
    return std::any_of(node.values.begin(), node.values.end(), [&](const Value& value) {
        if (value.kind != JsonValue::Kind::string) return false;
        return node.kind == Kind::like ? matches_pattern(value.text, text) : value.text == text;
    });
}

Rule::Truth Rule::test_text(const Node& node, std::string_view text) {
    if (node.kind == Kind::has) return text.empty() ? Truth::no : Truth::yes;
    const bool has_text =
        std::any_of(node.values.begin(), node.values.end(),
                    [](const Value& value) { return value.kind == JsonValue::Kind::string; });
    if (text.empty() || !has_text) return Truth::unknown;
    if (node.kind == Kind::contains)
        return has_word(text, node.values.front().text) ? Truth::yes : Truth::no;
    return is_one_of(node, text) ? Truth::yes : Truth::no;
}

Rule::Truth Rule::test_claim(const Node& node, const JsonValue& claim) {
    if (node.kind == Kind::has) return claim.is_null() ? Truth::no : Truth::yes;
    if (claim.is_string()) {
        // An empty text is there, unlike an identity without a name.
        if (claim.text().empty() && node.kind != Kind::contains)
            return is_one_of(node, {}) ? Truth::yes : Truth::no;
        return test_text(node, claim.text());
    }
    const auto equals = [](const JsonValue& item, const Value& value) {
        if (item.kind() != value.kind) return false;
        return value.kind == JsonValue::Kind::number ? item.number() == value.number
                                                     : item.text() == value.text;
    };
    if (node.kind == Kind::contains) {
        if (!claim.is_array()) return Truth::unknown;
        const bool is_in =
            std::any_of(claim.items().begin(), claim.items().end(),
                        [&](const JsonValue& item) { return equals(item, node.values.front()); });
        return is_in ? Truth::yes : Truth::no;
    }
    if (node.kind == Kind::like) return Truth::unknown;
    const bool has_type =
        std::any_of(node.values.begin(), node.values.end(),
                    [&](const Value& value) { return value.kind == claim.kind(); });
    if (!has_type) return Truth::unknown;
    const bool is_one = std::any_of(node.values.begin(), node.values.end(),
                                    [&](const Value& value) { return equals(claim, value); });
    return is_one ? Truth::yes : Truth::no;
}

Rule::Truth Rule::test(const Node& node, const Facts& facts) {
    switch (node.what) {
        case What::auth:
            return test_text(node, facts.auth);
        case What::principal:
            return test_text(node, facts.principal);
        case What::spiffe:
            return test_text(node, facts.peer == nullptr ? "" : facts.peer->spiffe);
        case What::cn:
            return test_text(node, facts.peer == nullptr ? "" : facts.peer->common_name);
        case What::san: {
            const bool has_names = facts.peer != nullptr && !facts.peer->names.empty();
            if (node.kind == Kind::has) return has_names ? Truth::yes : Truth::no;
            if (!has_names) return Truth::unknown;
            const auto& names = facts.peer->names;
            const bool is_one = std::any_of(names.begin(), names.end(), [&](const auto& name) {
                return is_one_of(node, name);
            });
            return is_one ? Truth::yes : Truth::no;
        }
        case What::claim:
            break;
    }
    if (facts.claims == nullptr) return node.kind == Kind::has ? Truth::no : Truth::unknown;
    const JsonValue& claim = find_claim(*facts.claims, node.path);
    if (claim.is_null() && node.kind != Kind::has) return Truth::unknown;
    return test_claim(node, claim);
}

Rule::Truth Rule::evaluate(std::size_t index, const Facts& facts) const {
    const Node& node = nodes_[index];
    if (node.parts.empty()) return test(node, facts);
    Truth truth = evaluate(node.parts.front(), facts);
    if (node.kind == Kind::negation)
        return static_cast<Truth>(2 - static_cast<std::uint8_t>(truth));
    for (std::size_t i = 1; i < node.parts.size(); ++i) {
        const Truth next = evaluate(node.parts[i], facts);
        truth = node.kind == Kind::any_of ? std::max(truth, next) : std::min(truth, next);
    }
    return truth;
}

bool Rule::holds(const Facts& facts) const {
    return !nodes_.empty() && evaluate(nodes_.size() - 1, facts) == Truth::yes;
}

std::uint8_t Rule::outcomes(std::size_t index, const Available& available) const {
    const Node& node = nodes_[index];
    if (node.parts.empty()) {
        const bool is_peer =
            node.what == What::spiffe || node.what == What::san || node.what == What::cn;
        if (is_peer ? available.has_peer : available.has_identity) return kNo | kUnknown | kYes;
        return node.kind == Kind::has ? kNo : kUnknown;
    }
    std::uint8_t all = outcomes(node.parts.front(), available);
    if (node.kind == Kind::negation) {
        const unsigned turned =
            ((all & kNo) != 0 ? kYes : 0U) | (all & kUnknown) | ((all & kYes) != 0 ? kNo : 0U);
        return static_cast<std::uint8_t>(turned);
    }
    for (std::size_t i = 1; i < node.parts.size(); ++i) {
        const std::uint8_t next = outcomes(node.parts[i], available);
        std::uint8_t both = 0;
        for (const std::uint8_t a : {kNo, kUnknown, kYes}) {
            for (const std::uint8_t b : {kNo, kUnknown, kYes}) {
                if ((all & a) == 0 || (next & b) == 0) continue;
                both |= node.kind == Kind::any_of ? std::max(a, b) : std::min(a, b);
            }
        }
        all = both;
    }
    return all;
}

bool Rule::can_hold(const Available& available) const {
    return !nodes_.empty() && (outcomes(nodes_.size() - 1, available) & kYes) != 0;
}

}  // namespace weir::auth

#include "route/expression.hpp"

#include <algorithm>

namespace weir::route {
namespace {

constexpr std::int64_t kMostMemory = 1 << 20;  // RE2 refuses what would need more

RE2::Options options() {
    RE2::Options chosen(RE2::Quiet);
    chosen.set_max_mem(kMostMemory);
    // A byte is a character: else one that is no UTF-8 matches nothing, not even ".", and whoever
    // adds it walks past the route that was to stop him.
    chosen.set_encoding(RE2::Options::EncodingLatin1);
    return chosen;
}

re2::StringPiece piece(std::string_view text) {
    return {text.data(), text.size()};
}

}  // namespace

std::optional<std::string> expression_problem(std::string_view text) {
    const RE2 expression(piece(text), options());
    if (expression.ok()) return std::nullopt;
    return expression.error();
}

Expression make_expression(std::string_view text) {
    return std::make_unique<const RE2>(piece(text), options());
}

bool matches(const RE2& expression, std::string_view text) {
    return RE2::FullMatch(piece(text), expression);
}

std::string literal_prefix(const RE2& expression) {
    constexpr int kMost = 256;
    std::string least;
    std::string most;
    if (!expression.PossibleMatchRange(&least, &most, kMost)) return {};
    const auto end = std::mismatch(least.begin(), least.end(), most.begin(), most.end());
    least.erase(end.first, least.end());
    return least;
}

}  // namespace weir::route

#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace weir::manual {

// What a word or a code that Weir prints means, and what to do about it.
struct Explanation {
    std::string_view word;  // "breaker_open", "consecutive", "W103"
    std::string_view text;  // one paragraph
};

// Reason words, reasons of transitions, codes of configuration problems.
[[nodiscard]] std::span<const Explanation> explanations();

// As `weir explain WORD` prints it; any case. Nothing if there is no such word.
[[nodiscard]] std::optional<std::string> explain_word(std::string_view word);

}  // namespace weir::manual

#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace weir::manual {

enum class WordKind : std::uint8_t {
    reason,      // why Weir itself answered: "breaker_open"
    transition,  // why a breaker or a detector changed its state: "consecutive"
    refusal,     // why a request was not tried again, or a record or series dropped: "budget"
    problem,     // of a configuration: "W103"
};

// What a word or a code that Weir prints means, and what to do about it.
struct Explanation {
    std::string_view word;
    WordKind kind = WordKind::reason;
    std::string_view summary;  // one short line
    std::string_view cause;
    std::string_view example;  // lines as they are: before and after, or what to look at
    std::string_view fix;
};

// Every word that has a page: reasons, transitions, problems.
[[nodiscard]] const std::vector<Explanation>& explanations();

// The page, as `weir explain WORD` prints it; any case. Nothing if there is no such word.
[[nodiscard]] std::optional<std::string> explain_word(std::string_view word);

// The word with the fewest slips to this one, if they are few.
[[nodiscard]] std::string_view nearest_word(std::string_view word);

}  // namespace weir::manual

#pragma once

#include "weir/config/place.hpp"

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace weir::config {

// One thing wrong with a configuration, in the form of the compiler messages editors understand:
//
//   weir.yaml:11:7: error[W101]: unknown key 'conect' in clusters.legacy.timeout
//      11 |       conect: 250ms
//         |       ^^^^^^ did you mean 'connect'?
//         = help: keys here: connect, request, response_header, idle
//
// The codes: 100 no YAML, 101 unknown key, 102 given twice, 103 missing unit, 104 no value of this
// type, 105 unknown word, 106 percentage, 107 environment, 108 wrong kind of value, 109 not in this
// version, 110 unknown name, 111 port, 112 unquoted IPv6, 113 no address, 114 missing, 115 keys
// that exclude each other, 116 YAML features not taken, 117 out of range, 118 name, 119 pattern,
// 120 certificate and key, 121 a file that cannot be used, 122 include, 123 weak key, 130 listened
// on twice, 131 name given twice, 140 contradicting timeouts, 141 numbers, 150 admin without token,
// 151 a secret in the text; 2xx warnings: 201 route that never matches, 202 without effect, 203
// unverified, 210 address in use, 211 privilege missing, 212 no such interface, 220 out of date.
struct Problem {
    enum class Severity : std::uint8_t { error, warning };

    Severity severity = Severity::error;
    std::uint16_t code = 0;
    Place place{};
    std::string what{};       // the sentence
    std::string note{};       // after the carets
    std::string help{};       // the line below, if any
    std::uint32_t width = 0;  // of the carets; 0: the word at `place`
    std::uint32_t shift = 0;  // carets begin this far right of `place`
    bool is_secret = false;   // what the carets point at is never shown
};

// Collects what is wrong, all of it (but no more than kMostKept of a kind). Whoever checks a
// configuration adds to it; the same problem at the same place is kept once. Thread: its owner's.
class Report {
  public:
    static constexpr std::size_t kMostKept = 1000;

    void add(Problem problem);

    // Further errors are not kept: whoever would have to search for their words need not.
    [[nodiscard]] bool is_full() const { return errors_ >= kMostKept; }
    [[nodiscard]] bool has_errors() const { return errors_ != 0; }
    [[nodiscard]] std::size_t errors() const { return errors_; }
    [[nodiscard]] std::size_t warnings() const { return problems_.size() - errors_; }

    // By file, line and column; what stands nowhere comes first.
    [[nodiscard]] std::vector<Problem> sorted() const;

  private:
    std::vector<Problem> problems_;
    std::size_t errors_ = 0;
};

// The texts that places refer to, for the source lines of messages.
struct SourceText {
    std::string name;
    std::string text;
};

inline constexpr std::size_t kMostShown = 20;

// All problems as above (at most kMostShown), then one line which counts them. `outcome` ends that
// line, "nothing was changed (running config 41f2... keeps serving)"; empty for none. Colour: ANSI.
// Nothing when there is no problem.
[[nodiscard]] std::string render(const Report& report,
                                 const std::vector<SourceText>& sources,
                                 std::string_view outcome = {},
                                 bool has_colour = false);

// For programs, all of it: {"valid":true,"errors":[...],"warnings":[...]}, each with code ("W101"),
// file, line and column (null where it stands nowhere), message, note and help.
[[nodiscard]] std::string render_json(const Report& report, const std::vector<SourceText>& sources);

// For the log of GitHub's CI, a line each: ::error file=weir.yaml,line=11,col=7,title=W101::...
[[nodiscard]] std::string render_github(const Report& report,
                                        const std::vector<SourceText>& sources);

}  // namespace weir::config

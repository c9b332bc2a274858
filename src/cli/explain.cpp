#include "weir/manual/explain.hpp"

#include "cli/commands.hpp"

#include <cstdio>

namespace weir::cli {
namespace {

void list_words() {
    for (const manual::Explanation& explanation : manual::explanations()) {
        const std::string word(explanation.word);
        const std::string text(explanation.text.substr(0, explanation.text.find_first_of(".:")));
        std::printf("%-26s %s\n", word.c_str(), text.c_str());
    }
}

}  // namespace

int explain(const ExplainCommand& command) {
    if (command.word.empty()) {
        list_words();
        return kSuccess;
    }
    const auto text = manual::explain_word(command.word);
    if (!text) {
        std::fprintf(stderr,
                     "weir: nothing to explain about '%s'; `weir explain` lists the words\n",
                     command.word.c_str());
        return kFailure;
    }
    std::fputs(text->c_str(), stdout);
    return kSuccess;
}

}  // namespace weir::cli

#include "weir/admin/openapi.hpp"
#include "weir/manual/explain.hpp"
#include "weir/manual/pages.hpp"

#include "cli/arguments.hpp"
#include "cli/commands.hpp"

#include <cstdio>

namespace weir::cli {
namespace {

void list_words() {
    for (const manual::Explanation& page : manual::explanations()) {
        const std::string word(page.word);
        const std::string summary(page.summary);
        std::printf("%-26s %s\n", word.c_str(), summary.c_str());
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
        const std::string meant(manual::nearest_word(command.word));
        const std::string hint = meant.empty() ? "" : " (did you mean '" + meant + "'?)";
        std::fprintf(stderr,
                     "weir: nothing to explain about '%s'%s; `weir explain` lists the words\n",
                     command.word.c_str(), hint.c_str());
        return kFailure;
    }
    std::fputs(text->c_str(), stdout);
    return kSuccess;
}

int schema() {
    std::fputs(manual::json_schema().c_str(), stdout);
    return kSuccess;
}

int openapi() {
    std::fputs(manual::indented(admin::openapi()).c_str(), stdout);
    return kSuccess;
}

int reference(const ReferenceCommand& command) {
    const std::string page = command.page == "metrics"  ? manual::metrics_page()
                             : command.page == "errors" ? manual::errors_page()
                                                        : manual::configuration_page();
    std::fputs(page.c_str(), stdout);
    return kSuccess;
}

int man() {
    std::fputs(manual::man_page(verbs()).c_str(), stdout);
    return kSuccess;
}

int completion(const CompletionCommand& command) {
    const auto script = manual::completion(command.shell, verbs());
    if (!script) return kUsage;  // not reached: the command line takes these words only
    std::fputs(script->c_str(), stdout);
    return kSuccess;
}

}  // namespace weir::cli

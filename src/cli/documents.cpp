#include "weir/admin/openapi.hpp"
#include "weir/core/version.hpp"
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

struct Perform {
    int operator()(const RunCommand& command) const { return run(command); }
    int operator()(const CheckCommand& command) const {
        if (!command.shows_difference) return check(command);
        return ask({command.ask, DifferenceVerb{command.file}});
    }
    int operator()(const DemoCommand& command) const { return demo(command); }
    int operator()(const ExplainCommand& command) const { return explain(command); }
    int operator()(const VersionCommand& /*command*/) const { return version(); }
    int operator()(const ConfigDumpCommand& command) const { return config_dump(command); }
    int operator()(const ConfigExplainCommand& command) const { return config_explain(command); }
    int operator()(const ConfigDiffCommand& command) const { return config_diff(command); }
    int operator()(const InitCommand& command) const { return init(command); }
    int operator()(const FormatCommand& command) const { return format(command); }
    int operator()(const SimulateCommand& command) const { return simulate(command); }
    int operator()(const RedirectCommand& command) const { return redirect(command); }
    int operator()(const InjectCommand& command) const { return inject(command); }
    int operator()(const InjectorCommand& command) const { return injector(command); }
    int operator()(const SchemaCommand& /*command*/) const { return schema(); }
    int operator()(const OpenapiCommand& /*command*/) const { return openapi(); }
    int operator()(const ReferenceCommand& command) const { return reference(command); }
    int operator()(const ManCommand& /*command*/) const { return man(); }
    int operator()(const CompletionCommand& command) const { return completion(command); }
    int operator()(const AskCommand& command) const { return ask(command); }
};

}  // namespace

int perform(const Command& command) {
    return std::visit(Perform{}, command);
}

int version() {
    const std::string number(kVersion);
    const std::string commit(kCommit);
    std::printf("weir %s (%s)\n", number.c_str(), commit.c_str());
    return kSuccess;
}

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

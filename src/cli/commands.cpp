#include "cli/commands.hpp"

#include "weir/core/version.hpp"

#include <cstdio>

namespace weir::cli {
namespace {

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

}  // namespace weir::cli

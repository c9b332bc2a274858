#pragma once

#include <string>
#include <variant>

// What `weir <verb>` does. Each verb returns the exit code, and writes what people asked for to
// stdout, what went wrong to stderr. Thread: main.
namespace weir::cli {

inline constexpr int kSuccess = 0;
inline constexpr int kFailure =
    1;                            // a configuration with errors, a port in use, a failed assertion
inline constexpr int kUsage = 2;  // wrong arguments
// 3 is for verbs that ask a running Weir, when none answers.

struct RunCommand {
    std::string file;  // or from and to
    std::string from;
    std::string to;
    bool prints_config = false;
    bool allows_core_dumps = false;
};
struct CheckCommand {
    std::string file;
    std::string format = "text";  // json, github
};
struct DemoCommand {
    bool is_once = false;
};
struct ExplainCommand {
    std::string word;  // empty: all of them
};
struct VersionCommand {};

using Command = std::variant<RunCommand, CheckCommand, DemoCommand, ExplainCommand, VersionCommand>;

int run(const RunCommand& command);
int check(const CheckCommand& command);
int demo(const DemoCommand& command);
int explain(const ExplainCommand& command);
int version();

int perform(const Command& command);

}  // namespace weir::cli

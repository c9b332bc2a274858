#include "weir/intercept/apply.hpp"

#include <array>
#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <optional>
#include <spawn.h>
#include <stdexcept>
#include <sys/wait.h>
#include <unistd.h>
#include <vector>

extern char** environ;

namespace weir::intercept {
namespace {

using Words = std::vector<std::string>;

// A descriptor that closes.
class Descriptor {
  public:
    explicit Descriptor(int fd = -1) : fd_(fd) {}
    Descriptor(const Descriptor&) = delete;
    Descriptor& operator=(const Descriptor&) = delete;
    ~Descriptor() { close(); }
    void close() {
        if (fd_ >= 0) ::close(fd_);
        fd_ = -1;
    }
    [[nodiscard]] int fd() const { return fd_; }

  private:
    int fd_;
};

struct Result {
    int code = -1;
    std::string output;  // and what it said of errors
};

[[noreturn]] void fail(const std::string& what) {
    throw std::runtime_error(what + ": " + std::strerror(errno));
}

// Rules are a few KiB: they fit a pipe, so that they can be written before anybody reads.
pid_t spawn(const Words& words, int input, int output) {
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, input, STDIN_FILENO);
    posix_spawn_file_actions_adddup2(&actions, output, STDOUT_FILENO);
    posix_spawn_file_actions_adddup2(&actions, output, STDERR_FILENO);
    std::vector<char*> arguments;
    for (const std::string& word : words)
        arguments.push_back(const_cast<char*>(word.c_str()));
    arguments.push_back(nullptr);
    pid_t child = -1;
    const int error =
        posix_spawnp(&child, arguments[0], &actions, nullptr, arguments.data(), environ);
    posix_spawn_file_actions_destroy(&actions);
    return error == 0 ? child : -1;
}

// Nothing if there is no such program.
std::optional<Result> run(const Words& words, const std::string& input = {}) {
    std::array<int, 2> in{};
    std::array<int, 2> out{};
    if (pipe2(in.data(), O_CLOEXEC) != 0) fail("pipe");
    Descriptor in_read(in[0]);
    Descriptor in_write(in[1]);
    if (pipe2(out.data(), O_CLOEXEC) != 0) fail("pipe");
    Descriptor out_read(out[0]);
    Descriptor out_write(out[1]);
    if (!input.empty() && write(in_write.fd(), input.data(), input.size()) < 0) fail("pipe");
    in_write.close();
    const pid_t child = spawn(words, in_read.fd(), out_write.fd());
    if (child < 0) return std::nullopt;
    out_write.close();
    Result result;
    std::array<char, 4096> buffer;
    while (true) {
        const ssize_t size = read(out_read.fd(), buffer.data(), buffer.size());
        if (size <= 0) break;
        result.output.append(buffer.data(), static_cast<std::size_t>(size));
    }
    int status = 0;
    if (waitpid(child, &status, 0) != child) fail("waitpid");
    result.code = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
    // The C library of some systems tells of a missing program so.
    if (result.code == 127 && result.output.empty()) return std::nullopt;
    return result;
}

void must_run(const Words& words, const std::string& input = {}) {
    const auto result = run(words, input);
    if (!result) throw std::runtime_error(words.front() + " is not installed");
    if (result->code != 0)
        throw std::runtime_error(words.front() + " refused the rules: " + result->output);
}

bool has(const char* program) {
    return run({program, "--version"}).has_value();
}

// Both families; the second may be off in this kernel.
constexpr std::array<const char*, 2> kFamilies{"iptables", "ip6tables"};

struct Jump {
    std::string_view from;
    std::string_view to;
};
constexpr std::array<Jump, 2> kJumps{Jump{"PREROUTING", kInboundChain},
                                     Jump{"OUTPUT", kOutboundChain}};

Words jump(const char* family, const char* action, const Jump& at) {
    return {family, "-w",
            "-t",   "nat",
            action, std::string(at.from),
            "-p",   "tcp",
            "-j",   std::string(at.to)};
}

bool succeeds(const Words& words) {
    const auto result = run(words);
    return result && result->code == 0;
}

void clean_iptables() {
    for (const char* family : kFamilies) {
        for (const Jump& at : kJumps) {
            while (succeeds(jump(family, "-D", at))) {
            }
            const std::string chain(at.to);
            static_cast<void>(run({family, "-w", "-t", "nat", "-F", chain}));
            static_cast<void>(run({family, "-w", "-t", "nat", "-X", chain}));
        }
    }
}

void apply_iptables(const Redirect& redirect) {
    const std::string chains = iptables_chains(redirect);
    for (const char* family : kFamilies) {
        const bool is_needed = family == kFamilies.front();
        const bool is_there = succeeds({family, "-w", "-t", "nat", "-S"});
        if (!is_there && !is_needed) continue;
        must_run({std::string(family) + "-restore", "-w", "--noflush"}, chains);
        for (const Jump& at : kJumps) {
            if (!succeeds(jump(family, "-C", at))) must_run(jump(family, "-A", at));
        }
    }
}

Tool chosen(Tool tool) {
    if (tool != Tool::automatic) return tool;
    return has("nft") ? Tool::nft : Tool::iptables;
}

}  // namespace

void apply(const Redirect& redirect, Tool tool) {
    tool = chosen(tool);
    // Rules of both would redirect twice.
    if (tool == Tool::nft) {
        if (has("iptables")) clean_iptables();
        return must_run({"nft", "-f", "-"}, nft_rules(redirect));
    }
    if (has("nft")) static_cast<void>(run({"nft", "-f", "-"}, nft_clean()));
    apply_iptables(redirect);
}

void clean(Tool tool) {
    const bool is_any = tool == Tool::automatic;
    const bool has_nft = tool != Tool::iptables && has("nft");
    const bool has_iptables = tool != Tool::nft && has("iptables");
    if (!has_nft && !has_iptables)
        throw std::runtime_error(is_any ? "neither nft nor iptables is installed"
                                        : "the tool is not installed");
    if (has_nft) must_run({"nft", "-f", "-"}, nft_clean());
    if (has_iptables) clean_iptables();
}

std::string show(Tool tool) {
    std::string text;
    if (tool != Tool::iptables) {
        const auto listed = run({"nft", "list", "table", "inet", "weir"});
        if (listed && listed->code == 0) text += listed->output;
    }
    if (tool == Tool::nft) return text;
    for (const char* family : kFamilies) {
        for (const Jump& at : kJumps) {
            const auto listed = run({family, "-w", "-t", "nat", "-S", std::string(at.to)});
            if (listed && listed->code == 0)
                text += "# " + std::string(family) + "\n" + listed->output;
        }
    }
    return text;
}

}  // namespace weir::intercept

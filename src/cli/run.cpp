#include "weir/admin/context.hpp"
#include "weir/core/log.hpp"
#include "weir/core/version.hpp"
#include "weir/inject/inject.hpp"
#include "weir/injector/webhook.hpp"
#include "weir/intercept/apply.hpp"
#include "weir/runtime/server.hpp"
#include "weir/transport/task.hpp"

#include "cli/configuration.hpp"
#include "cli/display.hpp"
#include "cli/process.hpp"
#include "cli/screen.hpp"
#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/signal_set.hpp>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <functional>
#include <iostream>
#include <iterator>
#include <optional>
#include <string>
#include <sys/syscall.h>
#include <system_error>
#include <thread>
#include <unistd.h>

namespace weir::cli {
namespace {

constexpr const char* kCommandLine = "<command line>";

// Where what is known may outlive the process: WEIR_STATE_DIR, else what systemd names
// (StateDirectory=), else nowhere.
std::string state_dir() {
    for (const char* const name : {"WEIR_STATE_DIR", "STATE_DIRECTORY"}) {
        const char* const value = std::getenv(name);
        if (value == nullptr || *value == '\0') continue;
        const std::string_view folders = value;
        return std::string(folders.substr(0, folders.find(':')));
    }
    return {};
}

// On a terminal, what is wrong with a file as `weir check` says it. Else the log has the first of
// it.
void tell_of_reload(const admin::ConfigResult& result) {
    if (::isatty(STDERR_FILENO) != 1) return;
    const bool has_colour = std::getenv("NO_COLOR") == nullptr;
    std::string text;
    if (result.status == admin::ConfigResult::Status::failed) {
        text = "weir: " + result.failure + "; " + runtime::unchanged(result.hash) + "\n";
    } else {
        const bool is_refused = result.status != admin::ConfigResult::Status::accepted;
        text = config::render(result.report, result.sources,
                              is_refused ? runtime::unchanged(result.hash) : std::string{},
                              has_colour);
    }
    std::fputs(text.c_str(), stderr);
}

Screen screen_of(const runtime::Server& server,
                 const config::LoadResult& loaded,
                 const std::string& file,
                 TimePoint began) {
    Screen screen;
    screen.file = file;
    const std::string& text = loaded.sources.empty() ? std::string{} : loaded.sources.front().text;
    screen.lines = static_cast<std::size_t>(std::count(text.begin(), text.end(), '\n'));
    screen.ready_in = Clock::refresh() - began;
    screen.config = loaded.config.get();
    for (const config::Listener& listener : loaded.config->listeners)
        screen.listeners.push_back({&listener, server.listen_addresses(listener.name)});
    screen.admin = server.admin_address();
    screen.telemetry = server.telemetry_address();
    return screen;
}

void announce(const runtime::Server& server, const Screen& screen, bool has_screen) {
    if (has_screen) {
        std::fputs(render(screen).c_str(), stdout);
        std::fflush(stdout);
        return;
    }
    for (const auto& listener : screen.listeners) {
        for (const Address& address : listener.addresses) {
            log::info("listening",
                      {{"listener", listener.config->name}, {"address", address.to_string()}});
        }
    }
    log::info("ready", {{"config", screen.config->source.hash},
                        {"workers", server.workers()},
                        {"admin", screen.admin ? screen.admin->to_string() : "off"},
                        {"telemetry", screen.telemetry ? screen.telemetry->to_string() : "off"}});
}

// SIGHUP reloads; the first SIGTERM or SIGINT drains, the second ends at once.
class Signals {
  public:
    Signals(boost::asio::io_context& main, boost::asio::signal_set& set, runtime::Server& server)
        : main_(main), server_(server), set_(set) {
        wait();
    }
    [[nodiscard]] bool was_hurried() const { return was_hurried_; }

  private:
    void wait() {
        set_.async_wait([this](const boost::system::error_code& ec, int number) {
            if (ec) return;
            handle(number);
            wait();
        });
    }

    void handle(int number) {
        if (number == SIGHUP) {
            server_.reload();
        } else if (!is_stopping_) {
            is_stopping_ = true;
            log::info("draining", {{"signal", number == SIGTERM ? "SIGTERM" : "SIGINT"}});
            server_.shut_down();
        } else {
            was_hurried_ = true;
            main_.stop();
        }
    }

    boost::asio::io_context& main_;
    runtime::Server& server_;
    boost::asio::signal_set& set_;
    bool is_stopping_ = false;
    bool was_hurried_ = false;
};

// Tells when another process has ended, a child of ours or not. Thread: main.
class Companion {
  public:
    // Throws std::system_error if there is no such process.
    Companion(boost::asio::io_context& main, int process, std::function<void()> on_end)
        : end_(main) {
        // glibc's own has no C linkage in C++ (2.36).
        const int descriptor = static_cast<int>(::syscall(SYS_pidfd_open, process, 0));
        if (descriptor < 0) {
            throw std::system_error(errno, std::generic_category(),
                                    "--exit-with " + std::to_string(process));
        }
        end_.assign(descriptor);
        end_.async_wait(boost::asio::posix::stream_descriptor::wait_read,
                        [on_end = std::move(on_end)](const boost::system::error_code& ec) {
                            if (!ec) on_end();
                        });
    }

  private:
    boost::asio::posix::stream_descriptor end_;
};

}  // namespace

int run(const RunCommand& command) {
    const TimePoint began = Clock::refresh();
    const bool is_from_file = command.from.empty();
    const std::string text =
        is_from_file ? std::string{} : config::from_to(command.from, command.to);
    const config::LoadResult loaded =
        is_from_file ? load(command.file) : load_text(text, kCommandLine);
    print_problems(loaded);
    if (!loaded) return kFailure;
    if (command.prints_config) {
        std::fputs(text.c_str(), stdout);
        return kSuccess;
    }
    const bool has_screen = ::isatty(STDOUT_FILENO) == 1;
    prepare_process(command.allows_core_dumps);

    boost::asio::io_context main(1);
    // Outlives the server: a second SIGTERM while it ends must not kill what already ends well.
    boost::asio::signal_set caught(main, SIGTERM, SIGINT, SIGHUP);
    runtime::Server server(main, {.config = loaded.config,
                                  .document = loaded.document,
                                  .file = command.file,
                                  .state_dir = state_dir(),
                                  .configures_log = true,
                                  .has_screen = has_screen,
                                  .on_reload = tell_of_reload,
                                  .on_stopped = [&main] { main.stop(); }});
    const Signals signals(main, caught, server);
    std::optional<Companion> companion;
    if (command.companion != 0) {
        companion.emplace(main, command.companion, [&] {
            log::info("draining", {{"ended", command.companion}});
            server.shut_down();
        });
    }
    server.start();
    announce(server, screen_of(server, loaded, command.file, began), has_screen);
    // A worker that waits for this core goes first: its request is not held up by a burst of
    // control work.
    while (main.run_one() > 0)
        std::this_thread::yield();
    return signals.was_hurried() ? kFailure : kSuccess;
}

// ---- redirect

int redirect(const RedirectCommand& command) {
    using Verb = RedirectCommand::Verb;
    const auto tool = command.tool == "nft"        ? intercept::Tool::nft
                      : command.tool == "iptables" ? intercept::Tool::iptables
                                                   : intercept::Tool::automatic;
    if (command.verb == Verb::clean) {
        intercept::clean(tool);
        return kSuccess;
    }
    if (command.verb == Verb::show) {
        const std::string rules = intercept::show(tool);
        std::fputs(rules.empty() ? "nothing is redirected\n" : rules.c_str(), stdout);
        return kSuccess;
    }
    intercept::Redirect rules = command.rules;
    for (const auto& [text, into] : {std::pair(&command.skip_inbound, &rules.skip_inbound),
                                     std::pair(&command.skip_outbound, &rules.skip_outbound)}) {
        auto ports = intercept::read_ports(*text);
        if (!ports) {
            std::fprintf(stderr, "weir: '%s' is no list of ports: write 22,5000-5010\n",
                         text->c_str());
            return kUsage;
        }
        *into = std::move(*ports);
    }
    if (command.only_prints) {
        const bool is_iptables = tool == intercept::Tool::iptables;
        const std::string text =
            is_iptables ? intercept::iptables_chains(rules) : intercept::nft_rules(rules);
        std::fputs(text.c_str(), stdout);
        return kSuccess;
    }
    intercept::apply(rules, tool);
    return kSuccess;
}

// ---- inject, injector

namespace {

// How long API servers may still come after the pod is told to end.
constexpr Duration kDrain = std::chrono::seconds{5};

std::optional<std::string> read_all(const std::string& path) {
    if (path == "-") return std::string{std::istreambuf_iterator<char>(std::cin), {}};
    std::ifstream file(path, std::ios::binary);
    if (!file) return std::nullopt;
    std::string text{std::istreambuf_iterator<char>(file), {}};
    if (file.bad()) return std::nullopt;
    return text;
}

inject::Options options_of(const std::string& image, bool removes) {
    return {.image = image.empty() ? "weir:" + std::string(kVersion) : image, .removes = removes};
}

void tell(const inject::Injected& injected) {
    for (const inject::Note& note : injected.notes) {
        std::string line = printable(note.object) + ": " + std::string(word(note.kind));
        if (!note.reason.empty()) line += ": " + printable(note.reason);
        std::fprintf(stderr, "%s\n", line.c_str());
    }
}

}  // namespace

int inject(const InjectCommand& command) {
    const auto text = read_all(command.file);
    if (!text) {
        std::fprintf(stderr, "weir: cannot read %s\n", command.file.c_str());
        return kFailure;
    }
    const auto injected = inject::inject(*text, options_of(command.image, command.removes));
    const std::string out = command.shows_difference
                                ? inject::difference(*text, injected.text, command.file)
                                : injected.text;
    std::fwrite(out.data(), 1, out.size(), stdout);
    std::fflush(stdout);
    tell(injected);
    return injected.has_refusals() ? kFailure : kSuccess;
}

int injector(const InjectorCommand& command) {
    prepare_process(false);
    boost::asio::io_context main(1);
    boost::asio::signal_set caught(main, SIGTERM, SIGINT);
    injector::Webhook webhook(main, {.listen = command.listen,
                                     .telemetry = command.telemetry,
                                     .cert = command.cert,
                                     .key = command.key,
                                     .pods = options_of(command.image, false)});
    log::info("ready", {{"webhook", webhook.address().to_string()},
                        {"telemetry", webhook.telemetry_address().to_string()}});
    transport::ControlTimer ending(main);
    bool is_ending = false;
    std::function<void()> wait = [&] {
        caught.async_wait([&](const boost::system::error_code& ec, int number) {
            if (ec) return;
            if (std::exchange(is_ending, true)) return main.stop();
            log::info("draining", {{"signal", number == SIGTERM ? "SIGTERM" : "SIGINT"}});
            webhook.drain();
            ending.expires_after(kDrain);
            ending.async_wait([&main](const boost::system::error_code&) { main.stop(); });
            wait();
        });
    };
    wait();
    main.run();
    return kSuccess;
}

}  // namespace weir::cli

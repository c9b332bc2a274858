#include "weir/core/log.hpp"
#include "weir/demo/demo_story.hpp"
#include "weir/runtime/server.hpp"

#include "cli/configuration.hpp"
#include "cli/process.hpp"
#include "cli/screen.hpp"
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/signal_set.hpp>

#include <array>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <ctime>
#include <stdexcept>

namespace weir::cli {
namespace {

constexpr unsigned kUsers = 5;
constexpr Duration kPause = std::chrono::milliseconds{200};  // 25 requests/s on each path
constexpr Duration kReport = std::chrono::seconds{1};
constexpr unsigned kReportsAlike = 5;  // one that says nothing new is said every so many seconds

struct Ports {
    std::string listen = "127.0.0.1:8080";
    std::string admin = "127.0.0.1:9347";
    std::string telemetry = "127.0.0.1:9348";

    static Ports of_kernel() { return {"127.0.0.1:0", "127.0.0.1:0", "127.0.0.1:0"}; }
};

// Nothing but names and addresses: what protects the services are the defaults.
std::string configuration(const Ports& ports,
                          const demo::ToyService& legacy,
                          const demo::ToyService& pair_a,
                          const demo::ToyService& pair_b) {
    std::string text = "version: 1\nlisteners:\n  - name: demo\n    listen: " + ports.listen;
    text += "\n    routes:\n";
    text += "      - {path: /legacy/, to: legacy}\n      - {path: /pair/, to: pair}\n";
    text += "clusters:\n  legacy:\n    endpoints: [\"" + legacy.address().to_string() + "\"]\n";
    text += "  pair:\n    endpoints: [\"" + pair_a.address().to_string() + "\", \"" +
            pair_b.address().to_string() + "\"]\n";
    text += "admin: {listen: \"" + ports.admin + "\"}\n";
    text += "telemetry: {listen: \"" + ports.telemetry + "\"}\n";
    text += "access_log: {to: off}\n";
    return text;
}

void say(std::string_view line) {
    const std::time_t seconds = std::chrono::system_clock::to_time_t(Clock::wall());
    std::tm local{};
    ::localtime_r(&seconds, &local);
    std::array<char, 16> time{};
    std::strftime(time.data(), time.size(), "%H:%M:%S", &local);
    std::printf("%s  %.*s\n", time.data(), static_cast<int>(line.size()), line.data());
    std::fflush(stdout);
}

std::string line_of(const telemetry::Event& event) {
    std::string line = "●  ";
    const std::string route = event.route.empty() ? std::string() : "@" + event.route;
    line += event.endpoint.empty() ? "breaker " + event.cluster + route
                                   : "endpoint " + event.cluster + " " + event.endpoint;
    line += "  " + event.from + " → " + event.to;
    const std::string& why = event.detail.empty() ? event.reason : event.detail;
    return why.empty() ? line : line + "  (" + why + ")";
}

class Demo {
  public:
    explicit Demo(const DemoCommand& command)
        : is_once_(command.is_once),
          legacy_(main_.get_executor(), "legacy"),
          pair_a_(main_.get_executor(), "pair a"),
          pair_b_(main_.get_executor(), "pair b"),
          signals_(main_, SIGINT, SIGTERM) {}

    int run() {
        start_server();
        const Address proxy = server_->listen_addresses("demo").front();
        const auto executor = main_.get_executor();
        legacy_load_.emplace(executor, proxy, "/legacy/orders", kUsers, kPause);
        pair_load_.emplace(executor, proxy, "/pair/stock", kUsers, kPause);
        story_.emplace(executor, *server_->admin_address(),
                       demo::DemoStory::Cast{legacy_, pair_a_, pair_b_, *legacy_load_, *pair_load_},
                       [](std::string_view line) { say(line); });
        if (!is_once_) introduce(proxy);
        teller_ = transport::spawn(executor, "the demo's story",
                                   [this](transport::TaskScope& scope) { return tell(scope); });
        if (!is_once_) {
            reporter_ =
                transport::spawn(executor, "the demo's report",
                                 [this](transport::TaskScope& scope) { return report(scope); });
        }
        wait_for_signal();
        main_.run();
        return exit_code_;
    }

  private:
    void start_server() {
        if (is_once_) return start_server(Ports::of_kernel());
        try {
            start_server(Ports{});
        } catch (const std::runtime_error& error) {
            std::printf("%s: the demo takes other ports\n", error.what());
            start_server(Ports::of_kernel());
        }
    }

    void start_server(const Ports& ports) {
        const config::LoadResult loaded =
            load_text(configuration(ports, legacy_, pair_a_, pair_b_), "demo.yaml");
        print_problems(loaded);
        if (!loaded) throw std::logic_error("the demo's configuration is not valid");
        server_ = std::make_unique<runtime::Server>(
            main_, runtime::Server::Options{
                       .config = loaded.config,
                       .file = {},
                       .on_event = [this](const telemetry::Event& event) { tell_of(event); },
                       .on_stopped = [this] { main_.stop(); }});
        server_->start();
    }

    // On any thread.
    void tell_of(const telemetry::Event& event) {
        using Kind = telemetry::Event::Kind;
        if (event.kind != Kind::breaker && event.kind != Kind::ejection) return;
        boost::asio::post(main_, [line = line_of(event)] {
            Clock::refresh();
            say(line);
        });
    }

    void introduce(const Address& proxy) const {
        const std::string admin = url_of(*server_->admin_address());
        const std::string name = local_name_of(proxy);
        std::printf(
            "Weir stands in front of two services: legacy, which is alone, and pair, of two.\n"
            "In ten seconds legacy turns bad; then one of the pair goes away; then again.\n"
            "  try   curl -i %s/legacy/orders    curl -i %s/pair/stock\n"
            "  look  curl -s %s/api/v1/breakers    %s/api/v1/clusters/pair/endpoints\n"
            "        curl -s %s/metrics    (Ctrl-C ends it)\n\n",
            name.c_str(), name.c_str(), admin.c_str(), admin.c_str(), admin.c_str());
        std::fflush(stdout);
    }

    transport::Task<> tell(transport::TaskScope& scope) {
        if (!is_once_) {
            co_await story_->play_forever(scope);
            co_return;
        }
        exit_code_ = kFailure;
        const bool is_proven = co_await story_->play_once(scope);
        if (is_proven) exit_code_ = kSuccess;
        say(exit_code_ == kSuccess ? "the story went as told" : "the story went otherwise");
        // Not from within: it ends this coroutine.
        boost::asio::post(main_, [this] { stop(); });
    }

    transport::Task<> report(transport::TaskScope& scope) {
        std::string last;
        for (unsigned alike = 0;; ++alike) {
            co_await scope.sleep_for(kReport);
            const demo::ToyLoad::Counts legacy = legacy_load_->take_recent();
            const demo::ToyLoad::Counts pair = pair_load_->take_recent();
            std::string kinds;
            for (const auto* counts : {&legacy, &pair}) {
                kinds += '|';
                for (const auto& [word, count] : counts->failed)
                    kinds += word + " ";
            }
            if (kinds == last && alike % kReportsAlike != 0) continue;
            last = std::move(kinds);
            say("   legacy: " + describe(legacy) + "   pair: " + describe(pair));
        }
    }

    void wait_for_signal() {
        signals_.async_wait([this](const boost::system::error_code& ec, int) {
            if (ec) return;
            if (is_stopping_) return main_.stop();
            if (is_once_) exit_code_ = kFailure;
            stop();
            wait_for_signal();
        });
    }

    void stop() {
        if (std::exchange(is_stopping_, true)) return;
        teller_.cancel();
        reporter_.cancel();
        legacy_load_->stop();
        pair_load_->stop();
        server_->shut_down();
    }

    const bool is_once_;
    int exit_code_ = kSuccess;
    bool is_stopping_ = false;
    boost::asio::io_context main_{1};
    demo::ToyService legacy_;
    demo::ToyService pair_a_;
    demo::ToyService pair_b_;
    std::unique_ptr<runtime::Server> server_;
    std::optional<demo::ToyLoad> legacy_load_;
    std::optional<demo::ToyLoad> pair_load_;
    std::optional<demo::DemoStory> story_;
    transport::TaskHandle teller_;
    transport::TaskHandle reporter_;
    boost::asio::signal_set signals_;
};

}  // namespace

int demo(const DemoCommand& command) {
    prepare_process(false);
    log::configure({.level = log::Level::warn});
    return Demo(command).run();
}

}  // namespace weir::cli

#pragma once

#include "weir/decode/load.hpp"
#include "weir/proxy/snapshot.hpp"
#include "weir/telemetry/events.hpp"

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace boost::asio {
class io_context;
}

namespace weir::admin {
struct ConfigResult;
}

namespace weir::runtime {

// A whole Weir: workers, listeners, discovery, admin and telemetry ports, reload and drain, around
// the caller's main loop. Builds and wires everything; there is no other global state. Thread:
// main.
class Server {
  public:
    struct Options {
        std::shared_ptr<const config::Config> config;
        std::shared_ptr<const config::Document> document = {};  // that it was decoded from
        std::string file = {};  // read again at a reload, and watched; empty: nothing to reload
        // Where the last good endpoints of each cluster are kept for the next process: a folder;
        // empty: nowhere.
        std::string state_dir = {};
        // The diagnostic log is configured by log.*, and again by a reload; with a screen, the
        // access log on it tells what happens. Else it is the caller's.
        bool configures_log = false;
        bool has_screen = false;
        // Each event as it happens, on any thread: for a terminal.
        telemetry::EventLog::Listener on_event = {};
        // What came of reading the file again, if it was refused or changed something.
        std::function<void(const admin::ConfigResult&)> on_reload = {};
        // Called on the main thread once the drain that shut_down() began is over.
        std::function<void()> on_stopped = {};
    };

    // Opens the logs and every socket. Throws std::runtime_error with a sentence for people: an
    // address in use, a log that cannot be opened.
    Server(boost::asio::io_context& main, Options options);
    Server(const Server&) = delete;
    Server& operator=(const Server&) = delete;
    ~Server();  // stops at once what still runs

    // Starts the workers, discovery and the watching of the file.
    void start();

    // Reads the file again and replaces the configuration whole, or keeps the old one and says so
    // loudly. True if the new one is in force.
    bool reload();
    // Opens the files of the logs again: the old ones were moved away. Throws std::runtime_error if
    // that of the diagnostic log cannot be.
    void reopen_logs();

    // Readiness off, and `Connection: close` or GOAWAY for who comes in, still accepting; no end.
    // Outbound listeners are as before.
    void drain();
    // The same for all listeners, then the listeners close once no connection came for 500 ms (at
    // most 5 s), and on_stopped when the last request is done or config.drain is over.
    void shut_down();

    [[nodiscard]] std::shared_ptr<const proxy::Snapshot> snapshot() const;
    // Where it listens, as bound (port 0 resolved): of a listener by name, the admin and the
    // telemetry port.
    [[nodiscard]] std::vector<Address> listen_addresses(std::string_view listener) const;
    [[nodiscard]] std::optional<Address> admin_address() const;
    [[nodiscard]] std::optional<Address> telemetry_address() const;
    [[nodiscard]] unsigned workers() const;

  private:
    struct State;
    std::unique_ptr<State> state_;
};

// "nothing was changed (running config 41f2... keeps serving)", with one sign for the three dots.
[[nodiscard]] std::string unchanged(std::string_view hash);

}  // namespace weir::runtime

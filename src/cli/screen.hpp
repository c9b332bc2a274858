#pragma once

#include "weir/config/config.hpp"
#include "weir/core/address.hpp"
#include "weir/core/clock.hpp"

#include <optional>
#include <string>
#include <vector>

namespace weir::cli {

// What the start-up screen says.
struct Screen {
    struct Listener {
        const config::Listener* config = nullptr;
        std::vector<Address> addresses;  // as bound
    };

    std::string file;       // empty: from the command line
    std::size_t lines = 0;  // of the file
    Duration ready_in{};
    std::vector<Listener> listeners;
    const config::Config* config = nullptr;
    std::optional<Address> admin;
    std::optional<Address> telemetry;
};

// The few lines that `weir run` prints on a terminal before its access log: what it does, where to
// look, what to try next.
[[nodiscard]] std::string render(const Screen& screen);

// "http://127.0.0.1:8080"; all addresses as 0.0.0.0.
[[nodiscard]] std::string url_of(const Address& address);

// For a command line on this machine: "localhost:8080".
[[nodiscard]] std::string local_name_of(const Address& address);

}  // namespace weir::cli

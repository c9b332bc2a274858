#pragma once

#include "weir/config/config.hpp"
#include "weir/config/document.hpp"
#include "weir/config/report.hpp"
#include "weir/core/clock.hpp"
#include "weir/decode/load.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace weir::simulate {

// How long an endpoint takes to answer.
struct Latency {
    enum class Kind : std::uint8_t { fixed, uniform, exponential, lognormal };

    Kind kind = Kind::lognormal;
    Duration low = std::chrono::milliseconds{5};    // fixed, mean, p50, or the least
    Duration high = std::chrono::milliseconds{20};  // p99, or the most
};

// From a moment on, so many requests arrive (a Poisson process).
struct Arrivals {
    Duration from{0};
    double rate = 100;  // a second
};

struct Fault {
    enum class Kind : std::uint8_t {
        refuse,    // no connection
        hang,      // nothing is answered until the fault is over
        error,     // `status`, to the share `rate`
        delay,     // `by` longer
        cut,       // good headers, then the connection breaks
        reset,     // the request is executed, then the connection breaks without an answer
        throttle,  // 429, to the share `rate`
    };

    Kind kind = Kind::error;
    std::uint32_t first = 0;  // endpoints [first, first + count)
    std::uint32_t count = 0;
    Duration from{0};
    Duration to = Duration::max();
    Duration every{0};  // flapping: on for `on` of each `every`; 0: all the while
    Duration on{0};
    double rate = 1;
    std::uint16_t status = 503;
    Duration by{0};

    [[nodiscard]] bool holds(std::uint32_t endpoint, Duration at) const;
    // When it is over next, or Duration::max().
    [[nodiscard]] Duration ends(Duration at) const;
};

// Who decides: Weir with a cluster's section, or another proxy's machine.
struct Policy {
    enum class Kind : std::uint8_t { weir, envoy, linkerd };

    Kind kind = Kind::weir;
    std::string name = "weir";
    config::Cluster cluster;  // retries and timeouts count for all kinds
};

struct Scenario {
    std::string name;
    std::string about;
    Duration duration = std::chrono::seconds{60};
    std::uint64_t seed = 1;
    std::vector<Arrivals> arrivals{{}};
    std::uint32_t endpoints = 3;
    std::string endpoint_name = "endpoint-{n}";
    Latency latency;
    std::uint32_t concurrency = 0;  // requests that an endpoint works on at once; 0: any number
    std::vector<Fault> faults;
    Duration patience = std::chrono::seconds{5};  // of clients
    double posts = 0.1;
    std::uint32_t hops = 1;     // Weirs in a row
    std::uint32_t proxies = 1;  // in each row, side by side
    std::uint32_t subset = 0;   // endpoints that each of the last row knows; 0: all
    std::vector<Policy> policies;

    // "endpoint-{n}" with its number from 1.
    [[nodiscard]] std::string label(std::size_t endpoint) const;
};

// The configuration whose cluster is asked, as it is written; without, the defaults.
struct Subject {
    const config::Document* document = nullptr;
    std::string cluster;  // empty: the only one
};

struct ScenarioResult {
    std::optional<Scenario> scenario;
    config::Report report;
    std::vector<config::SourceText> sources;  // for config::render()
};

// A scenario in YAML, complete or with all that is wrong with it. The policies are overlays on the
// subject's cluster in the language of the configuration. Thread: main.
[[nodiscard]] ScenarioResult read_scenario(std::string_view text,
                                           const std::string& name,
                                           const Subject& subject = {});

}  // namespace weir::simulate

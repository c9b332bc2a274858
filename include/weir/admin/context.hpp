#pragma once

#include "weir/config/report.hpp"
#include "weir/core/address.hpp"
#include "weir/core/clock.hpp"
#include "weir/describe/effective.hpp"
#include "weir/discovery/provider.hpp"
#include "weir/filter/faults.hpp"
#include "weir/filter/limit_states.hpp"
#include "weir/finders/registry.hpp"
#include "weir/proxy/snapshot.hpp"
#include "weir/telemetry/attempt_trace.hpp"
#include "weir/telemetry/events.hpp"
#include "weir/telemetry/failures.hpp"
#include "weir/telemetry/metrics.hpp"

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace weir::telemetry {
class Rates;
}

namespace weir::admin {

struct Readiness {
    bool is_ready =
        false;  // every discovery source has answered once, or was waited for long enough
    bool is_draining = false;
    std::vector<std::string> waiting;  // "cluster orders: no endpoints yet"
};

struct ConfigState {
    std::string hash;
    std::string file;
    std::string last_error;  // of the last reload; empty if it was accepted
    WallTime loaded_at{};
    bool is_only_here = false;  // put by the API and not persisted: a restart forgets it
};

// What came of a text that was to become the configuration, or was only looked at.
struct ConfigResult {
    enum class Status : std::uint8_t {
        accepted,      // in force now; or, of a check, would be
        invalid,       // the report says why
        other_config,  // If-Match names another configuration than the one that runs
        no_file,       // there is no file to read again, or to write to
        failed,        // valid, but this machine does not let it: `failure` is the sentence
    };

    Status status = Status::accepted;
    config::Report report;
    std::vector<config::SourceText> sources;
    std::vector<describe::Change> changes;   // against what ran before
    std::vector<std::string> needs_restart;  // changed keys that do not apply before a restart
    std::string hash;                        // of the configuration that runs now
    std::string failure;
};

// A configuration that came over the admin API.
struct ConfigText {
    std::string_view text;
    std::string_view if_match;   // the hash it is meant to replace; empty: whatever runs
    bool is_persistent = false;  // written to the file, too
};

// What the server asks of the process. The functions are called on the main thread, while a request
// is answered; they must outlive the server.
struct Context {
    std::function<std::shared_ptr<const proxy::Snapshot>()> snapshot;
    std::function<Readiness()> readiness;
    std::function<ConfigState()> config_state;
    // None for a cluster that has no provider (any more).
    std::function<std::optional<discovery::Status>(std::string_view cluster)> discovery;
    std::function<ConfigResult()> reload;  // reads the file again
    std::function<ConfigResult(const ConfigText&)> apply;
    std::function<ConfigResult(std::string_view text)> validate;        // changes nothing
    std::function<std::shared_ptr<const config::Document>()> document;  // of what runs
    std::function<void()> drain;
    std::function<void()> shut_down;
    std::function<void()> reopen_logs;
    telemetry::Registry& registry;
    telemetry::EventLog& events;
    telemetry::FailureLog& failures;
    telemetry::AttemptTrace& trace;
    filter::LiveFaults& faults;
    const filter::Stores* stores = nullptr;  // of rate limits; none, or outlives it
    WallTime started;
    unsigned workers = 1;
    // Where a listener listens, as bound; without it, what its configuration says.
    std::function<std::vector<Address>(std::string_view listener)> listen_addresses = {};
    // How often a certificate was replaced while this process ran, by where it is named.
    std::function<std::uint64_t(const std::string& subject_name)> certificate_reloads = {};
    finders::Registry* registrations = nullptr;  // none: nothing registers here
    const telemetry::Rates* rates = nullptr;     // the server's own: it samples them
};

}  // namespace weir::admin

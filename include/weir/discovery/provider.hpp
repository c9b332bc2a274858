#pragma once

#include "weir/config/config.hpp"
#include "weir/core/address.hpp"
#include "weir/core/clock.hpp"
#include "weir/telemetry/metrics.hpp"

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace boost::asio {
class io_context;
}

namespace weir::discovery {

// An endpoint as its source gives it. A name with three addresses is three of these.
struct Found {
    enum class State : std::uint8_t {
        serving,
        // On its way out: what it has begun it finishes, and it gets new requests only while the
        // whole set has none that serves.
        terminating,
    };
    // What the source says that it speaks, where the cluster says nothing.
    enum class Speaks : std::uint8_t { unknown, h2c };

    Address address;
    std::string name;  // as configured: "orders:80", "10.0.0.1:80"; Host and certificate go by it
    std::uint32_t weight = 100;
    // The lowest is used; the next one too while of those below nobody may be called.
    std::uint8_t priority = 0;
    State state = State::serving;
    Speaks speaks = Speaks::unknown;
    std::string zone{};
    // Who has the address: another one, and it is another endpoint, of which nothing is known.
    // Empty: the address is all there is.
    std::string uid{};

    bool operator==(const Found&) const = default;
};

// The whole set, to take the place of the one before. Sorted by address and each address once: the
// first that names it wins.
struct Update {
    std::vector<Found> endpoints;

    bool operator==(const Update&) const = default;
};

// What a source said, for the admin API and the metrics.
struct Status {
    const char* type = "";                  // as `discovery.type` spells it
    std::optional<TimePoint> last_contact;  // the last answer of the source; none for static lists
    bool has_answered = false;              // the sink was called, and each source was asked once
    bool is_snapshot = false;               // the set is of a former process: nothing newer came
    std::string last_error;                 // of the last try; empty if it went well
    std::size_t size = 0;                   // of the set last given to the sink
    std::uint64_t updates = 0;              // calls of the sink
    std::uint64_t failures = 0;             // tries of the source that failed
};

// Finds the endpoints of one cluster and keeps them found.
//
// The sink is called on the thread of the main loop: once as soon as there is something to say, and
// again whenever the set differs from the one before. A set may be empty. What a source once said
// stays while the source fails (keep_last); an answer that says "none" is believed at once if there
// was nothing, else after empty_hold. Names are asked again when their TTL is over. Sources that
// are watched give the set of the process before, from disk, until they answer, if it is younger
// than keep_last_max_age.
//
// Who writes one: make it of transport::Task (coroutines on the main loop), ask by
// control::HttpClient, and end in FoundSet (src/discovery/found_set.hpp), which does all that is
// said above; add it to make_provider(), its word to the key table, what its keys mean to
// decode/decode_clusters.
//
// Destroying a provider ends its work; not from within the sink. Thread: main.
class Provider {
  public:
    using Sink = std::function<void(Update)>;

    Provider() = default;
    Provider(const Provider&) = delete;
    Provider& operator=(const Provider&) = delete;
    virtual ~Provider() = default;

    // Once. What needs no waiting (addresses, a file) reaches the sink before start() returns.
    virtual void start(Sink sink) = 0;

    [[nodiscard]] virtual Status status() const = 0;
};

// What providers live on.
struct Surroundings {
    boost::asio::io_context& main;
    telemetry::Registry& registry;
    std::string state_dir{};  // where snapshots are kept, a folder; empty: nowhere
};

// The provider for cluster.discovery. Copies what it needs; `main` must outlive it and, as work of
// it may still unwind there, either run once more or be destroyed after it.
[[nodiscard]] std::unique_ptr<Provider> make_provider(const config::Cluster& cluster,
                                                      const Surroundings& surroundings);

}  // namespace weir::discovery

#pragma once

#include "weir/config/config.hpp"
#include "weir/core/address.hpp"
#include "weir/core/clock.hpp"

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
    Address address;
    std::string name;  // as configured: "orders:80", "10.0.0.1:80"
    std::uint32_t weight = 100;

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
// was nothing, else after empty_hold. Names are asked again when their TTL is over.
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

// The provider for cluster.discovery. Copies what it needs; `main` must outlive it and, as work of
// it may still unwind there, either run once more or be destroyed after it.
[[nodiscard]] std::unique_ptr<Provider> make_provider(const config::Cluster& cluster,
                                                      boost::asio::io_context& main);

}  // namespace weir::discovery

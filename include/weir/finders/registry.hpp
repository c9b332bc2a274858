#pragma once

#include "weir/core/address.hpp"
#include "weir/core/clock.hpp"
#include "weir/discovery/provider.hpp"

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace weir::finders {

// Endpoints that registered themselves, each for as long as its lease runs: a heartbeat, the same
// registration again, renews it. Of the whole process, and in memory: it outlives reloads, not the
// process. Thread: main.
class Registry {
  public:
    static constexpr std::size_t kMostServices = 1000;
    static constexpr std::size_t kMostAddresses = 10'000;  // of a service
    static constexpr std::size_t kMost = 100'000;          // of all services
    static constexpr std::size_t kLongestName = 128;       // of services and zones
    static constexpr Duration kShortestLease = std::chrono::seconds{1};
    static constexpr Duration kLongestLease = std::chrono::hours{24};

    struct Lease {
        Duration ttl = std::chrono::seconds{30};
        std::uint32_t weight = 100;
        std::string zone;

        bool operator==(const Lease&) const = default;
    };
    struct Entry {
        Address address;
        Lease lease;
        TimePoint since{};
        TimePoint renewed{};
        TimePoint expires{};
        bool is_remote = false;  // registered at another Weir, which has its lease
    };
    enum class Put : std::uint8_t { created, renewed, too_many_services, too_many_addresses };

    explicit Registry(TimePoint now) : began_(now) {}
    Registry(const Registry&) = delete;
    Registry& operator=(const Registry&) = delete;

    [[nodiscard]] Put put(std::string_view service,
                          const Address& address,
                          Lease lease,
                          TimePoint now);
    // Withdraws it. False: it was not there.
    bool remove(std::string_view service, const Address& address);
    // Ends the leases that have run out.
    void expire(TimePoint now);
    // What is registered at others, all of it. What has registered here stays as it is.
    void set_remote(const std::string& service,
                    const std::vector<std::pair<Address, Lease>>& entries,
                    TimePoint now);

    // Those that have an address, by name; their entries by address.
    using Service = std::map<std::string, Entry, std::less<>>;
    using Services = std::map<std::string, Service, std::less<>>;
    [[nodiscard]] const Services& services() const { return services_; }
    [[nodiscard]] std::vector<discovery::Found> endpoints(std::string_view service) const;
    [[nodiscard]] std::uint64_t expired() const { return expired_; }
    [[nodiscard]] TimePoint began() const { return began_; }

    // Called when something has become of a service, with the address or, of several, without.
    // Until the token is gone, which may outlive the registry.
    enum class Change : std::uint8_t { put, heartbeat, withdrawn, expired, remote };
    using Listener = std::function<void(Change change, const std::string& address)>;
    using Token = std::shared_ptr<const Listener>;
    [[nodiscard]] Token subscribe(std::string service, Listener listener);

  private:
    void tell(std::string_view service, Change change, const std::string& address = {});
    // Room for one more address; its service is made.
    [[nodiscard]] std::optional<Put> make_room(std::string_view service);

    const TimePoint began_;
    Services services_;
    std::size_t size_ = 0;
    std::uint64_t expired_ = 0;
    TimePoint next_expiry_ = TimePoint::max();  // or earlier
    std::multimap<std::string, std::weak_ptr<const Listener>, std::less<>> listeners_;
};

}  // namespace weir::finders

#pragma once

#include "weir/config/config.hpp"
#include "weir/core/clock.hpp"
#include "weir/telemetry/handles.hpp"

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

// TLS as listeners and clusters want it. OpenSSL stays behind it.
namespace weir::transport {

// The keys by which a server reads the session tickets it gave: a new one each kTurn, the one
// before it is still read. One for the process, so that a reload ends no session; listeners take
// no ticket of each other. Thread: any (a lock for a few instructions a handshake).
class TlsTickets {
  public:
    static constexpr Duration kTurn = std::chrono::hours{6};

    TlsTickets();
    TlsTickets(const TlsTickets&) = delete;
    TlsTickets& operator=(const TlsTickets&) = delete;
    ~TlsTickets();

    struct Ring;
    [[nodiscard]] Ring& ring() const { return *ring_; }

  private:
    std::unique_ptr<Ring> ring_;
};

// A session that a client may resume with the peer it had it from, or nothing. Thread: worker.
class TlsMemory {
  public:
    TlsMemory();
    TlsMemory(const TlsMemory&) = delete;
    TlsMemory& operator=(const TlsMemory&) = delete;
    ~TlsMemory();

    struct State;
    [[nodiscard]] State& state() { return *state_; }

  private:
    std::unique_ptr<State> state_;
};

// A certificate in use, for people and metrics.
struct TlsCertificate {
    std::string subject_name;  // "listeners[0].tls": where the configuration names it
    std::string file;
    std::string subject;  // "CN=shop"
    std::string issuer;
    std::vector<std::string> names;  // its alternative names
    WallTime not_before;
    WallTime not_after;
    std::string serial;
    std::string fingerprint;  // SHA-256, hex
};

// One `tls` section made ready: certificates, trust and rules, for every connection under it.
// Thread: any (immutable once made; OpenSSL counts its references by atomics).
//
// A server chooses the certificate by the name the client asks for (SNI), the first one if none
// has it. Renegotiation, compression and early data are off. A client verifies chain and name
// unless the section says otherwise.
class TlsContext {
  public:
    // Both read the files, and throw std::runtime_error with a sentence if they are no good.
    // `name`: what the section belongs to; tickets of another one are not taken.
    [[nodiscard]] static std::shared_ptr<const TlsContext> make_server(
        const config::Tls& section,
        std::string_view name,
        telemetry::Registry& registry,
        std::shared_ptr<const TlsTickets> tickets);
    [[nodiscard]] static std::shared_ptr<const TlsContext> make_client(
        const config::Tls& section, telemetry::Registry& registry);

    TlsContext(const TlsContext&) = delete;
    TlsContext& operator=(const TlsContext&) = delete;
    ~TlsContext();

    [[nodiscard]] bool is_server() const { return is_server_; }
    // A client that sends something else than a handshake is served in clear.
    [[nodiscard]] bool is_permissive() const {
        return is_server_ && section_.mode == config::Tls::Mode::permissive;
    }
    [[nodiscard]] const config::Tls& section() const { return section_; }
    [[nodiscard]] const std::vector<TlsCertificate>& certificates() const { return certificates_; }
    [[nodiscard]] const telemetry::TlsMetrics& metrics() const { return metrics_; }

    struct Parts;
    [[nodiscard]] const Parts& parts() const { return *parts_; }

  private:
    TlsContext(const config::Tls& section, bool is_server, telemetry::Registry& registry);

    const config::Tls section_;
    const bool is_server_;
    const telemetry::TlsMetrics metrics_;
    std::vector<TlsCertificate> certificates_;
    std::unique_ptr<Parts> parts_;
};

// How a stream begins. Without a context it is in clear.
struct TlsStart {
    std::shared_ptr<const TlsContext> context{};
    telemetry::Shard* shard = nullptr;  // counts the handshake, unless null
    // Of a client: who is to answer, host or address, and what may be resumed with it.
    std::string_view server_name{};
    std::shared_ptr<TlsMemory> memory{};
    bool only_http1 = false;  // whatever the section offers
    // What it carries is none of the protocols of HTTP: none is offered.
    bool is_opaque = false;
};

}  // namespace weir::transport

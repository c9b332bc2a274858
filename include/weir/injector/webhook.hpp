#pragma once

#include "weir/core/address.hpp"
#include "weir/inject/inject.hpp"

#include <memory>
#include <string>

namespace boost::asio {
class io_context;
}

namespace weir::injector {

// The mutating webhook: POST /inject over HTTPS takes an AdmissionReview of 4 MiB at most and
// answers it by inject::review(). Certificate and key are read again when they change; while they
// are no good the ones before serve on. Beside it a port in clear for kubelet and Prometheus:
// /healthz, /readyz, /metrics. Thread: main.
class Webhook {
  public:
    struct Options {
        std::string listen;     // ":8443"
        std::string telemetry;  // ":9348"
        std::string cert;
        std::string key;
        inject::Options pods;
    };

    // Throws std::runtime_error with a sentence for people.
    Webhook(boost::asio::io_context& main, Options options);
    Webhook(const Webhook&) = delete;
    Webhook& operator=(const Webhook&) = delete;
    ~Webhook();

    [[nodiscard]] Address address() const;
    [[nodiscard]] Address telemetry_address() const;

    // Not ready from now on, still answering: an API server learns of it with a delay.
    void drain();

  private:
    struct State;
    std::unique_ptr<State> state_;
};

}  // namespace weir::injector

#pragma once

#include "weir/discovery/provider.hpp"

#include "support/control_loop.hpp"

#include <memory>
#include <string>
#include <vector>

namespace weir::test {

// "10.0.0.1:80" or "orders:80", as the configuration decodes it.
inline config::Endpoint endpoint(const std::string& text, std::uint32_t weight = 100) {
    config::Endpoint result;
    result.text = text;
    const std::size_t colon = text.rfind(':');
    result.host = text.substr(0, colon);
    result.port = static_cast<std::uint16_t>(std::stoi(text.substr(colon + 1)));
    result.address = Address::parse(text);
    result.weight = weight;
    return result;
}

// A provider and all it said.
class Subject {
  public:
    Subject(const config::Cluster& cluster, ControlLoop& loop)
        : loop_(loop),
          provider_(
              discovery::make_provider(cluster, {.main = loop.context(), .registry = registry_})) {}

    void start() {
        provider_->start(
            [this](discovery::Update update) { updates.push_back(std::move(update)); });
    }
    void stop() { provider_.reset(); }

    [[nodiscard]] bool reaches(std::size_t count) {
        return loop_.run_until([&] { return updates.size() >= count; });
    }

    // Runs until the provider's last set is this.
    [[nodiscard]] bool reaches(const std::vector<std::string>& addresses) {
        return loop_.run_until([&] { return !updates.empty() && last() == addresses; });
    }

    [[nodiscard]] std::vector<std::string> last() const {
        std::vector<std::string> addresses;
        for (const auto& found : updates.back().endpoints) {
            addresses.push_back(found.address.to_string());
        }
        return addresses;
    }

    [[nodiscard]] discovery::Status status() const { return provider_->status(); }

    std::vector<discovery::Update> updates;

  private:
    ControlLoop& loop_;
    telemetry::Registry registry_{1};
    std::unique_ptr<discovery::Provider> provider_;
};

}  // namespace weir::test

#pragma once

#include "weir/core/address.hpp"
#include "weir/core/clock.hpp"

#include <optional>
#include <string_view>

namespace weir::runtime {

// Whoever started this process and wants to know how it does: systemd, by the protocol of
// sd_notify(3). Nobody where NOTIFY_SOCKET is not set; then nothing is said. Not being heard is no
// error of ours. Thread: main.
class ServiceManager {
  public:
    ServiceManager();  // reads NOTIFY_SOCKET: "/path" or "@abstract"

    void ready(std::string_view status) const;  // first, and at the end of each reloading()
    void reloading(TimePoint now) const;
    void stopping() const;

  private:
    void say(std::string_view message) const;

    std::optional<Address> socket_;
};

}  // namespace weir::runtime

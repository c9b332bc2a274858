#pragma once

#include "weir/config/config.hpp"
#include "weir/control/http_client.hpp"
#include "weir/transport/task.hpp"

#include "discovery/servers.hpp"
#include "finders/etcd_messages.hpp"

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>

namespace weir::finders::etcd {

// What stands below a prefix, by the rest of the key.
using Pairs = std::map<std::string, KeyValue, std::less<>>;

// Asks one of several members of a cluster of etcd, over its JSON gateway: the same one while it
// answers. Logs in where the options name a user. One question at a time. Thread: main.
class Client {
  public:
    Client(const boost::asio::any_io_executor& executor,
           telemetry::Registry& registry,
           const config::Discovery& discovery);

    // A question and its answer, whole. False: error() says why, and the next member is next.
    [[nodiscard]] transport::Task<bool> ask(transport::TaskScope& scope,
                                            std::string path,
                                            std::string body,
                                            std::string& answer);

    // All below a prefix, as of one revision.
    struct Listed {
        Pairs pairs;
        std::uint64_t revision = 0;
    };
    [[nodiscard]] transport::Task<std::optional<Listed>> list(transport::TaskScope& scope,
                                                              std::string prefix);

    // What changes below a prefix after that revision: then next_change() for each.
    [[nodiscard]] transport::Task<bool> watch(transport::TaskScope& scope,
                                              std::string prefix,
                                              std::uint64_t after);
    // Nothing: the watch has ended, with an error() or, if is_quiet(), without any news for so long
    // that it may be dead.
    [[nodiscard]] transport::Task<std::optional<WatchAnswer>> next_change(
        transport::TaskScope& scope);
    [[nodiscard]] bool is_quiet() const { return is_quiet_; }

    [[nodiscard]] const std::string& error() const { return error_; }

  private:
    [[nodiscard]] transport::Task<bool> begin(transport::TaskScope& scope,
                                              const std::string& path,
                                              const std::string& body);
    [[nodiscard]] transport::Task<bool> send(transport::TaskScope& scope,
                                             const std::string& path,
                                             const std::string& body);
    [[nodiscard]] transport::Task<bool> log_in(transport::TaskScope& scope);
    bool fail(std::string why);

    const config::Discovery discovery_;
    discovery::Servers servers_;
    control::HttpClient http_;
    std::string token_;
    std::string lines_;  // of a watch, not looked at yet
    bool is_quiet_ = false;
    std::string error_;
};

}  // namespace weir::finders::etcd

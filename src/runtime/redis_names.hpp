#pragma once

#include "weir/config/config.hpp"
#include "weir/discovery/provider.hpp"
#include "weir/filter/make.hpp"
#include "weir/filter/redis_addresses.hpp"

#include <map>
#include <memory>
#include <string>

namespace boost::asio {
class io_context;
}

namespace weir::runtime {

// Keeps the hosts of `redis` blocks resolved. Thread: main.
class RedisNames {
  public:
    RedisNames(boost::asio::io_context& main,
               telemetry::Registry& registry,
               std::shared_ptr<filter::Stores> stores);
    RedisNames(const RedisNames&) = delete;
    RedisNames& operator=(const RedisNames&) = delete;
    ~RedisNames();

    void follow(const config::Config& next);
    void clear() { known_.clear(); }

  private:
    struct Known {
        config::Endpoint endpoint;
        std::unique_ptr<discovery::Provider> provider;
    };

    boost::asio::io_context& main_;
    telemetry::Registry& registry_;
    const std::shared_ptr<filter::Stores> stores_;
    std::map<std::string, Known, std::less<>> known_;
};

}  // namespace weir::runtime

#pragma once

#include "auth_way.hpp"
#include "password_check.hpp"

#include <map>
#include <memory>
#include <mutex>
#include <string>

namespace weir::filter {

// The ways of the process. One whose section and cluster did not change is kept over reloads, and
// with it keys and caches. Thread: any.
class AuthStore {
  public:
    [[nodiscard]] WayPtr way(WayMaking making);

  private:
    struct Known {
        config::Auth section;
        std::weak_ptr<upstream::Cluster> cluster;
        std::weak_ptr<const Way> way;
    };
    const std::shared_ptr<PasswordCheck> passwords_ = std::make_shared<PasswordCheck>();
    std::mutex mutex_;
    std::map<std::string, Known, std::less<>> known_;  // guarded by mutex_
};

}  // namespace weir::filter

#pragma once

#include "weir/filter/make.hpp"

#include "auth_store.hpp"

namespace weir::filter {

class Stores {
  public:
    [[nodiscard]] AuthStore& auths() { return auths_; }

  private:
    AuthStore auths_;
};

}  // namespace weir::filter

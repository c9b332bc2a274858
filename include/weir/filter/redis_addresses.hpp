#pragma once

#include "weir/core/address.hpp"

#include <string>
#include <vector>

namespace weir::filter {

class Stores;

// Where the host of a `redis` block is, as its name resolves now. Thread: any.
void set_redis_addresses(Stores& stores,
                         const std::string& name,
                         const std::vector<Address>& addresses);

}  // namespace weir::filter

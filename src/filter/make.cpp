#include "weir/filter/make.hpp"

#include "stores.hpp"

namespace weir::filter {

std::shared_ptr<Stores> make_stores() {
    return std::make_shared<Stores>();
}

std::vector<FilterPtr> make_filters(const Making& /*making*/) {
    return {};
}

}  // namespace weir::filter

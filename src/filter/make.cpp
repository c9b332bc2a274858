#include "weir/filter/make.hpp"

#include "auth.hpp"
#include "stores.hpp"

namespace weir::filter {

std::shared_ptr<Stores> make_stores() {
    return std::make_shared<Stores>();
}

std::vector<FilterPtr> make_filters(const Making& making) {
    std::vector<FilterPtr> filters;
    add_strip(making, filters);
    add_auth(making, filters);
    add_require(making, filters);
    return filters;
}

}  // namespace weir::filter

#include "weir/filter/make.hpp"

#include "rate_limit.hpp"

namespace weir::filter {

std::vector<FilterPtr> make_filters(const Making& making) {
    std::vector<FilterPtr> filters;
    add_rate_limits(making, LimitStage::address, filters);
    add_rate_limits(making, LimitStage::identity, filters);
    add_limit_headers(making, filters);
    return filters;
}

}  // namespace weir::filter

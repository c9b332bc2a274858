#include "weir/filter/make.hpp"

#include "auth.hpp"
#include "kinds.hpp"
#include "rate_limit.hpp"

namespace weir::filter {

std::vector<FilterPtr> make_filters(const Making& making) {
    std::vector<FilterPtr> filters;
    const auto add = [&filters](FilterPtr filter) {
        if (filter) filters.push_back(std::move(filter));
    };
    add_strip(making, filters);
    if (making.route != nullptr) {
        add(make_answer_headers(making.route->actions.response));
        add(make_cors(making.route->actions.cors));  // a preflight brings no credentials
    }
    add_rate_limits(making, LimitStage::address, filters);
    add_auth(making, filters);
    add_rate_limits(making, LimitStage::identity, filters);
    add_require(making, filters);
    add_limit_headers(making, filters);
    if (making.route != nullptr) add(make_request_headers(making.route->actions.request));
    return filters;
}

}  // namespace weir::filter

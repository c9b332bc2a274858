#include "weir/filter/make.hpp"

#include "kinds.hpp"
#include "auth.hpp"
#include "stores.hpp"

namespace weir::filter {

std::shared_ptr<Stores> make_stores() {
    return std::make_shared<Stores>();
}

std::vector<FilterPtr> make_filters(const Making& making) {
    std::vector<FilterPtr> filters;
    const auto add = [&filters](FilterPtr filter) {
        if (filter) filters.push_back(std::move(filter));
    };
    add_strip(making, filters);
    if (making.route == nullptr) return filters;
    const config::RouteActions& actions = making.route->actions;
    add(make_answer_headers(actions.response));
    add(make_cors(actions.cors));  // a preflight brings no credentials
    add_auth(making, filters);
    add_require(making, filters);
    add(make_request_headers(actions.request));
    return filters;
}

}  // namespace weir::filter

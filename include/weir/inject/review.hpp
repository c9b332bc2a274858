#pragma once

#include "weir/inject/inject.hpp"

#include <string>
#include <string_view>

namespace weir::inject {

// The answer to an AdmissionReview (admission.k8s.io/v1) about a pod that is to be made: it is
// always let in, with a patch (RFC 6902) where it gets a sidecar. A pod that cannot have one is let
// in without, and the answer warns of it. No answer, and `problem`, for what is no such review.
struct Review {
    std::string answer;  // JSON
    Note note;
    std::string problem{};
};
[[nodiscard]] Review review(std::string_view request, const Options& options);

}  // namespace weir::inject

#pragma once

#include "weir/core/clock.hpp"
#include "weir/core/reason.hpp"
#include "weir/http/grpc.hpp"

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

namespace weir::filter {

class Pass;

// What became of a request at a filter.
enum class Step : std::uint8_t {
    proceed,
    refused,  // Pass::refuse() has said how
    waiting,  // Pass::wait() was called, and Pass::resume() will be
};

// What may stop or change a request once its route is known. Made with its snapshot. Thread: any
// (immutable, but for what it guards itself).
class Filter {
  public:
    Filter() = default;
    Filter(const Filter&) = delete;
    Filter& operator=(const Filter&) = delete;
    virtual ~Filter() = default;

    // By the request's worker, at most once a request.
    [[nodiscard]] virtual Step begin(Pass& pass) const = 0;
};
using FilterPtr = std::shared_ptr<const Filter>;

// Something that lasts for a part of a request: its destructor ends it.
class Kept {
  public:
    Kept() = default;
    Kept(const Kept&) = delete;
    Kept& operator=(const Kept&) = delete;
    virtual ~Kept() = default;
};

// The answer in place of the upstream's.
struct Refusal {
    Reason reason = Reason::none;  // none: an answer that is no refusal, of `status` and `body`
    std::uint16_t status = 0;      // 0: the reason's
    std::optional<http::GrpcCode> grpc_code{};  // none: the reason's
    std::string lines{};                        // "www-authenticate: Bearer\r\n"
    std::string body{};
    bool has_own_body = false;  // `body`, whatever the reason
    Duration retry_after{};
    const char* detail = "";  // static text
};

}  // namespace weir::filter

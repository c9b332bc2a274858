#pragma once

#include "weir/core/reason.hpp"

#include <boost/system/result.hpp>

#include <cstdint>

namespace weir {

// What went wrong on the data path: small, trivially copyable, never thrown. It alone decides the
// status code and access-log flag (proxy/local_reply), the retry and the verdict
// (resilience/classifier).
struct Error {
    enum class Origin : std::uint8_t { downstream, upstream, local };
    enum class Retry : std::uint8_t {
        never,      // bytes of the answer, or an unrepeatable request, went out
        if_reused,  // safe only if the connection was a reused one and nothing was processed
        safe,       // nothing of the request was processed
    };

    Reason reason = Reason::none;
    Origin origin = Origin::local;
    Retry retry = Retry::never;
    const char* detail = "";  // static text

    friend bool operator==(const Error& a, const Error& b) {
        return a.reason == b.reason && a.origin == b.origin && a.retry == b.retry;
    }
};

template <typename T>
using Result = boost::system::result<T, Error>;

// For Result::value(): a bug of ours if it is ever called on an error.
[[noreturn]] void throw_exception_from_error(const Error& error, const boost::source_location& at);

// A condition that only we can break; never for what a peer can send. On in every build.
#define WEIR_ASSERT(condition) \
    ((condition) ? static_cast<void>(0) : ::weir::assertion_failed(#condition, __FILE__, __LINE__))
[[noreturn]] void assertion_failed(const char* condition, const char* file, int line);

}  // namespace weir

#pragma once

#include "weir/config/actions.hpp"

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

// Content codings (RFC 9110, 8.4.1). No sockets, no clock.
namespace weir::coding {

using config::Coding;

// As Accept-Encoding and Content-Encoding say it, and the configuration.
[[nodiscard]] std::string_view word(Coding coding);

// Compresses one body as it comes. Holds some hundred KiB until it is destroyed. Thread: worker.
class Encoder {
  public:
    //   more   what is coded may stay inside
    //   flush  whoever has read all that was appended can decode all that came
    //   end    the body is whole; nothing follows
    enum class Until : std::uint8_t { more, flush, end };

    Encoder() = default;
    Encoder(const Encoder&) = delete;
    Encoder& operator=(const Encoder&) = delete;
    virtual ~Encoder() = default;

    // Appends to `out`. False if the library fails, which only lack of memory can cause.
    [[nodiscard]] virtual bool encode(std::string_view data, Until until, std::string& out) = 0;
};

// None if there is no memory for it.
[[nodiscard]] std::unique_ptr<Encoder> make_encoder(Coding coding);

}  // namespace weir::coding

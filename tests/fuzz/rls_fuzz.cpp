#include "weir/quota/rls.hpp"

#include <cstddef>
#include <cstdint>
#include <string_view>

// What a rate limit service says puts no bytes into a head that end a line.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string_view bytes(reinterpret_cast<const char*>(data), size);
    const auto answer = weir::quota::rls::decode(bytes);
    if (!answer) return 0;
    for (const auto* headers : {&answer->response_headers, &answer->request_headers}) {
        for (const auto& header : *headers) {
            if (header.name.empty() || header.name.find_first_of(": \r\n") != std::string::npos)
                __builtin_trap();
            if (header.value.find_first_of("\r\n") != std::string::npos) __builtin_trap();
        }
    }
    if (answer->until_reset && *answer->until_reset < weir::Duration{0}) __builtin_trap();
    return 0;
}

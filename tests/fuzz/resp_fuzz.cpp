#include "weir/quota/resp.hpp"

#include <cstddef>
#include <cstdint>
#include <string_view>

// A reply ends where it ends, however its bytes come; what it says fits its bounds.
namespace {

using namespace weir::quota;  // NOLINT(google-build-using-namespace)

constexpr ReplyLimits kLimits{4096, 64, 4};

void require(bool holds) {
    if (!holds) __builtin_trap();
}

std::size_t count(const Reply& reply, unsigned depth) {
    require(depth <= kLimits.depth);
    std::size_t items = reply.items.size();
    for (const auto& item : reply.items)
        items += count(item, depth + 1);
    return items;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string_view bytes(reinterpret_cast<const char*>(data), size);
    Reply whole;
    const ReplyParse parsed = parse_reply(bytes, kLimits, whole);
    require(count(whole, 0) <= kLimits.items);
    if (parsed.state != ReplyParse::State::done) return 0;
    require(parsed.consumed > 0 && parsed.consumed <= size);
    Reply again;
    for (std::size_t i = 0; i < parsed.consumed; ++i)
        require(parse_reply(bytes.substr(0, i), kLimits, again).state ==
                ReplyParse::State::need_more);
    return 0;
}

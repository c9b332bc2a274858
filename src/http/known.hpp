#pragma once

#include "weir/http/headers.hpp"

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

// The field names with an id of their own. No two of them have both the first letter and the length
// in common: one look tells which one a name can be, and for most names that it is none.
namespace weir::http {

struct KnownName {
    std::string_view name;  // lower case letters and '-'
    HeaderId id;
};

inline constexpr KnownName kKnownNames[] = {
    {"accept", HeaderId::accept},
    {"connection", HeaderId::connection},
    {"content-length", HeaderId::content_length},
    {"content-type", HeaderId::content_type},
    {"date", HeaderId::date},
    {"expect", HeaderId::expect},
    {"forwarded", HeaderId::forwarded},
    {"grpc-timeout", HeaderId::grpc_timeout},
    {"host", HeaderId::host},
    {"keep-alive", HeaderId::keep_alive},
    {"proxy-authenticate", HeaderId::proxy_authenticate},
    {"proxy-authorization", HeaderId::proxy_authorization},
    {"proxy-connection", HeaderId::proxy_connection},
    {"retry-after", HeaderId::retry_after},
    {"te", HeaderId::te},
    {"trailer", HeaderId::trailer},
    {"transfer-encoding", HeaderId::transfer_encoding},
    {"upgrade", HeaderId::upgrade},
    {"via", HeaderId::via},
    {"weir-error", HeaderId::weir_error},
    {"x-forwarded-for", HeaderId::x_forwarded_for},
    {"x-forwarded-host", HeaderId::x_forwarded_host},
    {"x-forwarded-proto", HeaderId::x_forwarded_proto},
    {"x-request-id", HeaderId::x_request_id},
};

inline constexpr std::size_t kKnownSizes = 32;
inline constexpr std::uint8_t kNotKnown = 255;    // the id is `other`
inline constexpr std::uint8_t kPrefixOnly = 254;  // ... unless the name begins like one of ours

[[nodiscard]] constexpr std::size_t known_slot(char first, std::size_t size) {
    return (static_cast<std::size_t>(first) & 31U) * kKnownSizes + size;  // in any case
}

// The index in kKnownNames of what a name of that first letter and length can be.
consteval std::array<std::uint8_t, 32 * kKnownSizes> make_known_slots() {
    std::array<std::uint8_t, 32 * kKnownSizes> slots{};
    slots.fill(kNotKnown);
    for (std::size_t size = 0; size < kKnownSizes; ++size) {
        slots[known_slot('w', size)] = slots[known_slot('x', size)] = kPrefixOnly;
    }
    for (std::size_t index = 0; index < std::size(kKnownNames); ++index) {
        const std::string_view name = kKnownNames[index].name;
        auto& slot = slots[known_slot(name.front(), name.size())];
        if (slot < kPrefixOnly) throw "two names share a slot";  // fails the compilation
        slot = static_cast<std::uint8_t>(index);
    }
    return slots;
}
inline constexpr auto kKnownSlots = make_known_slots();

// header_id() of a name that can be that one.
[[nodiscard]] HeaderId id_if_known(std::string_view name, std::uint8_t slot);

// header_id() of a name that is not empty, without a call for most.
[[nodiscard]] inline HeaderId find_header_id(std::string_view name) {
    std::uint8_t slot = kPrefixOnly;
    if (name.size() < kKnownSizes) slot = kKnownSlots[known_slot(name.front(), name.size())];
    return slot == kNotKnown ? HeaderId::other : id_if_known(name, slot);
}

}  // namespace weir::http

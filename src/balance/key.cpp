#include "weir/balance/key.hpp"

#include "weir/http/cookies.hpp"

namespace weir::balance {
namespace {

// The finalizer of MurmurHash3 (Appleby): every bit of the input changes half of the output.
std::uint64_t mix(std::uint64_t value) {
    value ^= value >> 33U;
    value *= 0xff51afd7ed558ccd;
    value ^= value >> 33U;
    value *= 0xc4ceb9fe1a85ec53;
    return value ^ value >> 33U;
}

}  // namespace

// FNV-1a, whose low bits are weak for short texts, and a finalizer.
std::uint64_t hash_of(std::string_view text, std::uint64_t seed) {
    std::uint64_t hash = 0xcbf29ce484222325 ^ mix(seed);
    for (const char byte : text) {
        hash ^= static_cast<unsigned char>(byte);
        hash *= 0x100000001b3;
    }
    return mix(hash);
}

std::uint64_t key_of(const config::HashKey& key,
                     const http::RequestHead& head,
                     std::string_view client_ip) {
    using Source = config::HashKey::Source;
    std::string_view text;
    switch (key.source) {
        case Source::header: {
            const http::HeaderField* const field = head.headers.find(key.name);
            if (field != nullptr) text = field->value;
            break;
        }
        case Source::cookie:
            text = http::find_cookie(head.headers, key.name);
            break;
        case Source::client_ip:
            text = client_ip;
            break;
        case Source::path:
            text = head.path;
            break;
    }
    if (text.empty()) return kNoKey;
    const std::uint64_t hash = hash_of(text);
    return hash != kNoKey ? hash : 1;
}

}  // namespace weir::balance

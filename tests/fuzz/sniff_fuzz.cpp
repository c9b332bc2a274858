#include "weir/transport/sniff.hpp"

#include <cstddef>
#include <cstdint>
#include <string_view>

// What was said of the first bytes is said of all that follow, and in the end something is said.
namespace {

using namespace weir::transport;  // NOLINT(google-build-using-namespace)

void require(bool holds) {
    if (!holds) __builtin_trap();
}

void check_kind(std::string_view bytes) {
    FirstBytes known = FirstBytes::undecided;
    const std::size_t most = bytes.size() < 64 ? bytes.size() : 64;
    for (std::size_t size = 0; size <= most; ++size) {
        const FirstBytes now = sniff(bytes.substr(0, size));
        require(known == FirstBytes::undecided || now == known);
        known = now;
    }
    const FirstBytes whole = sniff(bytes);
    require(known == FirstBytes::undecided || whole == known);
    require(bytes.size() < kMostSniffed || whole != FirstBytes::undecided);
}

void check_hello(std::string_view bytes) {
    const ClientHello whole = parse_client_hello(bytes);
    for (const char c : whole.server_name)
        require(c > ' ' && c < 0x7F && !(c >= 'A' && c <= 'Z'));
    const std::size_t most = bytes.size() < 256 ? bytes.size() : 256;
    for (std::size_t size = 0; size < most; ++size) {
        const ClientHello part = parse_client_hello(bytes.substr(0, size));
        if (part.state == ClientHello::State::need_more) continue;
        require(part.state == whole.state && part.server_name == whole.server_name);
        break;
    }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string_view bytes(reinterpret_cast<const char*>(data), size);
    check_kind(bytes);
    check_hello(bytes);
    return 0;
}

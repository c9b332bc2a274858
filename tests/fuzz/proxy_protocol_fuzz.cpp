#include "weir/transport/proxy_protocol.hpp"

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

// A header is the same in whatever pieces it came, is never longer than allowed, and what is read
// can be written and read again.
namespace {

using namespace weir::transport;  // NOLINT(google-build-using-namespace)
using State = ProxyHeader::State;

void require(bool holds) {
    if (!holds) __builtin_trap();
}

void check_again(const ProxyHeader& header, ProxyVersion version) {
    std::string out;
    append_proxy_header(out, version, header.source, header.destination);
    const ProxyHeader again = parse_proxy_header(out);
    require(again.state == State::done && again.size == out.size());
    if (!again.is_relayed) return;
    require(again.source.ip() == header.source.ip() && again.source.port() == header.source.port());
    require(again.destination.port() == header.destination.port());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string_view bytes(reinterpret_cast<const char*>(data), size);
    const ProxyHeader whole = parse_proxy_header(bytes);
    require(size < kMostProxyHeader || whole.state != State::need_more);
    if (whole.state == State::done) {
        require(whole.size <= size && whole.size <= kMostProxyHeader);
        if (whole.is_relayed) {
            check_again(whole, ProxyVersion::v1);
            check_again(whole, ProxyVersion::v2);
        }
    }
    for (std::size_t cut = 0; cut < size; ++cut) {
        const ProxyHeader part = parse_proxy_header(bytes.substr(0, cut));
        if (part.state == State::need_more) continue;
        require(part.state == whole.state && part.size == whole.size);
        break;
    }
    return 0;
}

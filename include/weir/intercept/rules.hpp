#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

// The kernel's rules that send a pod's connections through Weir, as text for the tools that set
// them. Thread: any (pure).
namespace weir::intercept {

// Ports, from the first to the last.
struct PortRange {
    std::uint16_t first = 0;
    std::uint16_t last = 0;

    bool operator==(const PortRange&) const = default;
};
// "22,5000-5010"; nothing if it is no such list.
[[nodiscard]] std::optional<std::vector<PortRange>> read_ports(std::string_view text);

struct Redirect {
    std::uint16_t inbound = 15006;   // where connections to the pod go; 0: nowhere
    std::uint16_t outbound = 15001;  // where those of the pod go; 0: nowhere
    std::uint32_t uid = 2102;        // whose own connections stay as they are: Weir's
    std::vector<PortRange> skip_inbound{};
    std::vector<PortRange> skip_outbound{};
};

// Weir's own ports, never redirected: a probe or a scrape asks Weir itself.
inline constexpr std::uint16_t kOwnPorts[] = {9347, 9348};

// For `nft -f -`: one transaction, which leaves no other rule of ours.
[[nodiscard]] std::string nft_rules(const Redirect& redirect);
[[nodiscard]] std::string nft_clean();

// For iptables-restore --noflush, of either family: our chains anew, nobody else's touched.
[[nodiscard]] std::string iptables_chains(const Redirect& redirect);
inline constexpr std::string_view kInboundChain = "WEIR_INBOUND";
inline constexpr std::string_view kOutboundChain = "WEIR_OUTBOUND";

}  // namespace weir::intercept

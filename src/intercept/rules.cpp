#include "weir/intercept/rules.hpp"

#include <algorithm>
#include <charconv>

namespace weir::intercept {
namespace {

std::optional<std::uint16_t> read_port(std::string_view text) {
    std::uint16_t port = 0;
    const char* const end = text.data() + text.size();
    const auto [at, error] = std::from_chars(text.data(), end, port);
    if (error != std::errc() || at != end || port == 0) return std::nullopt;
    return port;
}

std::vector<PortRange> with(std::vector<PortRange> ranges, std::uint16_t port) {
    if (port != 0) ranges.push_back({port, port});
    return ranges;
}

// What is not sent to Weir although it comes to the pod: Weir's ports, and those that are skipped.
std::vector<PortRange> kept_inbound(const Redirect& redirect) {
    auto ranges = with(with(redirect.skip_inbound, redirect.inbound), redirect.outbound);
    for (const std::uint16_t port : kOwnPorts)
        ranges = with(std::move(ranges), port);
    return ranges;
}

// Overlapping ranges are no set of nft's.
std::vector<PortRange> merged(std::vector<PortRange> ranges) {
    std::sort(ranges.begin(), ranges.end(),
              [](const PortRange& a, const PortRange& b) { return a.first < b.first; });
    std::vector<PortRange> out;
    for (const PortRange& range : ranges) {
        if (!out.empty() && range.first <= out.back().last + 1) {
            out.back().last = std::max(out.back().last, range.last);
        } else {
            out.push_back(range);
        }
    }
    return out;
}

std::string text_of(const PortRange& range, char between) {
    std::string text = std::to_string(range.first);
    if (range.last != range.first) text.append(1, between).append(std::to_string(range.last));
    return text;
}

std::string nft_skip(const std::vector<PortRange>& ranges) {
    if (ranges.empty()) return {};
    std::string text = "    tcp dport { ";
    for (const PortRange& range : merged(ranges)) {
        if (!text.ends_with("{ ")) text += ", ";
        text += text_of(range, '-');
    }
    return text + " } return\n";
}

std::string iptables_skip(std::string_view chain, const std::vector<PortRange>& ranges) {
    std::string text;
    for (const PortRange& range : merged(ranges)) {
        text.append("-A ").append(chain).append(" -p tcp --dport ");
        text.append(text_of(range, ':')).append(" -j RETURN\n");
    }
    return text;
}

}  // namespace

std::optional<std::vector<PortRange>> read_ports(std::string_view text) {
    std::vector<PortRange> ranges;
    const char* const end = text.data() + text.size();
    for (const char* at = text.data(); at != end;) {
        const char* const comma = std::find(at, end, ',');
        const char* const dash = std::find(at, comma, '-');
        const auto first = read_port({at, dash});
        const auto last = dash == comma ? first : read_port({dash + 1, comma});
        if (!first || !last || *first > *last) return std::nullopt;
        ranges.push_back({*first, *last});
        if (comma != end && comma + 1 == end) return std::nullopt;
        at = comma == end ? end : comma + 1;
    }
    return ranges;
}

std::string nft_clean() {
    // A table that is not there cannot be deleted: it is added first.
    return "add table inet weir\ndelete table inet weir\n";
}

std::string nft_rules(const Redirect& redirect) {
    std::string text = nft_clean();
    text += "table inet weir {\n";
    if (redirect.inbound != 0) {
        text += "  chain inbound {\n    type nat hook prerouting priority -100; policy accept;\n";
        text += "    meta l4proto != tcp return\n    fib daddr type != local return\n";
        text += nft_skip(kept_inbound(redirect));
        text += "    meta l4proto tcp redirect to :" + std::to_string(redirect.inbound) + "\n  }\n";
    }
    if (redirect.outbound != 0) {
        text += "  chain outbound {\n    type nat hook output priority -100; policy accept;\n";
        text += "    meta l4proto != tcp return\n";
        text += "    meta skuid " + std::to_string(redirect.uid) + " return\n";
        text += "    fib daddr type local return\n";
        text += nft_skip(redirect.skip_outbound);
        text +=
            "    meta l4proto tcp redirect to :" + std::to_string(redirect.outbound) + "\n  }\n";
    }
    return text + "}\n";
}

std::string iptables_chains(const Redirect& redirect) {
    std::string text = "*nat\n";
    for (const std::string_view chain : {kInboundChain, kOutboundChain})
        text.append(":").append(chain).append(" - [0:0]\n");
    if (redirect.inbound != 0) {
        const std::string add = "-A " + std::string(kInboundChain);
        text += add + " -m addrtype ! --dst-type LOCAL -j RETURN\n";
        text += iptables_skip(kInboundChain, kept_inbound(redirect));
        text += add + " -p tcp -j REDIRECT --to-ports " + std::to_string(redirect.inbound) + "\n";
    }
    if (redirect.outbound != 0) {
        const std::string add = "-A " + std::string(kOutboundChain);
        text += add + " -m owner --uid-owner " + std::to_string(redirect.uid) + " -j RETURN\n";
        text += add + " -m addrtype --dst-type LOCAL -j RETURN\n";
        text += iptables_skip(kOutboundChain, redirect.skip_outbound);
        text += add + " -p tcp -j REDIRECT --to-ports " + std::to_string(redirect.outbound) + "\n";
    }
    return text + "COMMIT\n";
}

}  // namespace weir::intercept

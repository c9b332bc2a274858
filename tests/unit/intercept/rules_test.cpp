#include "weir/intercept/rules.hpp"

#include <gtest/gtest.h>

#include <string>

namespace weir::intercept {
namespace {

bool contains(const std::string& text, std::string_view part) {
    return text.find(part) != std::string::npos;
}

TEST(RedirectRules, ReadListsOfPorts) {
    EXPECT_EQ(read_ports(""), std::vector<PortRange>{});
    EXPECT_EQ(read_ports("22,5000-5010"), (std::vector<PortRange>{{22, 22}, {5000, 5010}}));
    for (const char* text : {"0", "65536", "a", "22,", ",22", "10-5", "1-", "-1", "1 2", "1--2"}) {
        EXPECT_FALSE(read_ports(text)) << text;
    }
}

TEST(RedirectRules, SendAllButWhatIsSkippedAndWeirsOwn) {
    const Redirect redirect{.skip_inbound = {{22, 22}, {9340, 9347}}, .skip_outbound = {{53, 53}}};
    const std::string nft = nft_rules(redirect);
    EXPECT_TRUE(contains(nft, "tcp dport { 22, 9340-9348, 15001, 15006 } return")) << nft;
    EXPECT_TRUE(contains(nft, "redirect to :15006"));
    EXPECT_TRUE(contains(nft, "meta skuid 2102 return"));
    EXPECT_TRUE(contains(nft, "tcp dport { 53 } return"));
    EXPECT_TRUE(contains(nft, "redirect to :15001"));
    const std::string iptables = iptables_chains(redirect);
    EXPECT_TRUE(contains(iptables, "-A WEIR_INBOUND -p tcp --dport 9340:9348 -j RETURN"));
    EXPECT_TRUE(contains(iptables, "-A WEIR_INBOUND -p tcp -j REDIRECT --to-ports 15006"));
    EXPECT_TRUE(contains(iptables, "-A WEIR_OUTBOUND -m owner --uid-owner 2102 -j RETURN"));
    EXPECT_TRUE(contains(iptables, "-A WEIR_OUTBOUND -p tcp -j REDIRECT --to-ports 15001"));
}

TEST(RedirectRules, LeaveADirectionAlone) {
    const Redirect out{.inbound = 0};
    EXPECT_FALSE(contains(nft_rules(out), "chain inbound"));
    EXPECT_FALSE(contains(iptables_chains(out), "-A WEIR_INBOUND"));
    const Redirect in{.outbound = 0};
    EXPECT_FALSE(contains(nft_rules(in), "chain outbound"));
    EXPECT_TRUE(contains(nft_rules(in), "tcp dport { 9347-9348, 15006 } return"));
}

TEST(RedirectRules, TakeThePlaceOfThoseBefore) {
    EXPECT_TRUE(nft_rules({}).starts_with(nft_clean()));
}

}  // namespace
}  // namespace weir::intercept

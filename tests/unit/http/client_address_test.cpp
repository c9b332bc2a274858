#include "weir/http/client_address.hpp"

#include "weir/core/address.hpp"
#include "weir/core/random.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

namespace weir::http {
namespace {

struct Row {
    const char* what;
    std::string_view forwarded_for;
    std::uint32_t hops;
    std::string_view client;
};

// The peer is 10.0.0.1; trusted are 10.0.0.0/8 and fd00::/8.
constexpr Row kRows[] = {
    {"nothing said", "", 0, "10.0.0.1"},
    {"one client", "1.2.3.4", 0, "1.2.3.4"},
    {"through a trusted proxy", "1.2.3.4, 10.0.0.2", 0, "1.2.3.4"},
    {"a client cannot add on the right", "6.6.6.6, 1.2.3.4, 10.0.0.2", 0, "1.2.3.4"},
    {"a client that claims to be a proxy", "10.9.9.9, 1.2.3.4", 0, "1.2.3.4"},
    {"all are proxies: the left-most", "10.0.0.3, 10.0.0.2", 0, "10.0.0.3"},
    {"spaces and tabs", " \t1.2.3.4\t ,\t10.0.0.2 ", 0, "1.2.3.4"},
    {"no spaces", "1.2.3.4,10.0.0.2", 0, "1.2.3.4"},
    {"rubbish says nothing", "unknown", 0, "10.0.0.1"},
    {"rubbish ends the search", "1.2.3.4, unknown, 10.0.0.2", 0, "10.0.0.2"},
    {"an empty entry ends the search", "1.2.3.4,, 10.0.0.2", 0, "10.0.0.2"},
    {"ends with a comma", "1.2.3.4,", 0, "10.0.0.1"},
    {"an entry with a port is none", "1.2.3.4:80", 0, "10.0.0.1"},
    {"IPv6", "2001:db8::1, fd00::2", 0, "2001:db8::1"},
    {"IPv4 mapped into IPv6 is trusted too", "1.2.3.4, ::ffff:10.0.0.2", 0, "1.2.3.4"},
    {"one hop: who the peer says", "1.2.3.4, 5.6.7.8", 1, "5.6.7.8"},
    {"two hops", "9.9.9.9, 1.2.3.4, 5.6.7.8", 2, "1.2.3.4"},
    {"two hops, a proxy between them", "1.2.3.4, 10.0.0.2", 2, "1.2.3.4"},
    {"more hops than entries", "1.2.3.4", 5, "1.2.3.4"},
    {"one hop: trust of its address does not matter", "1.2.3.4, 10.0.0.2", 1, "10.0.0.2"},
};

using Fields = std::vector<std::string>;

const std::vector<config::Cidr> kTrusted = {*config::Cidr::parse("10.0.0.0/8"),
                                            *config::Cidr::parse("fd00::/8")};

std::string client_of(const Fields& fields,
                      std::uint32_t hops,
                      const std::vector<config::Cidr>& trusted = kTrusted) {
    HeaderList headers;
    headers.add("Accept", "6.6.6.6", HeaderId::accept);
    for (const std::string& value : fields) {
        headers.add("X-Forwarded-For", value, HeaderId::x_forwarded_for);
        headers.add("X-Other", "6.6.6.6", HeaderId::other);
    }
    return std::string(real_client(headers, "10.0.0.1", trusted, hops));
}

TEST(RealClient, IsTheRightMostThatIsNoTrustedProxy) {
    for (const Row& row : kRows)
        EXPECT_EQ(client_of({std::string(row.forwarded_for)}, row.hops), row.client) << row.what;
}

TEST(RealClient, WithoutTrustIsWhoThePeerNames) {
    EXPECT_EQ(client_of({"1.2.3.4, 10.0.0.2"}, 0, {}), "10.0.0.2");
}

TEST(RealClient, WithoutTheHeaderIsThePeer) {
    EXPECT_EQ(client_of({}, 0), "10.0.0.1");
    EXPECT_EQ(client_of({}, 3), "10.0.0.1");
}

TEST(RealClient, WhatAProxyWritesIntoOneMoreFieldCounts) {
    EXPECT_EQ(client_of({"6.6.6.6", "1.2.3.4"}, 0), "1.2.3.4");
    EXPECT_EQ(client_of({"6.6.6.6", "1.2.3.4", "10.0.0.2"}, 0), "1.2.3.4");
    EXPECT_EQ(client_of({"6.6.6.6", "1.2.3.4"}, 1), "1.2.3.4");
    EXPECT_EQ(client_of({"6.6.6.6", "9.9.9.9, 1.2.3.4", "5.6.7.8"}, 2), "1.2.3.4");
    EXPECT_EQ(client_of({"6.6.6.6", ""}, 0), "10.0.0.1");
}

// ---- properties

// Made of everything that may stand, or try to stand, in such a header.
class Forger {
  public:
    explicit Forger(std::uint64_t seed) : random_(seed) {}

    std::size_t below(std::size_t end) { return random_.below(static_cast<std::uint32_t>(end)); }

    std::string entry() {
        static const Fields kEntries = {"6.6.6.6",
                                        "10.0.0.1",
                                        "10.9.9.9",
                                        "127.0.0.1",
                                        "fd00::1",
                                        "2001:db8::6",
                                        "::ffff:10.0.0.2",
                                        "::ffff:6.6.6.6",
                                        "6.6.6.6:80",
                                        "10.0.0.2:443",
                                        "[fd00::1]",
                                        "[2001:db8::6]:80",
                                        "fd00::1%lo",
                                        "unknown",
                                        "_hidden",
                                        "for=6.6.6.6",
                                        "\"6.6.6.6\"",
                                        "10.0.0.0/8",
                                        "010.0.0.1",
                                        "10.1",
                                        "0x0a000001",
                                        "167772161",
                                        "",
                                        " ",
                                        "\t",
                                        "6.6.6.6;10.0.0.1",
                                        "6.6.6.6 10.0.0.1",
                                        "\xff",
                                        "localhost",
                                        std::string(300, '1')};
        return blanks() + kEntries[below(kEntries.size())] + blanks();
    }
    std::string list() {
        std::string made;
        for (std::size_t left = below(6); left > 0; --left) {
            made += entry();
            if (left > 1 || below(5) == 0) made += ',';
        }
        return made;
    }
    Fields fields() {
        Fields made;
        for (std::size_t left = below(5); left > 0; --left)
            made.push_back(list());
        return made;
    }
    std::string blanks() {
        static const Fields kBlanks = {"", "", " ", "\t", "  \t "};
        return kBlanks[below(kBlanks.size())];
    }
    std::string one_of(const Fields& some) { return some[below(some.size())]; }

    // As proxies do: behind what is there, as a field of its own, or with all of it made one.
    void append(Fields& fields, const std::string& address) {
        const std::size_t way = below(3);
        if (way == 0 || fields.empty()) {
            fields.push_back(blanks() + address + blanks());
        } else if (way == 1) {
            fields.back() += "," + blanks() + address;
        } else {
            fields = {joined(fields) + ", " + address};
        }
    }
    static std::string joined(const Fields& fields) {
        std::string all;
        for (std::size_t i = 0; i < fields.size(); ++i)
            all += (i > 0 ? ", " : "") + fields[i];
        return all;
    }

  private:
    Random random_;
};

TEST(RealClient, NothingThatAClientWritesChoosesItsAddress) {
    Forger forger(7);
    for (int round = 0; round < 20'000; ++round) {
        Fields fields = forger.fields();
        const std::string client =
            forger.one_of({"1.2.3.4", "2001:db8::1", "192.168.0.1", "::ffff:1.2.3.4"});
        const Fields written = fields;
        forger.append(fields, client);
        for (std::size_t proxies = forger.below(4); proxies > 0; --proxies)
            forger.append(fields, forger.one_of({"10.0.0.2", "10.255.0.1", "fd00::7"}));
        ASSERT_EQ(client_of(fields, 0), client)
            << Forger::joined(written) << " became " << Forger::joined(fields);
    }
}

TEST(RealClient, OfSoManyHopsIsExactlyThatOne) {
    Forger forger(8);
    const Fields anybody = {"1.2.3.4", "10.0.0.2", "fd00::7", "2001:db8::1", "127.0.0.1"};
    for (int round = 0; round < 20'000; ++round) {
        Fields fields = forger.fields();
        const std::string client = forger.one_of(anybody);
        forger.append(fields, client);
        const std::size_t hops = 1 + forger.below(5);
        for (std::size_t proxy = 1; proxy < hops; ++proxy)
            forger.append(fields, forger.one_of(anybody));
        ASSERT_EQ(client_of(fields, static_cast<std::uint32_t>(hops)), client)
            << hops << " hops, " << Forger::joined(fields);
    }
}

TEST(RealClient, OneFieldAndManySayTheSame) {
    Forger forger(9);
    for (int round = 0; round < 20'000; ++round) {
        const Fields fields = forger.fields();
        const auto hops = static_cast<std::uint32_t>(forger.below(4));
        if (fields.empty()) continue;
        ASSERT_EQ(client_of(fields, hops), client_of({Forger::joined(fields)}, hops))
            << Forger::joined(fields);
    }
}

// Whoever wrote it, an address, with none but trusted proxies behind it.
TEST(RealClient, IsAnAddressThatATrustedProxyWrote) {
    Forger forger(10);
    for (int round = 0; round < 20'000; ++round) {
        const Fields fields = forger.fields();
        const std::string client = client_of(fields, 0);
        ASSERT_TRUE(Address::from_ip(client, 0)) << client;
        std::string all = "," + Forger::joined(fields);
        all.erase(
            std::remove_if(all.begin(), all.end(), [](char c) { return c == ' ' || c == '\t'; }),
            all.end());
        bool is_there = client == "10.0.0.1";
        while (!is_there) {
            const auto comma = all.rfind(',');
            ASSERT_NE(comma, std::string::npos) << client;
            const std::string entry = all.substr(comma + 1);
            all.resize(comma);
            is_there = entry == client;
            const auto address = Address::from_ip(entry, 0);
            ASSERT_TRUE(address) << entry;
            const bool is_proxy =
                std::any_of(kTrusted.begin(), kTrusted.end(),
                            [&](const config::Cidr& range) { return range.contains(*address); });
            ASSERT_TRUE(is_there || is_proxy) << client << " before " << entry;
        }
    }
}

}  // namespace
}  // namespace weir::http

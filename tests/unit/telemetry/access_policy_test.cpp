#include "weir/telemetry/access_policy.hpp"

#include "weir/telemetry/access_log.hpp"

#include <gtest/gtest.h>

namespace weir::telemetry {
namespace {

using std::chrono::milliseconds;
using Source = config::LogField::Source;

AccessPolicy policy(const config::AccessLog& config) {
    return {config, "in", "orders", "shop"};
}

AccessRecord record(std::uint16_t status, Reason reason = Reason::none, Duration duration = {}) {
    AccessRecord made;
    made.status = status;
    made.reason = reason;
    made.duration = duration;
    return made;
}

// The share of so many draws.
double share(const AccessPolicy& policy, const AccessRecord& record) {
    constexpr int kDraws = 10'000;
    Random random(3);
    int kept = 0;
    for (int i = 0; i < kDraws; ++i)
        kept += policy.keeps(record, random) ? 1 : 0;
    return static_cast<double>(kept) / kDraws;
}

TEST(AccessPolicy, KeepsEverythingByDefault) {
    EXPECT_EQ(share(policy({}), record(200)), 1);
}

TEST(AccessPolicy, SamplesWhatWentWellAndKeepsErrors) {
    config::AccessLog config;
    config.sample = 0.1;
    const auto sampled = policy(config);
    EXPECT_NEAR(share(sampled, record(200)), 0.1, 0.01);
    EXPECT_NEAR(share(sampled, record(404)), 0.1, 0.01) << "an upstream's own answer";
    EXPECT_EQ(share(sampled, record(500)), 1);
    EXPECT_EQ(share(sampled, record(404, Reason::no_route)), 1);
    EXPECT_EQ(share(sampled, record(499, Reason::client_closed)), 1);
    config.sample = 0;
    EXPECT_EQ(share(policy(config), record(200)), 0);
    EXPECT_EQ(share(policy(config), record(503)), 1);
}

TEST(AccessPolicy, KeepsOnlyWhatIsNamed) {
    config::AccessLog config;
    config.only.errors = true;
    EXPECT_EQ(share(policy(config), record(200)), 0);
    EXPECT_EQ(share(policy(config), record(502)), 1);

    config.only.slower_than = milliseconds{500};
    EXPECT_EQ(share(policy(config), record(200, Reason::none, milliseconds{500})), 0);
    EXPECT_EQ(share(policy(config), record(200, Reason::none, milliseconds{501})), 1);
    EXPECT_EQ(share(policy(config), record(502)), 1) << "any condition will do";

    config.only = {};
    config.only.slower_than = milliseconds{500};
    EXPECT_EQ(share(policy(config), record(502)), 0);

    config.only = {};
    config.only.sampled = true;
    config.sample = 0.5;
    EXPECT_NEAR(share(policy(config), record(200)), 0.5, 0.02);
    EXPECT_NEAR(share(policy(config), record(502)), 0.5, 0.02);
}

TEST(AccessPolicy, HidesTheValuesOfNamedParameters) {
    config::AccessLog config;
    config.redact = {"token", "api_key"};
    const auto hiding = policy(config);
    const std::pair<const char*, const char*> cases[] = {
        {"/a", "/a"},
        {"/a?", "/a?"},
        {"/token=1", "/token=1"},
        {"/a?b=1&c=2", "/a?b=1&c=2"},
        {"/a?token=s", "/a?token=***"},
        {"/a?token=", "/a?token="},
        {"/a?token", "/a?token"},
        {"/a?token&token=s", "/a?token&token=***"},
        {"/a?b=1&token=s&c=2", "/a?b=1&token=***&c=2"},
        {"/a?token=1&api_key=2&token=3", "/a?token=***&api_key=***&token=***"},
        {"/a?TOKEN=s", "/a?TOKEN=***"},
        {"/a?%74oken=s&%54OKE%4e=t&toke%=1", "/a?%74oken=***&%54OKE%4e=***&toke%=1"},
        {"/a?tokens=s", "/a?tokens=s"},
        {"/a?x=token=s", "/a?x=token=s"},
        {"/a?&&token=s&&", "/a?&&token=***&&"},
        {"/a?token=s=t?u", "/a?token=***"},
    };
    for (const auto& [path, shown] : cases) {
        std::string scratch = "left over";
        EXPECT_EQ(hiding.redact(path, scratch), shown) << path;
    }
    std::string scratch;
    const std::string_view plain = "/a?b=1";
    EXPECT_EQ(hiding.redact(plain, scratch).data(), plain.data()) << "no copy without need";
}

http::RequestHead request() {
    http::RequestHead head;
    head.query = "page=3&token=s3cret&empty=";
    head.headers.add("User-Agent", "curl", http::HeaderId::other);
    head.headers.add("Cookie", "theme=dark; sid=abc", http::HeaderId::other);
    head.headers.add("X-Many", "one", http::HeaderId::other);
    head.headers.add("x-many", "two", http::HeaderId::other);
    head.headers.add("Authorization", "Bearer s3cret", http::HeaderId::other);
    return head;
}

TEST(AccessPolicy, CollectsFieldsFromTheHeads) {
    config::AccessLog config;
    config.fields = {
        {"agent", Source::header, "user-agent"}, {"stage", Source::text, "test"},
        {"page", Source::query, "page"},         {"theme", Source::cookie, "theme"},
        {"sid", Source::cookie, "sid"},          {"type", Source::response_header, "content-type"},
        {"many", Source::header, "x-many"},      {"none", Source::header, "x-none"}};
    const auto with_fields = policy(config);
    EXPECT_TRUE(with_fields.has_fields());
    AccessFields fields;
    with_fields.collect(fields, request());
    http::ResponseHead response;
    response.headers.add("Content-Type", "text/plain", http::HeaderId::other);
    with_fields.collect(fields, response);
    const char* const expected[] = {"curl", "", "3", "dark", "abc", "text/plain", "one, two", ""};
    for (std::size_t i = 0; i < std::size(expected); ++i)
        EXPECT_EQ(fields.value(i), expected[i]) << i;

    // The answer of another attempt has no such header.
    with_fields.collect(fields, http::ResponseHead{});
    EXPECT_EQ(fields.value(5), "");
    fields.clear();
    EXPECT_TRUE(fields.empty());
    EXPECT_EQ(fields.value(0), "");
}

TEST(AccessPolicy, HidesFieldsThatAreNamed) {
    config::AccessLog config;
    config.redact = {"authorization", "token", "sid", "set-cookie"};
    config.fields = {{"auth", Source::header, "authorization"},
                     {"token", Source::query, "token"},
                     {"sid", Source::cookie, "sid"},
                     {"set", Source::response_header, "set-cookie"},
                     {"theme", Source::cookie, "theme"}};
    const auto hiding = policy(config);
    AccessFields fields;
    hiding.collect(fields, request());
    http::ResponseHead response;
    response.headers.add("Set-Cookie", "a=b", http::HeaderId::other);
    hiding.collect(fields, response);
    for (std::size_t i = 0; i < 4; ++i)
        EXPECT_EQ(fields.value(i), "***") << i;
    EXPECT_EQ(fields.value(4), "dark");
    fields.clear();
    hiding.collect(fields, http::RequestHead{});
    EXPECT_EQ(fields.value(0), "") << "what was not sent is not hidden";
}

TEST(AccessPolicy, AsksForNoHeadWithoutNeed) {
    config::AccessLog config;
    config.fields = {{"stage", Source::text, "test"}};
    EXPECT_FALSE(policy(config).has_fields());
}

TEST(AccessFields, CutsLongValuesAndKeepsTheRest) {
    AccessFields fields;
    fields.set(2, std::string(5000, 'x'));
    fields.append(2, "more");
    fields.set(0, "short");
    EXPECT_EQ(fields.value(2).size(), AccessFields::kLongest);
    EXPECT_EQ(fields.value(0), "short");
    EXPECT_EQ(fields.value(1), "");
    EXPECT_EQ(fields.value(7), "");
}

TEST(AccessPolicy, IsOffWhereTheConfigurationSaysSo) {
    config::AccessLog config;
    config.to = "off";
    EXPECT_TRUE(policy(config).is_off());
    EXPECT_FALSE(policy({}).is_off());
}

}  // namespace
}  // namespace weir::telemetry

#include "weir/transport/certificates.hpp"

#include "unit/config/support.hpp"

#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

namespace weir::transport {
namespace {

using config::test::Folder;
using std::chrono::hours;

constexpr auto kDay = hours{24};

class Certificates : public ::testing::Test {
  protected:
    void SetUp() override {
        config::test::make_certificate(folder_.path() / "shop", "shop", 30);
        config::test::make_certificate(folder_.path() / "other", "other", 30);
    }

    std::vector<config::Problem> problems(const std::string& cert,
                                          const std::string& key,
                                          hours later = {}) {
        config::Config config;
        config.certificates.push_back({.cert = cert,
                                       .key = key,
                                       .cert_path = (folder_.path() / cert).string(),
                                       .key_path = (folder_.path() / key).string(),
                                       .cert_at = {{.line = 7, .column = 13}, 8},
                                       .key_at = {{.line = 8, .column = 12}, 9}});
        config::Report report;
        Clock::refresh();
        check_certificates(config, report, Clock::wall() + later);
        return report.sorted();
    }

    Folder folder_;
};

TEST_F(Certificates, MayBelongToTheirKeys) {
    EXPECT_TRUE(problems("shop.crt", "shop.key").empty());
}

TEST_F(Certificates, AreRefusedWithTheKeyOfAnother) {
    const auto found = problems("shop.crt", "other.key");
    ASSERT_EQ(found.size(), 1U);
    EXPECT_EQ(found[0].code, 120);
    EXPECT_EQ(found[0].place.line, 8U);
    EXPECT_EQ(found[0].width, 9U);
    EXPECT_EQ(found[0].what, "certificate and key do not belong together");
    EXPECT_TRUE(found[0].note.starts_with("shop.crt has another public key (CN=shop, expires 2"))
        << found[0].note;
}

TEST_F(Certificates, AreWarnedOfOutsideTheirDates) {
    const auto expired = problems("shop.crt", "shop.key", 31 * kDay);
    ASSERT_EQ(expired.size(), 1U);
    EXPECT_EQ(expired[0].code, 220);
    EXPECT_EQ(expired[0].severity, config::Problem::Severity::warning);
    EXPECT_NE(expired[0].what.find("(CN=shop) expired on 2"), std::string::npos);
    const auto early = problems("shop.crt", "shop.key", -2 * kDay);
    ASSERT_EQ(early.size(), 1U);
    EXPECT_NE(early[0].what.find("is valid from 2"), std::string::npos) << early[0].what;
}

TEST_F(Certificates, AreWarnedOfBeforeTheyEnd) {
    EXPECT_TRUE(problems("shop.crt", "shop.key", 22 * kDay).empty());
    const auto found = problems("shop.crt", "shop.key", 24 * kDay);
    ASSERT_EQ(found.size(), 1U);
    EXPECT_EQ(found[0].code, 220);
    EXPECT_EQ(found[0].severity, config::Problem::Severity::warning);
    EXPECT_NE(found[0].what.find("(CN=shop) expires soon, on 2"), std::string::npos);
}

TEST_F(Certificates, OfFewDaysAreWarnedOfInTheLastThirdOfThem) {
    config::test::make_certificate(folder_.path() / "short", "short", 3);
    EXPECT_TRUE(problems("short.crt", "short.key").empty());
    EXPECT_TRUE(problems("short.crt", "short.key", hours{24 * 2 - 1}).empty());
    EXPECT_EQ(problems("short.crt", "short.key", hours{24 * 2 + 1}).size(), 1U);
}

TEST_F(Certificates, SayWhyAKeyIsTooWeak) {
    const std::string stem = (folder_.path() / "weak").string();
    const auto made =
        "openssl req -x509 -newkey rsa:1024 -nodes -days 30 -subj /CN=weak -keyout '" + stem +
        ".key' -out '" + stem + ".crt' 2>/dev/null";
    ASSERT_EQ(std::system(made.c_str()), 0);
    const auto found = problems("weak.crt", "weak.key");
    ASSERT_EQ(found.size(), 1U);
    EXPECT_EQ(found[0].code, 123);
    EXPECT_EQ(found[0].severity, config::Problem::Severity::error);
    EXPECT_EQ(found[0].place.line, 8U);
    EXPECT_EQ(found[0].what, "this key is too weak: RSA of 1024 bits");
}

TEST_F(Certificates, SayWhyAFileCannotBeUsed) {
    folder_.write("text.pem", "not a certificate\n");
    folder_.write("empty.pem", "");
    const auto locked = "openssl ec -aes128 -passout pass:x -in '" +
                        (folder_.path() / "shop.key").string() + "' -out '" +
                        (folder_.path() / "locked.key").string() + "' 2>/dev/null";
    ASSERT_EQ(std::system(locked.c_str()), 0);
    const struct {
        const char* cert;
        const char* key;
        const char* what;
    } cases[] = {{"none.crt", "shop.key", "cannot read 'none.crt': No such file or directory"},
                 {"shop.crt", "none.key", "cannot read 'none.key': No such file or directory"},
                 {".", "shop.key", "cannot read '.': it is no file"},
                 {"text.pem", "shop.key", "'text.pem' holds no certificate"},
                 {"shop.key", "shop.key", "'shop.key' holds no certificate"},
                 {"shop.crt", "empty.pem", "'empty.pem' holds no private key"},
                 {"shop.crt", "shop.crt", "'shop.crt' holds no private key"},
                 {"shop.crt", "locked.key", "'locked.key' is locked by a passphrase"}};
    for (const auto& [cert, key, what] : cases) {
        const auto found = problems(cert, key);
        ASSERT_EQ(found.size(), 1U) << cert << " " << key;
        EXPECT_EQ(found[0].code, 121);
        EXPECT_EQ(found[0].what, what);
    }
}

TEST(CheckAll, JudgesTheDraftAndTakesABadConfigurationAway) {
    auto loaded = config::test::load(config::test::with_route(
        "{path: /a, header: {x: \"~ (\"}, to: a}\n      - {path: /b, to: nowhere}"));
    EXPECT_EQ(config::test::codes(loaded), "110");
    check_all(loaded);
    EXPECT_EQ(config::test::codes(loaded), "119 110");
    EXPECT_FALSE(loaded);

    auto late =
        config::test::load(config::test::with_route("{path: /a, header: {x: \"~ (\"}, to: a}"));
    ASSERT_TRUE(late) << "as far as config can tell";
    check_all(late);
    EXPECT_FALSE(late);
}

TEST(CheckAll, SaysNothingTwice) {
    auto loaded = config::test::load(
        config::test::with_route("{path: \"/u/{id}\", rewrite: {path: \"/{name}\"}, to: a}"));
    check_all(loaded);
    EXPECT_EQ(config::test::codes(loaded), "119");
}

TEST(CheckPorts, WarnOfAPortThatAnotherProgramHas) {
    const int taken = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    ASSERT_EQ(::bind(taken, reinterpret_cast<sockaddr*>(&address), size), 0);
    ASSERT_EQ(::listen(taken, 1), 0);
    ASSERT_EQ(::getsockname(taken, reinterpret_cast<sockaddr*>(&address), &size), 0);
    const auto text = "127.0.0.1:" + std::to_string(ntohs(address.sin_port));
    const auto loaded = config::test::load(
        "version: 1\nadmin: {listen: off}\ntelemetry: {listen: off}\nlisteners:\n  - listen: " +
        text +
        "\n    to: \"h:1\"\n  - {listen: \"192.0.2.1:8080\", to: \"h:1\"}\n"
        "  - {listen: \"127.0.0.1:0\", to: \"h:1\"}\n");
    ASSERT_TRUE(loaded);
    config::Report report;
    check_ports(*loaded.config, report);
    ::close(taken);
    const auto found = report.sorted();
    ASSERT_EQ(found.size(), 2U);
    EXPECT_EQ(found[0].code, 210);
    EXPECT_EQ(found[0].what, "'" + text + "' is in use");
    EXPECT_EQ(found[0].place.line, 5U);
    EXPECT_EQ(found[1].code, 212);
    EXPECT_FALSE(report.has_errors());
}

}  // namespace
}  // namespace weir::transport

#include "weir/transport/certificates.hpp"

#include "support.hpp"
#include "support/source_tree.hpp"

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <vector>

// tests/golden/config/*.yaml with what `weir check` prints for each in the .txt beside it.
// WEIR_UPDATE_GOLDEN=1 writes the .txt files anew.
namespace weir::config {
namespace {

namespace fs = std::filesystem;

std::string read(const fs::path& path) {
    std::ifstream file(path, std::ios::binary);
    std::stringstream text;
    text << file.rdbuf();
    return text.str();
}

std::vector<fs::path> cases() {
    std::vector<fs::path> found;
    for (const auto& entry :
         fs::directory_iterator(weir::test::source_tree() / "tests/golden/config")) {
        if (entry.path().extension() == ".yaml") found.push_back(entry.path());
    }
    std::sort(found.begin(), found.end());
    return found;
}

std::string replaced(std::string text, const std::string& from, const std::string& to) {
    for (auto at = text.find(from); at != std::string::npos; at = text.find(from, at + to.size()))
        text.replace(at, from.size(), to);
    return text;
}

// "expires 2031-12-24" of certificates made today, as the golden files have it.
std::string with_fixed_dates(std::string text) {
    constexpr std::string_view kExpires = "expires ";
    constexpr std::string_view kDay = "2027-02-01";
    for (auto at = text.find(kExpires); at != std::string::npos; at = text.find(kExpires, at + 1))
        text.replace(at + kExpires.size(), kDay.size(), kDay);
    return text;
}

// The files that a case looks for in /etc/weir, in a folder whose name is as long.
class Certificates {
  public:
    Certificates() {
        for (int i = 0; root_.empty(); ++i) {
            auto name = "/tmp/w" + std::to_string(100 + i);
            if (fs::create_directory(name)) root_ = std::move(name);
        }
        fs::permissions(root_, fs::perms::owner_all);
        test::make_certificate(root_ / "tls", "shop", 400);
        test::make_certificate(root_ / "other", "other", 400);
        std::ofstream(root_ / "empty.key") << "";
    }
    Certificates(const Certificates&) = delete;
    Certificates& operator=(const Certificates&) = delete;
    ~Certificates() { fs::remove_all(root_); }

    [[nodiscard]] std::string root() const { return root_.string(); }

  private:
    fs::path root_;
};

TEST(ConfigMessages, AreThoseOfTheGoldenFiles) {
    ASSERT_GE(cases().size(), 24U);
    const Certificates certificates;
    const auto folder = (weir::test::source_tree() / "tests/golden/config").string() + "/";
    for (const auto& path : cases()) {
        const auto text = replaced(read(path), "/etc/weir", certificates.root());
        auto result = load_text(text, folder + "weir.yaml", test::environment());
        transport::check_all(result);
        auto printed = replaced(test::messages(result), certificates.root(), "/etc/weir");
        printed = with_fixed_dates(replaced(printed, folder, ""));
        auto golden = path;
        golden.replace_extension(".txt");
        if (std::getenv("WEIR_UPDATE_GOLDEN") != nullptr)
            std::ofstream(golden, std::ios::binary) << printed;
        EXPECT_EQ(printed, read(golden)) << path;
    }
}

TEST(ConfigExamples, AreValidWithoutAWarning) {
    std::vector<fs::path> files{weir::test::source_tree() / "config/minimal.yaml"};
    for (const auto& entry :
         fs::directory_iterator(weir::test::source_tree() / "config/examples")) {
        if (entry.is_regular_file()) files.push_back(entry.path());
    }
    ASSERT_GE(files.size(), 4U);
    for (const auto& path : files) {
        const auto result = load_file(path.string(), test::environment());
        EXPECT_TRUE(result) << path;
        EXPECT_EQ(test::messages(result), "") << path;
    }
}

}  // namespace
}  // namespace weir::config

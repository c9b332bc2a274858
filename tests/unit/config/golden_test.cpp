#include "weir/transport/certificates.hpp"

#include "support.hpp"

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
         fs::directory_iterator(fs::path(WEIR_SOURCE_DIR) / "tests/golden/config")) {
        if (entry.path().extension() == ".yaml") found.push_back(entry.path());
    }
    std::sort(found.begin(), found.end());
    return found;
}

TEST(ConfigMessages, AreThoseOfTheGoldenFiles) {
    ASSERT_GE(cases().size(), 20U);
    for (const auto& path : cases()) {
        const auto text = read(path);
        auto result = test::load(text);
        transport::check_all(result);
        const auto printed = test::messages(result);
        auto golden = path;
        golden.replace_extension(".txt");
        if (std::getenv("WEIR_UPDATE_GOLDEN") != nullptr)
            std::ofstream(golden, std::ios::binary) << printed;
        EXPECT_EQ(printed, read(golden)) << path;
    }
}

TEST(ConfigExamples, AreValidWithoutAWarning) {
    std::vector<fs::path> files{fs::path(WEIR_SOURCE_DIR) / "config/minimal.yaml"};
    for (const auto& entry :
         fs::directory_iterator(fs::path(WEIR_SOURCE_DIR) / "config/examples")) {
        files.push_back(entry.path());
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

#pragma once

#include "weir/config/document.hpp"
#include "weir/decode/load.hpp"
#include "weir/describe/effective.hpp"

#include "support/source_tree.hpp"
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <map>
#include <sstream>
#include <string>
#include <string_view>
#include <vector>

namespace weir::describe::test {

inline config::Environment environment() {
    return {.variable = [](std::string_view /*name*/) -> std::optional<std::string> {
                return std::nullopt;
            },
            .host_name = "test-host"};
}

inline config::LoadResult load(std::string_view text, const std::string& name = "weir.yaml") {
    return config::load_text(text, name, environment());
}

// A configuration that must be right.
inline config::LoadResult good(std::string_view text, const std::string& name = "weir.yaml") {
    auto loaded = load(text, name);
    EXPECT_TRUE(loaded) << text << "\n" << config::render(loaded.report, loaded.sources);
    return loaded;
}

inline std::string read(const std::filesystem::path& path) {
    std::ifstream file(path, std::ios::binary);
    std::stringstream text;
    text << file.rdbuf();
    return text.str();
}

// Every configuration of this repository that is valid by itself.
inline std::vector<std::string> valid_files() {
    std::vector<std::string> found;
    for (const auto* folder : {"config", "config/examples", "tests/golden/config",
                               "tests/fuzz/corpus/config", "tests/golden/valid"}) {
        const auto path = weir::test::source_tree() / folder;
        if (!std::filesystem::exists(path)) continue;
        for (const auto& entry : std::filesystem::directory_iterator(path)) {
            if (entry.path().extension() != ".yaml") continue;
            if (config::load_file(entry.path().string(), environment()))
                found.push_back(entry.path().string());
        }
    }
    std::sort(found.begin(), found.end());
    return found;
}

// path -> value in force.
inline std::map<std::string, std::string> values(const config::LoadResult& loaded,
                                                 bool with_defaults = false) {
    std::map<std::string, std::string> out;
    for (const auto& setting : settings(*loaded.document, with_defaults)) {
        EXPECT_TRUE(out.emplace(setting.path, setting.value).second) << setting.path;
    }
    return out;
}

}  // namespace weir::describe::test

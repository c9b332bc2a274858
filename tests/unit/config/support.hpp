#pragma once

#include "weir/decode/load.hpp"

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>
#include <optional>
#include <string>
#include <string_view>

namespace weir::config::test {

// Surroundings that do not depend on the machine.
inline Environment environment(std::map<std::string, std::string> variables = {}) {
    return {.variable = [variables = std::move(variables)](
                            std::string_view name) -> std::optional<std::string> {
                const auto found = variables.find(std::string(name));
                if (found == variables.end()) return std::nullopt;
                return found->second;
            },
            .host_name = "test-host"};
}

inline LoadResult load(std::string_view text) {
    return load_text(text, "weir.yaml", environment());
}

inline std::string messages(const LoadResult& result) {
    return render(result.report, result.sources);
}

// A configuration that must be right.
inline Config good(std::string_view text) {
    const auto result = load(text);
    EXPECT_TRUE(result) << text << "\n" << messages(result);
    return result ? *result.config : Config();
}

// The codes of all problems in order, "101 102".
inline std::string codes(const LoadResult& result) {
    std::string out;
    for (const auto& problem : result.report.sorted()) {
        out += (out.empty() ? "" : " ") + std::to_string(problem.code);
    }
    return out;
}
inline std::string codes(std::string_view text) {
    return codes(load(text));
}

inline const std::string kListener = "version: 1\nlisteners:\n  - {listen: \":8080\", to: a}\n";

// One cluster `a` with these lines (each indented by four spaces), and a listener in front of it.
inline std::string with_cluster(const std::string& lines) {
    return kListener + "clusters:\n  a:\n    endpoints: [\"10.0.0.1:80\"]\n" + lines;
}
// One listener with this route into cluster `a`.
inline std::string with_route(const std::string& route) {
    return "version: 1\nlisteners:\n  - listen: :8080\n    routes:\n      - " + route +
           "\nclusters: {a: {endpoints: [\"10.0.0.1:80\"]}}\n";
}

// <stem>.crt and <stem>.key: a certificate that signs itself, of this common name.
inline void make_certificate(const std::filesystem::path& stem, const std::string& name, int days) {
    const auto command =
        "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout '" +
        stem.string() + ".key' -out '" + stem.string() + ".crt' -subj '/CN=" + name + "' -days " +
        std::to_string(days) + " 2>/dev/null";
    ASSERT_EQ(std::system(command.c_str()), 0) << command;
}

// A folder of its own for a test, with files; gone with it.
class Folder {
  public:
    Folder() {
        auto name = (std::filesystem::temp_directory_path() / "weir-XXXXXX").string();
        path_ = ::mkdtemp(name.data()) == nullptr ? std::string() : name;
        EXPECT_FALSE(path_.empty());
    }
    Folder(const Folder&) = delete;
    Folder& operator=(const Folder&) = delete;
    ~Folder() { std::filesystem::remove_all(path_); }

    // The file's path.
    std::string write(const std::string& name, std::string_view text) const {
        const auto path = path_ / name;
        std::filesystem::create_directories(path.parent_path());
        std::ofstream(path, std::ios::binary) << text;
        return path.string();
    }
    [[nodiscard]] const std::filesystem::path& path() const { return path_; }

  private:
    std::filesystem::path path_;
};

}  // namespace weir::config::test

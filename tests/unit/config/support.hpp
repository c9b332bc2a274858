#pragma once

#include "weir/config/load.hpp"

#include <gtest/gtest.h>

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

}  // namespace weir::config::test

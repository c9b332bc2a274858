#pragma once

#include "weir/config/config.hpp"
#include "weir/config/environment.hpp"
#include "weir/config/report.hpp"

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace weir::config {

struct Document;  // what is written, before it is decoded: for effective.hpp
struct Node;

// A checked configuration, or none and at least one error in the report.
struct LoadResult {
    std::shared_ptr<const Config> config;
    // What could be decoded, also where there are errors, so that later checks can add theirs in
    // the same run. None if there is no tree.
    std::shared_ptr<const Config> draft;
    std::shared_ptr<const Document> document;  // none if there is no tree
    Report report;
    std::vector<SourceText> sources;  // for render()

    [[nodiscard]] explicit operator bool() const { return config != nullptr; }
};

// Reads, decodes and checks a file of at most 4 MiB: all problems at once (a YAML syntax error
// alone, as there is no tree to go on with). A file that cannot be read is an error without a line.
// Blocks on the disk; never throws for what a file says. Thread: main.
[[nodiscard]] LoadResult load_file(const std::string& path,
                                   const Environment& environment = Environment::system());

// The same for a text; `name` stands in the messages, and relative paths start at its folder.
[[nodiscard]] LoadResult load_text(std::string_view text,
                                   const std::string& name,
                                   const Environment& environment = Environment::system());

// The file that `weir run --from :8080 --to 127.0.0.1:9000` stands for (--print-config), for
// load_text(from_to(...), "<command line>").
[[nodiscard]] std::string from_to(std::string_view from, std::string_view to);

// A value as it may stand in a file: plain where it certainly can, else in quotes.
[[nodiscard]] std::string yaml_scalar(std::string_view text);

// The tree of a text that is no configuration but written like one. None, and errors in the report,
// if it is no YAML.
struct TreeResult {
    std::shared_ptr<const Node> root;
    Report report;
    std::vector<SourceText> sources;
};
[[nodiscard]] TreeResult parse_yaml(std::string_view text, const std::string& name);

// The file of `discovery: file`: a YAML or JSON list of host:port or {address, weight}, or a map
// with such a list under `endpoints`. No endpoints and a report with errors if it is anything else;
// an empty list is a result.
struct EndpointsResult {
    std::optional<std::vector<Endpoint>> endpoints;
    Report report;
    std::vector<SourceText> sources;
};
[[nodiscard]] EndpointsResult parse_endpoints(std::string_view text, const std::string& name);

}  // namespace weir::config

#pragma once

#include "weir/config/document.hpp"
#include "weir/config/place.hpp"

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

// What a configuration says key by key, with where each value comes from: for dumps, explanations
// and differences. Made from what is written and the key table, not from the decoded Config; a
// test holds the two together. Secrets are "***" everywhere. Thread: any.
namespace weir::describe {

// One key of one thing. Named things stand by name: "clusters.orders.timeout.request",
// "listeners.public.routes.orders.path"; unnamed ones by the name they get.
struct Setting {
    std::string path;
    std::string key;      // its row of the table, "timeout.request"
    std::string value;    // as it would be written: "500ms", "[a, b]"
    std::string layer;    // "clusters.orders", "defaults", "built-in"
    config::Place place;  // built in: no place
    std::string_view doc;
};

// The value in force first, then what it hides, the built-in last.
struct Explanation {
    std::vector<Setting> chain;
};

// Every key in force, in the order of the reference; built-in values only if asked for.
[[nodiscard]] std::vector<Setting> settings(const config::Document& document, bool with_defaults);

// Nothing if there is no such path; `nearest` then has suggestions, best first.
[[nodiscard]] std::optional<Explanation> explain(const config::Document& document,
                                                 std::string_view path,
                                                 std::vector<std::string>* nearest = nullptr);

struct DumpOptions {
    bool has_defaults = false;  // built-in values, too
    bool has_origins = false;   // each line ends in "# weir.yaml:4" or "# built-in"
};
// YAML that loads to the same configuration (but for secrets): shorthands written out, inheritance
// and includes resolved.
[[nodiscard]] std::string dump(const config::Document& document, DumpOptions options = {});
// The same as JSON; with origins each value is {"value": ..., "origin": "weir.yaml:4"}.
[[nodiscard]] std::string dump_json(const config::Document& document, DumpOptions options = {});

// A value that differs; empty where there was or will be none.
struct Change {
    std::string path;
    std::string from;
    std::string to;
};
// By path, what a reload from one to the other changes. Order and spelling do not count, values do.
[[nodiscard]] std::vector<Change> difference(const config::Document& from,
                                             const config::Document& to);

// "weir.yaml:4", or "built-in".
[[nodiscard]] std::string origin_text(const config::Document& document, const Setting& setting);

}  // namespace weir::describe

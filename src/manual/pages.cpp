#include "weir/manual/pages.hpp"

#include "weir/describe/vocabulary.hpp"
#include "weir/manual/explain.hpp"
#include "weir/telemetry/families.hpp"

#include "manual/text.hpp"

#include <array>

namespace weir::manual {
namespace {

constexpr std::string_view kConfigHead = R"(# Configuration reference

Made by `weir reference config` from the table the parser itself goes by. A first file: `weir init`;
what is in force and where it is said: `weir config dump FILE --origin`.

- Durations `250ms`, `1m30s` (us, ms, s, m, h), sizes `64KiB`, `1MB`, shares `50%`, rates `100/s`: the
  unit is always written. Booleans are `true` and `false`.
- Addresses `:8080` (all, IPv4 and IPv6), `127.0.0.1:8080`, `"[::1]:8080"` (quoted),
  `unix:/run/x.sock`.
- Targets: a cluster's name, `host:port`, a list of these, or `{orders: 90%, orders-v2: 10%}`.
- `${NAME}` and `${NAME:-default}` in values are environment variables. Secrets are never inline:
  `{file: path}` or `{env: NAME}`.
- What is not written is inherited: built-in < `defaults` < cluster < route. Objects merge key by key,
  lists are replaced.
- A key that is not here, is given twice or has no unit is an error, never ignored.

In the paths below `[]` is an item of a list and `{}` a value of a map of names. `breaker`, `outlier`,
`retry`, `timeout`, `access_log` and `limits` take the keys of their own block wherever they appear.
)";

// "`timeout: 5s` is `timeout.request`."
std::string shorthand_of(const describe::Vocabulary& vocabulary, const std::string& block) {
    std::string out;
    for (const auto& row : vocabulary.rows(block)) {
        if (row.info->is_shorthand)
            out += "A bare value in place of the object is " + code(row.name) + ". ";
    }
    if (const auto* off = describe::Vocabulary::off(block)) {
        out += "The word `off` is " + code(std::string(off->key) + ": " + std::string(off->value)) +
               ".";
    }
    return out.empty() ? out : out + "\n\n";
}

constexpr std::string_view kMetricsHead = R"(# Metrics

Made by `weir reference metrics` from the table that `/metrics` is written from. Names, labels and
reason words are interface. Every label is bounded: its values are names of the configuration, reason
words or classes; what is neither is `_other`, a request that reached no cluster has cluster `_none`,
and a breaker of all routes has route `_all`. A series exists once there is something to tell.

| family | type | labels | meaning |
|---|---|---|---|
)";

std::string_view type_text(telemetry::Type type) {
    constexpr std::array<std::string_view, 3> kTypes{"counter", "gauge", "histogram"};
    return kTypes[static_cast<std::size_t>(type)];
}

constexpr std::string_view kErrorsHead = R"(# Errors and reasons

Made by `weir reference errors` from the pages that `weir explain WORD` prints. Reason words are the
same in the header `weir-error`, the metric label `reason`, the access log and the admin API.
)";

// Headings by what a word is.
struct Kind {
    std::string_view title;
    WordKind kind;
};
constexpr std::array kKinds{
    Kind{"Why Weir answered", WordKind::reason},
    Kind{"Why a breaker or a detector changed its state", WordKind::transition},
    Kind{"Why something was not tried again, or dropped", WordKind::refusal},
    Kind{"Configuration: errors and warnings", WordKind::problem}};

}  // namespace

std::string configuration_page() {
    const describe::Vocabulary vocabulary;
    std::string out(kConfigHead);
    for (const auto& block : vocabulary.blocks()) {
        out += "\n## " + (block.empty() ? std::string("Top level") : code(block)) + "\n\n";
        out += shorthand_of(vocabulary, block);
        out += "| key | type | default | meaning |\n|---|---|---|---|\n";
        for (const auto& row : vocabulary.rows(block)) {
            const bool is_value = describe::is_value(*row.info);
            out += "| " + code(row.name) + " | " + cell(row.info->type) + " | " +
                   (is_value ? code(row.info->fallback) : cell(row.info->fallback)) + " | " +
                   cell(row.info->doc) + " |\n";
        }
    }
    return out;
}

std::string metrics_page() {
    std::string out(kMetricsHead);
    for (const auto& family : telemetry::families()) {
        std::string labels;
        for (const auto label : family.labels)
            labels += (labels.empty() ? "" : ", ") + code(label);
        out += "| " + code(family.name) + " | " + std::string(type_text(family.type)) + " | " +
               labels + " | " + cell(family.help) + " |\n";
    }
    return out;
}

std::string errors_page() {
    std::string out(kErrorsHead);
    for (const auto& kind : kKinds) {
        out += "\n## " + std::string(kind.title) + "\n";
        for (const auto& page : explanations()) {
            if (page.kind != kind.kind) continue;
            out += "\n### " + std::string(page.word) + "\n\n```text\n" + *explain_word(page.word) +
                   "```\n";
        }
    }
    return out;
}

}  // namespace weir::manual

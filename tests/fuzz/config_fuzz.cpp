// The configuration as an attacker or a tired person writes it: any bytes give either a
// configuration or at least one error, never a throw, and messages that render.

#include "weir/core/json.hpp"
#include "weir/decode/load.hpp"
#include "weir/route/route_table.hpp"

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace weir::config;
    const std::string_view text(reinterpret_cast<const char*>(data), size);
    const Environment environment{
        .variable = [](std::string_view name) -> std::optional<std::string> {
            if (name != "SET") return std::nullopt;
            return "value";
        },
        .host_name = "fuzz",
        .reads_files = false};
    auto result = load_text(text, "fuzz.yaml", environment);
    const bool is_loaded = result.config != nullptr;
    if (is_loaded == result.report.has_errors()) std::abort();
    const auto message = render(result.report, result.sources, "nothing was changed", true);
    if (!is_loaded && message.empty()) std::abort();
    const auto json = weir::JsonValue::parse(render_json(result.report, result.sources));
    if (!json || (*json)["valid"].boolean() != is_loaded) std::abort();
    if (render_github(result.report, result.sources).empty() != result.report.sorted().empty())
        std::abort();
    if (result.draft) weir::route::check(*result.draft, result.report);
    const auto endpoints = parse_endpoints(text, "endpoints.yaml");
    if (endpoints.endpoints.has_value() == endpoints.report.has_errors()) std::abort();
    return 0;
}

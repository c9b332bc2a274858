#pragma once

#include "weir/inject/inject.hpp"

#include "inject/value.hpp"

#include <string>
#include <vector>

namespace weir::inject {

inline constexpr std::string_view kPrefix = "weir.dev/";
inline constexpr std::string_view kInject = "weir.dev/inject";
// What the injector writes, and takes away again.
inline constexpr std::string_view kInjected = "weir.dev/injected";  // by which version
inline constexpr std::string_view kConfig = "weir.dev/config";      // that the sidecar runs
inline constexpr std::string_view kProbes = "weir.dev/original-probes";

inline constexpr std::uint16_t kTelemetryPort = 9348;
inline constexpr std::string_view kIdentityFolder = "/var/run/weir/identity";

// What the annotations of a pod ask for.
struct Settings {
    bool is_disabled = false;
    std::string skip_inbound{};   // "22,5000-5010"
    std::string skip_outbound{};  // likewise
    std::vector<std::string> opaque_ports{};
    std::string identity{};  // name of a Secret
    Value config{};          // of the sidecar, without probes
    std::string problem{};   // the first thing that is wrong; empty: nothing
};

// The annotations (an object, or null) of the workload and of the pod, which counts more.
[[nodiscard]] Settings read_settings(const Value* workload, const Value* pod);

// Why Weir would not run with this configuration, in the words of `weir check`; empty: it would.
[[nodiscard]] std::string check_config(const std::string& text);

}  // namespace weir::inject

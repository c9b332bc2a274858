#pragma once

#include "inject/settings.hpp"

#include <string>

namespace weir::inject {

inline constexpr std::string_view kSidecar = "weir";
inline constexpr std::string_view kInit = "weir-init";
inline constexpr std::string_view kOwnVolume = "weir-";  // what our volumes begin with

// Why this pod cannot have a sidecar; empty: it can. `spec` has nothing of ours in it.
[[nodiscard]] std::string refusal(const Value& spec);

// `pod` is an object with metadata and spec: a Pod, or a template of one. It has nothing of ours.
void add_sidecar(Value& pod, const Settings& settings, const Options& options);
// The pod as it was before. False if there was nothing of ours.
bool remove_sidecar(Value& pod);

// The application's probes: asked of Weir, which asks the application, so that what the inbound
// listener demands of callers makes no pod unready. Returns telemetry.probes of the sidecar, and
// writes what stood there into `originals`.
[[nodiscard]] Value rewrite_probes(Value& spec, Value& originals);
void restore_probes(Value& spec, const Value& originals);

}  // namespace weir::inject

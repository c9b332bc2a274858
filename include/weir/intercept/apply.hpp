#pragma once

#include "weir/intercept/rules.hpp"

#include <cstdint>
#include <string>

namespace weir::intercept {

// Who sets the rules. automatic: nft if it is there, else iptables.
enum class Tool : std::uint8_t { automatic, nft, iptables };

// Runs the tool in this network namespace; needs CAP_NET_ADMIN. Each leaves what it found, and
// throws std::runtime_error with what the tool said, if that refuses. Thread: main.

// Sets the rules in place of those set before: twice is once.
void apply(const Redirect& redirect, Tool tool);
// Takes away every rule of ours, whichever tool set it. None is no error.
void clean(Tool tool);
// The rules of ours that are set, as the tool prints them; empty: none.
[[nodiscard]] std::string show(Tool tool);

}  // namespace weir::intercept

#pragma once

namespace weir::cli {

// Before threads start: a peer that left is an error of a write and no signal, and memory that
// holds keys is not for dumps or debuggers, unless asked.
void prepare_process(bool allows_core_dumps);

}  // namespace weir::cli

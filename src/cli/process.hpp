#pragma once

namespace weir::cli {

// First of all: a descriptor below 3 that came closed would be that of a socket later, and what is
// written to standard output would go to a client.
void open_standard_streams();

// False if not all of the output was written, as on a full disk.
[[nodiscard]] bool flush_output();

// Before threads start: a peer that left is an error of a write and no signal, and memory that
// holds keys is not for dumps or debuggers, unless asked.
void prepare_process(bool allows_core_dumps);

}  // namespace weir::cli

#include "cli/process.hpp"

#include <csignal>
#include <sys/prctl.h>

namespace weir::cli {

void prepare_process(bool allows_core_dumps) {
    std::signal(SIGPIPE, SIG_IGN);
#ifndef __SANITIZE_ADDRESS__  // its leak check attaches to the process
    if (!allows_core_dumps) ::prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
#else
    static_cast<void>(allows_core_dumps);
#endif
}

}  // namespace weir::cli

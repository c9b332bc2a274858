#include "cli/process.hpp"

#include <csignal>
#include <cstdio>
#include <fcntl.h>
#include <sys/prctl.h>
#include <unistd.h>

namespace weir::cli {

void open_standard_streams() {
    for (;;) {
        const int descriptor = ::open("/dev/null", O_RDWR);  // the lowest that is free
        if (descriptor > STDERR_FILENO) ::close(descriptor);
        if (descriptor < 0 || descriptor > STDERR_FILENO) return;
    }
}

bool flush_output() {
    return std::fflush(stdout) == 0 && std::ferror(stdout) == 0;
}

void prepare_process(bool allows_core_dumps) {
    std::signal(SIGPIPE, SIG_IGN);
#ifndef __SANITIZE_ADDRESS__  // its leak check attaches to the process
    if (!allows_core_dumps) ::prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
#else
    static_cast<void>(allows_core_dumps);
#endif
}

}  // namespace weir::cli

#pragma once

#include "cli/display.hpp"

#include <functional>
#include <optional>
#include <string>

namespace weir::cli {

// What stdout is: a terminal of some width, or a pipe, which takes lines of any length unless
// COLUMNS says otherwise. Colour only on a terminal, and without NO_COLOR.
[[nodiscard]] Look look_of_stdout();

// SIGINT, SIGTERM and SIGHUP as a descriptor, while it lives: what goes on until Ctrl-C ends in
// order then. Thread: main, the only one.
class Interrupts {
  public:
    Interrupts();
    ~Interrupts();
    Interrupts(const Interrupts&) = delete;
    Interrupts& operator=(const Interrupts&) = delete;

    [[nodiscard]] int fd() const { return fd_; }
    // True if one came meanwhile, or was there.
    [[nodiscard]] bool wait_for(Duration duration) const;

  private:
    int fd_ = -1;
};

// Shows what `take` gives, each second until an interrupt: on a terminal in place, on the alternate
// screen, so that what was there comes back; else one after the other. Nothing from `take` ends it.
void watch(const Interrupts& interrupts, const std::function<std::optional<std::string>()>& take);

// The lines that a terminal of so many rows shows; the last one says how many it does not.
[[nodiscard]] std::string first_rows(const std::string& text, std::size_t rows);

}  // namespace weir::cli

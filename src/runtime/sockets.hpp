#pragma once

#include "weir/config/config.hpp"

#include "worker.hpp"

#include <string>
#include <utility>
#include <vector>

namespace weir::runtime {

// The listening sockets of the process: which are bound, and what a new configuration needs beside
// them. Thread: main.
class SocketTable {
  public:
    struct Entry {
        std::string listener;
        std::string key;
        Address bound;  // port 0 resolved
    };
    // For each worker the sockets that are new with `config`. Throws std::runtime_error with a
    // sentence for people if one cannot be bound; then nothing has changed. commit() takes the new
    // state over, and forgets what is gone.
    struct Plan {
        std::vector<std::vector<BoundSocket>> by_worker;
        std::vector<Entry> entries;
    };
    [[nodiscard]] Plan plan(const config::Config& config, unsigned workers) const;
    void commit(const Plan& plan) { entries_ = plan.entries; }

    [[nodiscard]] std::vector<Address> addresses(std::string_view listener) const;

  private:
    std::vector<Entry> entries_;
};

// Worker threads for `threads: auto`: the processors this process may use, by affinity and by the
// quota of its cgroup.
[[nodiscard]] unsigned usable_processors();

}  // namespace weir::runtime

#pragma once

#include "weir/transport/task.hpp"

#include "worker.hpp"
#include <boost/asio/io_context.hpp>

#include <functional>
#include <memory>
#include <vector>

namespace weir::runtime {

// The end of a process that loses nothing: listeners accept until no connection came for 500 ms (at
// most 5 s), then close; it is over when the last connection is gone, or after `limit`. Thread:
// main.
class Drain {
  public:
    Drain(boost::asio::io_context& main,
          std::vector<std::unique_ptr<Worker>>& workers,
          Duration limit,
          std::function<void()> over);

  private:
    // What the workers have, gathered from their answers.
    struct Loads;

    transport::Task<> run(transport::TaskScope& scope);
    transport::Task<Worker::Load> gather(transport::TaskScope& scope);

    boost::asio::io_context& main_;
    std::vector<std::unique_ptr<Worker>>& workers_;
    const Duration limit_;
    std::function<void()> over_;
    transport::TaskHandle task_;
};

}  // namespace weir::runtime

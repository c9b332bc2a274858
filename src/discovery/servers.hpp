#pragma once

#include "weir/config/config.hpp"
#include "weir/control/http_client.hpp"
#include "weir/transport/task.hpp"

#include <optional>
#include <string>
#include <vector>

namespace weir::discovery {

// The servers a source may be asked at, in turn. Their names are resolved for each question.
// Thread: main.
class Servers {
  public:
    // `uses_tls`: where no scheme is written.
    Servers(std::vector<config::Discovery::Source> sources, bool uses_tls)
        : sources_(std::move(sources)), uses_tls_(uses_tls) {}

    [[nodiscard]] bool is_empty() const { return sources_.empty(); }

    // The one to ask now. None: its name does not resolve; `error` says so, and the next one's turn
    // has come.
    [[nodiscard]] transport::Task<std::optional<control::HttpServer>> current(
        transport::TaskScope& scope, std::string& error);
    // It did not answer: the next one's turn.
    void advance() { ++turn_; }

  private:
    const std::vector<config::Discovery::Source> sources_;
    const bool uses_tls_;
    std::size_t turn_ = 0;
};

}  // namespace weir::discovery

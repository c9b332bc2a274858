#pragma once

#include "weir/transport/event_loop.hpp"

#include <algorithm>
#include <memory>
#include <vector>

namespace weir::upstream {

// What a worker does for nobody's request: it lasts until it says that it is over, or the worker
// ends. Thread: worker.
class Errand : public transport::Retired {};

class Errands {
  public:
    void begin(std::unique_ptr<Errand> errand) { all_.push_back(std::move(errand)); }

    // It goes at the end of the turn: it may be the one that calls.
    void end(transport::EventLoop& loop, const Errand& errand) {
        const auto at = std::find_if(all_.begin(), all_.end(),
                                     [&](const auto& each) { return each.get() == &errand; });
        if (at == all_.end()) return;
        loop.retire(std::move(*at));
        all_.erase(at);
    }

    void clear() { all_.clear(); }

  private:
    std::vector<std::unique_ptr<Errand>> all_;
};

}  // namespace weir::upstream

#pragma once

#include "weir/config/config.hpp"
#include "weir/discovery/provider.hpp"
#include "weir/transport/task.hpp"

#include "discovery/last_good.hpp"
#include "discovery/snapshot.hpp"

#include <optional>
#include <string>
#include <vector>

namespace weir::discovery {

// By address, each once: of two the better one, serving before terminating, the lower priority.
void sort_unique(std::vector<Found>& endpoints);

// What sources end in that give whole sets of addresses: it believes them or not (LastGood), tells
// the sink what changed, keeps the set on disk for the next process, and says how it went.
//
//   start()      the set of the process before, if it is young enough
//   answered()   a whole set, from the source
//   contacted()  the source lives, and has no news
//   failed()     a try that failed, and why
//
// Changes that come close together are told together: the first at once, the next after a while
// that grows with the set. Thread: main.
class FoundSet {
  public:
    struct Options {
        std::string cluster;  // for the log
        const char* type = "";
        config::Discovery discovery;
        std::string state_dir;  // empty: no snapshots
    };

    FoundSet(boost::asio::any_io_executor executor, Options options);
    FoundSet(const FoundSet&) = delete;
    FoundSet& operator=(const FoundSet&) = delete;
    ~FoundSet();  // writes the snapshot, if there is news

    void start(Provider::Sink sink);

    void answered(std::vector<Found> endpoints);
    void contacted();
    // A failure after a failure is one story: logged once, counted each time.
    void failed(std::string error);

    // For sources that change faster than sets are made of them: something changed. `make` is
    // called when the set is wanted, now or in a moment, and its answer goes to answered(); none:
    // to nobody.
    using Make = std::function<std::optional<std::vector<Found>>()>;
    void changed(Make make);

    [[nodiscard]] const Status& status() const { return status_; }
    [[nodiscard]] const std::vector<Found>& endpoints() const { return last_.endpoints; }

  private:
    void take_snapshot();
    void save();
    void publish();
    void make_now();
    [[nodiscard]] Duration least_gap() const;
    [[nodiscard]] transport::Task<> make_later(transport::TaskScope& scope, Duration wait);
    [[nodiscard]] transport::Task<> recheck(transport::TaskScope& scope);
    [[nodiscard]] transport::Task<> keep_saving(transport::TaskScope& scope);

    const boost::asio::any_io_executor executor_;
    const Options options_;
    const std::optional<SnapshotFile> snapshot_;
    Provider::Sink sink_;
    Status status_;
    LastGood<Found> believed_;
    Update last_;
    bool is_failing_ = false;
    bool is_unsaved_ = false;
    std::optional<TimePoint> saved_contact_;
    bool has_complained_ = false;  // that it cannot be saved
    Make make_;
    TimePoint made_at_ = TimePoint::min();
    transport::TaskHandle making_;
    transport::TaskHandle rechecking_;
    transport::TaskHandle saving_;
};

}  // namespace weir::discovery

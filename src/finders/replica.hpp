#pragma once

#include "weir/config/config.hpp"
#include "weir/control/backoff.hpp"
#include "weir/core/random.hpp"
#include "weir/finders/registry.hpp"
#include "weir/transport/task.hpp"

#include "finders/etcd_client.hpp"
#include "finders/words.hpp"

#include <map>
#include <set>
#include <string>

namespace weir::finders {

// One service of the registry, shared with other Weirs through etcd: what registers here is written
// there, under a lease of its own that heartbeats renew; what others wrote is in the registry here.
//
//   registered here       a key below the prefix, under a lease of the same time
//   its lease runs out    etcd's lease is given up: the key goes, unless another Weir has taken it
//   withdrawn here        the key is deleted, whoever wrote it
//   deleted there         withdrawn here, too
//   etcd is away          what is known stays, and what registers meanwhile is written later
//
// Thread: main.
class Replica {
  public:
    Replica(const config::Discovery& discovery,
            std::string service,
            const Surroundings& surroundings,
            Registry& registry);
    Replica(const Replica&) = delete;
    Replica& operator=(const Replica&) = delete;

    void start();
    // The registry of this process has changed.
    void on_change(Registry::Change change, const std::string& address);

    [[nodiscard]] const std::string& error() const {
        return write_error_.empty() ? read_error_ : write_error_;
    }
    [[nodiscard]] std::uint64_t failures() const { return failures_; }

  private:
    struct Written {
        std::string lease;
        Registry::Lease said;
        TimePoint renewed;
    };
    struct Known {
        Found found;
        std::string lease;
    };

    [[nodiscard]] transport::Task<> follow(transport::TaskScope& scope);
    [[nodiscard]] transport::Task<bool> list_and_watch(transport::TaskScope& scope);
    [[nodiscard]] transport::Task<> write(transport::TaskScope& scope);
    [[nodiscard]] transport::Task<bool> write_all(transport::TaskScope& scope);
    [[nodiscard]] transport::Task<bool> write_one(transport::TaskScope& scope,
                                                  std::string address,
                                                  Registry::Entry entry);
    [[nodiscard]] transport::Task<bool> renew(transport::TaskScope& scope,
                                              std::string address,
                                              Registry::Entry entry);
    [[nodiscard]] transport::Task<bool> give_up(transport::TaskScope& scope, std::string lease);
    [[nodiscard]] transport::Task<bool> erase(transport::TaskScope& scope, std::string address);
    void take(const etcd::KeyValue& pair);
    void show_others();
    [[nodiscard]] std::map<std::string, Registry::Entry> entries_here() const;
    void take_deletion(const std::string& address);
    void failed(std::string& before, std::string error);

    const std::string service_;
    const std::string prefix_;
    boost::asio::any_io_executor executor_;
    Registry& registry_;
    etcd::Client reader_;
    etcd::Client writer_;
    std::map<std::string, Known> known_;      // what etcd has, by address
    std::map<std::string, Written> written_;  // what we wrote there
    std::set<std::string> withdrawn_;         // to be deleted there
    bool is_showing_ = false;                 // on_change() is our own doing
    bool has_news_ = true;                    // for write()
    std::string read_error_;
    std::string write_error_;
    std::uint64_t failures_ = 0;
    Random random_ = Random::from_system();
    transport::ControlTimer wake_;
    transport::TaskHandle following_;
    transport::TaskHandle writing_;
};

}  // namespace weir::finders

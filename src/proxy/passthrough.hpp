#pragma once

#include "weir/proxy/local_listener.hpp"
#include "weir/proxy/passthrough.hpp"

#include <list>
#include <map>

namespace weir::proxy {

// One worker's routes to addresses that no cluster has. Requests under way keep theirs. Thread:
// worker.
class LocalPassthrough {
  public:
    LocalPassthrough(Passthrough& shared, upstream::LocalContext& context)
        : shared_(shared), context_(context) {}

    // The base's configuration says how it is gone about.
    [[nodiscard]] Through find(const ListenerState& listener,
                               const LocalSnapshotPtr& base,
                               const Address& address);

  private:
    // A snapshot of one cluster, and the route of it.
    struct Passage : LocalSnapshot {
        config::Route config;
        RouteState route;
    };
    // Asked for each request: compared as the kernel has it, without a text.
    struct Key {
        const ListenerState* listener;  // of of_
        Address address;

        bool operator<(const Key& other) const;
    };
    struct Entry {
        boost::local_shared_ptr<const Passage> passage;
        std::list<Key>::iterator place;
    };

    [[nodiscard]] boost::local_shared_ptr<const Passage> make(const ListenerState& listener,
                                                              const LocalSnapshotPtr& base,
                                                              const Address& address);

    Passthrough& shared_;
    upstream::LocalContext& context_;
    std::shared_ptr<const Snapshot> of_;  // what the entries were made under
    std::list<Key> recent_;               // the latest first
    std::map<Key, Entry> entries_;
};

}  // namespace weir::proxy

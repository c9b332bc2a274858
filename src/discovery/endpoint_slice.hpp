#pragma once

#include "weir/discovery/provider.hpp"

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

// What the API server of Kubernetes says of endpoints (discovery.k8s.io/v1), as far as it counts
// here, and the set that follows from it. Pure.
namespace weir::discovery {

struct Slice {
    struct Port {  // of TCP
        std::string name;
        std::uint16_t number = 0;
        bool is_h2c = false;  // appProtocol: kubernetes.io/h2c
    };
    struct Endpoint {
        std::string ip;
        Found::State state = Found::State::serving;
        std::string zone;
        std::string uid;                     // of the pod
        std::vector<std::string> for_zones;  // hints
        std::vector<std::string> for_nodes;
    };
    std::vector<Port> ports;
    std::vector<Endpoint> endpoints;  // those that may be called at all
};

// A line of a watch.
struct WatchEvent {
    enum class Kind : std::uint8_t { put, removed, bookmark, error };

    Kind kind = Kind::error;
    std::string name;  // of the slice
    std::string version;
    bool ends_initial = false;  // a bookmark: all there was at the beginning has been said
    Slice slice;                // of put
    unsigned code = 0;          // of error, as HTTP has it
    std::string message;
};
// Nothing if it is none.
[[nodiscard]] std::optional<WatchEvent> read_watch_event(std::string_view line);

// A page of a list.
struct SliceList {
    std::map<std::string, Slice> slices;  // by name
    std::string version;
    std::string next;  // the token of the next page; empty: this is the last
};
[[nodiscard]] std::optional<SliceList> read_slice_list(std::string_view text);

// The message of a Status object; empty if the text is none.
[[nodiscard]] std::string read_status_message(std::string_view text);

// The name of a port of a Service, by its number: nothing if it has none such.
[[nodiscard]] std::optional<std::string> read_service_port(std::string_view text,
                                                           std::uint16_t number);

// The slices of a service and the set of endpoints they come to:
//
//   several slices     their union, each address once; where two have it, the better word counts
//   ready              serving; without a word of it, too
//   serving and        terminating: see Found
//   terminating
//   neither            left out
//   hints              where every serving endpoint has one: those for our node, else for our
//                      zone, come first, the others behind them (priority 1); if none is for us
//                      hints are ignored
//   ports: null        the slice has nothing to call
class SliceSet {
  public:
    struct Wish {
        std::string service;              // what endpoints are called by: "orders.shop.svc"
        std::optional<std::string> port;  // by its name in the slices, which may be empty
        std::uint16_t number = 0;         // or by number; 0: the only one there is
        std::string zone;                 // ours; empty: unknown
        std::string node;
    };

    void put(std::string name, Slice slice) { slices_[std::move(name)] = std::move(slice); }
    void remove(const std::string& name) { slices_.erase(name); }
    void merge(std::map<std::string, Slice> slices) { slices_.merge(std::move(slices)); }
    [[nodiscard]] std::size_t size() const { return slices_.size(); }

    // `problem`: nobody can be called, as no slice has the port; a sentence.
    [[nodiscard]] std::vector<Found> endpoints(const Wish& wish, std::string& problem) const;

  private:
    std::map<std::string, Slice> slices_;
};

}  // namespace weir::discovery

#pragma once

#include "weir/client/questions.hpp"

#include <cstdint>
#include <string>
#include <variant>
#include <vector>

// Verbs that ask a running Weir over its admin port.
namespace weir::cli {

struct AskOptions {
    std::string admin;       // empty: WEIR_ADMIN, else the usual places
    std::string token_file;  // empty: WEIR_TOKEN, else none
    std::string output = "table";
    std::string timeout;  // empty: as the verb needs it
    bool watches = false;
};

struct StatusVerb {
    bool asks_ready = false;
    std::string wait;
};
struct GetVerb {
    std::string what;
    std::string name;
};
struct EndpointsVerb {
    std::string cluster;  // empty: of all
    std::string action;   // empty: shows them
    std::string address;
    std::string lasting;
    std::string reason;
    bool is_forced = false;
};
struct BreakersVerb {};
struct BreakerVerb {
    std::string name;
    std::string action;  // empty: shows it
    std::string lasting;
    std::string reason;
};
struct FaultVerb {
    std::string action;  // add, remove; empty: lists them
    std::string name;    // of a cluster, or an id
    client::FaultOrder order;
};
struct DiscoveryVerb {};
struct RegistryVerb {
    std::string action;  // put, remove; empty: lists them
    std::string service;
    std::string address;
    client::LeaseOrder lease;
};
struct CertsVerb {};
struct RouteVerb {
    std::string method;
    std::string url;
    std::vector<std::string> headers;
    std::string listener;
};
struct LogVerb {
    std::string level;                 // or "reset", "reopen"; empty and no modules: shows them
    std::vector<std::string> modules;  // "upstream=debug"
    std::string lasting;
};
struct DrainVerb {
    bool exits = false;
};
struct ReloadVerb {};
struct ApplyVerb {
    std::string file;
    std::string if_match;
    bool is_persistent = false;
};
struct DumpVerb {
    std::string format;  // yaml, json
    bool has_origins = false;
    bool has_defaults = false;
};
struct ExplainVerb {
    std::string path;
};
struct DifferenceVerb {
    std::string file;
};
struct EventsVerb {
    std::string cluster;
    std::uint32_t count = 20;
    bool follows = false;
};

struct FailuresVerb {
    std::string id;  // of a request: that one in full
    std::uint32_t count = 20;
    std::string cluster;
    std::string route;
    std::string reason;
};
struct TraceVerb {
    std::string lasting = "10s";
    std::string cluster;
    std::uint64_t count = 0;  // 0: as many as there are
};

// What the verbs that ask a running Weir write into.
struct Asking {
    AskOptions options;
    StatusVerb status;
    GetVerb get;
    EndpointsVerb endpoints;
    BreakersVerb breakers;
    BreakerVerb breaker;
    FaultVerb fault;
    RegistryVerb registry;
    DiscoveryVerb discovery;
    CertsVerb certs;
    RouteVerb route;
    LogVerb log;
    DrainVerb drain;
    ReloadVerb reload;
    ApplyVerb apply;
    EventsVerb events;
    FailuresVerb failures;
    TraceVerb trace;
};

using AskVerb = std::variant<StatusVerb,
                             GetVerb,
                             EndpointsVerb,
                             BreakersVerb,
                             BreakerVerb,
                             FaultVerb,
                             RegistryVerb,
                             DiscoveryVerb,
                             CertsVerb,
                             RouteVerb,
                             LogVerb,
                             DrainVerb,
                             ReloadVerb,
                             ApplyVerb,
                             DumpVerb,
                             ExplainVerb,
                             DifferenceVerb,
                             EventsVerb,
                             FailuresVerb,
                             TraceVerb>;

struct AskCommand {
    AskOptions options;
    AskVerb verb;
};

// kUnanswered if no Weir answers, kFailure if it refuses.
int ask(const AskCommand& command);

}  // namespace weir::cli

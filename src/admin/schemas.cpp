#include "admin/schemas.hpp"

#include "weir/core/json.hpp"

#include <algorithm>
#include <array>
#include <cctype>
#include <stdexcept>

namespace weir::admin {
namespace {

// clang-format off
constexpr std::array<Schema, 62> kSchemas{{
    {"Error", "error ErrorBody; errors? [Problem]; warnings? [Problem]", "What every failure looks like."},
    {"ErrorBody", "code string; message string; path? string; line? integer; column? integer; help? string",
     "path, line and column: where in a configuration file."},
    {"Waiting", "ready boolean; draining boolean; waiting [string]", "Whether it takes traffic, and what it waits for."},
    {"Done", "done boolean", ""},

    {"Status", "version string; commit string; node string; uptime_s integer; pid integer;"
               "mode enum(gateway,inbound,outbound,sidecar,mixed); workers integer; ready boolean; draining boolean;"
               "config ConfigState; listeners [Listener]; clusters [ClusterSummary]; only_here [LocalState]; process Process",
     "mode: of the listeners; sidecar is inbound and outbound. only_here: what no other replica knows and a restart forgets."},
    {"LocalState", "kind enum(config,rate_limit,fault,breaker,endpoint); name string",
     "config: put by the API and not persisted; rate_limit: counted in this process; breaker, endpoint: forced by an operator."},
    {"ConfigState", "hash string; loaded_at time; file string; last_error string|null", "last_error: of the last reload, if it was refused."},
    {"Process", "rss_bytes integer; cpu_seconds number; fds integer; threads integer", ""},
    {"Memory", "rss_bytes integer; peak_rss_bytes integer; virtual_bytes integer; heap_used_bytes integer; heap_free_bytes integer;"
               "mapped_bytes integer; connections integer; upstream_connections integer", "heap: of the allocator, all threads."},
    {"Listener", "name string; mode enum(gateway,inbound,outbound); listen [string]; addresses [string]; routes integer",
     "listen: as configured; addresses: as bound."},
    {"ClusterSummary", "name string; state enum(ok,degraded,down); endpoints EndpointCounts; breaker enum(closed,open,half_open);"
                       "rps number; error_rate number; p50_ms number|null; p99_ms number|null",
     "Rates are those of the last 10 s; error_rate is a share, 0 to 1."},
    {"EndpointCounts", "healthy integer; penalized integer; half_open integer; ejected integer; unhealthy integer; draining integer", ""},

    {"Route", "listener string; name string; hosts [string]; path string; path_kind enum(exact,prefix,template,regex); grpc string|null; methods [string];"
              "header {string}; query {string}; to? [Target]; respond? RouteAnswer; redirect? string",
     "One of to, respond and redirect."},
    {"Target", "cluster string; weight integer; timeout string|null; retry integer", ""},
    {"RouteAnswer", "status integer", ""},
    {"RouteTrial", "listener string|null; route string|null; action enum(forward,respond,redirect,none); method string; host string; path string;"
                   "status integer|null; location string|null; forwarded_path string|null; targets [TrialTarget]; misses [Miss]",
     "path: normalised, as routes see it; status: of the answer that Weir itself gives."},
    {"TrialTarget", "cluster string; weight integer; state enum(ok,degraded,down); breaker enum(closed,open,half_open); fallback? string; endpoints [TrialEndpoint]", ""},
    {"TrialEndpoint", "address string; state string; takes_requests boolean", ""},
    {"Miss", "listener string; route string; why string", ""},

    {"Cluster", "name string; state enum(ok,degraded,down); endpoints EndpointCounts; breaker enum(closed,open,half_open);"
                "rps number; error_rate number; p50_ms number|null; p99_ms number|null; inline boolean; lb string;"
                "discovery enum(static,file,dns,dns-srv,kubernetes,consul,etcd,registry,plugin); metrics_per_endpoint boolean; policy Policy; settings [Setting]",
     "settings: every key in force, with where it comes from."},
    {"Policy", "breaker BreakerPolicy; outlier OutlierPolicy; retry RetryPolicy; timeout Timeouts; limits ClusterLimits", ""},
    {"BreakerPolicy", "mode enum(enforce,shadow,off); consecutive_failures integer; consecutive_for string; failure_rate string; window string;"
                      "min_requests integer; open_for string; max_open_for string; half_open_requests integer; successes_to_close integer", ""},
    {"OutlierPolicy", "mode enum(enforce,shadow,off); consecutive_failures integer; consecutive_local integer; consecutive_for string;"
                      "failure_rate string; window string; min_requests integer; eject_for string; max_eject_for string; max_ejected string;"
                      "min_ready integer; half_open_requests integer; successes_to_return integer; ramp string", ""},
    {"RetryPolicy", "attempts integer; per_try_timeout string|null; backoff string; max_backoff string; budget string; budget_min number; max_depth integer", ""},
    {"Timeouts", "connect string; request string|null; response_header string|null; idle string; stream_idle string; tcp_idle string", ""},
    {"ClusterLimits", "mode enum(enforce,shadow); max_connections integer|\"unlimited\"; max_connecting integer|\"unlimited\"; max_requests integer|\"unlimited\";"
                      "max_pending integer; queue_timeout string; idle_connections integer; adaptive AdaptiveLimit|null", ""},
    {"AdaptiveLimit", "limit integer; active integer; rejected integer; base_ms number",
     "limit: what limits.adaptive admits at once now; base_ms: the latency it takes for that without a queue."},
    {"Setting", "path string; value string; origin? Place|\"built-in\"; layer? string", ""},
    {"Place", "file string; line integer; column integer", ""},

    {"Endpoint", "address string; zone string|null; weight integer; effective_weight number;"
                 "state enum(healthy,penalized,half_open,ejected,unhealthy,draining,standby,terminating); reason string; since time; ejected_until time|null;"
                 "forced Override|null; ejections integer; penalties integer; ramping boolean; consecutive_failures integer;"
                 "consecutive_local integer; active integer; connections integer; ewma_ms number|null; requests integer; errors integer;"
                 "health EndpointHealth|null; last_error string|null; window Window; why string; trips_next [Rule]; next_probe_at time|null; next_probe_by string|null;"
                 "guard string|null; history? [Transition]",
     "forced: what an operator has decided about it. why: in a sentence. trips_next: what would eject it, or end its trial. guard: what keeps it all the same."
     " history: the last 100 transitions, where asked for."},
    {"EndpointHealth", "passing boolean; ignored boolean; at time; result enum(success,failure,timeout); detail string; took_ms number",
     "The last active check; ignored: it takes requests though checks fail, as too few would be left."},
    {"Override", "state enum(open,closed,ejected,draining); since time; until time|null; by string; reason string", ""},
    {"Hold", "for? string; reason? string; force? boolean", "for: a duration, 5m; force: also the last endpoint that takes requests."},
    {"Breaker", "id string; cluster string; scope enum(cluster,route); route? string; mode enum(enforce,shadow,off); state enum(closed,open,half_open); since time;"
                "reason string; forced Override|null; forced_until time|null; opens_total integer; trips integer;"
                "probes integer; consecutive_failures integer; window Window; why string; trips_next [Rule]; next_probe_at time|null;"
                "next_probe_by string|null; guard string|null; history [Transition]",
     "why: in a sentence. trips_next: what would open it. guard: what keeps it closed all the same."},
    {"Window", "requests integer; failures integer; slow integer; throttled integer", ""},
    {"Transition", "at time; from enum(closed,open,half_open); to enum(closed,open,half_open); reason string; open_for_ms? number;"
                   "run? integer; run_for_ms? number; requests? integer; failures? integer", ""},
    {"Force", "for? string; reason? string", "for: a duration up to 24h."},
    {"Fault", "id integer; cluster string|null; route string|null; delay string|null; abort integer|null; percent string; until time; by string; reason string",
     "Of requests into that cluster, of that route, or of any; abort: the status they are answered with."},
    {"FaultOrder", "cluster? string; route? string; delay? string; abort? integer; percent? string; for? string; reason? string",
     "delay, abort, or both; percent: 10%; for: a duration up to 24h."},
    {"Source", "cluster string; type enum(static,file,dns,dns-srv,kubernetes,consul,etcd,registry,plugin); answered boolean; snapshot boolean; last_contact time|null; age_s number|null; error string|null;"
               "size integer; updates integer; failures integer", ""},
    {"RateLimit", "name string; algorithm enum(gcra,sliding_window,concurrency); mode enum(enforce,shadow); key [string]; cost integer;"
                  "quota integer|null; window_ms number|null; keys integer; max_keys integer; evicted integer; decisions RateDecisions;"
                  "store RateStore; lease RateLease|null",
     "quota: what a key that was idle may do at once, or in window_ms; null: its store alone knows, or no route uses it. keys: known to this process."
     " evicted: forgotten before their time, for others."},
    {"RateDecisions", "limited integer; shadow integer; store_error integer", "Requests, since the process started: refused, let pass that would have been, decided without the store."},
    {"RateStore", "kind enum(local,redis,rls); name string|null; on_failure enum(local,allow,deny)|null; breaker enum(closed,open,half_open)|null;"
                  "since time|null; answered_at time|null; age_s number|null; error string|null; failed_at time|null",
     "Of local all else is null. since: of the breaker's state. age_s: since the last answer. error: of the last failure, at failed_at."},
    {"RateLease", "keys integer; tokens integer", "What was taken from the store ahead, and not spent yet."},
    {"Registration", "service string; address string; weight integer; zone string; remote boolean; ttl string|null; since time; renewed time; expires time|null",
     "remote: registered at another Weir, which has its lease."},
    {"Lease", "ttl? string; weight? integer; zone? string", "ttl: a duration from 1s to 24h, 30s if not said; weight: 1 to 65535, 100 if not said."},
    {"Certificate", "subject_name string; side enum(downstream,upstream); listener? string; cluster? string; file string; subject string; issuer string;"
                    "names [string]; not_before time; not_after time; serial string; sha256 string; reloads integer",
     "subject_name: where the configuration names it. reloads: how often it was replaced while this process ran."},
    {"Event", "sequence integer; at time; kind enum(breaker,ejection,discovery,config,drain,health); cluster? string; endpoint? string; route? string;"
              "from? string; to? string; reason? string; detail? string", ""},

    {"Failure", "sequence integer; at time; request_id string; method string|null; host string|null; path string|null; client string; listener string;"
                "route string|null; cluster string|null; status integer; reason string; detail string|null; flags [string]; cut_off boolean;"
                "duration_ms number; breaker enum(closed,open,half_open)|null; breaker_reason string|null; timers [FailureTimer]; endpoints integer;"
                "candidates [Candidate]; excluded [Excluded]; attempts_total integer; attempts [FailureAttempt]; no_retry string|null; story string",
     "A request that failed. endpoints: how many the cluster has; at most 16 are told, as they were then. no_retry: why there was no further attempt."},
    {"FailureTimer", "key string; after string; fired boolean", "A deadline that applied, by its key."},
    {"Candidate", "endpoint string; state string; why string|null", "why: the reason of its state."},
    {"Excluded", "endpoint string; state string; why string|null; reason string", "reason: why no request could go there."},
    {"FailureAttempt", "role enum(first,retry,hedge,rescue,probe_replay); endpoint string|null; began_ms number; duration_ms number; queued_ms number|null;"
                       "connect_ms number|null; headers_ms number|null; sent boolean; reused boolean; probe boolean; none_ready boolean;"
                       "status integer|null; outcome enum(ok,failure,local_failure,throttled,stale,ignored); kind string; slow boolean;"
                       "reason string|null; detail string|null",
     "began_ms: after the request's first byte. connect_ms: on a new connection only. headers_ms: from sending to the head of the answer."},
    {"Rule", "rule string; value number; threshold number; met boolean; text string",
     "What would change a state next. value and threshold: failures in a row, a share from 0 to 1, seconds or a factor, as the rule counts."},

    {"Problem", "code string; message string; file string|null; line integer|null; column integer|null; note string|null; help string|null",
     "One thing wrong with a configuration."},
    {"Validation", "valid boolean; errors [Problem]; warnings [Problem]; diff [Change]", "diff: against what runs."},
    {"Change", "path string; from string|null; to string|null", "null: there was, or will be, none."},
    {"ConfigApplied", "changed [string]; needs_restart [string]; hash string; warnings [Problem]", "changed: the paths of keys."},
    {"ConfigDump", "hash string; file string; settings [Setting]", "GET config?format=json."},
    {"Explanation", "path string; value string; origin Place|\"built-in\"; chain [Setting]; doc string", "chain: the value in force, then what it hides."},
    {"Log", "level enum(trace,debug,info,warn,error); modules {string}; until time|null", "until: when it is again as configured."},
    {"LogChange", "level? enum(trace,debug,info,warn,error); modules? {string}; for? string", ""},
}};
// clang-format on

// Reads a type, or a list of fields, from the front of a text.
class Reader {
  public:
    Reader(std::string_view text, JsonWriter& json) : all_(text), rest_(text), json_(json) {}

    void fields(std::string_view doc) {
        json_.begin_object().field("type", "object").field("additionalProperties", false);
        if (!doc.empty()) json_.field("description", doc);
        std::string_view again = rest_;
        json_.key("properties").begin_object();
        while (!rest_.empty()) {
            const std::string_view name = word();
            take("?");
            json_.key(name);
            type();
            if (!rest_.empty()) expect(";");
        }
        json_.end_object();
        json_.key("required").begin_array();
        while (!again.empty()) {
            const std::string_view field = again.substr(0, again.find(';'));
            again.remove_prefix(std::min(again.size(), field.size() + 1));
            const std::size_t begin = field.find_first_not_of(' ');
            const std::string_view name = field.substr(begin, field.find(' ', begin) - begin);
            if (!name.ends_with('?')) json_.value(name);
        }
        json_.end_array().end_object();
    }

    void type() {
        // A union is known by what follows its first member.
        const std::string_view before = rest_;
        std::string ignored;
        JsonWriter nowhere(ignored);
        Reader ahead(rest_, nowhere);
        ahead.single();
        if (!ahead.rest_.starts_with('|')) return single();
        rest_ = before;
        json_.begin_object().key("anyOf").begin_array();
        do {
            single();
        } while (take("|"));
        json_.end_array().end_object();
    }

    void end() const {
        if (!rest_.empty()) fail();
    }

  private:
    void single() {
        skip_blanks();
        if (take("[")) {
            json_.begin_object().field("type", "array").key("items");
            type();
            json_.end_object();
            return expect("]");
        }
        if (take("{")) {
            json_.begin_object().field("type", "object").key("additionalProperties");
            type();
            json_.end_object();
            return expect("}");
        }
        if (take("\"")) {
            json_.begin_object().field("const", word()).end_object();
            return expect("\"");
        }
        named(word());
    }

    void named(std::string_view name) {
        json_.begin_object();
        if (name == "enum") {
            expect("(");
            json_.field("type", "string").key("enum").begin_array();
            do {
                json_.value(word());
            } while (take(","));
            json_.end_array();
            expect(")");
        } else if (name == "time") {
            json_.field("type", "string").field("format", "date-time");
        } else if (name.front() >= 'A' && name.front() <= 'Z') {
            json_.field("$ref", "#/components/schemas/" + std::string(name));
        } else if (name != "any") {
            json_.field("type", name);
        }
        json_.end_object();
    }

    std::string_view word() {
        skip_blanks();
        std::size_t size = 0;
        while (size < rest_.size() && (std::isalnum(static_cast<unsigned char>(rest_[size])) != 0 ||
                                       rest_[size] == '_' || rest_[size] == '-'))
            ++size;
        if (size == 0) fail();
        const std::string_view found = rest_.substr(0, size);
        rest_.remove_prefix(size);
        return found;
    }

    bool take(std::string_view text) {
        if (!rest_.starts_with(text)) return false;
        rest_.remove_prefix(text.size());
        return true;
    }

    void expect(std::string_view text) {
        if (!take(text)) fail();
    }

    void skip_blanks() {
        rest_.remove_prefix(std::min(rest_.find_first_not_of(' '), rest_.size()));
    }

    [[noreturn]] void fail() const {
        throw std::logic_error("schema '" + std::string(all_) + "' at '" + std::string(rest_) +
                               "'");
    }

    const std::string_view all_;
    std::string_view rest_;
    JsonWriter& json_;
};

}  // namespace

std::span<const Schema> schemas() {
    return kSchemas;
}

void write_schema_of_fields(JsonWriter& json, std::string_view fields, std::string_view doc) {
    Reader(fields, json).fields(doc);
}

void write_schema_of_type(JsonWriter& json, std::string_view type) {
    Reader reader(type, json);
    reader.type();
    reader.end();
}

}  // namespace weir::admin

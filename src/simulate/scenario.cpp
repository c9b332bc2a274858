#include "weir/simulate/scenario.hpp"

#include "reader.hpp"

#include <algorithm>

namespace weir::simulate {
namespace {

using config::Node;

constexpr std::string_view kCluster = "simulated";

// Keys of a cluster that say who its endpoints are: those of the scenario take their place.
constexpr std::string_view kNotTaken[] = {"endpoints", "discovery", "health"};

// A node in the flow style, so that it may be put together with others and decoded.
void write_flow(const Node& node, std::string& out) {
    switch (node.kind) {
        case Node::Kind::null:
            out += "null";
            return;
        case Node::Kind::scalar:
            out += node.is_quoted ? '"' + node.text + '"' : config::yaml_scalar(node.text);
            return;
        case Node::Kind::list:
            out += '[';
            for (const Node& item : node.items) {
                write_flow(item, out);
                out += ", ";
            }
            out += ']';
            return;
        case Node::Kind::map:
            out += '{';
            for (const config::Entry& entry : node.entries) {
                out += config::yaml_scalar(entry.key) + ": ";
                write_flow(entry.value, out);
                out += ", ";
            }
            out += '}';
            return;
    }
}

const Node* find(const Node& map, std::string_view key) {
    const auto found = std::find_if(map.entries.begin(), map.entries.end(),
                                    [&](const config::Entry& entry) { return entry.key == key; });
    return found == map.entries.end() ? nullptr : &found->value;
}

// What is written in the second counts, key by key and block by block.
void overlay(Node& base, const Node& over) {
    if (base.kind != Node::Kind::map || over.kind != Node::Kind::map) {
        base = over;
        return;
    }
    for (const config::Entry& entry : over.entries) {
        const auto found =
            std::find_if(base.entries.begin(), base.entries.end(),
                         [&](const config::Entry& known) { return known.key == entry.key; });
        if (found == base.entries.end()) {
            base.entries.push_back(entry);
        } else {
            overlay(found->value, entry.value);
        }
    }
}

class ScenarioReader {
  public:
    ScenarioReader(Scenario& into, config::Report& report, const Subject& subject)
        : scenario_(into), report_(report), reader_(report), subject_(subject) {}

    void read(const Node& root) {
        const Node* policies = nullptr;
        Scenario& s = scenario_;
        reader_.map(
            root, "",
            {{"about", [&](const Node& node) { reader_.text(node, s.about); }},
             {"duration", [&](const Node& node) { reader_.duration(node, s.duration, false); }},
             {"seed", [&](const Node& node) { reader_.number(node, s.seed); }},
             {"arrivals", [&](const Node& node) { read_arrivals(node); }},
             {"endpoints", [&](const Node& node) { read_endpoints(node); }},
             {"faults", [&](const Node& node) { faults_ = &node; }},
             {"clients", [&](const Node& node) { read_clients(node); }},
             {"hops", [&](const Node& node) { reader_.number(node, s.hops, 1, 8); }},
             {"proxies", [&](const Node& node) { reader_.number(node, s.proxies, 1, 10'000); }},
             {"subset", [&](const Node& node) { reader_.number(node, s.subset, 1, 100'000); }},
             {"cluster", [&](const Node& node) { cluster_ = &node; }},
             {"policies", [&](const Node& node) { policies = &node; }}});
        if (faults_ != nullptr) reader_.list(*faults_, [&](const Node& item) { read_fault(item); });
        read_policies(root, policies);
    }

  private:
    void read_arrivals(const Node& node) {
        scenario_.arrivals.clear();
        reader_.list(node, [&](const Node& item) {
            Arrivals arrivals;
            if (item.kind == Node::Kind::map) {
                reader_.map(
                    item, "arrivals",
                    {{"from", [&](const Node& value) { reader_.duration(value, arrivals.from); }},
                     {"rate", [&](const Node& value) { reader_.rate(value, arrivals.rate); }}});
            } else {
                reader_.rate(item, arrivals.rate);
            }
            scenario_.arrivals.push_back(arrivals);
        });
        std::stable_sort(scenario_.arrivals.begin(), scenario_.arrivals.end(),
                         [](const Arrivals& a, const Arrivals& b) { return a.from < b.from; });
    }

    void read_endpoints(const Node& node) {
        Scenario& s = scenario_;
        if (node.kind != Node::Kind::map) return reader_.number(node, s.endpoints, 1, 100'000);
        reader_.map(
            node, "endpoints",
            {{"count", [&](const Node& value) { reader_.number(value, s.endpoints, 1, 100'000); }},
             {"name", [&](const Node& value) { reader_.text(value, s.endpoint_name); }},
             {"latency", [&](const Node& value) { read_latency(value); }},
             {"concurrency",
              [&](const Node& value) { reader_.number(value, s.concurrency, 1, 1'000'000); }}});
    }

    void read_latency(const Node& node) {
        Latency& latency = scenario_.latency;
        if (node.kind != Node::Kind::map) {
            latency.kind = Latency::Kind::fixed;
            return reader_.duration(node, latency.low);
        }
        const auto low = [&](const Node& value) { reader_.duration(value, latency.low, false); };
        const auto high = [&](const Node& value) { reader_.duration(value, latency.high, false); };
        reader_.map(node, "endpoints.latency",
                    {{"kind",
                      [&](const Node& value) {
                          const auto index =
                              reader_.word(value, {"fixed", "uniform", "exponential", "lognormal"});
                          latency.kind =
                              static_cast<Latency::Kind>(std::min<std::size_t>(index, 3));
                      }},
                     {"mean", low},
                     {"least", low},
                     {"most", high},
                     {"p50", low},
                     {"p99", high}});
        if (latency.kind != Latency::Kind::fixed && latency.kind != Latency::Kind::exponential &&
            latency.high < latency.low) {
            reader_.complain(node, {.code = 141, .what = "the upper latency is below the lower"});
        }
    }

    void read_fault(const Node& node) {
        Fault fault;
        fault.count = scenario_.endpoints;
        const Node* on = nullptr;
        reader_.map(
            node, "faults",
            {{"kind",
              [&](const Node& value) {
                  const auto index = reader_.word(
                      value, {"refuse", "hang", "error", "delay", "cut", "reset", "throttle"});
                  fault.kind = static_cast<Fault::Kind>(std::min<std::size_t>(index, 6));
              }},
             {"endpoints",
              [&](const Node& value) {
                  reader_.number(value, fault.count, 1, scenario_.endpoints);
              }},
             {"first",
              [&](const Node& value) {
                  reader_.number(value, fault.first, 1, scenario_.endpoints);
                  if (fault.first > 0) --fault.first;
              }},
             {"from", [&](const Node& value) { reader_.duration(value, fault.from); }},
             {"to", [&](const Node& value) { reader_.duration(value, fault.to, false); }},
             {"every", [&](const Node& value) { reader_.duration(value, fault.every, false); }},
             {"on",
              [&](const Node& value) {
                  on = &value;
                  reader_.duration(value, fault.on, false);
              }},
             {"rate", [&](const Node& value) { reader_.percent(value, fault.rate); }},
             {"status",
              [&](const Node& value) {
                  std::uint32_t status = fault.status;
                  reader_.number(value, status, 400, 599);
                  fault.status = static_cast<std::uint16_t>(status);
              }},
             {"by", [&](const Node& value) { reader_.duration(value, fault.by); }}});
        if (fault.to <= fault.from) {
            reader_.complain(node, {.code = 141, .what = "the fault ends before it begins"});
        }
        if (on != nullptr && fault.every <= fault.on) {
            reader_.complain(*on, {.code = 141, .what = "'on' must be shorter than 'every'"});
        }
        scenario_.faults.push_back(fault);
    }

    void read_clients(const Node& node) {
        reader_.map(
            node, "clients",
            {{"timeout",
              [&](const Node& value) { reader_.duration(value, scenario_.patience, false); }},
             {"posts", [&](const Node& value) { reader_.percent(value, scenario_.posts); }}});
    }

    void read_policies(const Node& root, const Node* policies) {
        if (policies == nullptr) return read_policy(root, "weir", nullptr);
        reader_.list(*policies, [&](const Node& item) {
            if (item.kind != Node::Kind::map) {
                std::string name;
                reader_.text(item, name);
                return read_policy(item, name, nullptr);
            }
            std::string name;
            const Node* over = nullptr;
            reader_.map(item, "policies",
                        {{"name", [&](const Node& value) { reader_.text(value, name); }},
                         {"cluster", [&](const Node& value) { over = &value; }}});
            read_policy(item, name, over);
        });
    }

    void read_policy(const Node& at, const std::string& name, const Node* over) {
        Policy policy;
        policy.name = name;
        if (name == "envoy") policy.kind = Policy::Kind::envoy;
        if (name == "linkerd") policy.kind = Policy::Kind::linkerd;
        const bool is_built_in = name == "weir" || policy.kind != Policy::Kind::weir;
        if (over == nullptr && !is_built_in) {
            return reader_.complain(
                at,
                {.code = 105,
                 .what = "no policy is named '" + name + "'",
                 .help = "built in: weir, envoy, linkerd; others say what differs under cluster"});
        }
        if (auto cluster = decode_cluster(over != nullptr ? *over : at, over)) {
            policy.cluster = std::move(*cluster);
            scenario_.policies.push_back(std::move(policy));
        }
    }

    // The subject's section, the scenario's and the policy's, one over the other.
    std::optional<config::Cluster> decode_cluster(const Node& at, const Node* over) {
        Node section;
        section.kind = Node::Kind::map;
        std::string text = "version: 1\n";
        if (subject_.document != nullptr) {
            const Node& root = subject_.document->root;
            if (const Node* const defaults = find(root, "defaults")) {
                text += "defaults: ";
                write_flow(*defaults, text);
                text += '\n';
            }
            const Node* const clusters = find(root, "clusters");
            const Node* found = clusters != nullptr ? find(*clusters, subject_.cluster) : nullptr;
            if (clusters != nullptr && subject_.cluster.empty() && clusters->entries.size() == 1)
                found = &clusters->entries.front().value;
            if (found != nullptr && found->kind == Node::Kind::map) section = *found;
        }
        std::erase_if(section.entries, [](const config::Entry& entry) {
            return std::find(std::begin(kNotTaken), std::end(kNotTaken), entry.key) !=
                   std::end(kNotTaken);
        });
        for (const Node* const next : {static_cast<const Node*>(cluster_), over})
            if (next != nullptr) overlay(section, *next);
        std::string flow;
        write_flow(section, flow);
        if (section.entries.empty()) flow = "{}";
        flow.insert(1, "endpoints: [\"127.0.0.1:1\"], ");
        text += "listeners: [{listen: \"127.0.0.1:1\", to: " + std::string(kCluster) +
                "}]\nclusters: {" + std::string(kCluster) + ": " + flow + "}\n";
        return decoded(text, at);
    }

    std::optional<config::Cluster> decoded(const std::string& text, const Node& at) {
        config::Environment environment = config::Environment::system();
        environment.reads_files = false;
        const config::LoadResult loaded = config::load_text(text, "<cluster>", environment);
        for (const config::Problem& problem : loaded.report.sorted()) {
            if (problem.severity != config::Problem::Severity::error) continue;
            reader_.complain(cluster_ != nullptr ? *cluster_ : at, {.code = problem.code,
                                                                    .what = problem.what,
                                                                    .note = problem.note,
                                                                    .help = problem.help});
        }
        if (!loaded) return std::nullopt;
        const auto found = loaded.config->clusters.find(std::string(kCluster));
        if (found == loaded.config->clusters.end()) return std::nullopt;
        return found->second;
    }

    Scenario& scenario_;
    config::Report& report_;
    Reader reader_;
    const Subject& subject_;
    const Node* faults_ = nullptr;
    const Node* cluster_ = nullptr;
};

// "config/simulate/dead_endpoint.yaml" is dead_endpoint.
std::string stem(const std::string& path) {
    const std::size_t slash = path.rfind('/');
    std::string name = slash == std::string::npos ? path : path.substr(slash + 1);
    const std::size_t dot = name.find('.');
    return dot == std::string::npos ? name : name.substr(0, dot);
}

}  // namespace

bool Fault::holds(std::uint32_t endpoint, Duration at) const {
    if (endpoint < first || endpoint - first >= count || at < from || at >= to) return false;
    return every == Duration{0} || (at - from) % every < on;
}

Duration Fault::ends(Duration at) const {
    if (every == Duration{0}) return to;
    const Duration phase = (at - from) % every;
    return std::min(to, at - phase + on);
}

std::string Scenario::label(std::size_t endpoint) const {
    std::string text = endpoint_name;
    const std::size_t at = text.find("{n}");
    if (at == std::string::npos) return text + "-" + std::to_string(endpoint + 1);
    return text.replace(at, 3, std::to_string(endpoint + 1));
}

ScenarioResult read_scenario(std::string_view text,
                             const std::string& name,
                             const Subject& subject) {
    config::TreeResult tree = config::parse_yaml(text, name);
    ScenarioResult result;
    result.report = std::move(tree.report);
    result.sources = std::move(tree.sources);
    if (!tree.root) return result;
    Scenario scenario;
    scenario.name = stem(name);
    ScenarioReader(scenario, result.report, subject).read(*tree.root);
    if (!result.report.has_errors()) result.scenario = std::move(scenario);
    return result;
}

}  // namespace weir::simulate

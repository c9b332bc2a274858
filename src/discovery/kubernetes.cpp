#include "weir/config/values.hpp"
#include "weir/control/backoff.hpp"
#include "weir/control/http_client.hpp"
#include "weir/control/text_file.hpp"
#include "weir/core/log.hpp"
#include "weir/http/query.hpp"

#include "discovery/endpoint_slice.hpp"
#include "discovery/found_set.hpp"
#include "discovery/kinds.hpp"
#include "discovery/name_set.hpp"
#include "discovery/servers.hpp"

#include <algorithm>
#include <charconv>
#include <cstdlib>
#include <filesystem>
#include <utility>

#ifndef __clang__
// g++ 12 takes the allocation of a coroutine's frame, seen from its caller, for another's.
#pragma GCC diagnostic ignored "-Wmismatched-new-delete"
#endif

namespace weir::discovery {
namespace {

using transport::Task;
using transport::TaskScope;

constexpr std::string_view kAccount = "/var/run/secrets/kubernetes.io/serviceaccount/";
constexpr Duration kHeadTimeout = std::chrono::seconds{10};
constexpr Duration kWatchTimeout = std::chrono::seconds{300};
constexpr Duration kMostInitialSilence = std::chrono::seconds{10};
constexpr Duration kLookAgain = std::chrono::seconds{10};  // for a token that was not there
constexpr Duration kShortest = std::chrono::seconds{1};    // of a watch: less is a failure
constexpr Duration kMostAtOnce = std::chrono::milliseconds{2};
constexpr Duration kMostRetryAfter = std::chrono::minutes{2};
constexpr std::size_t kLongestLine = std::size_t{16} * 1024 * 1024;
constexpr std::size_t kLargestPage = std::size_t{64} * 1024 * 1024;
constexpr unsigned kPageSize = 100;
constexpr unsigned kMostPages = 1000;
constexpr std::size_t kLargestError = std::size_t{64} * 1024;

// What of the configuration, the environment and the pod's account this provider goes by.
struct Account {
    std::vector<config::Discovery::Source> servers;
    std::string token_file;
    std::string ca_file;
    std::string cert_file;
    std::string key_file;
    std::string space;  // namespace
    std::string service;
    std::string node;
    std::string cluster_domain = "cluster.local";
    Duration watch_timeout = kWatchTimeout;
    bool is_in_cluster = false;  // server and token are those of a pod
    std::string problem;         // what is missing; empty: nothing
};

std::string option(const config::Discovery& discovery, const std::string& name) {
    const auto found = discovery.options.find(name);
    return found == discovery.options.end() ? std::string() : found->second;
}

bool exists(const std::string& path) {
    std::error_code ec;
    return std::filesystem::exists(path, ec);
}

std::optional<config::Discovery::Source> server_of_pod() {
    const char* const host = std::getenv("KUBERNETES_SERVICE_HOST");
    const char* const port = std::getenv("KUBERNETES_SERVICE_PORT");
    if (host == nullptr || *host == '\0') return std::nullopt;
    unsigned number = 443;
    if (port != nullptr) std::from_chars(port, port + std::string_view(port).size(), number);
    if (number == 0 || number > 65535) return std::nullopt;
    const bool is_v6 = std::string_view(host).find(':') != std::string_view::npos;
    config::Discovery::Source source;
    source.endpoint.host = host;
    source.endpoint.port = static_cast<std::uint16_t>(number);
    source.endpoint.address = Address::from_ip(host, source.endpoint.port);
    source.endpoint.text = (is_v6 ? "[" + source.endpoint.host + "]" : source.endpoint.host) + ":" +
                           std::to_string(number);
    source.uses_tls = true;
    return source;
}

// "shop/orders", or "orders" in the namespace of the options, of the pod, or "default".
void name_service(const config::Cluster& cluster, Account& account) {
    const config::Discovery& discovery = cluster.discovery;
    const std::string name = discovery.name.empty() ? cluster.name : discovery.name;
    const auto slash = name.find('/');
    account.service = slash == std::string::npos ? name : name.substr(slash + 1);
    account.space =
        slash == std::string::npos ? option(discovery, "namespace") : name.substr(0, slash);
    if (!account.space.empty()) return;
    std::string file = option(discovery, "namespace_file");
    if (file.empty()) file = std::string(kAccount) + "namespace";
    account.space = control::read_word_file(file).text;
    if (account.space.empty()) account.space = "default";
}

Account account_of(const config::Cluster& cluster) {
    const config::Discovery& discovery = cluster.discovery;
    Account account;
    name_service(cluster, account);
    account.servers = discovery.sources;
    account.token_file = option(discovery, "token_file");
    account.ca_file = option(discovery, "ca_file");
    account.cert_file = option(discovery, "cert_file");
    account.key_file = option(discovery, "key_file");
    account.node = option(discovery, "node");
    if (auto domain = option(discovery, "cluster_domain"); !domain.empty())
        account.cluster_domain = std::move(domain);
    const auto timeout = config::read_duration(option(discovery, "watch_timeout"));
    if (const auto* read = std::get_if<Duration>(&timeout))
        account.watch_timeout = std::max<Duration>(*read, std::chrono::seconds{1});
    if (account.servers.empty()) {
        account.is_in_cluster = true;
        if (auto server = server_of_pod()) account.servers.push_back(std::move(*server));
    }
    const std::string token = std::string(kAccount) + "token";
    const bool wants_token = account.is_in_cluster || exists(token);
    if (account.token_file.empty() && account.cert_file.empty() && wants_token)
        account.token_file = token;
    const std::string ca = std::string(kAccount) + "ca.crt";
    if (account.ca_file.empty() && account.is_in_cluster) account.ca_file = ca;
    if (account.servers.empty())
        account.problem = "no API server is known (KUBERNETES_SERVICE_HOST is not set)";
    return account;
}

// Follows the EndpointSlices of one service.
//
//   unlisted  --a watch that begins with all there is, else list + watch-->  listed
//   listed    --the watch ends, is silent or fails-->  listed: watched on from the last version
//   listed    --410, in the stream or as a status; garbage-->  unlisted: what is known stays
//
// Thread: main.
class KubernetesProvider final : public Provider {
  public:
    KubernetesProvider(const config::Cluster& cluster,
                       boost::asio::any_io_executor executor,
                       telemetry::Registry& registry,
                       std::string state_dir)
        : executor_(std::move(executor)),
          discovery_(cluster.discovery),
          cluster_(cluster.name),
          account_(account_of(cluster)),
          servers_(account_.servers, true),
          client_(executor_,
                  registry,
                  {.tls = {account_.ca_file, account_.cert_file, account_.key_file}}),
          found_(executor_, {cluster.name, "kubernetes", cluster.discovery, std::move(state_dir)}) {
        wish_.service = account_.service + "." + account_.space + ".svc";
        wish_.zone = discovery_.zone;
        wish_.node = account_.node;
        wish_.number = discovery_.port;
        if (!discovery_.port_name.empty()) wish_.port = discovery_.port_name;
    }

    void start(Sink sink) override {
        found_.start(std::move(sink));
        task_ = transport::spawn(executor_, "endpoints of " + wish_.service,
                                 [this](auto& scope) { return run(scope); });
    }

    [[nodiscard]] Status status() const override {
        Status status = found_.status();
        if (names_) status.last_error = fallback_;
        if (names_ && !names_->status().last_error.empty())
            status.last_error += "; " + names_->status().last_error;
        return status;
    }

  private:
    enum class End : std::uint8_t { renew, expired, failed };

    Task<> run(TaskScope& scope);
    Task<Duration> follow(TaskScope& scope);
    Task<End> list(TaskScope& scope);
    Task<End> watch(TaskScope& scope);
    Task<End> read_events(TaskScope& scope, bool is_initial);
    Task<> learn_port(TaskScope& scope);
    Task<bool> ask(TaskScope& scope, std::string target);
    Task<End> refused(TaskScope& scope, std::string_view verb);
    std::optional<End> take_lines(std::string& in, bool is_initial);
    std::optional<End> take(WatchEvent event, bool is_initial);
    End fail(std::string error);
    void become_listed(SliceSet slices);
    void publish();
    void fall_back(const std::string& why);
    [[nodiscard]] bool read_token();
    [[nodiscard]] std::string slices_path() const;

    const boost::asio::any_io_executor executor_;
    const config::Discovery discovery_;
    const std::string cluster_;
    const Account account_;
    Servers servers_;
    control::HttpClient client_;
    control::HttpServer server_;
    std::string token_;
    Random random_ = Random::from_system();
    control::Backoff backoff_;
    Duration retry_after_{};  // what the server asked for

    SliceSet::Wish wish_;
    SliceSet slices_;
    SliceSet fresh_;              // while all is said anew
    std::string version_;         // of slices_; empty: unlisted
    bool takes_initial_ = true;   // the server can begin a watch with all there is
    bool lists_exactly_ = false;  // after a version that was too old
    bool is_changed_ = false;
    std::size_t scanned_ = 0;  // of what was read: no line ends there

    std::string fallback_;  // why names_ is there
    std::unique_ptr<NameSet> names_;
    FoundSet found_;
    transport::TaskHandle task_;
};

std::string KubernetesProvider::slices_path() const {
    return "/apis/discovery.k8s.io/v1/namespaces/" + http::encoded(account_.space) +
           "/endpointslices?labelSelector=" +
           http::encoded("kubernetes.io/service-name=" + account_.service);
}

Task<> KubernetesProvider::run(TaskScope& scope) {
    for (;;) {
        const Duration wait = co_await follow(scope);
        co_await scope.sleep_for(wait);
    }
}

// Tokens are replaced while they are in use: read each time.
bool KubernetesProvider::read_token() {
    token_.clear();
    if (account_.token_file.empty()) return true;
    control::TextFile file = control::read_word_file(account_.token_file);
    if (file.error.empty()) {
        token_ = std::move(file.text);
        return true;
    }
    const std::string why = "there is no token: " + file.error;
    found_.failed(why);
    fall_back(why);
    return false;
}

// One connection's worth. Returns when to go on.
Task<Duration> KubernetesProvider::follow(TaskScope& scope) {
    if (!account_.problem.empty()) {
        found_.failed(account_.problem);
        fall_back(account_.problem);
        co_return kLookAgain;
    }
    const bool has_token = read_token();
    if (!has_token) co_return kLookAgain;
    std::string error;
    const auto server = co_await servers_.current(scope, error);
    if (!server) {
        found_.failed(std::move(error));
        co_return backoff_.wait(random_);
    }
    server_ = *server;
    retry_after_ = Duration::zero();
    const TimePoint began = Clock::refresh();
    if (version_.empty()) {
        co_await learn_port(scope);
    }
    End end = End::renew;
    if (version_.empty() && !takes_initial_) {
        end = co_await list(scope);
    }
    if (end == End::renew) {
        end = co_await watch(scope);
    }
    client_.close();
    if (end == End::expired) {
        version_.clear();
        lists_exactly_ = true;
    }
    if (end == End::failed) servers_.advance();
    const bool was_short = Clock::refresh() - began < kShortest;
    if (!was_short) backoff_.succeeded();
    if (end != End::failed && !was_short) {
        // So that those who were cut off together do not come back together.
        co_return std::chrono::milliseconds{random_.below(200)};
    }
    co_return std::max(backoff_.wait(random_), retry_after_);
}

Task<bool> KubernetesProvider::ask(TaskScope& scope, std::string target) {
    control::HttpRequest request;
    request.target = std::move(target);
    request.headers.emplace_back("Accept", "application/json");
    if (!token_.empty()) request.headers.emplace_back("Authorization", "Bearer " + token_);
    const bool has_head = co_await client_.begin(scope, server_, request);
    co_return has_head;
}

KubernetesProvider::End KubernetesProvider::fail(std::string error) {
    found_.failed(std::move(error));
    return End::failed;
}

// ---- what is asked

// A number is the service's, where its ports may be read, else the pods'.
Task<> KubernetesProvider::learn_port(TaskScope& scope) {
    if (discovery_.port == 0) co_return;
    client_.set_times(kHeadTimeout, kHeadTimeout, kHeadTimeout);
    const bool has_head =
        co_await ask(scope, "/api/v1/namespaces/" + http::encoded(account_.space) + "/services/" +
                                http::encoded(account_.service));
    if (!has_head) co_return;
    std::string body;
    const bool is_whole = co_await client_.read_all(scope, body, kLargestPage);
    if (!is_whole || client_.head().status != 200) co_return;
    wish_.port = read_service_port(body, discovery_.port);
}

Task<KubernetesProvider::End> KubernetesProvider::list(TaskScope& scope) {
    client_.set_times(kHeadTimeout, kHeadTimeout, kHeadTimeout * 3);
    SliceSet all;
    std::string next;
    std::string version;
    for (unsigned page = 0; page < kMostPages; ++page) {
        std::string target = slices_path() + "&limit=" + std::to_string(kPageSize);
        // From the server's cache, unless that was behind.
        if (!next.empty()) {
            target += "&continue=" + http::encoded(next);
        } else if (!lists_exactly_) {
            target += "&resourceVersion=0";
        }
        const bool has_head = co_await ask(scope, std::move(target));
        if (!has_head) co_return fail(client_.error());
        if (client_.head().status != 200) {
            const End end = co_await refused(scope, "list");
            co_return end;
        }
        std::string body;
        const bool is_whole = co_await client_.read_all(scope, body, kLargestPage);
        if (!is_whole) co_return fail(client_.error());
        auto read = read_slice_list(body);
        if (!read) co_return fail("what " + server_.authority + " sent is no EndpointSliceList");
        all.merge(std::move(read->slices));
        version = std::move(read->version);
        next = std::move(read->next);
        if (next.empty()) break;
    }
    if (!next.empty() || version.empty())
        co_return fail("the list of " + server_.authority + " does not end");
    version_ = std::move(version);
    become_listed(std::move(all));
    publish();
    co_return End::renew;
}

Task<KubernetesProvider::End> KubernetesProvider::watch(TaskScope& scope) {
    const bool is_initial = version_.empty();
    // Jittered, so that watches that began together do not end together.
    const Duration timeout =
        account_.watch_timeout - account_.watch_timeout / 5 * random_.below(1000) / 1000;
    const auto seconds = std::chrono::ceil<std::chrono::seconds>(timeout);
    const Duration silence = std::max<Duration>(account_.watch_timeout / 2, kShortest);
    client_.set_times(kHeadTimeout, is_initial ? std::min(silence, kMostInitialSilence) : silence,
                      seconds + kHeadTimeout);
    std::string target = slices_path() + "&watch=1&allowWatchBookmarks=true&timeoutSeconds=" +
                         std::to_string(seconds.count());
    target += is_initial ? "&sendInitialEvents=true&resourceVersionMatch=NotOlderThan"
                         : "&resourceVersion=" + http::encoded(version_);
    fresh_ = SliceSet();
    const bool has_head = co_await ask(scope, std::move(target));
    if (!has_head) co_return fail(client_.error());
    const unsigned status = client_.head().status;
    if (is_initial && (status == 400 || status == 422)) {
        takes_initial_ = false;
        log::info("the API server begins no watch with a list: listing first",
                  {{"cluster", cluster_}, {"server", server_.authority}});
        co_return End::renew;
    }
    if (status != 200) {
        const End end = co_await refused(scope, "watch");
        co_return end;
    }
    if (!is_initial) found_.contacted();
    const End end = co_await read_events(scope, is_initial);
    co_return end;
}

Task<KubernetesProvider::End> KubernetesProvider::read_events(TaskScope& scope, bool is_initial) {
    std::string in;
    scanned_ = 0;
    TimePoint since = Clock::refresh();
    for (;;) {
        // What comes faster than it is read would keep the loop from everything else.
        if (Clock::refresh() - since > kMostAtOnce) {
            co_await scope.sleep_for(Duration::zero());
            since = Clock::refresh();
        }
        const bool has_more = co_await client_.read(scope, in);
        if (!has_more) break;
        const auto end = take_lines(in, is_initial);
        if (is_changed_) publish();
        if (end) co_return *end;
        if (in.size() > kLongestLine) {
            version_.clear();
            co_return fail("a line of the watch is longer than 16 MiB");
        }
    }
    if (is_initial && version_.empty()) {
        // An old server does not know the question and goes on as if there was none.
        if (client_.is_late()) takes_initial_ = false;
        co_return fail(client_.error().empty() ? "the watch ended before all was said"
                                               : client_.error());
    }
    if (client_.error().empty() || client_.is_late()) co_return End::renew;
    co_return fail(client_.error());
}

// What the server says instead of an answer.
Task<KubernetesProvider::End> KubernetesProvider::refused(TaskScope& scope, std::string_view verb) {
    const unsigned status = client_.head().status;
    const std::string after(client_.head().header("retry-after"));
    std::string body;
    const bool is_whole = co_await client_.read_all(scope, body, kLargestError);
    if (!is_whole) body.clear();
    if (status == 410) co_return End::expired;
    const std::string said = read_status_message(body);
    const std::string words = said.empty() ? std::string() : "; it says: " + said;
    unsigned seconds = 0;
    std::from_chars(after.data(), after.data() + after.size(), seconds);
    retry_after_ = std::min<Duration>(std::chrono::seconds{seconds}, kMostRetryAfter);
    if (status == 401)
        co_return fail("the API server does not accept the token of " +
                       (account_.token_file.empty() ? "nobody" : account_.token_file) + words);
    if (status == 403) {
        const std::string why =
            "may not " + std::string(verb) + " endpointslices in namespace " + account_.space +
            ": the service account needs a Role with apiGroups: [discovery.k8s.io], "
            "resources: [endpointslices], verbs: [get, list, watch]" +
            words;
        fall_back(why);
        co_return fail(why);
    }
    co_return fail("the API server answers " + std::to_string(status) + words);
}

// ---- what is said

// The whole lines in it; the rest stays.
std::optional<KubernetesProvider::End> KubernetesProvider::take_lines(std::string& in,
                                                                      bool is_initial) {
    std::size_t begin = 0;
    std::optional<End> end;
    while (!end) {
        const auto line_end = in.find('\n', std::max(begin, scanned_));
        if (line_end == std::string::npos) break;
        const std::string_view line = std::string_view(in).substr(begin, line_end - begin);
        begin = line_end + 1;
        if (line.find_first_not_of(" \r\t") == std::string_view::npos) continue;
        auto event = read_watch_event(line);
        if (!event) {
            version_.clear();  // something was missed
            end = fail("what " + server_.authority + " sent is no event of a watch");
            break;
        }
        end = take(std::move(*event), is_initial);
    }
    in.erase(0, begin);
    scanned_ = in.size();
    return end;
}

std::optional<KubernetesProvider::End> KubernetesProvider::take(WatchEvent event, bool is_initial) {
    const bool is_fresh = is_initial && version_.empty();
    SliceSet& slices = is_fresh ? fresh_ : slices_;
    switch (event.kind) {
        case WatchEvent::Kind::error:
            if (event.code == 410) return End::expired;
            return fail("the watch says: " + event.message);
        case WatchEvent::Kind::put:
            slices.put(std::move(event.name), std::move(event.slice));
            is_changed_ = !is_fresh;
            break;
        case WatchEvent::Kind::removed:
            slices.remove(event.name);
            is_changed_ = !is_fresh;
            break;
        case WatchEvent::Kind::bookmark:
            if (is_fresh && !event.ends_initial) return std::nullopt;
            if (is_fresh) become_listed(std::move(fresh_));
            found_.contacted();
            break;
    }
    if (!event.version.empty() && (!is_fresh || event.ends_initial))
        version_ = std::move(event.version);
    return std::nullopt;
}

void KubernetesProvider::become_listed(SliceSet slices) {
    slices_ = std::move(slices);
    lists_exactly_ = false;
    is_changed_ = true;
    if (!names_) return;
    log::info("the Kubernetes API answers: no more DNS", {{"cluster", cluster_}});
    names_.reset();
}

void KubernetesProvider::publish() {
    is_changed_ = false;
    found_.changed([this]() -> std::optional<std::vector<Found>> {
        std::string problem;
        auto endpoints = slices_.endpoints(wish_, problem);
        if (problem.empty()) return endpoints;
        found_.failed(std::move(problem));
        return std::nullopt;
    });
}

// The service's own address, by its name: what the pod would use without us. Only as long as the
// API has never answered.
void KubernetesProvider::fall_back(const std::string& why) {
    if (names_ || slices_.size() > 0 ||
        (found_.status().updates > 0 && !found_.status().is_snapshot))
        return;
    if (discovery_.port == 0) {
        log::error("no access to the Kubernetes API, and no DNS in its place: 'port' is no number",
                   {{"cluster", cluster_}, {"error", why}});
        return;
    }
    config::Endpoint endpoint;
    endpoint.host = wish_.service + "." + account_.cluster_domain;
    endpoint.port = discovery_.port;
    endpoint.text = endpoint.host + ":" + std::to_string(endpoint.port);
    fallback_ = why + ": falls back to DNS, " + endpoint.text;
    log::error("no access to the Kubernetes API: falls back to DNS, which balances by connection",
               {{"cluster", cluster_}, {"name", endpoint.text}, {"error", why}});
    config::Discovery by_name = discovery_;
    by_name.type = config::Discovery::Type::dns;
    names_ =
        std::make_unique<NameSet>(executor_, NameSet::Options{cluster_, "kubernetes", by_name});
    names_->start([this](Update update) {
        if (version_.empty()) found_.answered(std::move(update.endpoints));
    });
    names_->replace({endpoint});
}

}  // namespace

std::unique_ptr<Provider> make_kubernetes_provider(const config::Cluster& cluster,
                                                   boost::asio::any_io_executor executor,
                                                   const Surroundings& surroundings) {
    return std::make_unique<KubernetesProvider>(cluster, std::move(executor), surroundings.registry,
                                                surroundings.state_dir);
}

}  // namespace weir::discovery

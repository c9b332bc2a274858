#include "weir/config/values.hpp"
#include "weir/control/backoff.hpp"
#include "weir/control/http_client.hpp"
#include "weir/control/text_file.hpp"
#include "weir/core/log.hpp"
#include "weir/core/random.hpp"

#include "discovery/found_set.hpp"
#include "discovery/servers.hpp"
#include "finders/consul_messages.hpp"
#include "finders/kinds.hpp"
#include "finders/options.hpp"
#include <boost/asio/io_context.hpp>

#include <utility>

namespace weir::finders {
namespace {

constexpr std::uint16_t kPort = 8500;
constexpr std::size_t kMostBytes = std::size_t{64} * 1024 * 1024;
constexpr Duration kPatience = std::chrono::seconds{10};
constexpr Duration kWait = std::chrono::minutes{5};
constexpr Duration kLongestWait = std::chrono::minutes{10};  // Consul's own bound
// A service that changes all the time is asked for so often, and no more.
constexpr Duration kLeastGap = std::chrono::milliseconds{100};
// Without an index nothing holds the answer back.
constexpr Duration kUnblocked = std::chrono::seconds{1};
constexpr std::uint16_t kOk = 200;
constexpr std::uint16_t kForbidden = 403;

// Asks Consul for a service by blocking queries: each is answered when something has changed, or
// when its time is up. Thread: main.
class ConsulProvider final : public Provider {
  public:
    ConsulProvider(const config::Cluster& cluster, const Surroundings& surroundings)
        : discovery_(cluster.discovery),
          executor_(surroundings.main.get_executor()),
          servers_(sources_of(discovery_, kPort), false),
          http_(executor_, surroundings.registry, {.tls = tls_of(discovery_)}),
          set_(executor_, {cluster.name, "consul", discovery_, surroundings.state_dir}) {
        query_.service = looked_up(cluster);
        query_.datacenter = option(discovery_, "datacenter");
        query_.tag = option(discovery_, "tag");
        query_.filter = option(discovery_, "filter");
        query_.health = option(discovery_, "health");
        if (query_.health.empty()) query_.health = "passing";
        const auto wait = config::read_duration(option(discovery_, "wait"));
        if (const Duration* said = std::get_if<Duration>(&wait))
            wait_ = std::clamp<Duration>(*said, std::chrono::seconds{1}, kLongestWait);
        query_.wait = std::to_string(wait_ / std::chrono::milliseconds{1}) + "ms";
    }

    void start(Sink sink) override {
        set_.start(std::move(sink));
        asking_ = transport::spawn(executor_, "Consul service " + query_.service,
                                   [this](auto& scope) { return follow(scope); });
    }

    // An instance that cannot be called is left out, and said.
    [[nodiscard]] Status status() const override {
        Status status = set_.status();
        if (status.last_error.empty()) status.last_error = wrong_;
        return status;
    }

  private:
    transport::Task<> follow(transport::TaskScope& scope) {
        for (;;) {
            std::string error;
            const bool is_answered = co_await ask(scope, error);
            if (is_answered) {
                backoff_.succeeded();
                co_await scope.sleep_for(query_.index > 0 ? kLeastGap : kUnblocked);
                continue;
            }
            query_.index = 0;  // another server counts otherwise
            http_.close();
            set_.failed(std::move(error));
            co_await scope.sleep_for(backoff_.wait(random_));
        }
    }

    transport::Task<bool> ask(transport::TaskScope& scope, std::string& error) {
        control::HttpRequest request;
        request.target = consul::target_of(query_);
        const std::string token_file = option(discovery_, "token_file");
        if (!token_file.empty()) {
            const control::TextFile token = control::read_word_file(token_file);
            error = token.error;
            if (!error.empty()) co_return false;
            request.headers.emplace_back("X-Consul-Token", token.text);
        }
        const auto server = co_await servers_.current(scope, error);
        if (!server) co_return false;
        // Consul adds up to a sixteenth to the time, so that not all come back at once.
        const Duration patience =
            query_.index > 0 ? wait_ + wait_ / 16 + kPatience : Duration{kPatience};
        http_.set_times(patience, kPatience, patience + kPatience);
        const bool has_head = co_await http_.begin(scope, *server, request);
        std::string body;
        bool is_good = has_head;
        if (has_head) is_good = co_await http_.read_all(scope, body, kMostBytes);
        error = http_.error();
        is_good = is_good && take(body, error);
        if (!is_good) servers_.advance();
        co_return is_good;
    }

    bool take(const std::string& body, std::string& error) {
        const control::HttpHead& head = http_.head();
        if (head.status != kOk) {
            error =
                "Consul answers " + std::to_string(head.status) + " for service " + query_.service;
            if (head.status == kForbidden)
                error += ": its token needs service:read for it, and node:read";
            return false;
        }
        std::string wrong;
        auto endpoints = consul::read_service(body, wrong);
        if (!endpoints) {
            error =
                "what Consul answers for service " + query_.service + " is no list of instances";
            return false;
        }
        if (endpoints->empty() && !wrong.empty()) {
            error = std::move(wrong);
            return false;
        }
        if (!wrong.empty() && wrong != wrong_)
            log::warn("instance of Consul left out", {{"service", query_.service}, {"why", wrong}});
        wrong_ = std::move(wrong);
        query_.index = consul::next_index(query_.index, head.header("X-Consul-Index"));
        set_.answered(std::move(*endpoints));
        return true;
    }

    const config::Discovery discovery_;
    boost::asio::any_io_executor executor_;
    discovery::Servers servers_;
    control::HttpClient http_;
    consul::Query query_;
    Duration wait_ = kWait;
    std::string wrong_;
    control::Backoff backoff_;
    Random random_ = Random::from_system();
    discovery::FoundSet set_;
    transport::TaskHandle asking_;
};

}  // namespace

std::unique_ptr<Provider> make_consul_provider(const config::Cluster& cluster,
                                               const Surroundings& surroundings) {
    return std::make_unique<ConsulProvider>(cluster, surroundings);
}

}  // namespace weir::finders

#include "weir/injector/webhook.hpp"

#include "weir/core/log.hpp"
#include "weir/core/version.hpp"
#include "weir/decode/load.hpp"
#include "weir/inject/review.hpp"
#include "weir/telemetry/metrics.hpp"
#include "weir/transport/certificates.hpp"
#include "weir/transport/control_listener.hpp"
#include "weir/transport/tls.hpp"

#include "admin/connection.hpp"
#include "admin/guard.hpp"
#include <boost/asio/io_context.hpp>

#include <algorithm>
#include <array>
#include <stdexcept>
#include <sys/stat.h>
#include <vector>

namespace weir::injector {
namespace {

using admin::Request;
using admin::Response;
using telemetry::Family;

constexpr std::size_t kConnections = 256;
constexpr std::size_t kMostBody = std::size_t{4} * 1024 * 1024;
constexpr std::string_view kPath = "/inject";

// The listener in the words of a configuration: its reader knows what is wrong with addresses and
// certificates.
std::string config_of(const Webhook::Options& options) {
    return "version: 1\nadmin: {listen: off}\ntelemetry: {listen: " +
           config::yaml_scalar(options.telemetry) +
           "}\nlisteners:\n  - name: injector\n    listen: " + config::yaml_scalar(options.listen) +
           "\n    tls:\n      cert: " + config::yaml_scalar(options.cert) +
           "\n      key: " + config::yaml_scalar(options.key) +
           "\n      alpn: [http/1.1]\n    routes: [{respond: {status: 404}}]\n";
}

// Throws for a configuration that is none.
config::LoadResult load(const Webhook::Options& options) {
    auto loaded = config::load_text(config_of(options), "<command line>");
    transport::check_all(loaded);
    if (loaded) return loaded;
    for (const config::Problem& problem : loaded.report.sorted()) {
        if (problem.severity != config::Problem::Severity::error) continue;
        throw std::runtime_error(problem.what +
                                 (problem.note.empty() ? "" : " (" + problem.note + ")"));
    }
    throw std::runtime_error("there is nothing to listen on");
}

// What tells that a file is another one, also where a link to its folder moved.
struct Stamp {
    dev_t device = 0;
    ino_t number = 0;
    off_t size = 0;
    timespec changed{};

    static Stamp of(const std::string& path) {
        struct stat file {};
        if (::stat(path.c_str(), &file) != 0) return {};
        return {file.st_dev, file.st_ino, file.st_size, file.st_mtim};
    }
    bool operator==(const Stamp& other) const {
        return device == other.device && number == other.number && size == other.size &&
               changed.tv_sec == other.changed.tv_sec && changed.tv_nsec == other.changed.tv_nsec;
    }
};

transport::Socket listen_on(const Address& address, const char* what) {
    auto socket = transport::Socket::listen(address, false);
    if (!socket) {
        throw std::runtime_error(std::string(what) + " " + address.to_string() + ": " +
                                 socket.error().detail);
    }
    return std::move(*socket);
}

}  // namespace

struct Webhook::State {
    State(boost::asio::io_context& main, Options given)
        : options(std::move(given)),
          loaded(load(options)),
          executor(main.get_executor()),
          listener(executor,
                   "webhook port",
                   listen_on(loaded.config->listeners.front().listen.front().address, "--listen"),
                   [this](transport::Socket socket) { take(std::move(socket), true); }),
          telemetry_listener(executor,
                             "telemetry port",
                             listen_on(telemetry_listen(), "--telemetry"),
                             [this](transport::Socket socket) { take(std::move(socket), false); }) {
        registry.set_info(Family::build_info, {kVersion, kCommit});
        for (const auto kind : {inject::Note::Kind::injected, inject::Note::Kind::refused})
            registry.count(Family::injector_reviews, {word(kind)}, 0);
        use_certificate();
    }
    State(const State&) = delete;
    State& operator=(const State&) = delete;

    [[nodiscard]] const Address& telemetry_listen() const {
        if (!loaded.config->telemetry_listen)
            throw std::runtime_error("--telemetry must be an address: /readyz is asked there");
        return loaded.config->telemetry_listen->address;
    }

    // Also a failure is of these files: they are not read again before they change.
    void use_certificate() {
        const std::array<Stamp, 2> now{Stamp::of(options.cert), Stamp::of(options.key)};
        if (context && now == stamps) return;
        stamps = now;
        try {
            const auto fresh = context ? load(options) : loaded;
            context = transport::TlsContext::make_server(*fresh.config->listeners.front().tls,
                                                         "injector", registry, tickets);
        } catch (const std::runtime_error& error) {
            if (!context) throw;
            log::error("certificate not replaced", {{"file", options.cert}, {"why", error.what()}});
            return;
        }
        for (const transport::TlsCertificate& each : context->certificates()) {
            const std::chrono::duration<double> until = each.not_after.time_since_epoch();
            registry.set(Family::tls_certificate_not_after, {"injector"}, until.count());
            log::info("certificate in use",
                      {{"file", each.file}, {"subject", each.subject}, {"serial", each.serial}});
        }
    }

    void take(transport::Socket socket, bool is_review) {
        std::erase_if(clients, [](const Client& client) { return !client.task.is_running(); });
        if (clients.size() >= kConnections && !close_idlest()) return;  // closed
        transport::TlsStart tls;
        if (is_review) {
            use_certificate();
            tls = {.context = context, .shard = &shard};
        }
        std::string peer = admin::peer_ip(socket.fd());
        auto connection = std::make_shared<admin::Connection>(
            executor, std::move(socket), std::move(peer), is_review ? reviews : health,
            admin::ConnectionLimits{}, std::move(tls));
        auto task = transport::spawn(executor, "injector connection",
                                     [connection](auto& scope) { return connection->run(scope); });
        clients.push_back({std::move(connection), std::move(task)});
    }

    bool close_idlest() {
        const auto idlest = std::find_if(clients.begin(), clients.end(), [](const Client& client) {
            return client.connection->is_idle();
        });
        if (idlest == clients.end()) return false;
        clients.erase(idlest);
        return true;
    }

    std::optional<Response> admit_review(const Request& request) const {
        if (request.path != kPath)
            return admin::error_response(404, "not_found", "nothing is here: " + request.path);
        if (request.method != http::Method::post) {
            Response response =
                admin::error_response(405, "method_not_allowed", "this path takes POST only");
            response.allow = "POST";
            return response;
        }
        if (!admin::is_type(request.content_type, "application/json"))
            return admin::error_response(415, "unsupported_media_type", "a review is JSON");
        return std::nullopt;
    }

    Response answer_review(const Request& request) {
        inject::Review review = inject::review(request.body, options.pods);
        if (!review.problem.empty()) {
            registry.count(Family::injector_reviews, {"invalid"});
            log::warn("review refused", {{"by", request.peer}, {"why", review.problem}});
            return admin::error_response(400, "bad_request", review.problem);
        }
        const std::string_view result = word(review.note.kind);
        registry.count(Family::injector_reviews, {result});
        log::info(
            "pod reviewed",
            {{"object", review.note.object}, {"result", result}, {"reason", review.note.reason}});
        Response response;
        response.body = std::move(review.answer);
        return response;
    }

    Response answer_health(const Request& request) {
        if (request.path == "/metrics") {
            Response response;
            response.content_type = "text/plain; version=0.0.4; charset=utf-8";
            response.body = registry.expose(telemetry::Exposition::text);
            return response;
        }
        if (request.path == "/healthz") return admin::text_response(200, "ok\n");
        if (request.path == "/readyz" || request.path == "/startupz")
            return is_draining ? admin::text_response(503, "draining\n")
                               : admin::text_response(200, "ok\n");
        return admin::error_response(404, "not_found", "nothing is here: " + request.path);
    }

    static std::optional<Response> admit_question(const Request& request) {
        if (request.method == http::Method::get || request.method == http::Method::head)
            return std::nullopt;
        Response response =
            admin::error_response(405, "method_not_allowed", "this port takes GET only");
        response.allow = "GET, HEAD";
        return response;
    }

    struct Client {
        std::shared_ptr<admin::Connection> connection;
        transport::TaskHandle task;
    };

    const Options options;
    const config::LoadResult loaded;
    telemetry::Registry registry;
    telemetry::Shard& shard = registry.make_shard();
    const std::shared_ptr<const transport::TlsTickets> tickets =
        std::make_shared<const transport::TlsTickets>();
    std::shared_ptr<const transport::TlsContext> context;
    std::array<Stamp, 2> stamps;
    bool is_draining = false;
    boost::asio::any_io_executor executor;
    const admin::Service reviews{
        .admit =
            [this](Request& request, std::size_t& limit) {
                limit = kMostBody;
                return admit_review(request);
            },
        .answer = [this](Request& request) { return answer_review(request); },
        .delay = [](const Request*) { return Duration::zero(); }};
    const admin::Service health{
        .admit =
            [](Request& request, std::size_t& limit) {
                limit = 0;
                return admit_question(request);
            },
        .answer = [this](Request& request) { return answer_health(request); },
        .delay = [](const Request*) { return Duration::zero(); }};
    std::vector<Client> clients;
    transport::ControlListener listener;
    transport::ControlListener telemetry_listener;
};

Webhook::Webhook(boost::asio::io_context& main, Options options)
    : state_(std::make_unique<State>(main, std::move(options))) {}

Webhook::~Webhook() = default;

Address Webhook::address() const {
    return state_->listener.local_address();
}

Address Webhook::telemetry_address() const {
    return state_->telemetry_listener.local_address();
}

void Webhook::drain() {
    state_->is_draining = true;
}

}  // namespace weir::injector

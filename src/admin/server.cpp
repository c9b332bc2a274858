#include "weir/admin/server.hpp"

#include "weir/core/log.hpp"
#include "weir/telemetry/rates.hpp"
#include "weir/transport/control_listener.hpp"

#include "admin/connection.hpp"
#include "admin/guard.hpp"
#include "admin/router.hpp"
#include "admin/share.hpp"
#include <boost/asio/io_context.hpp>

#include <algorithm>
#include <cerrno>
#include <stdexcept>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

namespace weir::admin {
namespace {

constexpr std::size_t kMostFeeds = 16;
constexpr std::size_t kMostBody = std::size_t{64} * 1024;
constexpr std::size_t kMostConfig = std::size_t{4} * 1024 * 1024;
constexpr Duration kSample = std::chrono::seconds{1};
// What a connection, and a request, is taken to cost beside the making of the answer.
constexpr Duration kOverhead = std::chrono::microseconds{50};

std::string_view name(Server::Port port) {
    return port == Server::Port::admin ? "admin" : "telemetry";
}

constexpr mode_t kSocketMode = 0660;

// "unix:/run/x.sock" -> "/run/x.sock"; empty for anything without a file.
std::string path_of(const Address& address) {
    if (!address.is_unix()) return {};
    const std::string path = address.to_string().substr(5);
    return path.starts_with('@') ? std::string{} : path;
}

// Left behind by a process that died: only then is a connection refused.
bool is_abandoned(const Address& address) {
    const transport::Socket probe(::socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
    sockaddr_storage storage;
    const socklen_t size = address.to_socket(storage);
    return ::connect(probe.fd(), reinterpret_cast<const sockaddr*>(&storage), size) != 0 &&
           errno == ECONNREFUSED;
}

transport::Socket listen_on(const Address& address, std::string_view purpose) {
    const std::string path = path_of(address);
    struct stat file {};
    if (!path.empty() && ::lstat(path.c_str(), &file) == 0 && S_ISSOCK(file.st_mode) &&
        is_abandoned(address)) {
        ::unlink(path.c_str());
    }
    auto socket = transport::Socket::listen(address, false);
    if (!socket) {
        throw std::runtime_error(std::string(purpose) + ".listen " + address.to_string() + ": " +
                                 socket.error().detail);
    }
    if (!path.empty()) ::chmod(path.c_str(), kSocketMode);
    return std::move(*socket);
}

void remove_file_of(const Address& address) {
    if (const std::string path = path_of(address); !path.empty()) ::unlink(path.c_str());
}

Ownership ownership_of(const Address& address) {
    Ownership owner{.uid = ::geteuid(), .gid = ::getegid(), .may_group_write = true};
    struct stat file {};
    const std::string path = path_of(address);
    if (path.empty() || ::stat(path.c_str(), &file) != 0) return owner;
    owner.gid = file.st_gid;
    owner.may_group_write = (file.st_mode & S_IWGRP) != 0;
    return owner;
}

bool is_health(const Route& route) {
    return route.ports == Ports::both &&
           (route.path.ends_with('z') || route.path.starts_with("/probe/"));
}

// 200 to 399, what the client did wrong, and what went wrong here.
std::string_view result_of(const Response& response) {
    if (response.status < 400) return "ok";
    return response.status < 500 ? "refused" : "failed";
}

}  // namespace

struct Server::State {
    State(boost::asio::io_context& main, const Address& listen, Port kind, Context given)
        : executor(main.get_executor()),
          port(kind),
          rates(given.registry),
          context(std::move(given)),
          listener(executor,
                   std::string(name(kind)) + " port",
                   listen_on(listen, name(kind)),
                   [this](transport::Socket socket) { take(std::move(socket)); }),
          address(listener.local_address()) {
        context.rates = &rates;
        if (port == Port::admin) {
            sampler =
                transport::spawn(executor, "rates", [this](auto& scope) { return sample(scope); });
        }
    }
    State(const State&) = delete;
    State& operator=(const State&) = delete;
    ~State() { remove_file_of(address); }

    transport::Task<> sample(transport::TaskScope& scope) {
        while (true) {
            rates.sample(Clock::refresh());
            co_await scope.sleep_for(kSample);
        }
    }

    void take(transport::Socket socket) {
        std::erase_if(clients, [](const Client& client) { return !client.task.is_running(); });
        budget.charge(kOverhead, Clock::refresh());
        if (clients.size() >= kConnections && !close_idlest()) {
            refuse(socket);
            return;
        }
        std::string peer = peer_of(socket);
        auto connection =
            std::make_shared<Connection>(executor, std::move(socket), std::move(peer), service);
        auto task = transport::spawn(executor, std::string(name(port)) + " connection",
                                     [connection](auto& scope) { return connection->run(scope); });
        clients.push_back({std::move(connection), std::move(task)});
    }

    // Who is at the other end; empty for one who may not ask anything.
    [[nodiscard]] std::string peer_of(const transport::Socket& socket) const {
        if (!address.is_unix()) return peer_ip(socket.fd());
        const auto credentials = credentials_of(socket.fd());
        if (!credentials || !may_ask(*credentials, ownership_of(address))) return {};
        return "uid " + std::to_string(credentials->uid) + " pid " +
               std::to_string(credentials->pid);
    }

    bool close_idlest() {
        const auto idlest =
            std::min_element(clients.begin(), clients.end(), [](const auto& a, const auto& b) {
                if (a.connection->is_idle() != b.connection->is_idle()) {
                    return a.connection->is_idle();
                }
                return a.connection->idle_since() < b.connection->idle_since();
            });
        if (!idlest->connection->is_idle()) return false;
        clients.erase(idlest);
        return true;
    }

    // As much of it as the socket takes at once: it may not cost more.
    static void refuse(const transport::Socket& socket) {
        const std::string text =
            serialise(error_response(503, "overloaded", "too many connections to this port"),
                      {.keep_alive = false});
        const iovec part{const_cast<char*>(text.data()), text.size()};
        static_cast<void>(socket.send(std::span(&part, 1)));
    }

    std::optional<Response> admit(Request& request, std::size_t& body_limit) {
        Found found = find_route(routes(), port, request);
        auto refusal = refuse_early(request, found);
        if (refusal && found.route != nullptr && !found.route->operation.empty()) {
            note(*found.route, request, *refusal);
        }
        if (refusal) share_of(found.route).charge(kOverhead, Clock::refresh());
        request.route = found.route;
        request.parameters = std::move(found.parameters);
        body_limit = request.path.starts_with("/api/v1/config") ? kMostConfig : kMostBody;
        return refusal;
    }

    // Strangers learn nothing, not even which paths there are.
    std::optional<Response> refuse_early(const Request& request, Found& found) const {
        const auto snapshot = context.snapshot();
        const config::Config& config = snapshot->config();
        if (request.peer.empty()) {
            return error_response(403, "forbidden",
                                  "this socket is for root, its owner and its group");
        }
        if (port == Port::admin) {
            if (auto refusal = refuse_stranger(request, address, config.admin_hosts))
                return refusal;
            const bool is_open = found.route != nullptr && is_health(*found.route);
            if (config.admin_token && !is_open) {
                if (auto refusal = refuse_without_token(request, *config.admin_token)) {
                    return refusal;
                }
            }
        }
        if (found.route == nullptr) return std::move(found.refusal);
        return refuse_body(request);
    }

    Response answer(Request& request) {
        const TimePoint began = Clock::refresh();
        const Route& route = *request.route;
        Response response = route.handler(request, context);
        if (response.feed && !has_room_for(*response.feed)) {
            response = error_response(503, "overloaded", "too many streams of events are open");
        }
        if (!route.operation.empty()) note(route, request, response);
        if (log::is_on(log::Level::debug)) {
            log::debug("admin request",
                       {{"path", request.path}, {"by", request.peer}, {"status", response.status}});
        }
        const TimePoint ended = Clock::refresh();
        share_of(&route).charge(kOverhead + (ended - began), ended);
        return response;
    }

    // Whoever scrapes in a loop does not hold up the probes, whose answers are small.
    Share& share_of(const Route* route) {
        return route != nullptr && is_health(*route) ? probes : budget;
    }

    // A feed is counted for as long as somebody holds its function.
    bool has_room_for(Feed& feed) {
        std::erase_if(feeds, [](const auto& each) { return each.expired(); });
        if (feeds.size() >= kMostFeeds) return false;
        auto token = std::make_shared<char>();
        feeds.push_back(token);
        feed.next = [token, next = std::move(feed.next)](TimePoint now) { return next(now); };
        return true;
    }

    void note(const Route& route, const Request& request, const Response& response) const {
        const std::string_view result = result_of(response);
        log::info("admin mutation", {{"operation", route.operation},
                                     {"path", request.path},
                                     {"by", request.peer},
                                     {"result", result},
                                     {"status", response.status}});
        context.registry.count(telemetry::Family::admin_mutations, {route.operation, result});
    }

    struct Client {
        std::shared_ptr<Connection> connection;
        transport::TaskHandle task;
    };

    boost::asio::any_io_executor executor;
    const Port port;
    telemetry::Rates rates;
    Context context;
    Share budget;
    Share probes;
    const Service service{
        .admit = [this](Request& request, std::size_t& limit) { return admit(request, limit); },
        .answer = [this](Request& request) { return answer(request); },
        .delay =
            [this](const Request* request) {
                return share_of(request == nullptr ? nullptr : request->route)
                    .delay(Clock::refresh());
            }};
    std::vector<std::weak_ptr<void>> feeds;
    std::vector<Client> clients;
    transport::ControlListener listener;
    const Address address;
    transport::TaskHandle sampler;
};

Server::Server(boost::asio::io_context& main, const Address& listen, Port port, Context context)
    : state_(std::make_unique<State>(main, listen, port, std::move(context))) {}

Server::~Server() = default;

Address Server::local_address() const {
    return state_->address;
}

}  // namespace weir::admin

#include "weir/admin/server.hpp"

#include "weir/transport/control_listener.hpp"

#include "admin/connection.hpp"
#include "admin/guard.hpp"
#include "admin/listen.hpp"
#include "admin/router.hpp"
#include <boost/asio/io_context.hpp>

#include <algorithm>
#include <sys/uio.h>

namespace weir::admin {
namespace {

std::string_view name(Server::Port port) {
    return port == Server::Port::admin ? "admin" : "telemetry";
}

}  // namespace

struct Server::State {
    State(boost::asio::io_context& main, const Address& listen, Port kind, Context given)
        : executor(main.get_executor()),
          port(kind),
          context(std::move(given)),
          listener(executor,
                   std::string(name(kind)) + " port",
                   listen_on(listen, name(kind)),
                   [this](transport::Socket socket) { take(std::move(socket)); }),
          address(listener.local_address()) {}
    State(const State&) = delete;
    State& operator=(const State&) = delete;
    ~State() { remove_file_of(address); }

    void take(transport::Socket socket) {
        std::erase_if(clients, [](const Client& client) { return !client.task.is_running(); });
        if (clients.size() >= kConnections && !close_idlest()) {
            refuse(socket);
            return;
        }
        auto connection = std::make_shared<Connection>(
            executor, std::move(socket), [this](Request& request) { return answer(request); });
        auto task = transport::spawn(executor, std::string(name(port)) + " connection",
                                     [connection](auto& scope) { return connection->run(scope); });
        clients.push_back({std::move(connection), std::move(task)});
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

    Response answer(Request& request) {
        if (port == Port::admin) {
            if (auto refusal = refuse_stranger(request, address)) return *std::move(refusal);
        }
        return dispatch(routes(), port, request, context);
    }

    struct Client {
        std::shared_ptr<Connection> connection;
        transport::TaskHandle task;
    };

    boost::asio::any_io_executor executor;
    const Port port;
    const Context context;
    std::vector<Client> clients;
    transport::ControlListener listener;
    const Address address;
};

Server::Server(boost::asio::io_context& main, const Address& listen, Port port, Context context)
    : state_(std::make_unique<State>(main, listen, port, std::move(context))) {}

Server::~Server() = default;

Address Server::local_address() const {
    return state_->address;
}

}  // namespace weir::admin

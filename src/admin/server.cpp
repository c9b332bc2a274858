#include "weir/admin/server.hpp"

#include "admin/connection.hpp"
#include "admin/guard.hpp"
#include "admin/listen.hpp"
#include "admin/router.hpp"
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <algorithm>
#include <chrono>

namespace weir::admin {
namespace {

using boost::asio::as_tuple;
using boost::asio::use_awaitable;
using Descriptor = boost::asio::posix::stream_descriptor;

constexpr Duration kRest = std::chrono::milliseconds{100};  // out of descriptors

std::string_view name(Server::Port port) {
    return port == Server::Port::admin ? "admin" : "telemetry";
}

}  // namespace

struct Server::State {
    State(boost::asio::io_context& main, const Address& listen, Port kind, Context given)
        : executor(main.get_executor()),
          port(kind),
          context(std::move(given)),
          listener(listen_on(listen, name(kind))),
          address(listener.local_address()),
          descriptor(executor, listener.fd()),
          accepting(transport::spawn(executor,
                                     std::string(name(kind)) + " port",
                                     [this](auto& scope) { return accept(scope); })) {}
    State(const State&) = delete;
    State& operator=(const State&) = delete;
    ~State() {
        descriptor.release();  // listener closes it
        remove_file_of(address);
    }

    transport::Task<> accept(transport::TaskScope& scope) {
        for (;;) {
            auto accepted = listener.accept();
            if (!accepted) {
                co_await scope.sleep_for(kRest);
            } else if (accepted->first.is_open()) {
                take(std::move(accepted->first));
            } else {
                const auto [ec] = co_await scope.run(
                    descriptor,
                    descriptor.async_wait(Descriptor::wait_read, as_tuple(use_awaitable)));
                if (ec) co_return;
            }
        }
    }

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
    transport::Socket listener;
    const Address address;
    Descriptor descriptor;
    std::vector<Client> clients;
    transport::TaskHandle accepting;
};

Server::Server(boost::asio::io_context& main, const Address& listen, Port port, Context context)
    : state_(std::make_unique<State>(main, listen, port, std::move(context))) {}

Server::~Server() = default;

Address Server::local_address() const {
    return state_->address;
}

}  // namespace weir::admin

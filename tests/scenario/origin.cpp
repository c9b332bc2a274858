#include "origin.hpp"

#include "message.hpp"
#include "peer.hpp"
#include <gtest/gtest.h>

#include <algorithm>
#include <charconv>
#include <unistd.h>

namespace weir::test {

Act Act::after(Duration wait) const {
    Act act = *this;
    act.delay = wait;
    return act;
}

Act Act::cut(std::size_t size, Then end) const {
    Act act = *this;
    act.bytes.resize(std::min(size, bytes.size()));
    act.then = end;
    return act;
}

Act answer(int status, std::string_view body, std::string_view fields) {
    Act act;
    act.bytes = "HTTP/1.1 " + std::to_string(status) +
                " Said\r\ncontent-length: " + std::to_string(body.size()) + "\r\n";
    act.bytes.append(fields).append("\r\n").append(body);
    return act;
}

Act answer_chunked(std::string_view body, std::size_t chunk) {
    Act act;
    act.bytes = "HTTP/1.1 200 Said\r\ntransfer-encoding: chunked\r\n\r\n";
    while (!body.empty()) {
        const std::string_view piece = body.substr(0, chunk);
        body.remove_prefix(piece.size());
        char size[16];
        const auto end = std::to_chars(std::begin(size), std::end(size), piece.size(), 16).ptr;
        act.bytes.append(size, end).append("\r\n").append(piece).append("\r\n");
    }
    act.bytes.append("0\r\n\r\n");
    return act;
}

Act hang() {
    return {};
}

Act close_unanswered() {
    return {.then = Act::Then::close};
}

Act reset_unanswered() {
    return {.then = Act::Then::reset};
}

bool Origin::Request::is(std::string_view method) const {
    return head.rfind(std::string(method) + " ", 0) == 0;
}

// ---- a connection

class Origin::Connection final : public Peer {
  public:
    Connection(Origin& origin, std::size_t number, int fd)
        : Peer(origin.loop_, fd), origin_(origin), number_(number) {
        if (!origin.reads_) set_reading(false);
    }

    void finish(Act::Then how) {
        timer_.cancel();
        if (how == Act::Then::reset) return reset();
        close();
    }

  private:
    void on_input() override { serve(); }
    void on_end() override { finish(Act::Then::close); }

    void serve() {
        origin_.bytes_read_ += input_.size() - counted_;
        counted_ = input_.size();
        if (timer_.is_armed()) return;
        while (auto message = take_message(input_, false, false, false)) {
            counted_ = input_.size();
            origin_.requests_.push_back(
                {std::move(message->head), std::move(message->body), number_});
            act_ = origin_.take(origin_.requests_.back());
            if (act_.delay > Duration::zero()) {
                origin_.loop_.timers().arm(timer_, Clock::now() + act_.delay);
                return;
            }
            act();
            if (!is_open()) return;
        }
    }
    void act() {
        send(act_.bytes);
        if (act_.then != Act::Then::keep) finish(act_.then);
    }
    void on_timer() {
        act();
        if (is_open()) serve();
    }

    Origin& origin_;
    std::size_t number_;
    std::size_t counted_ = 0;  // of input_
    Act act_;
    TimerOf<Connection, &Connection::on_timer> timer_{*this};
};

// ---- the origin

Origin::Origin(transport::EventLoop& loop) : loop_(loop) {
    listen(*Address::parse("127.0.0.1:0"));
    address_ = listener_->local_address();
}

Origin::~Origin() = default;

void Origin::listen(const Address& address) {
    auto socket = transport::Socket::listen(address, false);
    ASSERT_TRUE(socket);
    listener_ = std::make_unique<transport::Listener>(
        loop_, std::move(*socket), [this](transport::Socket accepted, const Address& /*peer*/) {
            connections_.push_back(
                std::make_unique<Connection>(*this, connections_.size(), dup(accepted.fd())));
        });
}

std::string Origin::address() const {
    return address_.to_string();
}

Origin& Origin::next(Act act) {
    queue_.push_back(std::move(act));
    return *this;
}

Origin& Origin::usually(Act act) {
    usual_ = std::move(act);
    return *this;
}

Act Origin::take(const Request& request) {
    if (decision_) return decision_(request);
    if (queue_.empty()) return usual_;
    Act act = std::move(queue_.front());
    queue_.pop_front();
    return act;
}

void Origin::refuse() {
    listener_.reset();
    reserved_ = transport::Socket(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    const int yes = 1;
    setsockopt(reserved_.fd(), SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
    sockaddr_storage storage;
    const socklen_t size = address_.to_socket(storage);
    ASSERT_EQ(bind(reserved_.fd(), reinterpret_cast<const sockaddr*>(&storage), size), 0);
}

void Origin::accept_again() {
    reserved_.close();
    listen(address_);
}

void Origin::close_connections() {
    for (const auto& connection : connections_)
        connection->finish(Act::Then::close);
}

void Origin::reset_connections() {
    for (const auto& connection : connections_)
        connection->finish(Act::Then::reset);
}

void Origin::stop_reading() {
    reads_ = false;
    for (const auto& connection : connections_)
        connection->set_reading(false);
}

void Origin::read_again() {
    reads_ = true;
    for (const auto& connection : connections_)
        connection->set_reading(true);
}

std::size_t Origin::count(std::string_view method) const {
    return static_cast<std::size_t>(
        std::count_if(requests_.begin(), requests_.end(),
                      [&](const Request& request) { return request.is(method); }));
}

std::size_t Origin::open_connections() const {
    return static_cast<std::size_t>(
        std::count_if(connections_.begin(), connections_.end(),
                      [](const auto& connection) { return connection->is_open(); }));
}

}  // namespace weir::test

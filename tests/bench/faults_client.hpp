// The users: requests leave at Poisson times whether or not earlier ones were answered, each over
// an idle connection or a new one, and give up after their patience.
#pragma once

#include "faults_loop.hpp"

#include <algorithm>

namespace faults {

struct Request {
    Time when{0};
    Time latency{-1};  // until the whole answer, or until it was given up
    bool post = false;
    int status = 0;             // of the answer's head, 0 without
    const char* lost = "open";  // why it is lost; nullptr: answered well
};

struct Habit {
    sockaddr_in proxy{};
    double rate = 400;   // requests a second
    double posts = 0.1;  // share
    Time patience = milliseconds(5000);
    Time idle =
        milliseconds(2000);  // an idle connection is closed, long before the proxy's timeout
    Time begin{0};
    Time until{0};
};

class Client;

class ClientConnection final : public Watcher {
  public:
    ClientConnection(Client& client, const sockaddr_in& proxy);
    void on_ready(std::uint32_t events) override;
    void send(std::size_t request, std::string bytes);
    void on_end();

    bool idle = false;
    std::uint64_t uses = 0;
    std::size_t request = 0;
    std::string received;

  private:
    void flush();
    void on_bytes();

    Client& client_;
    bool connected_ = false;
    std::string waiting_;
};

class Client {
  public:
    Client(Loop& loop, Chance& chance, const Habit& habit)
        : loop_(loop), chance_(chance), habit_(habit), next_(habit.begin) {
        schedule();
    }

    [[nodiscard]] const std::vector<Request>& requests() const { return requests_; }
    [[nodiscard]] Loop& loop() { return loop_; }

    // `why` is nullptr for a good answer; `reusable`: the connection may carry another request.
    void settle(ClientConnection& connection, int status, const char* why, bool reusable) {
        Request& request = requests_[connection.request];
        request.latency = loop_.now() - request.when;
        request.status = status;
        request.lost = why;
        const auto self = std::static_pointer_cast<ClientConnection>(connection.shared_from_this());
        if (!reusable) return close(self);
        connection.idle = true;
        connection.received.clear();
        idle_.push_back(self);
        loop_.after(habit_.idle, [this, weak = std::weak_ptr(self), uses = connection.uses] {
            const auto idle = weak.lock();
            if (idle && idle->fd >= 0 && idle->idle && idle->uses == uses) close(idle);
        });
    }

    void close(const std::shared_ptr<ClientConnection>& connection) {
        std::erase(idle_, connection);
        std::erase(busy_, connection);
        loop_.end(connection);
    }

  private:
    void schedule() {
        next_ += milliseconds(chance_.exponential(1000.0 / habit_.rate));
        if (next_ < habit_.until) loop_.at(next_, [this] { arrive(); });
    }

    void arrive() {
        const std::size_t id = requests_.size();
        requests_.push_back(Request{.when = next_, .post = chance_.uniform() < habit_.posts});
        std::string bytes = requests_.back().post ? "POST" : "GET";
        bytes +=
            " /page HTTP/1.1\r\nHost: shop\r\nAccept: */*\r\nx-id: " + std::to_string(id) + "\r\n";
        bytes +=
            requests_.back().post ? "Content-Length: 200\r\n\r\n" + std::string(200, 'p') : "\r\n";
        schedule();
        const auto connection = take();
        connection->send(id, std::move(bytes));
        loop_.after(habit_.patience, [this, id, weak = std::weak_ptr(connection)] {
            const auto late = weak.lock();
            if (late && late->fd >= 0 && !late->idle && late->request == id)
                settle(*late, 0, "timeout", false);
        });
    }

    std::shared_ptr<ClientConnection> take() {
        std::shared_ptr<ClientConnection> connection;
        if (idle_.empty()) {
            connection = std::make_shared<ClientConnection>(*this, habit_.proxy);
            busy_.push_back(connection);
        } else {
            connection = idle_.back();
            idle_.pop_back();
        }
        if (std::find(busy_.begin(), busy_.end(), connection) == busy_.end())
            busy_.push_back(connection);
        return connection;
    }

    Loop& loop_;
    Chance& chance_;
    Habit habit_;
    Time next_;
    std::vector<Request> requests_;
    std::vector<std::shared_ptr<ClientConnection>> idle_;  // the last used is the next
    std::vector<std::shared_ptr<ClientConnection>> busy_;  // owns; idle ones may be in it, too
};

inline ClientConnection::ClientConnection(Client& client, const sockaddr_in& proxy)
    : client_(client) {
    fd = tcp_socket();
    if (::connect(fd, reinterpret_cast<const sockaddr*>(&proxy), sizeof(proxy)) != 0 &&
        errno != EINPROGRESS)
        std::perror("faults: connect");
    client_.loop().watch(*this, EPOLLIN | EPOLLOUT);
}

inline void ClientConnection::send(std::size_t number, std::string bytes) {
    request = number;
    idle = false;
    ++uses;
    waiting_ = std::move(bytes);
    if (connected_) flush();
}

inline void ClientConnection::flush() {
    const ssize_t sent = ::send(fd, waiting_.data(), waiting_.size(), MSG_NOSIGNAL);
    if (sent != static_cast<ssize_t>(waiting_.size())) return on_end();
    waiting_.clear();
}

inline void ClientConnection::on_ready(std::uint32_t events) {
    if (!connected_) {
        if ((events & (EPOLLERR | EPOLLHUP)) != 0) return on_end();
        connected_ = true;
        client_.loop().watch(*this, EPOLLIN, true);
        flush();
        return;
    }
    const bool more = read_all(fd, received);
    if (idle) return client_.close(std::static_pointer_cast<ClientConnection>(shared_from_this()));
    on_bytes();
    if (!more && fd >= 0) on_end();
}

// The stream has ended, perhaps before or amid the answer.
inline void ClientConnection::on_end() {
    if (idle) return client_.close(std::static_pointer_cast<ClientConnection>(shared_from_this()));
    const std::size_t head = received.find("\r\n\r\n");
    if (head == std::string::npos) return client_.settle(*this, 0, "reset", false);
    client_.settle(*this, std::atoi(received.c_str() + 9), "cut", false);
}

inline void ClientConnection::on_bytes() {
    const std::size_t end = received.find("\r\n\r\n");
    if (end == std::string::npos) return;
    const std::string head = received.substr(0, end + 2);
    const std::string length = field(head, "content-length");
    if (length.empty() && !field(head, "transfer-encoding").empty()) {
        if (!received.ends_with("0\r\n\r\n")) return;
    } else if (length.empty() ||
               received.size() < end + 4 + std::strtoul(length.c_str(), nullptr, 10)) {
        return;
    }
    const int status = std::atoi(received.c_str() + 9);
    const bool whole = received.size() >= end + 4 + kBody;
    const char* why = status == 429 ? "429" : status != 200 ? "error" : whole ? nullptr : "short";
    client_.settle(*this, status, why, field(head, "connection") != "close");
}

}  // namespace faults

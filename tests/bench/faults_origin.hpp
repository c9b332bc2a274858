// Origins whose faults are switched by the plan. What they were asked and what they did is
// recorded.
#pragma once

#include "faults_loop.hpp"

#include <algorithm>
#include <deque>
#include <map>
#include <set>

namespace faults {

struct Mode {
    enum class Kind : std::uint8_t {
        ok,
        refuse,  // as a dead process: no listener, its connections closed
        hang,    // requests are read and answered only when the fault ends
        status,  // `code` for the share `share` of requests
        slow,    // `extra` on top
        cut,     // half of the body, then the end of the stream
        reset,   // executes, then RST instead of an answer
        stall,   // the workers of a serial origin stop
    };
    Kind kind = Kind::ok;
    int code = 503;
    double share = 1.0;
    Time extra{0};
    Time idle{0};  // closes connections that were idle for so long; 0: never
};

// Serial work: `workers` threads of `service` each, `queue` waiting; beyond that 503. Cold: the
// first `cold` after a start takes `cold_service`, falling evenly to `service`.
struct Capacity {
    std::size_t workers = 0;  // 0: every request for itself
    Time service{0};
    std::size_t queue = 100'000;
    Time cold{0};
    Time cold_service{0};
};

struct Attempt {
    Time when;
    bool answered_well;  // set when the 200 left
};

// What all origins did together: how often each POST was executed.
struct Ledger {
    std::map<std::uint64_t, int> posts;

    [[nodiscard]] std::size_t posts_twice() const {
        return static_cast<std::size_t>(std::count_if(
            posts.begin(), posts.end(), [](const auto& post) { return post.second > 1; }));
    }
};

class Origin;

class OriginConnection final : public Watcher {
  public:
    OriginConnection(Origin& origin, int descriptor) : origin_(origin) { fd = descriptor; }
    void on_ready(std::uint32_t events) override;

    std::string received;
    bool busy = false;
    std::uint64_t uses = 0;

  private:
    Origin& origin_;
};

class Origin final : public Watcher {
  public:
    Origin(Loop& loop, Chance& chance, Ledger& ledger, std::string host)
        : loop_(loop), chance_(chance), ledger_(ledger), host_(std::move(host)) {
        listen();
    }

    void set(const Mode& mode) {
        const bool was_refusing = mode_.kind == Mode::Kind::refuse;
        mode_ = mode;
        if (mode.kind == Mode::Kind::refuse) die();
        if (was_refusing && mode.kind != Mode::Kind::refuse) listen();
        if (mode.kind == Mode::Kind::ok || mode.kind == Mode::Kind::status) wake();
        if (mode.idle > Time{0})
            for (const auto& connection : connections_)
                close_when_idle(connection);
    }
    void set(const Capacity& capacity) { capacity_ = capacity; }

    [[nodiscard]] bool refuses() const { return mode_.kind == Mode::Kind::refuse; }
    [[nodiscard]] const std::vector<Attempt>& attempts() const { return attempts_; }
    [[nodiscard]] const std::string& host() const { return host_; }
    // A connect that met no listener, seen on the wire.
    void count_refused(Time when) { attempts_.push_back({when, false}); }

    void on_ready(std::uint32_t /*events*/) override {
        while (true) {
            const int accepted = ::accept4(fd, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
            if (accepted < 0) return;
            const int on = 1;
            ::setsockopt(accepted, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
            auto connection = std::make_shared<OriginConnection>(*this, accepted);
            connections_.insert(connection);
            loop_.watch(*connection, EPOLLIN);
            close_when_idle(connection);
        }
    }

    void on_bytes(OriginConnection& connection) {
        const auto self = std::static_pointer_cast<OriginConnection>(connection.shared_from_this());
        if (!read_all(connection.fd, connection.received)) return drop(self);
        next_request(self);
    }

  private:
    using Connection = std::shared_ptr<OriginConnection>;

    struct Job {
        std::weak_ptr<OriginConnection> connection;
        std::size_t attempt = 0;
    };

    void listen() {
        fd = tcp_socket();
        const int on = 1;
        ::setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
        const sockaddr_in where = address(host_, kOriginPort);
        if (::bind(fd, reinterpret_cast<const sockaddr*>(&where), sizeof(where)) != 0 ||
            ::listen(fd, 4096) != 0) {
            std::perror("faults: listen");
            std::exit(1);
        }
        started_ = loop_.now();
        loop_.watch(*this, EPOLLIN);
    }

    void die() {
        if (fd >= 0) ::close(std::exchange(fd, -1));
        while (!connections_.empty())
            drop(*connections_.begin());
        held_.clear();
        waiting_.clear();
        stalled_.clear();
        working_ = 0;
        ++life_;
    }

    void drop(Connection connection, bool reset = false) {
        connections_.erase(connection);
        loop_.end(connection, reset);
    }

    // One request at a time, as proxies send them; what comes after waits in `received`.
    void next_request(const Connection& connection) {
        if (connection->busy) return;
        const std::string& bytes = connection->received;
        const std::size_t end = bytes.find("\r\n\r\n");
        if (end == std::string::npos) return;
        const std::string head = bytes.substr(0, end + 2);
        const std::size_t total =
            end + 4 + std::strtoul(field(head, "content-length").c_str(), nullptr, 10);
        if (bytes.size() < total) return;
        connection->received.erase(0, total);
        connection->busy = true;
        ++connection->uses;
        if (head.find(" /health ") != std::string::npos) return on_check(connection);
        attempts_.push_back({loop_.now(), false});
        on_request(connection, head);
    }

    // A shallow check: it sees a dead, hung or slow process, not what the requests see.
    void on_check(const Connection& connection) {
        const Job job{connection, kCheck};
        if (mode_.kind == Mode::Kind::hang || mode_.kind == Mode::Kind::stall)
            return held_.push_back(job);
        answer_after(job, 200, mode_.kind == Mode::Kind::slow ? mode_.extra : Time{0});
    }

    void on_request(const Connection& connection, const std::string& head) {
        const Job job{connection, attempts_.size() - 1};
        const bool fails = mode_.kind == Mode::Kind::status && chance_.uniform() < mode_.share;
        const bool executes = !fails || mode_.code == 500;
        if (executes && head.starts_with("POST"))
            ++ledger_.posts[std::strtoull(field(head, "x-id").c_str(), nullptr, 10)];
        if (mode_.kind == Mode::Kind::hang) return held_.push_back(job);
        if (capacity_.workers > 0) return enqueue(job);
        const Time service = milliseconds(2 + chance_.exponential(1));
        if (fails) return answer_after(job, mode_.code, milliseconds(1));
        if (mode_.kind == Mode::Kind::cut) return finish_after(job, service, &Origin::cut);
        if (mode_.kind == Mode::Kind::reset) return finish_after(job, service, &Origin::reset);
        answer_after(job, 200, mode_.kind == Mode::Kind::slow ? service + mode_.extra : service);
    }

    // The serial origin: a failing one fails at once, without its workers.
    void enqueue(const Job& job) {
        if (mode_.kind == Mode::Kind::status) return answer_after(job, mode_.code, milliseconds(1));
        if (waiting_.size() >= capacity_.queue) return answer_after(job, 503, Time{0});
        waiting_.push_back(job);
        work();
    }

    // A worker does not notice that its client has left: the work is done in vain.
    void work() {
        while (mode_.kind != Mode::Kind::stall && working_ < capacity_.workers &&
               !waiting_.empty()) {
            ++working_;
            const Job job = waiting_.front();
            waiting_.pop_front();
            loop_.after(service(), [this, job, life = life_] {
                if (life == life_) done(job);
            });
        }
    }

    void done(const Job& job) {
        if (mode_.kind == Mode::Kind::stall) return stalled_.push_back(job);
        --working_;
        answer(job, 200);
        work();
    }

    [[nodiscard]] Time service() const {
        const Time age = loop_.now() - started_;
        if (age >= capacity_.cold) return capacity_.service;
        const double warm = in_milliseconds(age) / in_milliseconds(capacity_.cold);
        return capacity_.service +
               milliseconds(in_milliseconds(capacity_.cold_service - capacity_.service) *
                            (1 - warm));
    }

    void wake() {
        for (const Job& job : std::exchange(held_, {}))
            answer(job, 200);
        for (const Job& job : std::exchange(stalled_, {}))
            done(job);
        work();
    }

    void answer_after(const Job& job, int code, Time wait) {
        loop_.after(wait, [this, job, code] { answer(job, code); });
    }

    void finish_after(const Job& job, Time wait, void (Origin::*finish)(const Connection&)) {
        loop_.after(wait, [this, job, finish] {
            if (const Connection connection = open(job)) (this->*finish)(connection);
        });
    }

    [[nodiscard]] static Connection open(const Job& job) {
        Connection connection = job.connection.lock();
        return connection && connection->fd >= 0 ? connection : nullptr;
    }

    void answer(const Job& job, int code) {
        const Connection connection = open(job);
        if (!connection) return;
        if (!send(connection, code, kBody)) return drop(connection, true);
        if (code == 200 && job.attempt != kCheck) attempts_[job.attempt].answered_well = true;
        connection->busy = false;
        close_when_idle(connection);
        next_request(connection);
    }
    void cut(const Connection& connection) {
        const bool sent = send(connection, 200, kBody / 2);
        drop(connection, !sent);
    }
    void reset(const Connection& connection) { drop(connection, true); }

    [[nodiscard]] static bool send(const Connection& connection, int code, std::size_t bytes) {
        std::string text =
            "HTTP/1.1 " + std::to_string(code) +
            " Said\r\nContent-Type: text/plain\r\nContent-Length: " + std::to_string(kBody) +
            "\r\n\r\n";
        text.append(bytes, 'x');
        const ssize_t sent = ::send(connection->fd, text.data(), text.size(), MSG_NOSIGNAL);
        return sent == static_cast<ssize_t>(text.size());
    }

    void close_when_idle(const Connection& connection) {
        if (mode_.idle <= Time{0} || connection->busy) return;
        const std::weak_ptr<OriginConnection> weak = connection;
        loop_.after(mode_.idle, [this, weak, uses = connection->uses] {
            const Connection idle = weak.lock();
            if (idle && idle->fd >= 0 && !idle->busy && idle->uses == uses) drop(idle);
        });
    }

    static constexpr std::size_t kCheck = static_cast<std::size_t>(-1);

    Loop& loop_;
    Chance& chance_;
    Ledger& ledger_;
    std::string host_;
    Mode mode_;
    Capacity capacity_;
    Time started_{0};
    std::uint64_t life_ = 0;  // of the process: a death ends its jobs
    std::set<Connection> connections_;
    std::vector<Attempt> attempts_;
    std::vector<Job> held_;
    std::deque<Job> waiting_;
    std::vector<Job> stalled_;
    std::size_t working_ = 0;
};

inline void OriginConnection::on_ready(std::uint32_t /*events*/) {
    origin_.on_bytes(*this);
}

}  // namespace faults

// What the origins and the client of the fault bench share: one loop of epoll and timers, sockets
// that do not block, chance with a seed.
#pragma once

#include <arpa/inet.h>
#include <array>
#include <cerrno>
#include <chrono>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <memory>
#include <netinet/tcp.h>
#include <queue>
#include <string>
#include <string_view>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>
#include <utility>
#include <vector>

namespace faults {

// Since the run began. Everything is measured against the one clock of the loop.
using Time = std::chrono::nanoseconds;

constexpr Time milliseconds(double count) {
    return Time{static_cast<std::int64_t>(count * 1e6)};
}
constexpr double in_milliseconds(Time time) {
    return static_cast<double>(time.count()) / 1e6;
}

constexpr std::uint16_t kOriginPort = 9000;
constexpr std::size_t kBody = 1024;  // of a good answer

class Chance {
  public:
    explicit Chance(std::uint64_t seed) : state_(seed * 0x9e3779b97f4a7c15ULL + 1) {}

    // In [0, 1).
    double uniform() {
        state_ += 0x9e3779b97f4a7c15ULL;
        std::uint64_t z = state_;
        z = (z ^ (z >> 30U)) * 0xbf58476d1ce4e5b9ULL;
        z = (z ^ (z >> 27U)) * 0x94d049bb133111ebULL;
        return static_cast<double>((z ^ (z >> 31U)) >> 11U) * 0x1.0p-53;
    }
    double exponential(double mean) { return -mean * std::log(1.0 - uniform()); }

  private:
    std::uint64_t state_;
};

// Who owns a descriptor and is told when it is ready. Held by shared_ptr: a handler may end itself.
class Watcher : public std::enable_shared_from_this<Watcher> {
  public:
    Watcher() = default;
    Watcher(const Watcher&) = delete;
    Watcher& operator=(const Watcher&) = delete;
    virtual ~Watcher() {
        if (fd >= 0) ::close(fd);
    }
    virtual void on_ready(std::uint32_t events) = 0;

    int fd = -1;
};

class Loop {
  public:
    [[nodiscard]] Time now() const { return now_; }

    void at(Time when, std::function<void()> what) {
        timers_.push(Timer{when, next_++, std::move(what)});
    }
    void after(Time wait, std::function<void()> what) { at(now_ + wait, std::move(what)); }

    // The caller keeps the watcher alive; forget() before its end.
    void watch(Watcher& watcher, std::uint32_t events, bool again = false) const {
        epoll_event event{};
        event.events = events;
        event.data.ptr = &watcher;
        ::epoll_ctl(epoll_, again ? EPOLL_CTL_MOD : EPOLL_CTL_ADD, watcher.fd, &event);
    }

    // Closes the descriptor at once; the object lives to the end of the turn. `reset`: by RST.
    void end(const std::shared_ptr<Watcher>& watcher, bool reset = false) {
        if (watcher->fd < 0) return;
        if (reset) {
            const linger hard{1, 0};
            ::setsockopt(watcher->fd, SOL_SOCKET, SO_LINGER, &hard, sizeof(hard));
        }
        ::close(watcher->fd);
        watcher->fd = -1;
        retired_.push_back(watcher);
    }

    void run(Time until) {
        begin_ = std::chrono::steady_clock::now() - now_;
        while (now_ < until) {
            wait(timers_.empty() ? until : std::min(until, timers_.top().when));
            while (!timers_.empty() && timers_.top().when <= now_) {
                const auto what = timers_.top().what;
                timers_.pop();
                what();
            }
            retired_.clear();
        }
    }

  private:
    struct Timer {
        Time when;
        std::uint64_t order;
        std::function<void()> what;
        bool operator<(const Timer& other) const {
            return std::pair{when, order} > std::pair{other.when, other.order};
        }
    };

    void wait(Time until) {
        const Time left = std::max(Time{0}, until - now_);
        timespec timeout{};
        timeout.tv_sec = left.count() / 1'000'000'000;
        timeout.tv_nsec = left.count() % 1'000'000'000;
        std::array<epoll_event, 128> events{};
        const int ready = ::epoll_pwait2(epoll_, events.data(), static_cast<int>(events.size()),
                                         &timeout, nullptr);
        now_ = std::chrono::steady_clock::now() - begin_;
        for (int i = 0; i < ready; ++i) {
            auto* watcher = static_cast<Watcher*>(events[static_cast<std::size_t>(i)].data.ptr);
            if (watcher->fd >= 0) watcher->on_ready(events[static_cast<std::size_t>(i)].events);
        }
    }

    int epoll_ = ::epoll_create1(EPOLL_CLOEXEC);
    std::chrono::steady_clock::time_point begin_ = std::chrono::steady_clock::now();
    Time now_{0};
    std::uint64_t next_ = 0;
    std::priority_queue<Timer> timers_;
    std::vector<std::shared_ptr<Watcher>> retired_;
};

inline sockaddr_in address(const std::string& host, std::uint16_t port) {
    sockaddr_in found{};
    found.sin_family = AF_INET;
    found.sin_port = htons(port);
    if (::inet_pton(AF_INET, host.c_str(), &found.sin_addr) != 1) {
        std::fprintf(stderr, "faults: '%s' is no address\n", host.c_str());
        std::exit(2);
    }
    return found;
}

inline int tcp_socket() {
    const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    const int on = 1;
    ::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    return fd;
}

// All that is there to read; false at the end of the stream or after a reset.
inline bool read_all(int fd, std::string& into) {
    std::array<char, 16384> chunk;
    while (true) {
        const ssize_t size = ::recv(fd, chunk.data(), chunk.size(), 0);
        if (size < 0) return errno == EAGAIN;
        if (size == 0) return false;
        into.append(chunk.data(), static_cast<std::size_t>(size));
    }
}

// The value of a field of the head, "" without; names are compared without case.
inline std::string field(std::string_view head, std::string_view name) {
    std::size_t at = head.find("\r\n");
    while (at != std::string_view::npos && at + 2 < head.size()) {
        const std::size_t begin = at + 2;
        at = head.find("\r\n", begin);
        const std::string_view line = head.substr(begin, at - begin);
        if (line.size() > name.size() && line[name.size()] == ':' &&
            ::strncasecmp(line.data(), name.data(), name.size()) == 0) {
            const std::size_t value = line.find_first_not_of(' ', name.size() + 1);
            return value == std::string_view::npos ? "" : std::string(line.substr(value));
        }
    }
    return "";
}

}  // namespace faults

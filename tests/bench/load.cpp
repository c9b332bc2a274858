// An open-loop load generator: requests leave at their appointed times whether or not earlier ones
// were answered, and latency counts from the appointed time, so that a stall is not hidden.
//
//   load ADDRESS PORT REQUESTS_PER_SECOND SECONDS CONNECTIONS   ->   one line of JSON

#include <algorithm>
#include <arpa/inet.h>
#include <array>
#include <cerrno>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <deque>
#include <netinet/tcp.h>
#include <string>
#include <string_view>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>
#include <vector>

namespace {

using SteadyClock = std::chrono::steady_clock;
using SteadyTime = SteadyClock::time_point;

constexpr std::string_view kRequest = "GET /1k HTTP/1.1\r\nHost: bench\r\n\r\n";

struct Connection {
    int fd = -1;
    SteadyTime appointed;
    std::string received;
};

struct Plan {
    sockaddr_in address{};
    double rate = 0;
    double seconds = 0;
    std::size_t connections = 0;
};

// The length of the answer at the front, 0 if it is not complete.
std::size_t complete(const std::string& bytes) {
    const std::size_t head = bytes.find("\r\n\r\n");
    if (head == std::string::npos) return 0;
    std::string lower = bytes.substr(0, head);
    std::transform(lower.begin(), lower.end(), lower.begin(), [](char c) {
        return c >= 'A' && c <= 'Z' ? static_cast<char>(c + ('a' - 'A')) : c;
    });
    const std::size_t field = lower.find("content-length:");
    if (field == std::string::npos) return 0;
    const std::size_t length = std::strtoul(lower.c_str() + field + 15, nullptr, 10);
    const std::size_t total = head + 4 + length;
    return bytes.size() >= total ? total : 0;
}

class Load {
  public:
    explicit Load(const Plan& plan) : plan_(plan), connections_(plan.connections) {
        for (Connection& connection : connections_)
            open(connection);
    }

    int run() {
        const SteadyTime begin = SteadyClock::now();
        const auto planned = static_cast<std::uint64_t>(plan_.rate * plan_.seconds);
        const std::chrono::duration<double> gap{1.0 / plan_.rate};
        const SteadyTime give_up =
            begin +
            std::chrono::duration_cast<SteadyClock::duration>(gap * static_cast<double>(planned)) +
            std::chrono::seconds{2};
        std::uint64_t sent = 0;
        while (latencies_.size() + errors_ < planned && SteadyClock::now() < give_up) {
            const auto appointed = [&](std::uint64_t i) {
                return begin + std::chrono::duration_cast<SteadyClock::duration>(
                                   gap * static_cast<double>(i));
            };
            while (sent < planned && appointed(sent) <= SteadyClock::now()) {
                waiting_.push_back(appointed(sent++));
            }
            dispatch();
            wait(sent < planned ? appointed(sent) : give_up);
        }
        return print(planned);
    }

  private:
    void open(Connection& connection) {
        connection.fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        const int on = 1;
        ::setsockopt(connection.fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
        if (::connect(connection.fd, reinterpret_cast<const sockaddr*>(&plan_.address),
                      sizeof(plan_.address)) != 0) {
            std::perror("connect");
            std::exit(1);
        }
        epoll_event event{};
        event.events = EPOLLIN;
        event.data.ptr = &connection;
        ::epoll_ctl(epoll_, EPOLL_CTL_ADD, connection.fd, &event);
        idle_.push_back(&connection);
    }

    void dispatch() {
        while (!waiting_.empty() && !idle_.empty()) {
            Connection& connection = *idle_.back();
            idle_.pop_back();
            connection.appointed = waiting_.front();
            waiting_.pop_front();
            if (::send(connection.fd, kRequest.data(), kRequest.size(), MSG_NOSIGNAL) < 0)
                ++errors_;
        }
    }

    void wait(SteadyTime until) {
        const auto left = std::max(std::chrono::nanoseconds{0},
                                   std::chrono::nanoseconds{until - SteadyClock::now()});
        timespec timeout{};
        timeout.tv_sec = left.count() / 1'000'000'000;
        timeout.tv_nsec = left.count() % 1'000'000'000;
        std::array<epoll_event, 64> events{};
        const int ready = ::epoll_pwait2(epoll_, events.data(), static_cast<int>(events.size()),
                                         &timeout, nullptr);
        for (int i = 0; i < ready; ++i) {
            read(*static_cast<Connection*>(events[static_cast<std::size_t>(i)].data.ptr));
        }
    }

    void read(Connection& connection) {
        std::array<char, 65536> chunk;
        const ssize_t size = ::recv(connection.fd, chunk.data(), chunk.size(), MSG_DONTWAIT);
        if (size < 0 && errno == EAGAIN) return;
        if (size <= 0) {
            ++errors_;
            ::close(connection.fd);
            return;
        }
        connection.received.append(chunk.data(), static_cast<std::size_t>(size));
        if (complete(connection.received) == 0) return;
        if (connection.received.compare(9, 3, "200") != 0) ++refused_;
        connection.received.clear();
        latencies_.push_back(SteadyClock::now() - connection.appointed);
        idle_.push_back(&connection);
    }

    [[nodiscard]] double quantile(double q) const {
        if (latencies_.empty()) return 0;
        const auto last = static_cast<double>(latencies_.size() - 1);
        const auto at = latencies_[static_cast<std::size_t>(q * last)];
        return std::chrono::duration<double, std::micro>(at).count();
    }

    int print(std::uint64_t planned) {
        std::sort(latencies_.begin(), latencies_.end());
        const std::uint64_t lost = planned - std::min(planned, std::uint64_t{latencies_.size()});
        std::printf("{\"requests\": %zu, \"errors\": %llu, \"p50_us\": %.1f, \"p99_us\": %.1f}\n",
                    latencies_.size(),
                    static_cast<unsigned long long>(std::max(errors_, lost) + refused_),
                    quantile(0.5), quantile(0.99));
        return 0;
    }

    Plan plan_;
    int epoll_ = ::epoll_create1(EPOLL_CLOEXEC);
    std::vector<Connection> connections_;
    std::vector<Connection*> idle_;
    std::deque<SteadyTime> waiting_;
    std::vector<SteadyClock::duration> latencies_;
    std::uint64_t errors_ = 0;   // no answer
    std::uint64_t refused_ = 0;  // an answer that is no 200
};

}  // namespace

int main(int argc, char** argv) {
    if (argc != 6) {
        std::fputs("usage: load ADDRESS PORT REQUESTS_PER_SECOND SECONDS CONNECTIONS\n", stderr);
        return 2;
    }
    ::prctl(PR_SET_TIMERSLACK, 1UL);
    Plan plan;
    plan.address.sin_family = AF_INET;
    plan.address.sin_port = htons(static_cast<std::uint16_t>(std::atoi(argv[2])));
    ::inet_pton(AF_INET, argv[1], &plan.address.sin_addr);
    plan.rate = std::atof(argv[3]);
    plan.seconds = std::atof(argv[4]);
    plan.connections = static_cast<std::size_t>(std::atoi(argv[5]));
    return Load{plan}.run();
}

#include "discovery/dns_query.hpp"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <algorithm>
#include <ares.h>
#include <map>
#include <netdb.h>
#include <span>
#include <sys/time.h>
#include <unistd.h>

namespace weir::discovery {
namespace {

using boost::asio::as_tuple;
using boost::asio::use_awaitable;
using Descriptor = boost::asio::posix::stream_descriptor;

constexpr int kTimeoutMilliseconds = 1500;  // doubling with each try
constexpr int kTries = 3;
constexpr int kInternet = 1;
constexpr int kSrv = 33;

// A UDP connect() sends nothing; it asks the routing table.
bool has_route(const Address& address) {
    const int fd = ::socket(address.family(), SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0) return false;
    sockaddr_storage storage;
    const socklen_t size = address.to_socket(storage);
    const bool is_routed = ::connect(fd, reinterpret_cast<const sockaddr*>(&storage), size) == 0;
    ::close(fd);
    return is_routed;
}

bool says_none(int status) {
    return status == ARES_ENODATA || status == ARES_ENOTFOUND || status == ARES_ENONAME;
}

// One c-ares channel on the loop: it tells which sockets to watch, and is told when they are ready.
// shared_ptr for the handlers' weak ones alone: its owner is the coroutine's frame.
// Thread: main.
class Channel : public std::enable_shared_from_this<Channel> {
  public:
    Channel(const boost::asio::any_io_executor& executor, const DnsQuestion& question)
        : question_(question), wake_(executor) {
        static const int library = ares_library_init(ARES_LIB_INIT_ALL);
        ares_options options{};
        options.timeout = kTimeoutMilliseconds;
        options.tries = kTries;
        options.sock_state_cb = [](void* self, int fd, int readable, int writable) {
            static_cast<Channel*>(self)->on_socket(fd, readable != 0, writable != 0);
        };
        options.sock_state_cb_data = this;
        const int mask = ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES | ARES_OPT_SOCK_STATE_CB;
        status_ = library != ARES_SUCCESS ? library : ares_init_options(&channel_, &options, mask);
        if (status_ == ARES_SUCCESS) status_ = set_servers();
    }
    Channel(const Channel&) = delete;
    Channel& operator=(const Channel&) = delete;

    // c-ares ends what is pending with callbacks, and closes its sockets through on_socket().
    ~Channel() {
        if (channel_ != nullptr) ares_destroy(channel_);
    }

    transport::Task<DnsAnswer> run(transport::TaskScope& scope) {
        if (status_ != ARES_SUCCESS) {
            answer_.v4.error = answer_.v6.error = ares_strerror(status_);
            co_return std::move(answer_);
        }
        if (read_hosts()) co_return std::move(answer_);
        ask(AF_INET, v4_);
        ask(AF_INET6, v6_);
        co_await finish(scope);
        if (!answer_.v4.addresses.empty()) leave_out_unreachable(answer_.v6.addresses);
        co_return std::move(answer_);
    }

    transport::Task<SrvAnswer> run_srv(transport::TaskScope& scope) {
        if (status_ != ARES_SUCCESS) {
            srv_.error = ares_strerror(status_);
            co_return std::move(srv_);
        }
        ++pending_;
        ares_search(
            channel_, question_.host.c_str(), kInternet, kSrv,
            [](void* self, int status, int, unsigned char* message, int size) {
                static_cast<Channel*>(self)->on_srv(
                    status, {message, message == nullptr ? 0 : static_cast<std::size_t>(size)});
            },
            this);
        co_await finish(scope);
        for (SrvRecord& record : srv_.records) {
            const bool has_v4 = std::any_of(record.addresses.begin(), record.addresses.end(),
                                            [](const Address& each) { return !each.is_v6(); });
            if (has_v4) leave_out_unreachable(record.addresses);
        }
        co_return std::move(srv_);
    }

  private:
    transport::Task<> finish(transport::TaskScope& scope) {
        while (pending_ > 0) {
            timeval most{kTimeoutMilliseconds / 1000 + 1, 0};
            const timeval* next = ares_timeout(channel_, &most, &most);
            wake_.expires_after(std::chrono::seconds{next->tv_sec} +
                                std::chrono::microseconds{next->tv_usec});
            const auto [ec] = co_await scope.run(wake_, wake_.async_wait(as_tuple(use_awaitable)));
            // A wake-up that was not cancelled is a timeout of c-ares.
            if (!ec) ares_process_fd(channel_, ARES_SOCKET_BAD, ARES_SOCKET_BAD);
        }
    }

    static void leave_out_unreachable(std::vector<Address>& addresses) {
        std::erase_if(addresses, [](const Address& a) { return a.is_v6() && !has_route(a); });
    }

    struct Watch {
        explicit Watch(const boost::asio::any_io_executor& executor) : descriptor(executor) {}
        Descriptor descriptor;
        bool wants[2] = {false, false};  // by Direction
        bool is_waiting[2] = {false, false};
    };
    enum Direction : std::size_t { reading, writing };

    struct Pending {
        Channel& channel;
        DnsRecords& records;
    };

    int set_servers() {
        if (question_.servers.empty()) return ARES_SUCCESS;
        std::string list;
        for (const Address& server : question_.servers) {
            if (!list.empty()) list += ',';
            list += server.to_string();
        }
        return ares_set_servers_ports_csv(channel_, list.c_str());
    }

    // A name in the hosts file is whole by what stands there, as for the system's own resolver.
    bool read_hosts() {
        read_hosts(AF_INET, answer_.v4);
        read_hosts(AF_INET6, answer_.v6);
        return !answer_.v4.addresses.empty() || !answer_.v6.addresses.empty();
    }

    void read_hosts(int family, DnsRecords& records) {
        hostent* host = nullptr;
        const int status = ares_gethostbyname_file(channel_, question_.host.c_str(), family, &host);
        if (status != ARES_SUCCESS) return;
        for (char** at = host->h_addr_list; *at != nullptr; ++at) {
            char text[INET6_ADDRSTRLEN];
            if (ares_inet_ntop(family, *at, text, sizeof text) == nullptr) continue;
            if (const auto address = Address::from_ip(text, question_.port)) {
                records.addresses.push_back(*address);
            }
        }
        ares_free_hostent(host);
    }

    void ask(int family, Pending& pending) {
        ares_addrinfo_hints hints{};
        // Sorting would open a socket an address.
        hints.ai_flags = ARES_AI_NOSORT | ARES_AI_NUMERICSERV;
        hints.ai_family = family;
        hints.ai_socktype = SOCK_STREAM;
        ++pending_;
        ares_getaddrinfo(
            channel_, question_.host.c_str(), std::to_string(question_.port).c_str(), &hints,
            [](void* to, int status, int, ares_addrinfo* found) {
                auto& [channel, records] = *static_cast<Pending*>(to);
                channel.on_answer(records, status, found);
            },
            &pending);
    }

    void on_answer(DnsRecords& records, int status, ares_addrinfo* found) {
        --pending_;
        if (status == ARES_EDESTRUCTION) return;
        if (status != ARES_SUCCESS && !says_none(status)) records.error = ares_strerror(status);
        if (found != nullptr) {
            take(records, *found);
            ares_freeaddrinfo(found);
        }
        wake_.cancel();
    }

    void on_srv(int status, std::span<const std::uint8_t> message) {
        --pending_;
        if (status == ARES_EDESTRUCTION) return;
        if (status == ARES_SUCCESS || (says_none(status) && !message.empty())) {
            srv_ = read_srv(message);
        } else if (!says_none(status)) {
            srv_.error = ares_strerror(status);
        }
        wake_.cancel();
    }

    static void take(DnsRecords& records, const ares_addrinfo& found) {
        int ttl = std::numeric_limits<int>::max();
        for (const ares_addrinfo_node* node = found.nodes; node != nullptr; node = node->ai_next) {
            records.addresses.push_back(Address::from_socket(node->ai_addr, node->ai_addrlen));
            ttl = std::min(ttl, node->ai_ttl);
        }
        for (const ares_addrinfo_cname* name = found.cnames; name != nullptr; name = name->next) {
            ttl = std::min(ttl, name->ttl);
        }
        if (!records.addresses.empty()) records.ttl = std::chrono::seconds{std::max(ttl, 0)};
    }

    // What c-ares wants to know of a socket; nothing means that it is about to be closed.
    void on_socket(int fd, bool wants_read, bool wants_write) {
        if (!wants_read && !wants_write) {
            const auto at = watches_.find(fd);
            if (at == watches_.end()) return;
            at->second->descriptor.release();
            watches_.erase(at);
            return;
        }
        auto& watch = watches_[fd];
        if (!watch) {
            watch = std::make_shared<Watch>(wake_.get_executor());
            boost::system::error_code ignored;  // without a watch the query ends by its timeout
            watch->descriptor.assign(fd, ignored);
        }
        watch->wants[reading] = wants_read;
        watch->wants[writing] = wants_write;
        wait(fd, watch, reading);
        wait(fd, watch, writing);
    }

    void wait(int fd, const std::shared_ptr<Watch>& watch, Direction direction) {
        if (!watch->wants[direction] || watch->is_waiting[direction]) return;
        if (!watch->descriptor.is_open()) return;
        watch->is_waiting[direction] = true;
        watch->descriptor.async_wait(
            direction == reading ? Descriptor::wait_read : Descriptor::wait_write,
            [weak = weak_from_this(), watch, fd, direction](boost::system::error_code ec) {
                watch->is_waiting[direction] = false;
                const auto self = weak.lock();
                if (ec || !self || !watch->descriptor.is_open()) return;
                self->on_ready(fd, direction);
                self->wait(fd, watch, direction);
            });
    }

    void on_ready(int fd, Direction direction) {
        ares_process_fd(channel_, direction == reading ? fd : ARES_SOCKET_BAD,
                        direction == writing ? fd : ARES_SOCKET_BAD);
        wake_.cancel();  // c-ares may want to be woken at another time now
    }

    const DnsQuestion& question_;
    DnsAnswer answer_;
    SrvAnswer srv_;
    Pending v4_{*this, answer_.v4};
    Pending v6_{*this, answer_.v6};
    unsigned pending_ = 0;
    int status_ = ARES_SUCCESS;
    // c-ares counts in real time, so this timer does, too.
    boost::asio::steady_timer wake_;
    std::map<int, std::shared_ptr<Watch>> watches_;  // co-owners: the waits under way
    ares_channel channel_ = nullptr;
};

}  // namespace

transport::Task<SrvAnswer> ask_srv(transport::TaskScope& scope, DnsQuestion question) {
    const auto channel = std::make_shared<Channel>(scope.executor(), question);
    co_return co_await channel->run_srv(scope);
}

transport::Task<DnsAnswer> ask_dns(transport::TaskScope& scope, DnsQuestion question) {
    const auto channel = std::make_shared<Channel>(scope.executor(), question);
    co_return co_await channel->run(scope);
}

}  // namespace weir::discovery

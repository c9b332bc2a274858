#pragma once

#include "weir/proxy/local_listener.hpp"
#include "weir/telemetry/access_log.hpp"
#include "weir/transport/event_loop.hpp"
#include "weir/transport/listener.hpp"

#include <atomic>
#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

namespace weir::runtime {

// A listening socket on its way to a worker: bound by the main thread, so that an address in use is
// an error of start or reload, before anything changes.
struct BoundSocket {
    std::string key;
    transport::Socket socket;
};

// What makes it the same socket after a reload: its address, whichever listener has it. Of port 0
// each listener has its own.
[[nodiscard]] std::string socket_key(const config::Listener& listener,
                                     const config::ListenAddress& address);

// One worker: a thread, its event loop, listeners, and the worker's side of every cluster. The
// public functions post to the loop. Thread: any, but for construction, start() and destruction
// (main).
class Worker {
  public:
    // What it tells of requests; all outlive it.
    struct Records {
        telemetry::Registry& registry;
        telemetry::AccessLog& access_log;
        telemetry::FailureLog& failures;
        telemetry::AttemptTrace& trace;
        proxy::Passthrough& passthrough;
        filter::LiveFaults& faults;
    };
    Worker(unsigned number, std::atomic<std::uint64_t>& connections, const Records& records);
    Worker(const Worker&) = delete;
    Worker& operator=(const Worker&) = delete;
    ~Worker();

    void start();

    // Serves this from now on: listeners that are new get their sockets, those that are gone drain.
    void use(std::shared_ptr<const proxy::Snapshot> snapshot, std::vector<BoundSocket> sockets);
    // Waits until what use() gave it last is in use, so that sockets which are gone are closed and
    // may be bound again; at most so long. False if it is not. Thread: main.
    [[nodiscard]] bool wait_for_use(Duration most);
    void drain(proxy::Draining draining);
    // Takes what waits in the queues of the listeners, then closes them.
    void close_listeners();
    // Calls back, on this worker's thread, with what it still has.
    struct Load {
        std::uint64_t sessions = 0;
        TimePoint last_accept{};
    };
    void ask(std::function<void(Load)> answer);
    void close_idle();  // of a drain: connections that send nothing
    void stop();        // ends what still runs; join() follows
    void join();

  private:
    // A listening socket here, and who serves what it accepts.
    struct Accepting {
        std::string key;
        proxy::LocalListener* owner = nullptr;
        bool is_wanted = true;
        std::uint16_t port = 0;
        std::unique_ptr<transport::Listener> socket;
    };

    void apply(const std::shared_ptr<const proxy::Snapshot>& snapshot,
               std::vector<BoundSocket> sockets);
    void use_clusters(const std::shared_ptr<const proxy::Snapshot>& snapshot);
    void use_listeners(const proxy::Snapshot& snapshot, std::vector<BoundSocket> sockets);
    [[nodiscard]] boost::local_shared_ptr<upstream::LocalCluster> find_local(
        std::string_view name) const;
    void follow(const boost::local_shared_ptr<upstream::LocalCluster>& cluster);
    proxy::LocalListener& listener(const std::string& name);
    void accept_for(proxy::LocalListener& owner,
                    const std::string& key,
                    std::vector<BoundSocket>& bound);
    void close_sockets(bool are_all);
    void on_second();
    void run();

    transport::EventLoop loop_;
    const unsigned number_;
    telemetry::Shard& shard_;
    telemetry::HistogramId lag_;
    telemetry::AccessLogShard access_log_;
    upstream::LocalContext upstream_;
    proxy::WorkerContext context_;
    proxy::LocalSnapshotPtr snapshot_;
    std::vector<std::unique_ptr<proxy::LocalListener>> listeners_;
    std::vector<std::unique_ptr<Accepting>> sockets_;
    TimerOf<Worker, &Worker::on_second> second_{*this};
    std::mutex use_mutex_;
    std::condition_variable is_used_;
    std::uint64_t given_ = 0;  // guarded by use_mutex_; calls of use()
    std::uint64_t used_ = 0;   // guarded by use_mutex_; of them, in use
    std::thread thread_;
};

}  // namespace weir::runtime

#include "worker.hpp"

#include "weir/core/log.hpp"

#include <boost/smart_ptr/make_local_shared.hpp>

#include <algorithm>
#include <pthread.h>
#include <sys/resource.h>

namespace weir::runtime {
namespace {

constexpr Duration kSecond = std::chrono::seconds{1};

}  // namespace

Worker::Worker(unsigned number,
               std::atomic<std::uint64_t>& connections,
               telemetry::Registry& registry,
               telemetry::AccessLog& access_log)
    : number_(number),
      shard_(registry.make_shard()),
      lag_(registry.histogram(telemetry::Family::event_loop_lag, {std::to_string(number)})),
      access_log_(access_log),
      upstream_{.loop = loop_, .shard = shard_, .worker = number, .random = Random::from_system()},
      context_(upstream_, access_log_, connections) {
    loop_.set_end_of_turn([this] { context_.end_turn(); });
}

Worker::~Worker() {
    stop();
    join();
}

void Worker::start() {
    thread_ = std::thread([this] { run(); });
    pthread_setname_np(thread_.native_handle(), ("weir-" + std::to_string(number_)).c_str());
}

void Worker::run() {
    loop_.timers().arm(second_, Clock::refresh() + kSecond);
    while (true) {
        try {
            loop_.run();
            break;
        } catch (const std::exception& error) {
            // A bug of ours: what it was doing is lost, the rest goes on.
            log::error("a worker met an exception", {{"worker", number_}, {"what", error.what()}});
        }
    }
    for (const auto& each : listeners_)
        each->sockets.clear();
    listeners_.clear();
    context_.end_turn();
    loop_.turn(Duration::zero());
    snapshot_.reset();
    loop_.turn(Duration::zero());
    access_log_.flush();
}

void Worker::on_second() {
    access_log_.flush();
    if (const Duration turn = loop_.take_measured_turn(); turn > Duration::zero())
        shard_.observe(lag_, turn);
    // Listeners that a reload took away go with their last connection.
    for (const auto& each : listeners_) {
        if (each->listener->is_draining()) each->listener->close_idle();
    }
    std::erase_if(listeners_, [](const auto& each) {
        return each->listener->is_gone() && each->listener->sessions() == 0;
    });
    loop_.timers().arm(second_, Clock::now() + kSecond);
}

void Worker::use(std::shared_ptr<const proxy::Snapshot> snapshot,
                 std::vector<BoundSocket> sockets) {
    auto shared = std::make_shared<std::vector<BoundSocket>>(std::move(sockets));
    loop_.post(
        [this, snapshot = std::move(snapshot), shared] { apply(snapshot, std::move(*shared)); });
}

void Worker::apply(const std::shared_ptr<const proxy::Snapshot>& snapshot,
                   std::vector<BoundSocket> sockets) {
    auto next = boost::make_local_shared<proxy::LocalSnapshot>();
    next->shared = snapshot;
    for (const auto& cluster : snapshot->clusters()) {
        boost::local_shared_ptr<upstream::LocalCluster> local;
        if (snapshot_) {
            for (const auto& known : snapshot_->clusters) {
                if (known->shared() == cluster) local = known;
            }
        }
        if (!local) {
            local = boost::make_local_shared<upstream::LocalCluster>(upstream_, cluster);
            follow(local);
        }
        next->clusters.push_back(std::move(local));
    }
    if (snapshot_) {
        for (const auto& known : snapshot_->clusters) {
            const bool stays = std::find(next->clusters.begin(), next->clusters.end(), known) !=
                               next->clusters.end();
            if (!stays) known->shared()->unsubscribe(number_);
        }
    }
    snapshot_ = next;
    const auto& limit = snapshot->config().limits.connections;
    rlimit files{};
    getrlimit(RLIMIT_NOFILE, &files);
    context_.connection_limit = limit ? *limit : files.rlim_cur * 8 / 10;
    for (const auto& state : snapshot->listeners())
        listener(state->config.name).listener->use(snapshot_);
    drop_gone(*snapshot);
    for (BoundSocket& bound : sockets) {
        Sockets& each = listener(bound.listener);
        proxy::LocalListener* const local = each.listener.get();
        each.sockets.emplace_back(bound.address,
                                  std::make_unique<transport::Listener>(
                                      loop_, std::move(bound.socket),
                                      [local](transport::Socket socket, const Address& peer) {
                                          local->accept(std::move(socket), peer);
                                      }));
    }
}

// New sets of endpoints come by post, and so does the news of a free connection.
void Worker::follow(const boost::local_shared_ptr<upstream::LocalCluster>& cluster) {
    // The loop outlives the subscription, and the pointer is only followed on the loop's thread
    // while it is in the snapshot.
    const std::weak_ptr<upstream::Cluster> shared = cluster->shared();
    cluster->shared()->subscribe(
        number_, [this, shared](const std::shared_ptr<const upstream::EndpointSet>& set) {
            loop_.post([this, shared, set] {
                const auto owner = shared.lock();
                if (!owner || !snapshot_) return;
                for (const auto& local : snapshot_->clusters) {
                    if (local->shared() != owner) continue;
                    if (set) {
                        local->set_endpoints(set);
                    } else {
                        local->serve_waiting_later();
                    }
                }
            });
        });
    cluster->set_endpoints(cluster->cluster().endpoints());
}

Worker::Sockets& Worker::listener(const std::string& name) {
    for (const auto& each : listeners_) {
        if (each->listener->name() == name && !each->listener->is_gone()) return *each;
    }
    auto made = std::make_unique<Sockets>();
    made->listener = std::make_unique<proxy::LocalListener>(context_, name);
    listeners_.push_back(std::move(made));
    return *listeners_.back();
}

void Worker::drop_gone(const proxy::Snapshot& snapshot) {
    for (const auto& each : listeners_) {
        const proxy::ListenerState* const state = snapshot.find_listener(each->listener->name());
        if (state == nullptr) {
            close_sockets(*each);
            each->listener->leave();
            continue;
        }
        std::erase_if(each->sockets, [&](const auto& socket) {
            const bool is_gone = std::none_of(
                state->config.listen.begin(), state->config.listen.end(),
                [&](const config::ListenAddress& listen) { return listen.text == socket.first; });
            if (is_gone) socket.second->accept_waiting();
            return is_gone;
        });
    }
}

// Closing resets what waits in the queue: it is accepted first.
void Worker::close_sockets(Sockets& sockets) {
    for (const auto& socket : sockets.sockets)
        socket.second->accept_waiting();
    sockets.sockets.clear();
}

void Worker::drain() {
    loop_.post([this] {
        context_.is_draining = true;
        for (const auto& each : listeners_)
            each->listener->drain();
    });
}

void Worker::close_idle() {
    loop_.post([this] {
        for (const auto& each : listeners_)
            each->listener->close_idle();
    });
}

void Worker::close_listeners() {
    loop_.post([this] {
        for (const auto& each : listeners_)
            close_sockets(*each);
    });
}

void Worker::ask(std::function<void(Load)> answer) {
    loop_.post([this, answer = std::move(answer)] {
        Load load{.sessions = context_.sessions};
        for (const auto& each : listeners_) {
            for (const auto& socket : each->sockets) {
                load.last_accept = std::max(load.last_accept, socket.second->last_accept());
            }
        }
        answer(load);
    });
}

void Worker::stop() {
    loop_.stop();
}

void Worker::join() {
    if (thread_.joinable()) thread_.join();
}

}  // namespace weir::runtime

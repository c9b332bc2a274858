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

std::string socket_key(const config::Listener& listener, const config::ListenAddress& address) {
    const bool is_any_port = !address.address.is_unix() && address.address.port() == 0;
    return is_any_port ? listener.name + " " + address.text : address.address.to_string();
}

Worker::Worker(unsigned number, std::atomic<std::uint64_t>& connections, const Records& records)
    : number_(number),
      shard_(records.registry.make_shard()),
      lag_(records.registry.histogram(telemetry::Family::event_loop_lag, {std::to_string(number)})),
      access_log_(records.access_log),
      upstream_{.loop = loop_,
                .shard = shard_,
                .worker = number,
                .random = Random::from_system(),
                .trace = &records.trace},
      context_(upstream_, access_log_, connections) {
    context_.failures = &records.failures;
    context_.passthrough = &records.passthrough;
    context_.faults = filter::LocalFaults(records.faults);
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
    sockets_.clear();
    listeners_.clear();
    upstream_.errands.clear();
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
        if (each->is_draining()) each->close_idle();
    }
    std::erase_if(listeners_,
                  [](const auto& each) { return each->is_gone() && each->sessions() == 0; });
    loop_.timers().arm(second_, Clock::now() + kSecond);
}

void Worker::use(std::shared_ptr<const proxy::Snapshot> snapshot,
                 std::vector<BoundSocket> sockets) {
    auto shared = std::make_shared<std::vector<BoundSocket>>(std::move(sockets));
    {
        const std::lock_guard lock(use_mutex_);
        ++given_;
    }
    loop_.post([this, snapshot = std::move(snapshot), shared] {
        apply(snapshot, std::move(*shared));
        const std::lock_guard lock(use_mutex_);
        ++used_;
        is_used_.notify_all();
    });
}

bool Worker::wait_for_use(Duration most) {
    std::unique_lock lock(use_mutex_);
    return is_used_.wait_for(lock, most, [&] { return used_ == given_; });
}

void Worker::apply(const std::shared_ptr<const proxy::Snapshot>& snapshot,
                   std::vector<BoundSocket> sockets) {
    use_clusters(snapshot);
    const auto& limit = snapshot->config().limits.connections;
    rlimit files{};
    getrlimit(RLIMIT_NOFILE, &files);
    context_.connection_limit = limit ? *limit : files.rlim_cur * 8 / 10;
    use_listeners(*snapshot, std::move(sockets));
}

void Worker::use_clusters(const std::shared_ptr<const proxy::Snapshot>& snapshot) {
    auto next = boost::make_local_shared<proxy::LocalSnapshot>();
    next->shared = snapshot;
    for (const auto& cluster : snapshot->clusters()) {
        const auto before = find_local(cluster->name());
        if (before && before->shared() == cluster) {
            next->clusters.push_back(before);
            continue;
        }
        auto local =
            boost::make_local_shared<upstream::LocalCluster>(upstream_, cluster, before.get());
        follow(local);
        next->clusters.push_back(std::move(local));
    }
    const proxy::LocalSnapshotPtr old = std::exchange(snapshot_, next);
    if (!old) return;
    for (const auto& known : old->clusters) {
        const auto& shared = known->shared();
        const auto now = find_local(shared->name());
        if (!now || now->shared() != shared) shared->unsubscribe(number_);
    }
}

// The clusters of a snapshot are in the order of their names.
boost::local_shared_ptr<upstream::LocalCluster> Worker::find_local(std::string_view name) const {
    if (!snapshot_) return nullptr;
    const auto& clusters = snapshot_->clusters;
    const auto found = std::lower_bound(clusters.begin(), clusters.end(), name,
                                        [](const auto& local, std::string_view wanted) {
                                            return local->shared()->name() < wanted;
                                        });
    if (found == clusters.end() || (*found)->shared()->name() != name) return nullptr;
    return *found;
}

// New sets of endpoints come by post, and so does the news of connections.
void Worker::follow(const boost::local_shared_ptr<upstream::LocalCluster>& cluster) {
    // The loop outlives the subscription, and the pointer is only followed on the loop's thread
    // while it is in the snapshot.
    const std::weak_ptr<upstream::Cluster> shared = cluster->shared();
    cluster->shared()->subscribe(number_, [this, shared](const upstream::Cluster::News& news) {
        loop_.post([this, shared, news] {
            const auto owner = shared.lock();
            if (!owner || !snapshot_) return;
            for (const auto& local : snapshot_->clusters) {
                if (local->shared() == owner) local->on_news(news);
            }
        });
    });
    cluster->set_endpoints(cluster->cluster().endpoints());
    // Other workers may have missed the news of a free connection while they changed over.
    cluster->cluster().connection_freed();
}

proxy::LocalListener& Worker::listener(const std::string& name) {
    for (const auto& each : listeners_) {
        if (each->name() == name && !each->is_gone()) return *each;
    }
    listeners_.push_back(std::make_unique<proxy::LocalListener>(context_, name));
    return *listeners_.back();
}

void Worker::use_listeners(const proxy::Snapshot& snapshot, std::vector<BoundSocket> sockets) {
    for (const auto& socket : sockets_)
        socket->is_wanted = false;
    // Those that are gone accept what waits for them yet, before they leave.
    std::vector<proxy::LocalListener*> gone;
    for (const auto& each : listeners_) {
        if (snapshot.find_listener(each->name()) == nullptr) gone.push_back(each.get());
    }
    for (const auto& state : snapshot.listeners()) {
        proxy::LocalListener& owner = listener(state->config.name);
        owner.use(snapshot_);
        for (const config::ListenAddress& address : state->config.listen)
            accept_for(owner, socket_key(state->config, address), sockets);
    }
    close_sockets(false);
    for (proxy::LocalListener* const each : gone)
        each->leave();
}

// A socket that is open goes on, though another listener may have it now.
void Worker::accept_for(proxy::LocalListener& owner,
                        const std::string& key,
                        std::vector<BoundSocket>& bound) {
    const auto has_key = [&](const auto& each) { return each.key == key; };
    const auto known = std::find_if(sockets_.begin(), sockets_.end(),
                                    [&](const auto& each) { return has_key(*each); });
    if (known != sockets_.end()) {
        (*known)->owner = &owner;
        (*known)->is_wanted = true;
        return;
    }
    const auto fresh = std::find_if(bound.begin(), bound.end(), has_key);
    if (fresh == bound.end()) return;
    auto accepting = std::make_unique<Accepting>(Accepting{.key = key, .owner = &owner});
    accepting->socket = std::make_unique<transport::Listener>(
        loop_, std::move(fresh->socket),
        [to = accepting.get()](transport::Socket socket, const Address& peer) {
            to->owner->accept(std::move(socket), peer, to->port);
        });
    accepting->port = accepting->socket->local_address().port();
    sockets_.push_back(std::move(accepting));
}

// Closing resets what waits in the queue: it is accepted first.
void Worker::close_sockets(bool are_all) {
    std::erase_if(sockets_, [&](const auto& each) {
        if (each->is_wanted && !are_all) return false;
        each->socket->accept_waiting();
        return true;
    });
}

void Worker::drain(proxy::Draining draining) {
    loop_.post([this, draining] {
        context_.draining = draining;
        for (const auto& each : listeners_) {
            if (each->is_draining()) each->drain();
        }
    });
}

void Worker::close_idle() {
    loop_.post([this] {
        for (const auto& each : listeners_)
            each->close_idle();
    });
}

void Worker::close_listeners() {
    loop_.post([this] { close_sockets(true); });
}

void Worker::ask(std::function<void(Load)> answer) {
    loop_.post([this, answer = std::move(answer)] {
        Load load{.sessions = context_.sessions};
        for (const auto& each : sockets_)
            load.last_accept = std::max(load.last_accept, each->socket->last_accept());
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

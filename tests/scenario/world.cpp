#include "world.hpp"

#include "weir/core/log.hpp"
#include "weir/decode/load.hpp"

#include <boost/smart_ptr/make_local_shared.hpp>
#include <gtest/gtest.h>

#include <algorithm>

namespace weir::test {
namespace {

using telemetry::Family;

std::string variable_of(std::size_t origin) {
    return std::string(1, static_cast<char>('A' + origin));
}

}  // namespace

// ---- the client

void Client::request(std::string_view method,
                     std::string_view path,
                     std::string_view body,
                     std::string_view fields) {
    std::string text(method);
    text.append(" ").append(path).append(" HTTP/1.1\r\nHost: example.com\r\n").append(fields);
    if (!body.empty()) text.append("Content-Length: " + std::to_string(body.size()) + "\r\n");
    text.append("\r\n").append(body);
    is_head_.push_back(method == "HEAD");
    send(text);
}

std::optional<Message> Client::take() {
    auto message =
        take_message(input_, true, !is_head_.empty() && is_head_.front(), end() == End::eof);
    if (message && message->status >= 200 && !is_head_.empty()) is_head_.erase(is_head_.begin());
    return message;
}

Message Client::await() {
    std::optional<Message> message;
    const bool came = world_.until([&] {
        if (!message) message = take();
        return message || has_ended();
    });
    if (!message) message = take();
    EXPECT_TRUE(came && message) << "no whole answer, but: " << input_;
    return message.value_or(Message{});
}

Message Client::exchange(std::string_view method,
                         std::string_view path,
                         std::string_view body,
                         std::string_view fields) {
    request(method, path, body, fields);
    return await();
}

// ---- the world

World::World(std::uint64_t seed)
    : log_({.to = "off"}, registry_),
      log_shard_(log_),
      upstream_{.loop = loop_,
                .shard = registry_.make_shard(),
                .worker = 0,
                .random = Random(seed),
                .trace = &trace_},
      context_(upstream_, log_shard_, connections_) {
    context_.failures = &failures_;
    log::set_level(log::Level::error);
    loop_.set_end_of_turn([this] { context_.end_turn(); });
}

telemetry::Failure World::failure() const {
    const auto found = failures_.recent({.most = 1});
    EXPECT_FALSE(found.empty()) << "no request has failed";
    return found.empty() ? telemetry::Failure{} : found.front();
}

World::~World() {
    clients_.clear();
    origins_.clear();
    socket_.reset();
    listener_.reset();
    other_sockets_.clear();
    other_listeners_.clear();
    context_.end_turn();
    loop_.turn(Duration::zero());
    snapshot_.reset();
    loop_.turn(Duration::zero());
}

Origin& World::origin() {
    return *origins_.emplace_back(std::make_unique<Origin>(loop_));
}

void World::start(const std::string& yaml) {
    const config::Environment environment{
        .variable = [this](std::string_view name) -> std::optional<std::string> {
            for (std::size_t i = 0; i < origins_.size(); ++i) {
                if (name == variable_of(i)) return origins_[i]->address();
            }
            for (std::size_t i = 0; i < reserved_.size(); ++i) {
                if (name == "L" + std::to_string(i + 1))
                    return reserved_[i].local_address().to_string();
            }
            return std::nullopt;
        },
        .host_name = "test"};
    const auto loaded = config::load_text(yaml, "weir.yaml", environment);
    ASSERT_TRUE(loaded) << render(loaded.report, loaded.sources);
    std::vector<std::shared_ptr<upstream::Cluster>> clusters;
    auto local = boost::make_local_shared<proxy::LocalSnapshot>();
    for (const auto& [name, section] : loaded.config->clusters) {
        auto cluster = std::make_shared<upstream::Cluster>(
            section, upstream::Cluster::Surroundings{registry_, events_, 1, 7}, clock_.now());
        discovery::Update update;
        for (const auto& endpoint : section.endpoints)
            update.endpoints.push_back({*endpoint.address, endpoint.text, endpoint.weight});
        cluster->set_endpoints(update, clock_.now());
        auto made = boost::make_local_shared<upstream::LocalCluster>(upstream_, cluster);
        made->set_endpoints(cluster->endpoints());
        upstream::LocalCluster* const follower = made.get();
        cluster->subscribe(0, [this, follower](const auto& news) {
            loop_.post([follower, news] { follower->on_news(news); });
        });
        local->clusters.push_back(std::move(made));
        clusters.push_back(std::move(cluster));
    }
    local->shared = std::make_shared<proxy::Snapshot>(loaded.config, clusters, registry_);
    snapshot_ = local;
    context_.connection_limit = loaded.config->limits.connections.value_or(1000);
    listener_ = std::make_unique<proxy::LocalListener>(context_, "in");
    listener_->use(snapshot_);
    auto socket = transport::Socket::listen(*Address::parse("127.0.0.1:0"), false);
    ASSERT_TRUE(socket);
    socket_ = std::make_unique<transport::Listener>(
        loop_, std::move(*socket), [this](transport::Socket accepted, const Address& peer) {
            listener_->accept(std::move(accepted), peer);
        });
    start_others(*loaded.config);
}

void World::start_others(const config::Config& config) {
    std::size_t next = 0;
    for (const config::Listener& each : config.listeners) {
        if (each.name == "in") continue;
        ASSERT_LT(next, reserved_.size());
        proxy::LocalListener& listener = *other_listeners_.emplace_back(
            std::make_unique<proxy::LocalListener>(context_, each.name));
        listener.use(snapshot_);
        other_sockets_.push_back(std::make_unique<transport::Listener>(
            loop_, std::move(reserved_[next++]),
            [&listener](transport::Socket accepted, const Address& peer) {
                listener.accept(std::move(accepted), peer);
            }));
    }
}

void World::reserve_listeners(std::size_t count) {
    for (std::size_t i = 0; i < count; ++i) {
        auto socket = transport::Socket::listen(*Address::parse("127.0.0.1:0"), false);
        WEIR_ASSERT(socket);
        reserved_.push_back(std::move(*socket));
    }
}

void World::start_cluster(const std::string& lines) {
    std::string endpoints;
    for (std::size_t i = 0; i < origins_.size(); ++i)
        endpoints += (i == 0 ? "\"${" : ", \"${") + variable_of(i) + "}\"";
    start(
        "version: 1\nlisteners:\n  - {name: in, listen: \":8080\", to: app}\nclusters:\n  app:\n"
        "    endpoints: [" +
        endpoints + "]\n" + lines);
}

Client& World::client() {
    return *clients_.emplace_back(std::make_unique<Client>(*this, loop_, socket_->local_address()));
}

Message World::ask(std::string_view method, std::string_view path, std::string_view body) {
    Client& asker = client();
    const Message message = asker.exchange(method, path, body);
    asker.close();
    settle();
    return message;
}

bool World::turn() {
    return loop_.turn(Duration::zero());
}

// The last look waits a moment: on a busy machine loopback may deliver late.
void World::settle() {
    do {
        while (turn()) {
        }
    } while (loop_.turn(std::chrono::milliseconds{1}));
}

void World::advance(Duration by) {
    const TimePoint target = clock_.now() + by;
    settle();
    while (clock_.now() < target) {
        const TimePoint wake = loop_.timers().next_wake().value_or(target);
        const TimePoint next =
            std::clamp(wake, clock_.now() + std::chrono::microseconds{1}, target);
        clock_.advance(next - clock_.now());
        turn();
        settle();
    }
}

std::int64_t World::begun() const {
    std::int64_t sum =
        value(Family::requests_active, {"in"}) + value(Family::connections_active, {"in", "no"});
    for (const auto& local : snapshot_->clusters) {
        const std::string& name = local->cluster().name();
        sum += value(Family::upstream_requests_active, {name}) +
               value(Family::upstream_requests_pending, {name}) +
               local->cluster().requests().in_use() + local->cluster().pending().in_use();
        for (const auto& each : local->cluster().endpoints()->endpoints)
            sum += each->totals().active;
    }
    return sum;
}

void World::expect_nothing_leaks() {
    // A plain end would leave a request to finish: it may be a half-close.
    for (const auto& each : clients_)
        each->reset();
    settle();
    EXPECT_TRUE(until([&] { return begun() == 0; })) << begun() << " were not ended";
    EXPECT_EQ(value(Family::requests_active, {"in"}), 0);
    EXPECT_EQ(value(Family::connections_active, {"in", "no"}), 0);
    EXPECT_EQ(connections_.load(), 0U);
    EXPECT_EQ(context_.sessions, 0U);
    // What is left upstream are idle connections: with their peers gone, none is.
    for (const auto& each : origins_)
        each->close_connections();
    for (const auto& local : snapshot_->clusters) {
        const std::string& name = local->cluster().name();
        EXPECT_TRUE(until([&] { return value(Family::upstream_connections_active, {name}) == 0; }))
            << value(Family::upstream_connections_active, {name}) << " connections are left";
        for (const auto& each : local->cluster().endpoints()->endpoints) {
            EXPECT_EQ(each->totals().connections, 0U);
            EXPECT_EQ(each->connections().in_use(), 0U);
            EXPECT_EQ(each->connecting().in_use(), 0U);
        }
    }
}

upstream::Cluster& World::cluster(std::string_view name) {
    return *snapshot_->shared->find_cluster(name);
}

const upstream::Endpoint& World::endpoint(const Origin& origin) {
    const auto set = cluster().endpoints();
    const auto found =
        std::find_if(set->endpoints.begin(), set->endpoints.end(),
                     [&](const auto& each) { return each->name() == origin.address(); });
    WEIR_ASSERT(found != set->endpoints.end());
    return **found;
}

void World::set_endpoints(const std::vector<const Origin*>& origins) {
    discovery::Update update;
    for (const Origin* const origin : origins)
        update.endpoints.push_back({*Address::parse(origin->address()), origin->address()});
    cluster().set_endpoints(update, clock_.now());
    settle();
}

void World::drain() {
    context_.draining = proxy::Draining::all;
    listener_->drain();
}

}  // namespace weir::test

#include "weir/discovery/plugin.h"

#include "weir/control/backoff.hpp"
#include "weir/core/log.hpp"

#include "discovery/found_set.hpp"
#include "finders/kinds.hpp"
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>

#include <algorithm>
#include <array>
#include <cstring>
#include <dlfcn.h>
#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

namespace weir::finders {
namespace {

constexpr Duration kLeastGap = std::chrono::milliseconds{20};
constexpr std::uint32_t kMostWeight = 65535;
constexpr std::uint32_t kMostPriority = 255;

// What members of structures were there when a plugin was compiled with the first header.
constexpr std::size_t kEndpointSize = sizeof(weir_endpoint);
constexpr std::size_t kPluginSize = sizeof(weir_discovery_plugin);

// A text of a plugin: bounded, though what ends it may be missing. Nothing if it is too long.
std::optional<std::string> text_of(const char* from) {
    if (from == nullptr) return std::string();
    const std::size_t size = ::strnlen(from, WEIR_DISCOVERY_MAX_TEXT + 1);
    if (size > WEIR_DISCOVERY_MAX_TEXT) return std::nullopt;
    return std::string(from, size);
}
std::string sentence_of(const char* from) {
    if (from == nullptr) return "no reason given";
    return {from, ::strnlen(from, WEIR_DISCOVERY_MAX_TEXT)};
}

// One endpoint as a plugin describes it, or what is wrong with it.
struct Read {
    Found found;
    std::string wrong;
};

Read read_endpoint(const weir_endpoint& from) {
    const auto address = text_of(from.address);
    const auto name = text_of(from.name);
    const auto zone = text_of(from.zone);
    const auto uid = text_of(from.uid);
    if (!address || !name || !zone || !uid) return {{}, "has a text of more than 1024 bytes"};
    const auto parsed = Address::parse(*address);
    if (!parsed || (!parsed->is_unix() && parsed->port() == 0))
        return {{}, "has the address '" + *address + "'"};
    if (from.weight > kMostWeight) return {{}, "has a weight above 65535"};
    if (from.priority > kMostPriority) return {{}, "has a priority above 255"};
    Read read;
    read.found.address = *parsed;
    read.found.name = name->empty() ? parsed->to_string() : *name;
    if (from.weight != 0) read.found.weight = from.weight;
    read.found.zone = *zone;
    read.found.uid = *uid;
    read.found.priority = static_cast<std::uint8_t>(from.priority);
    return read;
}

// A whole set, or the sentence why it makes no sense.
struct Set {
    std::vector<Found> endpoints;
    std::string wrong;
};

Set read_set(const weir_endpoint* endpoints, std::size_t count) {
    Set set;
    if (count > WEIR_DISCOVERY_MAX_ENDPOINTS) {
        set.wrong = "the plugin gave more than 100000 endpoints";
        return set;
    }
    if (count > 0 && endpoints == nullptr) {
        set.wrong = "the plugin gave endpoints that are nowhere";
        return set;
    }
    const std::size_t step = count > 0 ? endpoints->size : 0;
    if (count > 0 && (step < kEndpointSize || step % alignof(weir_endpoint) != 0)) {
        set.wrong = "the plugin gave endpoints of a size that none has";
        return set;
    }
    const auto* at = reinterpret_cast<const char*>(endpoints);
    for (std::size_t i = 0; i < count; ++i, at += step) {
        Read read = read_endpoint(*reinterpret_cast<const weir_endpoint*>(at));
        if (!read.wrong.empty()) {
            set.wrong = "endpoint " + std::to_string(i) + " of the plugin " + read.wrong;
            set.endpoints.clear();
            return set;
        }
        set.endpoints.push_back(std::move(read.found));
    }
    return set;
}

// What threads of a plugin said, on its way to the main loop: the newest set and the newest
// failure, so that a plugin that talks faster than the loop turns costs no memory. Thread: any.
class Mailbox : public std::enable_shared_from_this<Mailbox> {
  public:
    struct News {
        std::optional<std::vector<Found>> set;
        std::string error;  // said after the set
    };

    // `ring` is called on the loop when there is something to open().
    Mailbox(boost::asio::any_io_executor executor, std::string cluster, std::function<void()> ring)
        : cluster_(std::move(cluster)), executor_(std::move(executor)), ring_(std::move(ring)) {}

    // False: nobody listens any more.
    bool put_set(std::vector<Found> set) {
        return put([&] {
            news_.set = std::move(set);
            news_.error.clear();
        });
    }
    bool put_failure(std::string error) {
        return put([&] { news_.error = std::move(error); });
    }

    // Thread: main. What was said since it was opened last.
    [[nodiscard]] News open() {
        const std::scoped_lock lock(mutex_);
        is_posted_ = false;
        return std::exchange(news_, {});
    }

    // Thread: main. Nothing rings afterwards.
    void close() {
        const std::scoped_lock lock(mutex_);
        is_closed_ = true;
    }

    [[nodiscard]] const std::string& cluster() const { return cluster_; }

  private:
    template <typename Change>
    bool put(Change&& change) {
        const std::scoped_lock lock(mutex_);
        if (is_closed_) return false;
        change();
        if (std::exchange(is_posted_, true)) return true;
        boost::asio::post(executor_, [weak = weak_from_this()] {
            if (const auto self = weak.lock()) self->ring();
        });
        return true;
    }

    void ring() {
        {
            const std::scoped_lock lock(mutex_);
            if (is_closed_) return;
        }
        ring_();
    }

    const std::string cluster_;
    const boost::asio::any_io_executor executor_;
    const std::function<void()> ring_;
    std::mutex mutex_;
    News news_;               // guarded by mutex_
    bool is_posted_ = false;  // guarded by mutex_
    bool is_closed_ = false;  // guarded by mutex_
};

// Who is meant by a handle. A plugin may keep handles for ever and call with one that is long gone,
// also on a thread that nobody joins at the end of the process: so handles are numbers that are
// never given twice, and what they are looked up in is not destroyed. Thread: any.
class Handles {
  public:
    static Handles& all() {
        static auto* const handles = new Handles;
        return *handles;
    }

    weir_discovery_handle* add(std::shared_ptr<Mailbox> mailbox) {
        const std::scoped_lock lock(mutex_);
        mailboxes_[++last_] = std::move(mailbox);
        return reinterpret_cast<weir_discovery_handle*>(last_);
    }
    void remove(weir_discovery_handle* handle) {
        const std::scoped_lock lock(mutex_);
        mailboxes_.erase(reinterpret_cast<std::uintptr_t>(handle));
    }
    std::shared_ptr<Mailbox> find(weir_discovery_handle* handle) {
        const std::scoped_lock lock(mutex_);
        const auto found = mailboxes_.find(reinterpret_cast<std::uintptr_t>(handle));
        return found == mailboxes_.end() ? nullptr : found->second;
    }

  private:
    std::mutex mutex_;
    std::uintptr_t last_ = 0;
    // Co-owners: the providers, and threads that are putting something in.
    std::map<std::uintptr_t, std::shared_ptr<Mailbox>> mailboxes_;
};

int on_publish(weir_discovery_handle* handle, const weir_endpoint* endpoints, std::size_t count) {
    const auto mailbox = Handles::all().find(handle);
    if (!mailbox) return WEIR_DISCOVERY_STOPPED;
    Set set = read_set(endpoints, count);
    if (!set.wrong.empty()) {
        const bool is_heard = mailbox->put_failure(std::move(set.wrong));
        return is_heard ? WEIR_DISCOVERY_REFUSED : WEIR_DISCOVERY_STOPPED;
    }
    return mailbox->put_set(std::move(set.endpoints)) ? WEIR_DISCOVERY_OK : WEIR_DISCOVERY_STOPPED;
}

void on_fail(weir_discovery_handle* handle, const char* why) {
    if (const auto mailbox = Handles::all().find(handle)) mailbox->put_failure(sentence_of(why));
}

void on_log(weir_discovery_handle* handle, int level, const char* text) {
    const auto mailbox = Handles::all().find(handle);
    if (!mailbox) return;
    const std::string line = sentence_of(text);
    const log::Fields fields{{"cluster", mailbox->cluster()}, {"text", line}};
    switch (level) {
        case WEIR_DISCOVERY_DEBUG:
            return log::debug("discovery plugin", fields);
        case WEIR_DISCOVERY_INFO:
            return log::info("discovery plugin", fields);
        case WEIR_DISCOVERY_WARN:
            return log::warn("discovery plugin", fields);
        default:
            return log::error("discovery plugin", fields);
    }
}

constexpr weir_discovery_host kHost{sizeof(weir_discovery_host), on_publish, on_fail, on_log};

// Opens a plugin, for good. Throws std::runtime_error with a sentence.
const weir_discovery_plugin& open_plugin(std::string path) {
    if (path.find('/') == std::string::npos) path.insert(0, "./");  // else it is searched for
    const auto refuse = [&](const std::string& why) -> void {
        throw std::runtime_error("discovery plugin " + path + ": " + why);
    };
    void* const object = ::dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
    if (object == nullptr) {
        const char* const why = ::dlerror();
        refuse(why == nullptr ? "cannot be opened" : why);
    }
    const auto ask = reinterpret_cast<const weir_discovery_plugin* (*)(std::uint32_t)>(
        ::dlsym(object, WEIR_DISCOVERY_SYMBOL));
    if (ask == nullptr) refuse("it has no " WEIR_DISCOVERY_SYMBOL "()");
    const weir_discovery_plugin* const plugin = ask(WEIR_DISCOVERY_ABI);
    if (plugin == nullptr) refuse("it does not know ABI 1, the one of this Weir");
    if (plugin->abi != WEIR_DISCOVERY_ABI) {
        refuse("it is made for ABI " + std::to_string(plugin->abi) + ", this Weir has 1");
    }
    if (plugin->size < kPluginSize || plugin->start == nullptr || plugin->stop == nullptr)
        refuse("its description is not whole");
    return *plugin;
}

// Thread: main.
class PluginProvider final : public Provider {
  public:
    PluginProvider(const config::Cluster& cluster, const Surroundings& surroundings)
        : cluster_(cluster.name),
          discovery_(cluster.discovery),
          plugin_(open_plugin(cluster.discovery.path)),
          executor_(surroundings.main.get_executor()),
          set_(executor_, {cluster.name, "plugin", cluster.discovery, surroundings.state_dir}),
          mailbox_(std::make_shared<Mailbox>(executor_, cluster.name, [this] { on_ring(); })) {
        if (discovery_.name.empty()) discovery_.name = cluster_;
    }
    PluginProvider(const PluginProvider&) = delete;
    PluginProvider& operator=(const PluginProvider&) = delete;

    ~PluginProvider() override {
        mailbox_->close();
        if (handle_ != nullptr) Handles::all().remove(handle_);
        if (instance_ != nullptr) plugin_.stop(instance_);
    }

    void start(Sink sink) override {
        set_.start(std::move(sink));
        handle_ = Handles::all().add(mailbox_);
        if (begin()) return;
        trying_ = transport::spawn(executor_, "start of the plugin for " + cluster_,
                                   [this](auto& scope) { return try_again(scope); });
    }

    [[nodiscard]] Status status() const override { return set_.status(); }

  private:
    bool begin() {
        std::vector<weir_discovery_option> options;
        for (const auto& [key, value] : discovery_.options)
            options.push_back({key.c_str(), value.c_str()});
        const weir_discovery_config config{.size = sizeof(weir_discovery_config),
                                           .cluster = cluster_.c_str(),
                                           .name = discovery_.name.c_str(),
                                           .port = discovery_.port,
                                           .options = options.data(),
                                           .option_count = options.size()};
        std::array<char, WEIR_DISCOVERY_MAX_TEXT> error{};
        instance_ = plugin_.start(&kHost, handle_, &config, error.data(), error.size());
        if (instance_ != nullptr) return true;
        error.back() = '\0';
        set_.failed("the plugin does not start: " +
                    (error.front() == '\0' ? std::string("no reason given") : error.data()));
        return false;
    }

    transport::Task<> try_again(transport::TaskScope& scope) {
        while (instance_ == nullptr) {
            co_await scope.sleep_for(backoff_.wait(random_));
            begin();
        }
    }

    // A plugin that talks all the time is listened to now and then.
    void on_ring() {
        const Duration left = listened_at_ + kLeastGap - Clock::refresh();
        if (left <= Duration::zero()) return listen();
        listening_ =
            transport::spawn(executor_, "plugin for " + cluster_,
                             [this, left](auto& scope) { return listen_later(scope, left); });
    }

    transport::Task<> listen_later(transport::TaskScope& scope, Duration left) {
        co_await scope.sleep_for(left);
        listen();
    }

    void listen() {
        listened_at_ = Clock::refresh();
        Mailbox::News news = mailbox_->open();
        if (news.set) set_.answered(std::move(*news.set));
        if (!news.error.empty()) set_.failed(std::move(news.error));
    }

    const std::string cluster_;
    config::Discovery discovery_;
    const weir_discovery_plugin& plugin_;
    boost::asio::any_io_executor executor_;
    discovery::FoundSet set_;
    const std::shared_ptr<Mailbox> mailbox_;  // co-owners: see Handles
    weir_discovery_handle* handle_ = nullptr;
    void* instance_ = nullptr;
    control::Backoff backoff_{{.first = std::chrono::seconds{1}}};
    Random random_ = Random::from_system();
    TimePoint listened_at_{};
    transport::TaskHandle trying_;
    transport::TaskHandle listening_;
};

}  // namespace

std::unique_ptr<Provider> make_plugin_provider(const config::Cluster& cluster,
                                               const Surroundings& surroundings) {
    return std::make_unique<PluginProvider>(cluster, surroundings);
}

}  // namespace weir::finders

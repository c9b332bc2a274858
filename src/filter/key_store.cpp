#include "key_store.hpp"

#include "weir/core/log.hpp"
#include "weir/http/headers.hpp"

#include <algorithm>
#include <charconv>

namespace weir::filter {
namespace {

constexpr Duration kFetchTimeout = std::chrono::seconds{5};

// "GET /keys HTTP/1.1" for the URL of a set.
std::string request_for(std::string_view url) {
    std::string_view rest = url.substr(url.find("://") + 3);
    const auto slash = std::min(rest.find('/'), rest.size());
    const std::string_view path = slash == rest.size() ? "/" : rest.substr(slash);
    std::string head = "GET ";
    head.append(path).append(" HTTP/1.1\r\nhost: ").append(rest.substr(0, slash));
    return head.append("\r\naccept: application/json\r\nuser-agent: weir\r\n\r\n");
}

std::optional<Duration> max_age_of(std::string_view cache_control) {
    const auto at = cache_control.find("max-age=");
    if (at == std::string_view::npos) return std::nullopt;
    std::uint32_t seconds = 0;
    const char* const begin = cache_control.data() + at + 8;
    const auto read = std::from_chars(begin, cache_control.data() + cache_control.size(), seconds);
    if (read.ec != std::errc{}) return std::nullopt;
    return std::chrono::seconds{seconds};
}

}  // namespace

// Belongs to no request: who asked first may leave before the keys are here.
class KeyStore::Fetch final : public upstream::Errand {
  public:
    Fetch(std::shared_ptr<KeyStore> store, upstream::LocalContext& context)
        : store_(std::move(store)), context_(context), call_(context, store_->route_) {}
    Fetch(const Fetch&) = delete;
    Fetch& operator=(const Fetch&) = delete;
    ~Fetch() override {
        if (!is_done_) store_->on_abandoned();
    }

    void start(const LocalClusterPtr& cluster) {
        call_.start(cluster,
                    {.head = store_->request_,
                     .body = {},
                     .timeout = kFetchTimeout,
                     .most = crypto::kMostJwksBytes},
                    [this](const upstream::CallAnswer& answer) {
                        is_done_ = true;
                        store_->on_fetched(answer);
                        context_.errands.end(context_.loop, *this);
                    });
    }

  private:
    const std::shared_ptr<KeyStore> store_;
    upstream::LocalContext& context_;
    upstream::Call call_;
    bool is_done_ = false;
};

KeyStore::KeyStore(const config::Auth& section, upstream::Cluster& cluster)
    : section_(section),
      route_(cluster, "auth:" + section.name),
      request_(request_for(section.jwks)),
      source_({.min_refetch = section.min_refetch, .max_stale = section.max_stale},
              Random::from_system()) {}

void KeyStore::inherit(KeyStore& other) {
    const std::scoped_lock lock(mutex_, other.mutex_);
    source_.inherit(other.source_, Clock::now());
    generation_.store(source_.generation(), std::memory_order_release);
}

KeyStore::Answer KeyStore::ask(upstream::LocalContext& context,
                               const LocalClusterPtr& cluster,
                               const std::string* id) {
    const TimePoint now = Clock::now();
    auth::KeySource::Answer said;
    Answer answer;
    {
        const std::lock_guard lock(mutex_);
        said = id == nullptr ? source_.ask(now) : source_.ask_for(*id, now);
        answer = {said.action, said.keys, generation()};
        if (said.begins_fetch) refresh_at_.store(INT64_MAX, std::memory_order_relaxed);
    }
    if (said.begins_fetch) {
        auto fetch = std::make_unique<Fetch>(shared_from_this(), context);
        Fetch& started = *fetch;
        context.errands.begin(std::move(fetch));
        started.start(cluster);
    }
    return answer;
}

void KeyStore::on_fetched(const upstream::CallAnswer& answer) {
    const bool is_ok = answer.error.reason == Reason::none && answer.status == 200;
    crypto::JwksText text;
    if (is_ok) {
        text = crypto::parse_jwks(answer.body, false);
    } else if (answer.error.reason != Reason::none) {
        text.problem = std::string(word(answer.error.reason));
    } else {
        text.problem = "status " + std::to_string(answer.status);
    }
    const TimePoint now = Clock::now();
    const std::lock_guard lock(mutex_);
    if (text.set) {
        source_.on_fetched(text.set, max_age_of(answer.field("cache-control")), now);
        generation_.store(source_.generation(), std::memory_order_release);
    } else {
        source_.on_failed(now);
    }
    if (text.problem != last_problem_) {
        if (text.set) {
            log::info("keys are fetched again", {{"auth", section_.name}});
        } else {
            log::warn("keys cannot be fetched",
                      {{"auth", section_.name}, {"reason", text.problem}});
        }
        last_problem_ = text.problem;
    }
    refresh_at_.store(source_.refresh_at().time_since_epoch().count(), std::memory_order_relaxed);
    wake();
}

void KeyStore::on_abandoned() {
    const std::lock_guard lock(mutex_);
    source_.on_abandoned();
    refresh_at_.store(0, std::memory_order_relaxed);
    wake();
}

void KeyStore::wake() {
    for (Waiter* const each : waiting_) {
        each->loop_.post([link = each->link_] {
            if (link->waiter != nullptr) link->waiter->on_keys();
        });
    }
    waiting_.clear();
}

KeyStore::Waiter::Waiter(KeyStore& store, transport::EventLoop& loop)
    : store_(store.shared_from_this()), loop_(loop), link_(std::make_shared<Link>()) {
    link_->waiter = this;
}

KeyStore::Waiter::~Waiter() {
    link_->waiter = nullptr;
    const std::lock_guard lock(store_->mutex_);
    std::erase(store_->waiting_, this);
}

void KeyStore::Waiter::wait() {
    {
        const std::lock_guard lock(store_->mutex_);
        if (store_->source_.is_fetching()) {
            store_->waiting_.push_back(this);
            return;
        }
    }
    // It came meanwhile, by another worker.
    loop_.post([link = link_] {
        if (link->waiter != nullptr) link->waiter->on_keys();
    });
}

}  // namespace weir::filter

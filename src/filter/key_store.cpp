#include "key_store.hpp"

#include "weir/auth/discovery.hpp"
#include "weir/core/log.hpp"

#include <algorithm>
#include <charconv>

namespace weir::filter {
namespace {

constexpr Duration kFetchTimeout = std::chrono::seconds{5};

// "GET /keys HTTP/1.1" for a URL.
std::string request_for(std::string_view url) {
    const auth::UrlParts parts = auth::split_url(url);
    std::string head = "GET ";
    head.append(parts.target).append(" HTTP/1.1\r\nhost: ").append(parts.authority);
    return head.append("\r\naccept: application/json\r\nuser-agent: weir\r\n\r\n");
}

// Of an answer that is of no use; else nothing.
std::string problem_of(const upstream::CallAnswer& answer) {
    if (answer.error.reason != Reason::none) return std::string(word(answer.error.reason));
    return answer.status == 200 ? std::string() : "status " + std::to_string(answer.status);
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
        : store_(std::move(store)), context_(context), first_(context, store_->route_) {}
    Fetch(const Fetch&) = delete;
    Fetch& operator=(const Fetch&) = delete;
    ~Fetch() override {
        if (!is_done_) store_->on_abandoned();
    }

    void start(const LocalClusterPtr& cluster) {
        cluster_ = cluster;
        ask(first_, store_->section_.jwks, [this](const upstream::CallAnswer& answer) {
            if (store_->is_discovered_) return on_document(answer);
            on_keys(answer);
        });
    }

  private:
    void ask(upstream::Call& call, std::string_view url, upstream::Call::Done done) {
        call.start(cluster_,
                   {.head = request_for(url),
                    .body = {},
                    .timeout = kFetchTimeout,
                    .most = crypto::kMostJwksBytes},
                   std::move(done));
    }

    // It is inside the first call, so the keys are asked for by another.
    void on_document(const upstream::CallAnswer& answer) {
        auth::KeysPlace place{{}, problem_of(answer)};
        if (place.problem.empty())
            place = auth::find_keys(answer.body, store_->section_.jwks, store_->section_.issuer);
        if (place.url.empty()) return end({nullptr, std::move(place.problem)}, std::nullopt);
        second_.emplace(context_, store_->route_);
        ask(*second_, place.url, [this](const upstream::CallAnswer& keys) { on_keys(keys); });
    }

    void on_keys(const upstream::CallAnswer& answer) {
        crypto::JwksText text{nullptr, problem_of(answer)};
        if (text.problem.empty()) text = crypto::parse_jwks(answer.body, false);
        end(text, max_age_of(answer.field("cache-control")));
    }

    void end(const crypto::JwksText& text, std::optional<Duration> max_age) {
        is_done_ = true;
        store_->on_fetched(text, max_age);
        context_.errands.end(context_.loop, *this);
    }

    const std::shared_ptr<KeyStore> store_;
    upstream::LocalContext& context_;
    LocalClusterPtr cluster_;
    upstream::Call first_;  // of the keys, or of the document that names their place
    std::optional<upstream::Call> second_;  // then, of the keys
    bool is_done_ = false;
};

KeyStore::KeyStore(const config::Auth& section, upstream::Cluster& cluster)
    : section_(section),
      route_(cluster, "auth:" + section.name),
      is_discovered_(auth::is_discovery(section.jwks)),
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

void KeyStore::on_fetched(const crypto::JwksText& text, std::optional<Duration> max_age) {
    const TimePoint now = Clock::now();
    const std::lock_guard lock(mutex_);
    if (text.set) {
        source_.on_fetched(text.set, max_age, now);
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

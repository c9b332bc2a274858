#include "discovery/found_set.hpp"

#include "weir/config/values.hpp"
#include "weir/core/log.hpp"

#include <algorithm>
#include <array>
#include <compare>
#include <filesystem>
#include <utility>

namespace weir::discovery {
namespace {

// Sets made of a stream of changes: this often, and no more than a share of the time of those who
// take them in.
constexpr Duration kLeastGap = std::chrono::milliseconds{20};
constexpr Duration kGapEach = std::chrono::microseconds{10};

// On disk soon after a change, and confirmed now and then.
constexpr Duration kSaveAfter = std::chrono::seconds{1};
constexpr Duration kSaveEach = std::chrono::milliseconds{1};
constexpr Duration kConfirm = std::chrono::seconds{60};

// A clock that was set back a little is no reason not to start.
constexpr Duration kMostAhead = std::chrono::minutes{1};

// What an address sorts by, cheaper than its text.
struct Key {
    int family = 0;
    std::array<unsigned char, 16> ip{};
    std::uint16_t port = 0;
    std::string path;
    Found::State state = Found::State::serving;
    std::uint8_t priority = 0;
    std::size_t index = 0;

    auto operator<=>(const Key&) const = default;
    [[nodiscard]] bool is_same_address(const Key& other) const {
        return family == other.family && ip == other.ip && port == other.port && path == other.path;
    }
};

Key key_of(const Found& found, std::size_t index) {
    Key key;
    key.family = found.address.family();
    key.state = found.state;
    key.priority = found.priority;
    key.index = index;
    if (found.address.is_unix()) {
        key.path = found.address.to_string();
        return key;
    }
    key.port = found.address.port();
    sockaddr_storage storage{};
    static_cast<void>(found.address.to_socket(storage));
    if (key.family == AF_INET6) {
        sockaddr_in6 v6{};
        std::memcpy(&v6, &storage, sizeof v6);
        std::memcpy(key.ip.data(), &v6.sin6_addr, sizeof v6.sin6_addr);
    } else {
        sockaddr_in v4{};
        std::memcpy(&v4, &storage, sizeof v4);
        std::memcpy(key.ip.data(), &v4.sin_addr, sizeof v4.sin_addr);
    }
    return key;
}

std::optional<SnapshotFile> snapshot_of(const FoundSet::Options& options) {
    if (options.state_dir.empty() || !options.discovery.keep_last) return std::nullopt;
    return SnapshotFile(options.state_dir, options.cluster, options.discovery);
}

}  // namespace

void sort_unique(std::vector<Found>& endpoints) {
    std::vector<Key> keys;
    keys.reserve(endpoints.size());
    for (std::size_t i = 0; i < endpoints.size(); ++i)
        keys.push_back(key_of(endpoints[i], i));
    std::sort(keys.begin(), keys.end());
    std::vector<Found> sorted;
    sorted.reserve(endpoints.size());
    const Key* last = nullptr;
    for (const Key& key : keys) {
        if (last != nullptr && last->is_same_address(key)) continue;
        last = &key;
        sorted.push_back(std::move(endpoints[key.index]));
    }
    endpoints = std::move(sorted);
}

FoundSet::FoundSet(boost::asio::any_io_executor executor, Options options)
    : executor_(std::move(executor)),
      options_(std::move(options)),
      snapshot_(snapshot_of(options_)),
      believed_({options_.discovery.keep_last, options_.discovery.empty_hold}) {
    status_.type = options_.type;
}

FoundSet::~FoundSet() {
    save();
}

void FoundSet::start(Provider::Sink sink) {
    sink_ = std::move(sink);
    if (!snapshot_) return;
    take_snapshot();
    saving_ = transport::spawn(executor_, "snapshots of " + options_.cluster,
                               [this](auto& scope) { return keep_saving(scope); });
}

void FoundSet::take_snapshot() {
    std::string why;
    auto content = snapshot_->read(why);
    if (!why.empty()) {
        log::warn("snapshot of endpoints refused",
                  {{"cluster", options_.cluster}, {"file", snapshot_->path()}, {"error", why}});
    }
    if (!content) return;
    const TimePoint now = Clock::refresh();
    const auto age = std::chrono::duration_cast<Duration>(Clock::wall() - content->at);
    const bool is_young = age >= -kMostAhead && age <= options_.discovery.keep_last_max_age;
    const auto shown = std::chrono::duration_cast<std::chrono::seconds>(age);
    log::info(is_young ? "endpoints from the snapshot, until their source answers"
                       : "snapshot of endpoints is too old to be used",
              {{"cluster", options_.cluster},
               {"endpoints", std::to_string(content->endpoints.size())},
               {"age", config::to_text(shown)}});
    if (!is_young) return;
    sort_unique(content->endpoints);
    believed_.answered(std::move(content->endpoints), now);
    status_.last_contact = now - std::max(age, Duration::zero());
    status_.is_snapshot = true;
    status_.has_answered = true;
    publish();
}

void FoundSet::answered(std::vector<Found> endpoints) {
    sort_unique(endpoints);
    status_.has_answered = true;
    status_.is_snapshot = false;
    contacted();
    believed_.answered(std::move(endpoints), Clock::refresh());
    if (believed_.recheck_at() && !rechecking_.is_running()) {
        rechecking_ = transport::spawn(executor_, "empty answers of " + options_.cluster,
                                       [this](auto& scope) { return recheck(scope); });
    }
    publish();
}

void FoundSet::contacted() {
    status_.last_contact = Clock::refresh();
    status_.last_error.clear();
    if (is_failing_) log::info("discovery answers again", {{"cluster", options_.cluster}});
    is_failing_ = false;
}

void FoundSet::failed(std::string error) {
    ++status_.failures;
    if (!is_failing_ || error != status_.last_error) {
        log::warn("discovery failed",
                  {{"cluster", options_.cluster},
                   {"error", error},
                   {"kept", std::to_string(options_.discovery.keep_last ? status_.size : 0)}});
    }
    is_failing_ = true;
    status_.last_error = std::move(error);
    believed_.failed();
    if (status_.updates > 0) publish();
}

// An answer that says "none" is one that is repeated by silence.
transport::Task<> FoundSet::recheck(transport::TaskScope& scope) {
    while (const auto at = believed_.recheck_at()) {
        const Duration left = *at - Clock::refresh();
        if (left > Duration::zero()) {
            co_await scope.sleep_for(left);
            continue;
        }
        if (is_failing_) co_return;  // the next answer decides
        believed_.answered({}, Clock::refresh());
        publish();
    }
}

void FoundSet::publish() {
    if (status_.updates > 0 && last_.endpoints == believed_.items()) return;
    last_.endpoints = believed_.items();
    status_.size = last_.endpoints.size();
    ++status_.updates;
    is_unsaved_ = true;
    sink_(last_);
}

// ---- many changes

Duration FoundSet::least_gap() const {
    return std::max(kLeastGap, kGapEach * static_cast<Duration::rep>(status_.size));
}

void FoundSet::changed(Make make) {
    make_ = std::move(make);
    if (making_.is_running()) return;
    const TimePoint now = Clock::refresh();
    const bool is_first = made_at_ == TimePoint::min();
    const Duration left = is_first ? Duration::zero() : made_at_ + least_gap() - now;
    if (left <= Duration::zero()) return make_now();
    making_ = transport::spawn(executor_, "endpoints of " + options_.cluster,
                               [this, left](auto& scope) { return make_later(scope, left); });
}

transport::Task<> FoundSet::make_later(transport::TaskScope& scope, Duration wait) {
    co_await scope.sleep_for(wait);
    make_now();
}

void FoundSet::make_now() {
    const auto make = std::exchange(make_, nullptr);
    if (!make) return;
    made_at_ = Clock::refresh();
    if (auto endpoints = make()) answered(std::move(*endpoints));
}

// ---- the snapshot

void FoundSet::save() {
    const bool is_known = snapshot_ && status_.last_contact && !status_.is_snapshot;
    if (!is_known || (!is_unsaved_ && saved_contact_ == status_.last_contact)) return;
    const WallTime at = Clock::wall() - std::chrono::duration_cast<WallTime::duration>(
                                            Clock::refresh() - *status_.last_contact);
    std::error_code ec;
    std::filesystem::create_directories(options_.state_dir, ec);
    const bool is_written = snapshot_->write({at, last_.endpoints});
    if (!is_written && !has_complained_) {
        log::warn("snapshot of endpoints cannot be written",
                  {{"cluster", options_.cluster}, {"file", snapshot_->path()}});
    }
    has_complained_ = !is_written;
    is_unsaved_ = false;
    saved_contact_ = status_.last_contact;
}

transport::Task<> FoundSet::keep_saving(transport::TaskScope& scope) {
    for (;;) {
        co_await scope.sleep_for(kSaveAfter + kSaveEach * static_cast<Duration::rep>(status_.size));
        const bool is_old = !saved_contact_ || (status_.last_contact &&
                                                *status_.last_contact - *saved_contact_ > kConfirm);
        if (is_unsaved_ || is_old) save();
    }
}

}  // namespace weir::discovery

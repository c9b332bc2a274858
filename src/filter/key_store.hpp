#pragma once

#include "weir/auth/key_source.hpp"
#include "weir/filter/pass.hpp"
#include "weir/upstream/call.hpp"

#include "auth_way.hpp"

#include <atomic>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

namespace weir::filter {

// Keys that are fetched from a URL: once for all workers, by the one who asks first. Thread: any.
class KeyStore : public std::enable_shared_from_this<KeyStore> {
  public:
    KeyStore(const config::Auth& section, upstream::Cluster& cluster);
    KeyStore(const KeyStore&) = delete;
    KeyStore& operator=(const KeyStore&) = delete;

    // Begins with the keys of another.
    void inherit(KeyStore& other);

    // Changes with the keys. Costs an atomic load.
    [[nodiscard]] std::uint64_t generation() const {
        return generation_.load(std::memory_order_acquire);
    }
    // Whether ask() would fetch them ahead. Costs an atomic load.
    [[nodiscard]] bool is_due(TimePoint now) const {
        return now.time_since_epoch().count() >= refresh_at_.load(std::memory_order_relaxed);
    }

    struct Answer {
        auth::KeySource::Action action = auth::KeySource::Action::unavailable;
        std::shared_ptr<const crypto::JwkSet> keys;
        std::uint64_t generation = 0;
    };
    // As KeySource::ask() and ask_for(); begins the fetch on this worker if that is due.
    [[nodiscard]] Answer ask(upstream::LocalContext& context,
                             const LocalClusterPtr& cluster,
                             const std::string* id);

    // One who waits for a fetch; told on its own worker's thread, once.
    class Waiter {
      public:
        Waiter(KeyStore& store, transport::EventLoop& loop);
        Waiter(const Waiter&) = delete;
        Waiter& operator=(const Waiter&) = delete;
        virtual ~Waiter();

      protected:
        virtual void on_keys() = 0;
        void wait();

      private:
        friend class KeyStore;
        struct Link {
            Waiter* waiter = nullptr;  // of its worker's thread; null once it has gone
        };
        const std::shared_ptr<KeyStore> store_;
        transport::EventLoop& loop_;
        std::shared_ptr<Link> link_;
    };

  private:
    class Fetch;

    void on_fetched(const crypto::JwksText& text, std::optional<Duration> max_age);
    void on_abandoned();
    void wake();  // with mutex_ held: whoever waits is still there, and its loop

    const config::Auth section_;
    const upstream::CallRoute route_;
    const bool is_discovered_;  // by a document at that URL, which says where they are
    std::mutex mutex_;
    auth::KeySource source_;        // guarded by mutex_
    std::vector<Waiter*> waiting_;  // guarded by mutex_
    std::string last_problem_;      // guarded by mutex_; said once
    std::atomic<std::uint64_t> generation_{0};
    std::atomic<std::int64_t> refresh_at_{0};
};

}  // namespace weir::filter

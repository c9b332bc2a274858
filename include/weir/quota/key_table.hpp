#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>

namespace weir::quota {

// One word of state a key, for all threads of the process: what a rule knows of its clients.
// Bounded: max_keys keys, or a few more where each in a bucket has more to remember than the one
// that comes; never twice as many. Memory is touched as they come.
//
// A key is found in one bucket of eight by its 64-bit hash (SipHash keyed by the process, so that
// nobody can choose to share a place). Its word is changed by compare-and-swap: no two threads
// spend the same token. Only a key that comes in takes a lock, one of 64.
//
// Where a bucket or the table is full, the key with the smallest word goes. Words are made so that
// this is the one with the least to remember: a flood of made-up keys pushes out one another and
// those who have been idle, never one that is at its limit. Thread: any; acquire/release.
class KeyTable {
  public:
    explicit KeyTable(std::uint32_t max_keys);
    ~KeyTable();
    KeyTable(const KeyTable&) = delete;
    KeyTable& operator=(const KeyTable&) = delete;

    // change(word) says what becomes of the key's word (0 if the key is not known) and returns it
    // in `word` of its result, which is returned. It may be called again, if another thread was
    // faster. The same word: nothing is written, nor is the key remembered. Losing a word of at
    // most `idle` loses nothing, and is not counted.
    template <typename Change>
    auto update(std::uint64_t key, std::uint64_t idle, const Change& change) {
        key = key == 0 ? 1 : key;
        Bucket& bucket = bucket_of(key);
        __builtin_prefetch(bucket.words);  // of a million keys none is in the cache
        const int at = find(bucket, key);
        if (at >= 0) {
            decltype(change(std::uint64_t{0})) result{};
            if (change_known(bucket, at, key, change, result)) return result;
        }
        return update_slowly(bucket, key, idle, change);
    }

    // The key's word now; 0 if it is not known.
    [[nodiscard]] std::uint64_t word(std::uint64_t key) const;

    [[nodiscard]] std::uint32_t size() const { return size_.load(std::memory_order_relaxed); }
    // Of keys that had something to remember.
    [[nodiscard]] std::uint64_t evicted_total() const {
        return evicted_.load(std::memory_order_relaxed);
    }

  private:
    static constexpr int kWays = 8;
    static constexpr std::size_t kLocks = 64;
    static constexpr std::uint64_t kMoving = UINT64_MAX;  // its key is being exchanged

    // Two cache lines: most look-ups that fail touch one.
    struct alignas(128) Bucket {
        std::atomic<std::uint64_t> keys[kWays];
        std::atomic<std::uint64_t> words[kWays];
    };

    [[nodiscard]] Bucket& bucket_of(std::uint64_t key) const { return buckets_[key & mask_]; }
    [[nodiscard]] static int find(const Bucket& bucket, std::uint64_t key) {
        for (int i = 0; i < kWays; ++i) {
            if (bucket.keys[i].load(std::memory_order_acquire) == key) return i;
        }
        return -1;
    }

    // False if the place was taken by another key meanwhile. Whoever takes it writes the word
    // before and after the key, so that what is read between is told by the key, or by the swap.
    template <typename Change, typename Outcome>
    static bool change_known(
        Bucket& bucket, int at, std::uint64_t key, const Change& change, Outcome& result) {
        std::uint64_t word = bucket.words[at].load(std::memory_order_acquire);
        for (;;) {
            if (word == kMoving || bucket.keys[at].load(std::memory_order_relaxed) != key)
                return false;
            result = change(word);
            if (result.word == word) return true;
            if (bucket.words[at].compare_exchange_weak(word, result.word, std::memory_order_acq_rel,
                                                       std::memory_order_acquire))
                return true;
        }
    }

    template <typename Change>
    auto update_slowly(Bucket& bucket,
                       std::uint64_t key,
                       std::uint64_t idle,
                       const Change& change) {
        const std::lock_guard guard(locks_[(key & mask_) % kLocks]);
        auto result = change(std::uint64_t{0});
        const int at = find(bucket, key);
        if (at >= 0) {
            change_known(bucket, at, key, change, result);  // no key moves while we hold the lock
        } else if (result.word != 0) {
            insert(bucket, key, idle, result.word);
        }
        return result;
    }
    [[nodiscard]] int place_for(const Bucket& bucket, std::uint64_t word) const;
    void insert(Bucket& bucket, std::uint64_t key, std::uint64_t idle, std::uint64_t word);

    const std::uint32_t max_keys_;
    std::size_t mask_;
    void* memory_;  // of buckets_: zeroed by the system, page by page
    Bucket* buckets_;
    std::atomic<std::uint32_t> size_{0};
    std::atomic<std::uint64_t> evicted_{0};
    std::unique_ptr<std::mutex[]> locks_;
};

}  // namespace weir::quota

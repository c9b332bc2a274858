#include "weir/quota/key_table.hpp"

#include <algorithm>
#include <bit>
#include <cstdlib>
#include <new>

namespace weir::quota {

// Twice the places: at that load one bucket in fifty is full, and only live words cost anything.
KeyTable::KeyTable(std::uint32_t max_keys)
    : max_keys_(std::max(max_keys, 1U)), locks_(std::make_unique<std::mutex[]>(kLocks)) {
    const std::size_t buckets =
        std::bit_ceil((std::size_t{max_keys_} * 2 + kWays - 1) / std::size_t{kWays});
    mask_ = buckets - 1;
    std::size_t space = (buckets + 1) * sizeof(Bucket);
    // Zeroed words are empty places; to construct each would touch every page of it.
    memory_ = std::calloc(1, space);
    if (memory_ == nullptr) throw std::bad_alloc();
    void* aligned = memory_;
    buckets_ =
        static_cast<Bucket*>(std::align(alignof(Bucket), buckets * sizeof(Bucket), aligned, space));
}

KeyTable::~KeyTable() {
    std::free(memory_);
}

std::uint64_t KeyTable::word(std::uint64_t key) const {
    key = key == 0 ? 1 : key;
    const Bucket& bucket = bucket_of(key);
    const std::lock_guard guard(locks_[(key & mask_) % kLocks]);
    const int at = find(bucket, key);
    return at < 0 ? 0 : bucket.words[at].load(std::memory_order_acquire);
}

// The place to take: an empty one, unless the table is full and somebody here has no more to
// remember than the one that comes; else that of the one with the least.
int KeyTable::place_for(const Bucket& bucket, std::uint64_t word) const {
    int empty = -1;
    int least = -1;
    std::uint64_t least_word = UINT64_MAX;
    for (int i = 0; i < kWays; ++i) {
        const std::uint64_t here = bucket.words[i].load(std::memory_order_relaxed);
        if (bucket.keys[i].load(std::memory_order_relaxed) == 0) {
            empty = i;
        } else if (least < 0 || here < least_word) {
            least = i;
            least_word = here;
        }
    }
    if (empty < 0) return least;
    const bool is_full = size_.load(std::memory_order_relaxed) >= max_keys_;
    return is_full && least >= 0 && least_word <= word ? least : empty;
}

void KeyTable::insert(Bucket& bucket, std::uint64_t key, std::uint64_t idle, std::uint64_t word) {
    const int at = place_for(bucket, word);
    const std::uint64_t lost = bucket.words[at].exchange(kMoving, std::memory_order_acq_rel);
    if (bucket.keys[at].load(std::memory_order_relaxed) == 0) {
        size_.fetch_add(1, std::memory_order_relaxed);
    } else if (lost > idle) {
        evicted_.fetch_add(1, std::memory_order_relaxed);
    }
    bucket.keys[at].store(key, std::memory_order_release);
    bucket.words[at].store(word, std::memory_order_release);
}

}  // namespace weir::quota

#pragma once

#include "weir/core/clock.hpp"
#include "weir/core/json.hpp"
#include "weir/crypto/digest.hpp"

#include <cstddef>
#include <cstring>
#include <list>
#include <memory>
#include <string>
#include <unordered_map>

namespace weir::auth {

// Who a token is of, as it was found out.
struct Bearer {
    std::string principal;
    JsonValue claims;
    std::string request_lines;  // the headers made of claims
};

// What was found out about credentials, by the SHA-256 of all of them: found again without asking
// or verifying anew. An entry is of a generation (of keys and rules): of another one it is none.
// Bounded by entries and by bytes; what was not asked for the longest goes first.
// Thread: worker, one of its own.
template <typename Verdict>
class DigestCache {
  public:
    struct Options {
        std::size_t entries = 4096;
        std::size_t bytes = std::size_t{4} * 1024 * 1024;
    };

    DigestCache() = default;
    explicit DigestCache(const Options& options) : options_(options) {}

    // Null if it is not known, any more or of this generation.
    [[nodiscard]] const Verdict* find(const crypto::Digest& digest,
                                      std::uint64_t generation,
                                      TimePoint now) {
        const auto at = index_.find(digest);
        if (at == index_.end()) return nullptr;
        if (at->second->generation != generation || now >= at->second->until) {
            erase(at->second);
            return nullptr;
        }
        entries_.splice(entries_.begin(), entries_, at->second);
        return &at->second->verdict;
    }

    void add(const crypto::Digest& digest,
             std::uint64_t generation,
             TimePoint until,
             std::size_t bytes,
             Verdict verdict) {
        if (const auto at = index_.find(digest); at != index_.end()) erase(at->second);
        if (bytes > options_.bytes) return;
        while (!entries_.empty() &&
               (entries_.size() >= options_.entries || bytes_ + bytes > options_.bytes)) {
            erase(std::prev(entries_.end()));
        }
        entries_.push_front({digest, generation, until, bytes, std::move(verdict)});
        index_.emplace(digest, entries_.begin());
        bytes_ += bytes;
    }

    void clear() {
        index_.clear();
        entries_.clear();
        bytes_ = 0;
    }
    [[nodiscard]] std::size_t size() const { return entries_.size(); }
    [[nodiscard]] std::size_t bytes() const { return bytes_; }

  private:
    struct Entry {
        crypto::Digest digest{};
        std::uint64_t generation = 0;
        TimePoint until;
        std::size_t bytes = 0;
        Verdict verdict;
    };
    using Entries = std::list<Entry>;
    // Digests are as good as random.
    struct Hash {
        std::size_t operator()(const crypto::Digest& digest) const {
            std::size_t begin = 0;
            std::memcpy(&begin, digest.data(), sizeof begin);
            return begin;
        }
    };

    void erase(typename Entries::iterator entry) {
        bytes_ -= entry->bytes;
        index_.erase(entry->digest);
        entries_.erase(entry);
    }

    Options options_;
    Entries entries_;  // the last one asked for in front
    std::unordered_map<crypto::Digest, typename Entries::iterator, Hash> index_;
    std::size_t bytes_ = 0;
};

}  // namespace weir::auth

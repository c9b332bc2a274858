#pragma once

#include "weir/core/clock.hpp"
#include "weir/crypto/digest.hpp"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

// The files that `auth{}.keys` names: who has which key, or which password. A line each, blank ones
// and those that begin with # left out. Neither holds a key or a password, only digests of them.
namespace weir::auth {

// What is wrong with a file; never a word of what it says.
struct FileProblem {
    std::size_t line = 0;
    std::string what;
};

inline constexpr std::size_t kMostKeyFileBytes = std::size_t{4} * 1024 * 1024;

// `name:sha256hex`, or `name:sha256hex expires=2027-01-31` (or with T12:00:00Z). A name has at most
// two keys that are not expired, so that a new one can be handed out before the old one ends.
// Thread: any (immutable once made).
class ApiKeys {
  public:
    static constexpr std::size_t kMostKeyBytes = 1024;
    static constexpr std::size_t kMostActive = 2;

    struct Parsed;
    // `now` is for the count of active keys.
    [[nodiscard]] static Parsed parse(std::string_view text, WallTime now);

    struct Found {
        const std::string* name = nullptr;  // null: nobody's
        bool is_expired = false;
    };
    [[nodiscard]] Found find(std::string_view key, WallTime now) const;

    [[nodiscard]] std::size_t size() const { return entries_.size(); }
    [[nodiscard]] std::vector<std::string> names() const;  // of each key

  private:
    struct Entry {
        crypto::Digest digest{};
        std::string name;
        std::optional<WallTime> expires;
    };
    static std::uint64_t prefix(const crypto::Digest& digest);

    std::vector<Entry> entries_;
    // By the beginning of the digest, which nobody can choose without finding the key's; the rest
    // is compared in constant time.
    std::unordered_multimap<std::uint64_t, std::size_t> index_;
};
struct ApiKeys::Parsed {
    std::shared_ptr<const ApiKeys> keys;  // null if there is a problem
    std::vector<FileProblem> problems;
};

// `user:hash`, the hash as crypt(5) has it: yescrypt, bcrypt or SHA-512-crypt, of a cost that
// somebody guessing at it cannot use to keep us busy. Thread: any (immutable once made).
class Passwords {
  public:
    struct Parsed;
    [[nodiscard]] static Parsed parse(std::string_view text);

    // The user's hash; of an unknown one, somebody's of the kind most users have, so that it takes
    // as long to find out: it is never the right one. Empty if there are no users.
    struct Hash {
        std::string_view text;
        bool is_known = false;
    };
    [[nodiscard]] Hash hash_of(std::string_view user) const;
    [[nodiscard]] std::size_t size() const { return hashes_.size(); }

  private:
    std::unordered_map<std::string, std::string> hashes_;
    std::string dummy_;
};
struct Passwords::Parsed {
    std::shared_ptr<const Passwords> passwords;  // null if there is a problem
    std::vector<FileProblem> problems;
};

// Whether the hash is of this password. Takes 10 to 500 ms: not on a worker.
[[nodiscard]] bool matches_hash(std::string_view password, std::string_view hash);

}  // namespace weir::auth

#pragma once

#include "weir/core/clock.hpp"
#include "weir/core/random.hpp"
#include "weir/crypto/jwk.hpp"

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>

namespace weir::auth {

// Decides when keys that come from a URL are fetched. Pure: who asks fetches and tells. One for all
// workers; the caller has its lock.
//
//   no keys          every ask joins the one fetch; while the source fails, the next begins after a
//                    pause that doubles from 1 s to min_refetch; in between there are no keys
//   keys             used; after 50 to 80 % of their age they are fetched ahead, and nobody waits
//   an unknown id    joins a fetch, if the last one began min_refetch ago or more; an id that is
//                    not in what came is unknown for negative_for
//   the source fails the last good set is kept until max_stale after it came
//
// Thread: any, under the caller's lock.
class KeySource {
  public:
    struct Options {
        Duration min_refetch = std::chrono::seconds{10};
        Duration max_stale = std::chrono::hours{24};
        Duration refresh = std::chrono::minutes{10};  // unless the source says its max-age
        Duration negative_for = std::chrono::seconds{30};
        std::size_t most_negative = 1024;
    };

    enum class Action : std::uint8_t {
        use,          // the keys
        wait,         // for the fetch under way
        unknown,      // these keys, and they have no such id
        unavailable,  // there are no keys, and no fetch to wait for
    };
    struct Answer {
        Action action = Action::unavailable;
        bool begins_fetch = false;  // the asker is to fetch, and then to tell
        std::shared_ptr<const crypto::JwkSet> keys{};
    };

    KeySource(const Options& options, Random random);

    // Keys for a token that names no id, or of which the id is not to be looked for.
    [[nodiscard]] Answer ask(TimePoint now);
    // Keys for a token whose id the ones it had do not have.
    [[nodiscard]] Answer ask_for(std::string_view id, TimePoint now);

    void on_fetched(std::shared_ptr<const crypto::JwkSet> keys,
                    std::optional<Duration> max_age,
                    TimePoint now);
    void on_failed(TimePoint now);
    // The one who fetches has gone: another one may.
    void on_abandoned();
    // Begins with the keys of another, of the same source, to be fetched anew soon.
    void inherit(const KeySource& other, TimePoint now);

    [[nodiscard]] bool is_fetching() const { return is_fetching_; }
    [[nodiscard]] std::uint64_t generation() const { return generation_; }  // of the keys
    [[nodiscard]] TimePoint refresh_at() const { return refresh_at_; }

  private:
    [[nodiscard]] bool has_keys(TimePoint now) const;
    [[nodiscard]] Answer begin(Action action, TimePoint now);
    void remember_unknown(std::string_view id, TimePoint now);

    const Options options_;
    Random random_;
    std::shared_ptr<const crypto::JwkSet> keys_;
    std::uint64_t generation_ = 0;
    TimePoint came_at_{};     // the keys
    TimePoint refresh_at_{};  // they are fetched ahead
    TimePoint began_at_{};    // the last fetch
    bool has_begun_ = false;
    bool is_fetching_ = false;
    Duration pause_{0};   // after failures
    std::string sought_;  // the id for which the fetch under way was begun
    std::unordered_map<std::string, TimePoint> negative_;
};

}  // namespace weir::auth

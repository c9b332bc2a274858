#pragma once

#include "weir/quota/algorithm.hpp"

#include <cstdint>
#include <list>
#include <unordered_map>

namespace weir::quota {

// Tokens of a shared store that were taken ahead, by key. Instead of a question a request, the
// store is asked now and then for as many tokens as a key will spend in the next 50 ms, and at most
// for a tenth of its quota; a no holds until there may be a yes again. So what is admitted beyond
// the promise is at most what is leased at one time, a tenth a holder, and that only for as long as
// a lease lives. Pure. Thread: worker.
class LeaseBook {
  public:
    struct Options {
        Promise promise;
        std::uint32_t max_keys = 65536;
    };
    static constexpr Duration kAhead = std::chrono::milliseconds{50};
    static constexpr Duration kLifetime = std::chrono::milliseconds{250};
    // No refusal is asked about again sooner, as long as the quota does not fill up meanwhile.
    static constexpr Duration kPause = std::chrono::milliseconds{20};

    enum class Answer : std::uint8_t {
        admitted,
        refused,
        unknown,  // the store must say: ask, unless that is under way
        no_room   // of max_keys keys each has a question under way: nobody can be asked
    };
    struct Verdict {
        Answer answer = Answer::unknown;
        Decision decision;
        // Ask the store for so many now; 0: nothing to ask. Whoever asks owes one settle().
        std::uint32_t ask = 0;
    };
    // What the store said.
    struct Grant {
        std::uint64_t tokens = 0;
        Duration retry_after{0};  // if fewer than asked: when there are more
        Duration reset{0};
        std::uint64_t remaining = 0;  // beyond these
    };

    explicit LeaseBook(const Options& options) : options_(options) {}

    // A request that costs this.
    [[nodiscard]] Verdict take(std::uint64_t key, TimePoint now, std::uint32_t cost);
    // The same for one that waited for the store's answer. `unknown` if more came to wait than were
    // asked for, or the key was pushed out since: then the store is to be asked for all that still
    // wait.
    [[nodiscard]] Verdict take_after(std::uint64_t key, TimePoint now, std::uint32_t cost);
    // Begins that question, and says for how many; 0 if there is no room.
    [[nodiscard]] std::uint32_t ask_again(std::uint64_t key, TimePoint now, std::uint32_t cost);

    void settle(std::uint64_t key, TimePoint now, std::uint32_t asked, const Grant& grant);
    // The store did not answer.
    void settle_failed(std::uint64_t key);

    // Forgets what time has made worthless. Now and then; costs what there are of keys.
    void tidy(TimePoint now);

    [[nodiscard]] std::size_t size() const { return entries_.size(); }
    // Tokens held and not spent; those run out are, too, until they are looked at. For gauges.
    [[nodiscard]] std::uint64_t outstanding() const { return outstanding_; }
    [[nodiscard]] std::uint64_t evicted_total() const { return evicted_; }

  private:
    struct Entry {
        std::uint64_t key = 0;
        std::uint64_t tokens = 0;
        TimePoint expires{};
        TimePoint refused_until{};
        Duration reset{0};            // as the store said it last
        TimePoint reset_from{};       // and when
        std::uint64_t remaining = 0;  // likewise
        bool is_asking = false;
        TimePoint counted_since{};
        double counted = 0;  // spent since then
        double rate = 0;     // a second, of the time before
    };
    using Entries = std::list<Entry>;  // the one used last is first

    [[nodiscard]] Entry* find(std::uint64_t key);
    [[nodiscard]] Entry* find_or_add(std::uint64_t key, TimePoint now);
    [[nodiscard]] bool make_room(TimePoint now);
    Entries::iterator erase(Entries::iterator at);
    void count(Entry& entry, TimePoint now, std::uint32_t cost);
    void expire(Entry& entry, TimePoint now);
    [[nodiscard]] std::uint32_t to_ask(const Entry& entry, std::uint32_t cost) const;
    [[nodiscard]] static Decision decision(const Entry& entry, TimePoint now, bool is_admitted);

    const Options options_;
    Entries entries_;
    std::unordered_map<std::uint64_t, Entries::iterator> index_;
    std::uint64_t outstanding_ = 0;
    std::uint64_t evicted_ = 0;
};

}  // namespace weir::quota

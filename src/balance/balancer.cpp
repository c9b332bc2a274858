#include "balancer.hpp"

#include <algorithm>
#include <vector>

namespace weir::balance {
namespace {

constexpr int kDraws = 6;  // before looking at all of them
// At most one request in so many goes to an endpoint to see whether it is still slow: below 1 %, so
// that no p99 shows it.
constexpr std::uint32_t kPicksALook = 128;

std::size_t draw_any(const Field& field, Random& random) {
    return random.below(static_cast<std::uint32_t>(field.candidates.size()));
}

// The first usable one from a random place on: when draws found none, few or none are left.
std::size_t scan(const Field& field, Random& random) {
    const std::size_t size = field.candidates.size();
    if (size == 0) return size;
    const std::size_t begin = draw_any(field, random);
    for (std::size_t i = 0; i < size; ++i) {
        const std::size_t index = begin + i < size ? begin + i : begin + i - size;
        if (field.is_usable(index)) return index;
    }
    return size;
}

double least_request_cost(const Field& field, std::size_t index) {
    return (field.candidates[index]->active() + 1.0) / std::max(field.share(index), 1e-3);
}

double ewma_cost(const Field& field, std::size_t index) {
    return field.candidates[index]->cost(field.now, field.peers, field.share(index));
}

// The better of two drawn at random (Mitzenmacher, 2001). No endpoint gets over twice its fair
// share, however little the others are worth: it is drawn no oftener.
class PowerOfTwo final : public Balancer {
  public:
    using Cost = double (*)(const Field&, std::size_t);
    // does_look: an endpoint that lost every draw for a second is taken all the same, now and then.
    PowerOfTwo(Cost cost, bool does_look) : cost_(cost), does_look_(does_look) {}

    void on_change(std::span<Candidate* const> /*candidates*/) override {}

    std::size_t pick(const Field& field, Random& random) override {
        const std::size_t size = field.candidates.size();
        if (size <= 1) return scan(field, random);
        const std::size_t first = draw(field, random, size);
        if (first == size) return scan(field, random);
        const std::size_t second =
            size == 2 ? other_of_two(field, first) : draw(field, random, first);
        if (second == size) return first;
        const bool is_second = cost_(field, second) < cost_(field, first);
        if (++picks_ >= kPicksALook && may_look(field, is_second ? first : second))
            return is_second ? first : second;
        return is_second ? second : first;
    }

  private:
    // A latency a hundred times the others' would take a minute to fade below them, and the
    // endpoint may have been well for long.
    bool may_look(const Field& field, std::size_t loser) {
        if (!does_look_ || !field.candidates[loser]->is_stale(field.now)) return false;
        if (!field.is_plain && field.permille(loser) < 1000) return false;
        picks_ = 0;
        return true;
    }

    static std::size_t other_of_two(const Field& field, std::size_t first) {
        return field.is_usable(1 - first) ? 1 - first : field.candidates.size();
    }

    static std::size_t draw(const Field& field, Random& random, std::size_t other) {
        for (int i = 0; i < kDraws; ++i) {
            const std::size_t index = draw_any(field, random);
            if (index != other && field.is_usable(index)) return index;
        }
        return field.candidates.size();
    }

    Cost cost_;
    bool does_look_;
    std::uint32_t picks_ = 0;  // since the last look
};

// A point on the line of weights: shares are exact in the long run.
class Weights {
  public:
    void rebuild(std::span<Candidate* const> candidates) {
        ends_.clear();
        std::uint64_t end = 0;
        for (const Candidate* candidate : candidates)
            ends_.push_back(end += candidate->weight());
    }
    [[nodiscard]] std::uint64_t total() const { return ends_.empty() ? 0 : ends_.back(); }
    [[nodiscard]] std::size_t at(std::uint64_t point) const {
        return static_cast<std::size_t>(std::upper_bound(ends_.begin(), ends_.end(), point) -
                                        ends_.begin());
    }

  private:
    std::vector<std::uint64_t> ends_;
};

// A ramping endpoint takes only its present share of the turns that fall on it.
bool takes_turn(const Field& field, std::size_t index, Random& random) {
    if (field.is_plain) return true;
    const std::uint32_t permille = field.permille(index);
    return permille >= 1000 || random.below(1000) < permille;
}

class Weighted : public Balancer {
  public:
    void on_change(std::span<Candidate* const> candidates) override {
        weights_.rebuild(candidates);
    }

    std::size_t pick(const Field& field, Random& random) override {
        if (weights_.total() == 0) return field.candidates.size();
        return pick_at(field, random, [&] { return weights_.at(next(random, weights_.total())); });
    }

  protected:
    // `turn` names the next one; who does not take its turn leaves it to the one after.
    static std::size_t pick_at(const Field& field, Random& random, auto turn) {
        for (int i = 0; i < kDraws; ++i) {
            const std::size_t index = turn();
            if (field.is_usable(index) && takes_turn(field, index, random)) return index;
        }
        return scan(field, random);
    }
    virtual std::uint64_t next(Random& random, std::uint64_t total) = 0;

  private:
    Weights weights_;
};

class RandomChoice final : public Weighted {
    std::uint64_t next(Random& random, std::uint64_t total) override {
        return static_cast<std::uint64_t>(random.uniform() * static_cast<double>(total));
    }
};

// Equal weights: one after the other. Else steps of the golden ratio along the line of weights,
// which spread the turns of a heavy endpoint evenly (a low-discrepancy sequence; Weyl, 1916).
class RoundRobin final : public Weighted {
  public:
    void on_change(std::span<Candidate* const> candidates) override {
        Weighted::on_change(candidates);
        are_equal_ =
            std::all_of(candidates.begin(), candidates.end(), [&](const Candidate* candidate) {
                return candidate->weight() == candidates.front()->weight();
            });
        position_ = 0;
        begun_ = false;
    }

    std::size_t pick(const Field& field, Random& random) override {
        if (!are_equal_) return Weighted::pick(field, random);
        const std::size_t size = field.candidates.size();
        if (size == 0) return size;
        // Workers begin at different places: else all would hit the first endpoint together.
        if (!begun_) turn_ = draw_any(field, random);
        begun_ = true;
        const std::size_t index = turn_++ % size;
        if (field.is_usable(index) && takes_turn(field, index, random)) return index;
        // A turn that is not taken goes to any other: its neighbour would get all of them.
        return pick_at(field, random, [&] { return draw_any(field, random); });
    }

  private:
    std::uint64_t next(Random& /*random*/, std::uint64_t total) override {
        constexpr double kGoldenRatio = 0.6180339887498949;
        position_ += kGoldenRatio;
        if (position_ >= 1.0) position_ -= 1.0;
        return static_cast<std::uint64_t>(position_ * static_cast<double>(total));
    }

    bool are_equal_ = true;
    bool begun_ = false;
    std::size_t turn_ = 0;
    double position_ = 0;
};

// The owner of the key, or the next that is to be had. The same key finds the same endpoint for as
// long as that one serves, and another same one meanwhile.
class Hashed final : public Balancer {
  public:
    void on_change(std::span<Candidate* const> /*candidates*/) override {}

    std::size_t pick(const Field& field, Random& random) override {
        const Placement* const placement = field.placement;
        if (placement == nullptr) return scan(field, random);
        const std::uint64_t key = field.key != kNoKey ? field.key : random();
        std::size_t slot = placement->slot_of(key);
        const std::size_t looks = std::min(placement->slots(), kLooks);
        std::size_t spare = field.candidates.size();
        for (std::size_t i = 0; i < looks; ++i) {
            const std::size_t index = placement->owner(slot);
            if (field.is_usable(index)) {
                if (takes(field, index, key)) return index;
                spare = index;
            }
            if (++slot == placement->slots()) slot = 0;
        }
        if (spare < field.candidates.size()) return spare;
        return scan_from(field, key);
    }

  private:
    static constexpr std::size_t kLooks = 256;

    // A ramping endpoint has only its present share of its keys back, each for good.
    static bool takes(const Field& field, std::size_t index, std::uint64_t key) {
        if (field.is_plain) return true;
        return (key >> 20U) % 1000 < field.permille(index);
    }

    // Hardly any is left.
    static std::size_t scan_from(const Field& field, std::uint64_t key) {
        const std::size_t size = field.candidates.size();
        for (std::size_t i = 0; i < size; ++i) {
            const std::size_t index = (key + i) % size;
            if (field.is_usable(index)) return index;
        }
        return size;
    }
};

}  // namespace

std::uint32_t Field::permille(std::size_t index) const {
    const resilience::OutlierDetector& detector = candidates[index]->standing().detector();
    const std::uint32_t own = detector.weight_permille(now);
    return detector.machine().is_penalized() ? own : std::max(own, least_ramp);
}

std::unique_ptr<Balancer> make_balancer(config::Policy policy) {
    switch (policy) {
        case config::Policy::round_robin:
            return std::make_unique<RoundRobin>();
        case config::Policy::least_request:
            return std::make_unique<PowerOfTwo>(&least_request_cost, false);
        case config::Policy::random:
            return std::make_unique<RandomChoice>();
        case config::Policy::maglev:
        case config::Policy::ring_hash:
            return std::make_unique<Hashed>();
        case config::Policy::p2c_ewma:
            break;
    }
    return std::make_unique<PowerOfTwo>(&ewma_cost, true);
}

}  // namespace weir::balance

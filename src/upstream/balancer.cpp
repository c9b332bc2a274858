#include "balancer.hpp"

#include <algorithm>
#include <vector>

namespace weir::upstream {
namespace {

constexpr int kDraws = 6;  // before looking at all of them

bool is_usable(const LocalEndpoint& endpoint, const Endpoint* avoid) {
    return &endpoint.shared() != avoid && endpoint.shared().is_selectable();
}

// The first usable one from a random place on: when draws found none, few or none are left.
std::size_t scan(Candidates candidates, Random& random, const Endpoint* avoid) {
    const std::size_t size = candidates.size();
    if (size == 0) return size;
    const std::size_t begin = random.below(static_cast<std::uint32_t>(size));
    for (std::size_t i = 0; i < size; ++i) {
        const std::size_t index = begin + i < size ? begin + i : begin + i - size;
        if (is_usable(*candidates[index], avoid)) return index;
    }
    return size;
}

double least_request_cost(const LocalEndpoint& endpoint, TimePoint now) {
    const double weight = endpoint.shared().weight() * endpoint.shared().detector().weight(now);
    return (endpoint.active() + 1.0) / std::max(weight, 1e-3);
}

// The better of two drawn at random (Mitzenmacher, 2001).
class PowerOfTwo final : public Balancer {
  public:
    using Cost = double (*)(const LocalEndpoint&, TimePoint);
    explicit PowerOfTwo(Cost cost) : cost_(cost) {}

    void on_change(Candidates /*candidates*/) override {}

    std::size_t pick(Candidates candidates,
                     Random& random,
                     TimePoint now,
                     const Endpoint* avoid) override {
        const std::size_t size = candidates.size();
        if (size <= 1) return scan(candidates, random, avoid);
        const std::size_t first = draw(candidates, random, avoid, size);
        if (first == size) return scan(candidates, random, avoid);
        const std::size_t second = size == 2 ? other_of_two(candidates, avoid, first)
                                             : draw(candidates, random, avoid, first);
        if (second == size) return first;
        return cost_(*candidates[second], now) < cost_(*candidates[first], now) ? second : first;
    }

  private:
    static std::size_t other_of_two(Candidates candidates,
                                    const Endpoint* avoid,
                                    std::size_t first) {
        return is_usable(*candidates[1 - first], avoid) ? 1 - first : candidates.size();
    }

    static std::size_t draw(Candidates candidates,
                            Random& random,
                            const Endpoint* avoid,
                            std::size_t other) {
        for (int i = 0; i < kDraws; ++i) {
            const std::size_t index = random.below(static_cast<std::uint32_t>(candidates.size()));
            if (index != other && is_usable(*candidates[index], avoid)) return index;
        }
        return candidates.size();
    }

    Cost cost_;
};

// A point on the line of weights: shares are exact in the long run.
class Weights {
  public:
    void rebuild(Candidates candidates) {
        ends_.clear();
        std::uint64_t end = 0;
        for (const auto& candidate : candidates)
            ends_.push_back(end += candidate->shared().weight());
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
bool takes_turn(const LocalEndpoint& endpoint, Random& random, TimePoint now) {
    const std::uint32_t permille = endpoint.shared().detector().weight_permille(now);
    return permille >= 1000 || random.below(1000) < permille;
}

class Weighted : public Balancer {
  public:
    void on_change(Candidates candidates) override { weights_.rebuild(candidates); }

    std::size_t pick(Candidates candidates,
                     Random& random,
                     TimePoint now,
                     const Endpoint* avoid) override {
        if (weights_.total() == 0) return candidates.size();
        for (int i = 0; i < kDraws; ++i) {
            const std::size_t index = weights_.at(next(random, weights_.total()));
            if (is_usable(*candidates[index], avoid) && takes_turn(*candidates[index], random, now))
                return index;
        }
        return scan(candidates, random, avoid);
    }

  protected:
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
    void on_change(Candidates candidates) override {
        Weighted::on_change(candidates);
        are_equal_ = std::all_of(candidates.begin(), candidates.end(), [&](const auto& candidate) {
            return candidate->shared().weight() == candidates.front()->shared().weight();
        });
        position_ = 0;
        begun_ = false;
    }

    std::size_t pick(Candidates candidates,
                     Random& random,
                     TimePoint now,
                     const Endpoint* avoid) override {
        if (!are_equal_) return Weighted::pick(candidates, random, now, avoid);
        const std::size_t size = candidates.size();
        // Workers begin at different places: else all would hit the first endpoint together.
        if (!begun_ && size > 0) turn_ = random.below(static_cast<std::uint32_t>(size));
        begun_ = true;
        for (std::size_t i = 0; i < size; ++i) {
            const std::size_t index = turn_++ % size;
            const LocalEndpoint& candidate = *candidates[index];
            if (is_usable(candidate, avoid) && takes_turn(candidate, random, now)) return index;
        }
        return scan(candidates, random, avoid);
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

}  // namespace

std::unique_ptr<Balancer> make_balancer(config::Policy policy) {
    switch (policy) {
        case config::Policy::round_robin:
            return std::make_unique<RoundRobin>();
        case config::Policy::least_request:
            return std::make_unique<PowerOfTwo>(&least_request_cost);
        case config::Policy::random:
            return std::make_unique<RandomChoice>();
        case config::Policy::p2c_ewma:
            break;
    }
    return std::make_unique<PowerOfTwo>(
        [](const LocalEndpoint& endpoint, TimePoint now) { return endpoint.cost(now); });
}

}  // namespace weir::upstream

#include "weir/auth/check.hpp"
#include "weir/auth/discovery.hpp"
#include "weir/auth/jwt.hpp"

#include "auth_way.hpp"
#include "key_store.hpp"

namespace weir::filter {
namespace {

using Action = auth::KeySource::Action;

constexpr Duration kLongestWait = std::chrono::seconds{2};
constexpr Duration kLongestKept = std::chrono::minutes{5};
constexpr std::size_t kEntryBytes = 512;  // beside what is as long as the token

using Cache = auth::DigestCache<std::shared_ptr<const auth::Bearer>>;

Verdict refuse_fault(auth::JwtFault fault) {
    const auth::JwtFaultInfo& about = auth::info(fault);
    const bool is_insufficient = fault == auth::JwtFault::claim;
    return Verdict::refuse(
        about.failure, is_insufficient ? Reason::forbidden : Reason::unauthorized, about.detail);
}

Verdict no_keys() {
    return Verdict::refuse(auth::Failure::unavailable, Reason::auth_unavailable,
                           "no keys to verify tokens with");
}

class Jwt final : public Way {
  public:
    explicit Jwt(const WayMaking& making)
        : Way(making.section, making.registry), policy_(auth::policy_of(section())) {
        if (is_url(section().jwks)) {
            fetched_ = std::make_shared<KeyStore>(section(), *making.cluster);
            cluster_ = making.cluster;
            KeyStore* const before = making.before ? making.before->fetched_keys() : nullptr;
            if (before != nullptr && has_keys_of(making.before->section()))
                fetched_->inherit(*before);
        }
        keys_ = auth::keys_of(section()).set;
    }

    Verdict check(Pass& pass, const LocalClusterPtr& cluster) const override {
        const Credentials found = find_credentials(pass.head(), section().from, "bearer");
        if (found.state == Credentials::State::absent) return {};
        if (found.state == Credentials::State::twice) return refuse_twice();
        if (found.text().size() > auth::kMostTokenBytes)
            return refuse_fault(auth::JwtFault::too_long);
        const TimePoint now = Clock::now();
        const std::uint64_t generation = fetched_ ? fetched_->generation() : 0;
        const crypto::Digest digest = crypto::sha256(found.text());
        Cache& cache = caches_.of(pass.context().worker);
        const auto* const known = cache.find(digest, generation, now);
        if (fetched_ && fetched_->is_due(now))
            (void)fetched_->ask(pass.context(), cluster, nullptr);
        if (known != nullptr) return Verdict::accept(*known);
        return verify(pass, cluster, found.text(), digest);
    }

    std::unique_ptr<Kept> ask(Pass& pass,
                              const LocalClusterPtr& cluster,
                              Asker& asker,
                              std::optional<Verdict>& /*verdict*/) const override {
        return std::make_unique<Waiting>(*this, pass, cluster, asker);
    }

    KeyStore* fetched_keys() const override { return fetched_.get(); }

    std::string challenge(const Verdict& verdict) const override {
        return bearer_challenge(verdict);
    }

  private:
    // A request that waits for a fetch of keys.
    class Waiting final : public Kept, private KeyStore::Waiter {
      public:
        Waiting(const Jwt& way, Pass& pass, const LocalClusterPtr& cluster, Asker& asker)
            : KeyStore::Waiter(*way.fetched_, pass.context().loop),
              way_(way),
              pass_(pass),
              cluster_(cluster),
              asker_(asker) {
            pass.context().loop.timers().arm(timer_, Clock::now() + kLongestWait);
            wait();
        }

      private:
        void on_keys() override {
            Verdict verdict = way_.check(pass_, cluster_);
            if (verdict.kind == Verdict::Kind::asking) return wait();
            tell(std::move(verdict));
        }
        void on_late() {
            const bool has_keys = way_.fetched_->generation() != 0;
            tell(has_keys ? refuse_fault(auth::JwtFault::unknown_key) : no_keys());
        }
        // It may destroy this.
        void tell(Verdict verdict) {
            timer_.cancel();
            asker_.on_verdict(std::move(verdict));
        }

        const Jwt& way_;
        Pass& pass_;
        const LocalClusterPtr cluster_;
        Asker& asker_;
        TimerOf<Waiting, &Waiting::on_late> timer_{*this};
    };

    // A document says whose keys they are.
    [[nodiscard]] bool has_keys_of(const config::Auth& other) const {
        const bool is_issuers = auth::is_discovery(section().jwks);
        return other.jwks == section().jwks && (!is_issuers || other.issuer == section().issuer);
    }

    Verdict verify(Pass& pass,
                   const LocalClusterPtr& cluster,
                   std::string_view token,
                   const crypto::Digest& digest) const {
        if (!fetched_) return judge(pass, token, digest, *keys_, 0).first;
        KeyStore::Answer answer = fetched_->ask(pass.context(), cluster, nullptr);
        if (answer.action == Action::unavailable) return no_keys();
        if (answer.action == Action::wait) return {.kind = Verdict::Kind::asking};
        auto [verdict, id] = judge(pass, token, digest, *answer.keys, answer.generation);
        if (verdict.failure != auth::Failure::unknown_key || !id) return verdict;
        answer = fetched_->ask(pass.context(), cluster, &*id);
        if (answer.action == Action::wait) return {.kind = Verdict::Kind::asking};
        if (answer.action == Action::use)
            return judge(pass, token, digest, *answer.keys, answer.generation).first;
        return verdict;
    }

    // And the id of the key, if that is what is not known.
    std::pair<Verdict, std::optional<std::string>> judge(Pass& pass,
                                                         std::string_view token,
                                                         const crypto::Digest& digest,
                                                         const crypto::JwkSet& fetched,
                                                         std::uint64_t generation) const {
        const WallTime wall = Clock::wall();
        auth::JwtVerdict verdict = auth::verify_jwt(token, policy_, fetched, wall);
        // A secret stands beside keys that are fetched.
        if (fetched_ && keys_ && verdict.fault != auth::JwtFault::none) {
            auth::JwtVerdict other = auth::verify_jwt(token, policy_, *keys_, wall);
            if (other.fault == auth::JwtFault::none) verdict = std::move(other);
        }
        if (verdict.fault != auth::JwtFault::none) {
            std::optional<std::string> id;
            if (verdict.has_key_id) id = std::move(verdict.key_id);
            return {refuse_fault(verdict.fault), std::move(id)};
        }
        auto bearer = std::make_shared<auth::Bearer>();
        bearer->claims = std::move(verdict.claims);
        bearer->principal = bearer->claims["sub"].text();
        bearer->request_lines = claim_lines(section(), bearer->claims);
        const Duration left =
            verdict.expires == WallTime::max() ? kLongestKept : Duration(verdict.expires - wall);
        caches_.of(pass.context().worker)
            .add(digest, generation, Clock::now() + std::min(left, kLongestKept),
                 kEntryBytes + 4 * token.size(), bearer);
        return {Verdict::accept(std::move(bearer)), std::nullopt};
    }

    const auth::JwtPolicy policy_;
    std::shared_ptr<const crypto::JwkSet> keys_;  // that are not fetched; or null
    std::shared_ptr<KeyStore> fetched_;           // or null
    std::shared_ptr<upstream::Cluster> cluster_;  // outlives the route of fetched_
    PerWorker<Cache> caches_;
};

}  // namespace

WayPtr make_jwt(const WayMaking& making) {
    return std::make_shared<Jwt>(making);
}

}  // namespace weir::filter

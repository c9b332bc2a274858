#include "weir/auth/allowed.hpp"
#include "weir/auth/key_file.hpp"

#include "auth_way.hpp"

#include <functional>
#include <string>
#include <unordered_map>

// Those whom Weir knows itself: by a key of theirs, or by the certificate of their connection.
namespace weir::filter {
namespace {

class ApiKey final : public Way {
  public:
    explicit ApiKey(const WayMaking& making) : Way(making.section, making.registry) {
        keys_ = auth::ApiKeys::parse(section().keys->reveal(), Clock::wall()).keys;
        // Keys that more than two are active of since the configuration was checked stay good.
        if (!keys_) keys_ = auth::ApiKeys::parse(section().keys->reveal(), WallTime::max()).keys;
        WEIR_ASSERT(keys_ != nullptr);
        for (const std::string& name : keys_->names())
            bearers_.emplace(name, bearer_named(section(), name));
    }

    Verdict check(Pass& pass, const LocalClusterPtr& /*cluster*/) const override {
        const Credentials found = find_credentials(pass.head(), section().from, "apikey");
        if (found.state == Credentials::State::absent) return {};
        if (found.state == Credentials::State::twice) return refuse_twice();
        const auto key = keys_->find(found.text(), Clock::wall());
        if (key.name == nullptr)
            return Verdict::refuse(auth::Failure::unknown_key, Reason::unauthorized,
                                   "the key is nobody's");
        if (key.is_expired)
            return Verdict::refuse(auth::Failure::expired, Reason::unauthorized,
                                   "the key is expired");
        return Verdict::accept(bearers_.find(*key.name)->second);
    }

    std::string challenge(const Verdict& /*verdict*/) const override {
        return "ApiKey realm=\"" + section().name + "\"";
    }

  private:
    std::shared_ptr<const auth::ApiKeys> keys_;
    std::unordered_map<std::string, std::shared_ptr<const auth::Bearer>> bearers_;
};

// Names that were let in: a connection asks as the same one each time.
class Bearers {
  public:
    [[nodiscard]] std::shared_ptr<const auth::Bearer> of(const config::Auth& section,
                                                         std::string_view name) {
        const auto at = known_.find(name);
        if (at != known_.end()) return at->second;
        if (known_.size() >= kMost) known_.clear();
        auto bearer = bearer_named(section, std::string(name));
        known_.emplace(name, bearer);
        return bearer;
    }

  private:
    static constexpr std::size_t kMost = 1024;
    struct Hash {
        using is_transparent = void;
        std::size_t operator()(std::string_view name) const {
            return std::hash<std::string_view>()(name);
        }
    };
    std::unordered_map<std::string, std::shared_ptr<const auth::Bearer>, Hash, std::equal_to<>>
        known_;
};

class Mtls final : public Way {
  public:
    explicit Mtls(const WayMaking& making) : Way(making.section, making.registry) {}

    Verdict check(Pass& pass, const LocalClusterPtr& /*cluster*/) const override {
        const Caller& caller = pass.caller();
        if (caller.peer.empty() || caller.names == nullptr) return {};
        const auto& allow = section().allow;
        if (!allow.empty() && !auth::has_allowed(allow, caller.names->names))
            return Verdict::refuse(auth::Failure::claims, Reason::forbidden,
                                   "the certificate is of nobody who may");
        return Verdict::accept(bearers_.of(pass.context().worker).of(section(), caller.peer));
    }

    std::string challenge(const Verdict& /*verdict*/) const override { return {}; }

  private:
    PerWorker<Bearers> bearers_;
};

}  // namespace

WayPtr make_api_key(const WayMaking& making) {
    return std::make_shared<ApiKey>(making);
}

WayPtr make_mtls(const WayMaking& making) {
    return std::make_shared<Mtls>(making);
}

}  // namespace weir::filter

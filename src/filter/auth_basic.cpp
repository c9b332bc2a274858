#include "weir/auth/guesses.hpp"
#include "weir/auth/key_file.hpp"
#include "weir/crypto/base64.hpp"

#include "auth_way.hpp"
#include "password_check.hpp"

#include <mutex>

namespace weir::filter {
namespace {

constexpr Duration kKept = std::chrono::minutes{5};
constexpr std::size_t kMostBytes = 512;
constexpr std::size_t kEntryBytes = 256;

using Cache = auth::DigestCache<std::shared_ptr<const auth::Bearer>>;

// Of whoever guesses passwords. For all workers. Thread: any, by a lock: before a hash, which costs
// thousands of times as much.
class Failures {
  public:
    [[nodiscard]] Duration wait_of(std::string_view user, std::string_view address) {
        const std::lock_guard lock(mutex_);
        const TimePoint now = Clock::now();
        return std::max(users_.wait_of(user, now), addresses_.wait_of(address, now));
    }
    void on_guess(std::string_view user, std::string_view address) {
        const std::lock_guard lock(mutex_);
        users_.on_guess(user, Clock::now());
        addresses_.on_guess(address, Clock::now());
    }
    void on_right(std::string_view user, std::string_view address) {
        const std::lock_guard lock(mutex_);
        users_.on_right(user);
        addresses_.on_right(address);
    }

  private:
    std::mutex mutex_;
    auth::Guesses users_{{.most = 10}};      // guarded by mutex_
    auth::Guesses addresses_{{.most = 20}};  // guarded by mutex_
};

struct Login {
    std::string user;
    std::string password;
    crypto::Digest digest{};  // by the process's key: the cache is of no use to anyone else
};

class Basic final : public Way {
  public:
    explicit Basic(const WayMaking& making)
        : Way(making.section, making.registry),
          passwords_(auth::Passwords::parse(section().keys->reveal()).passwords),
          hmac_key_(crypto::random_bytes(32)),
          checker_(making.passwords) {
        WEIR_ASSERT(passwords_ != nullptr);
    }

    Verdict check(Pass& pass, const LocalClusterPtr& /*cluster*/) const override {
        const Credentials found = find_credentials(pass.head(), kFrom, "basic");
        if (found.state == Credentials::State::absent) return {};
        if (found.state == Credentials::State::twice) return refuse_twice();
        const auto login = read(found.text());
        if (!login)
            return Verdict::refuse(auth::Failure::malformed, Reason::unauthorized,
                                   "the credentials are not those of Basic");
        const auto* const known =
            caches_.of(pass.context().worker).find(login->digest, 0, Clock::now());
        if (known != nullptr) return Verdict::accept(*known);
        const Duration wait = failures_.wait_of(login->user, pass.caller().ip);
        if (wait > Duration::zero()) {
            Verdict verdict = Verdict::refuse(auth::Failure::rejected, Reason::rate_limited,
                                              "too many wrong passwords");
            verdict.retry_after = wait;
            return verdict;
        }
        if (passwords_->size() == 0) return wrong();
        return {.kind = Verdict::Kind::asking};
    }

    std::unique_ptr<Kept> ask(Pass& pass,
                              const LocalClusterPtr& /*cluster*/,
                              Asker& asker,
                              std::optional<Verdict>& verdict) const override {
        auto login = read(find_credentials(pass.head(), kFrom, "basic").text());
        WEIR_ASSERT(login.has_value());
        auto hashing = std::make_unique<Hashing>(*this, pass, asker, std::move(*login));
        if (hashing->begin()) return hashing;
        verdict = Verdict::refuse(auth::Failure::unavailable, Reason::auth_unavailable,
                                  "too many passwords wait to be checked");
        return nullptr;
    }

    std::string challenge(const Verdict& /*verdict*/) const override {
        return "Basic realm=\"" + section().name + "\", charset=\"UTF-8\"";
    }

  private:
    static constexpr std::string_view kFrom = "header:authorization";

    // A request that waits for a hash. Guesses count from when they begin, so that many at once are
    // no way around.
    class Hashing final : public Kept, private PasswordCheck::Waiter {
      public:
        Hashing(const Basic& way, Pass& pass, Asker& asker, Login login)
            : PasswordCheck::Waiter(*way.checker_, pass.context().loop),
              way_(way),
              pass_(pass),
              asker_(asker),
              login_(std::move(login)),
              hash_(way.passwords_->hash_of(login_.user)) {}

        bool begin() {
            if (!start(std::move(login_.password), std::string(hash_.text))) return false;
            way_.failures_.on_guess(login_.user, pass_.caller().ip);
            return true;
        }

      private:
        // It may destroy this.
        void on_checked(bool is_right) override {
            if (!is_right || !hash_.is_known) return asker_.on_verdict(wrong());
            way_.failures_.on_right(login_.user, pass_.caller().ip);
            auto bearer = bearer_named(way_.section(), login_.user);
            way_.caches_.of(pass_.context().worker)
                .add(login_.digest, 0, Clock::now() + kKept, kEntryBytes, bearer);
            asker_.on_verdict(Verdict::accept(std::move(bearer)));
        }

        const Basic& way_;
        Pass& pass_;
        Asker& asker_;
        Login login_;
        const auth::Passwords::Hash hash_;
    };

    static Verdict wrong() {
        return Verdict::refuse(auth::Failure::rejected, Reason::unauthorized,
                               "user and password do not belong together");
    }

    [[nodiscard]] std::optional<Login> read(std::string_view text) const {
        if (text.size() > kMostBytes) return std::nullopt;
        const auto decoded = crypto::decode_base64(text);
        if (!decoded) return std::nullopt;
        const auto colon = decoded->find(':');
        // The name may go into a header and logs.
        const bool is_good = colon != std::string::npos && colon > 0 &&
                             std::none_of(decoded->begin(), decoded->end(), [](char c) {
                                 return static_cast<unsigned char>(c) < 0x20 || c == 0x7f;
                             });
        if (!is_good) return std::nullopt;
        return Login{decoded->substr(0, colon), decoded->substr(colon + 1),
                     crypto::hmac_sha256(hmac_key_, *decoded)};
    }

    const std::shared_ptr<const auth::Passwords> passwords_;
    const std::string hmac_key_;
    const std::shared_ptr<PasswordCheck> checker_;
    mutable Failures failures_;
    PerWorker<Cache> caches_;
};

}  // namespace

WayPtr make_basic(const WayMaking& making) {
    return std::make_shared<Basic>(making);
}

}  // namespace weir::filter

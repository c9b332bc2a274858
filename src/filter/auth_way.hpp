#pragma once

#include "weir/auth/failure.hpp"
#include "weir/auth/token_cache.hpp"
#include "weir/config/auth.hpp"
#include "weir/filter/pass.hpp"
#include "weir/telemetry/metrics.hpp"
#include "weir/upstream/call.hpp"

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace weir::filter {

class KeyStore;
class PasswordCheck;

// What a way of authentication says of a request.
struct Verdict {
    enum class Kind : std::uint8_t {
        absent,    // it has no credentials of this kind
        accepted,  // as `bearer`
        refused,   // for `failure`, with `reason`
        asking,    // somebody has to be asked
    };
    Kind kind = Kind::absent;
    auth::Failure failure = auth::Failure::missing;
    Reason reason = Reason::unauthorized;  // or forbidden, auth_unavailable, rate_limited
    const char* detail = "no credentials";
    std::shared_ptr<const auth::Bearer> bearer{};
    Duration retry_after{};
    std::shared_ptr<const Refusal> answer{};  // of who was asked, in place of ours

    [[nodiscard]] static Verdict accept(std::shared_ptr<const auth::Bearer> bearer) {
        return {.kind = Kind::accepted,
                .failure = auth::Failure::none,
                .reason = Reason::none,
                .detail = "",
                .bearer = std::move(bearer)};
    }
    [[nodiscard]] static Verdict refuse(auth::Failure failure, Reason reason, const char* detail) {
        return {.kind = Kind::refused, .failure = failure, .reason = reason, .detail = detail};
    }
};

// Hears of a verdict, after ask() has returned. It may destroy what was waited for.
class Asker {
  public:
    virtual void on_verdict(Verdict verdict) = 0;

  protected:
    ~Asker() = default;
};

using LocalClusterPtr = boost::local_shared_ptr<upstream::LocalCluster>;

// A way to say who one is: a block of `auth{}`, made once and kept while that block does not
// change. Thread: any (immutable, but for what it guards itself).
class Way {
  public:
    Way(const config::Auth& section, telemetry::Registry& registry);
    Way(const Way&) = delete;
    Way& operator=(const Way&) = delete;
    virtual ~Way() = default;

    // `cluster`: of the section, if it names one; else null. Never waits.
    [[nodiscard]] virtual Verdict check(Pass& pass, const LocalClusterPtr& cluster) const = 0;
    // After check() said `asking`: begins to ask. What it returns cancels when destroyed. If the
    // verdict is known at once it is in `verdict`, and `asker` hears nothing.
    [[nodiscard]] virtual std::unique_ptr<Kept> ask(Pass& pass,
                                                    const LocalClusterPtr& cluster,
                                                    Asker& asker,
                                                    std::optional<Verdict>& verdict) const;
    // What a 401 asks for: "Basic realm=...", or nothing.
    [[nodiscard]] virtual std::string challenge(const Verdict& verdict) const = 0;
    // Keys that are fetched; or null.
    [[nodiscard]] virtual KeyStore* fetched_keys() const { return nullptr; }

    [[nodiscard]] const config::Auth& section() const { return section_; }
    void count(telemetry::Shard& shard, auth::Failure failure) const {
        shard.add(failures_[static_cast<std::size_t>(failure)]);
    }

  private:
    const config::Auth section_;
    std::array<telemetry::CellId, auth::kFailureCount> failures_;
};
using WayPtr = std::shared_ptr<const Way>;

// ---- what ways have in common

// Credentials as a request has them.
struct Credentials {
    enum class State : std::uint8_t { absent, twice, there };
    State state = State::absent;
    std::string_view as_sent;  // of the head
    std::string decoded{};     // what that means, if it is written in another way
    bool is_decoded = false;

    [[nodiscard]] std::string_view text() const { return is_decoded ? decoded : as_sent; }
};
// At `from`: "header:authorization" (then behind the word `scheme`, any case), "header:x-api-key",
// "cookie:sid", "query:key". Credentials that are there twice are nobody's: readers differ on which
// count.
[[nodiscard]] Credentials find_credentials(const http::RequestHead& head,
                                           std::string_view from,
                                           std::string_view scheme);
[[nodiscard]] Verdict refuse_twice();
// What a 401 or 403 asks of who has a token (RFC 6750, 3).
[[nodiscard]] std::string bearer_challenge(const Verdict& verdict);
// What of a request goes no further, as its credentials are nobody's but ours.
struct OwnPlaces {
    std::string_view header;
    std::string_view cookie;
    std::string_view parameter;
};
[[nodiscard]] OwnPlaces own_places(const config::Auth& section);
// The query without the parameters of these names; nothing if it has none of them.
[[nodiscard]] std::optional<std::string> query_without(std::string_view query,
                                                       const std::vector<std::string>& names);
// The cookies of all fields, as one; nothing if none of these is among them.
[[nodiscard]] std::optional<std::string> cookies_without(const http::RequestHead& head,
                                                         const std::vector<std::string>& names);

// The lines of forward_claims.
[[nodiscard]] std::string claim_lines(const config::Auth& section, const JsonValue& claims);
// Of somebody who is known by name only.
[[nodiscard]] std::shared_ptr<const auth::Bearer> bearer_named(const config::Auth& section,
                                                               std::string name);

inline constexpr std::size_t kMostWorkers = 1024;
// A cache for each worker, made when it is first used.
template <typename T>
class PerWorker {
  public:
    // Thread: that worker's.
    [[nodiscard]] T& of(unsigned worker) const {
        auto& mine = all_[worker % kMostWorkers];
        if (!mine) mine = std::make_unique<T>();
        return *mine;
    }

  private:
    mutable std::array<std::unique_ptr<T>, kMostWorkers> all_;
};

[[nodiscard]] bool is_url(std::string_view text);

// ---- the kinds

struct WayMaking {
    const config::Auth& section;
    std::shared_ptr<upstream::Cluster> cluster;  // that it names; or null
    telemetry::Registry& registry;
    std::shared_ptr<PasswordCheck> passwords{};
    WayPtr before{};  // of this name; or null
};
[[nodiscard]] WayPtr make_jwt(const WayMaking& making);
[[nodiscard]] WayPtr make_api_key(const WayMaking& making);
[[nodiscard]] WayPtr make_mtls(const WayMaking& making);
[[nodiscard]] WayPtr make_basic(const WayMaking& making);
[[nodiscard]] WayPtr make_external(const WayMaking& making);
[[nodiscard]] WayPtr make_introspection(const WayMaking& making);

}  // namespace weir::filter

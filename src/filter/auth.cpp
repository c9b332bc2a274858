#include "auth.hpp"

#include "weir/auth/rule.hpp"

#include "auth_store.hpp"
#include "stores.hpp"

#include <algorithm>
#include <set>

namespace weir::filter {
namespace {

// ---- what clients may not say

class Strip final : public Filter {
  public:
    struct What {
        std::vector<std::string> headers;
        std::vector<std::string> cookies;
        std::vector<std::string> parameters;

        [[nodiscard]] bool is_nothing() const {
            return headers.empty() && cookies.empty() && parameters.empty();
        }
    };
    explicit Strip(What what) : what_(std::move(what)) {}

    Step begin(Pass& pass) const override {
        Edits& edits = pass.edits();
        edits.removed.insert(edits.removed.end(), what_.headers.begin(), what_.headers.end());
        if (!what_.parameters.empty())
            edits.query = query_without(pass.head().query, what_.parameters);
        if (!what_.cookies.empty()) remove_cookies(pass.head(), edits);
        return Step::proceed;
    }

  private:
    void remove_cookies(const http::RequestHead& head, Edits& edits) const {
        const auto rest = cookies_without(head, what_.cookies);
        if (!rest) return;
        edits.removed.emplace_back("cookie");
        if (!rest->empty()) edits.request_lines.append("cookie: ").append(*rest).append("\r\n");
    }

    const What what_;
};

// ---- who it is

struct Choice {
    WayPtr way;
    std::size_t cluster = 0;  // of the snapshot
    bool has_cluster = false;

    [[nodiscard]] const LocalClusterPtr& cluster_of(const Pass& pass) const {
        static const LocalClusterPtr kNone;
        return has_cluster ? pass.cluster(cluster) : kNone;
    }
};

// What an answer to a request that nobody took is made of: the worst that was said.
struct Outcome {
    Verdict worst;
    std::size_t by = 0;
    bool is_set = false;

    // Who cannot be asked may have said yes; who is known but may not says more than who is not.
    static int rank(const Verdict& verdict) {
        if (verdict.kind == Verdict::Kind::absent) return 0;
        if (verdict.reason == Reason::auth_unavailable) return 4;
        if (verdict.reason == Reason::rate_limited) return 3;
        return verdict.reason == Reason::forbidden ? 2 : 1;
    }
    void add(const Verdict& verdict, std::size_t way) {
        if (is_set && rank(verdict) <= rank(worst)) return;
        worst = verdict;
        by = way;
        is_set = true;
    }
};

class Authenticate final : public Filter {
  public:
    explicit Authenticate(std::vector<Choice> choices) : choices_(std::move(choices)) {}

    Step begin(Pass& pass) const override {
        Outcome outcome;
        for (std::size_t i = 0; i < choices_.size(); ++i) {
            const Choice& choice = choices_[i];
            Verdict verdict = choice.way->check(pass, choice.cluster_of(pass));
            if (verdict.kind == Verdict::Kind::accepted) return accept(pass, i, verdict);
            if (verdict.kind == Verdict::Kind::asking) return wait(pass, i, std::move(outcome));
            note(pass, i, verdict, outcome);
        }
        return refuse(pass, outcome);
    }

  private:
    // A request that waits for somebody's word.
    class Asking final : public Kept, private Asker {
      public:
        Asking(const Authenticate& filter, Pass& pass, std::size_t at, Outcome outcome)
            : filter_(filter), pass_(pass), at_(at), outcome_(std::move(outcome)) {}

        // The step, if all is said at once; else nothing.
        std::optional<Step> start() {
            while (at_ < filter_.choices_.size()) {
                const Choice& choice = filter_.choices_[at_];
                std::optional<Verdict> verdict;
                waits_for_ = choice.way->ask(pass_, choice.cluster_of(pass_), *this, verdict);
                if (!verdict) return std::nullopt;
                if (const auto step = take(*verdict)) return step;
            }
            return filter_.refuse(pass_, outcome_);
        }

      private:
        // Goes on to the next that has to be asked; a step if it ends before.
        std::optional<Step> take(const Verdict& verdict) {
            if (verdict.kind == Verdict::Kind::accepted) return filter_.accept(pass_, at_, verdict);
            filter_.note(pass_, at_, verdict, outcome_);
            for (++at_; at_ < filter_.choices_.size(); ++at_) {
                const Choice& choice = filter_.choices_[at_];
                const Verdict next = choice.way->check(pass_, choice.cluster_of(pass_));
                if (next.kind == Verdict::Kind::accepted) return filter_.accept(pass_, at_, next);
                if (next.kind == Verdict::Kind::asking) return std::nullopt;
                filter_.note(pass_, at_, next, outcome_);
            }
            return std::nullopt;
        }

        void on_verdict(Verdict verdict) override {
            // It is the one that calls.
            const std::unique_ptr<Kept> before = std::move(waits_for_);
            auto step = take(verdict);
            if (!step) step = start();
            if (step) pass_.resume(*step);
        }

        const Authenticate& filter_;
        Pass& pass_;
        std::size_t at_;
        Outcome outcome_;
        std::unique_ptr<Kept> waits_for_;
    };

    Step wait(Pass& pass, std::size_t at, Outcome outcome) const {
        auto asking = std::make_unique<Asking>(*this, pass, at, std::move(outcome));
        Asking& started = *asking;
        // From here on the head is a copy, which is what those who ask may keep.
        const Step waits = pass.wait(std::move(asking));
        const auto step = started.start();
        if (!step) return waits;
        pass.stop_waiting();
        return *step;
    }

    void note(Pass& pass, std::size_t at, const Verdict& verdict, Outcome& outcome) const {
        // That one of several is not used is no failure: it is, if none is.
        if (verdict.kind != Verdict::Kind::absent)
            choices_[at].way->count(pass.context().shard, verdict.failure);
        outcome.add(verdict, at);
    }

    Step accept(Pass& pass, std::size_t at, const Verdict& verdict) const {
        const auto& bearer = verdict.bearer;
        Identity& identity = pass.identity();
        identity.auth = choices_[at].way->section().name;
        identity.principal = bearer->principal;
        if (bearer->claims.is_object())
            identity.claims = std::shared_ptr<const JsonValue>(bearer, &bearer->claims);
        pass.edits().request_lines.append(bearer->request_lines);
        return Step::proceed;
    }

    Step refuse(Pass& pass, const Outcome& outcome) const {
        const Verdict& verdict = outcome.worst;
        if (verdict.kind == Verdict::Kind::absent) {
            for (const Choice& choice : choices_)
                choice.way->count(pass.context().shard, auth::Failure::missing);
        }
        if (verdict.answer) return pass.refuse(*verdict.answer);
        Refusal refusal;
        refusal.reason = verdict.reason;
        refusal.detail = verdict.detail;
        refusal.retry_after = verdict.retry_after;
        const bool asks = verdict.reason == Reason::unauthorized;
        for (std::size_t i = 0; i < choices_.size(); ++i) {
            if (!asks && i != outcome.by) continue;
            if (!asks && verdict.reason != Reason::forbidden) continue;
            const std::string challenge =
                choices_[i].way->challenge(i == outcome.by ? verdict : Verdict{});
            const bool is_said = refusal.lines.find(": " + challenge + "\r\n") != std::string::npos;
            if (challenge.empty() || is_said) continue;
            refusal.lines.append("www-authenticate: ").append(challenge).append("\r\n");
        }
        return pass.refuse(std::move(refusal));
    }

    const std::vector<Choice> choices_;
};

// ---- what it may

class Require final : public Filter {
  public:
    Require(auth::Rule rule, std::vector<WayPtr> ways, telemetry::CellId failures)
        : rule_(std::move(rule)), ways_(std::move(ways)), failures_(failures) {}

    Step begin(Pass& pass) const override {
        const Identity& identity = pass.identity();
        const auth::Facts facts{.auth = identity.auth,
                                .principal = identity.principal,
                                .claims = identity.claims.get(),
                                .peer = pass.caller().names};
        if (rule_.holds(facts)) return Step::proceed;
        Refusal refusal;
        refusal.reason = Reason::forbidden;
        refusal.detail = "the rule of the route does not hold";
        telemetry::Shard& shard = pass.context().shard;
        const auto way = std::find_if(ways_.begin(), ways_.end(), [&](const WayPtr& each) {
            return each->section().name == identity.auth;
        });
        if (way == ways_.end()) {
            shard.add(failures_);
            return pass.refuse(std::move(refusal));
        }
        (*way)->count(shard, auth::Failure::claims);
        const std::string challenge = (*way)->challenge(
            Verdict::refuse(auth::Failure::claims, Reason::forbidden, refusal.detail));
        if (!challenge.empty())
            refusal.lines.append("www-authenticate: ").append(challenge).append("\r\n");
        return pass.refuse(std::move(refusal));
    }

  private:
    const auth::Rule rule_;
    const std::vector<WayPtr> ways_;
    const telemetry::CellId failures_;  // of who was let in by nobody
};

// ---- making

Choice make_choice(const Making& making, const std::string& name) {
    const config::Auth& section = making.config.auth.at(name);
    const std::string& wanted = section.to.empty() ? section.jwks_cluster : section.to;
    Choice choice;
    std::shared_ptr<upstream::Cluster> cluster;
    for (std::size_t i = 0; i < making.clusters.size() && !wanted.empty(); ++i) {
        if (making.clusters[i]->name() != wanted) continue;
        choice.cluster = i;
        choice.has_cluster = true;
        cluster = making.clusters[i];
    }
    choice.way = making.stores->auths().way({section, std::move(cluster), making.registry});
    return choice;
}

bool asks_who(const config::Listener& listener) {
    return std::any_of(listener.routes.begin(), listener.routes.end(),
                       [](const config::Route& route) { return !route.auth.any_of.empty(); });
}

}  // namespace

WayPtr AuthStore::way(WayMaking making) {
    const std::lock_guard lock(mutex_);
    making.passwords = passwords_;
    Known& known = known_[making.section.name];
    if (auto way = known.way.lock()) {
        if (known.section == making.section && known.cluster.lock() == making.cluster) return way;
        making.before = std::move(way);
    }
    using Make = WayPtr (*)(const WayMaking&);
    static constexpr Make kMakers[] = {&make_jwt,  &make_api_key,  &make_basic,
                                       &make_mtls, &make_external, &make_introspection};
    auto way = kMakers[static_cast<std::size_t>(making.section.type)](making);
    known = {making.section, making.cluster, way};
    return way;
}

void add_strip(const Making& making, std::vector<FilterPtr>& into) {
    if (making.route == nullptr || !asks_who(making.listener)) return;
    std::set<std::string> names;
    for (const auto& [name, section] : making.config.auth) {
        for (const auto& [claim, header] : section.forward_claims)
            names.insert(header);
        names.insert(section.forward_headers.begin(), section.forward_headers.end());
    }
    Strip::What what;
    for (const std::string& name : making.route->auth.any_of) {
        const OwnPlaces own = own_places(making.config.auth.at(name));
        if (!own.header.empty()) names.emplace(own.header);
        if (!own.cookie.empty()) what.cookies.emplace_back(own.cookie);
        if (!own.parameter.empty()) what.parameters.emplace_back(own.parameter);
    }
    what.headers.assign(names.begin(), names.end());
    if (!what.is_nothing()) into.push_back(std::make_shared<Strip>(std::move(what)));
}

void add_auth(const Making& making, std::vector<FilterPtr>& into) {
    if (making.route == nullptr || making.route->auth.any_of.empty()) return;
    std::vector<Choice> choices;
    for (const std::string& name : making.route->auth.any_of)
        choices.push_back(make_choice(making, name));
    into.push_back(std::make_shared<Authenticate>(std::move(choices)));
}

void add_require(const Making& making, std::vector<FilterPtr>& into) {
    if (making.route == nullptr || making.route->auth.require.empty()) return;
    auto parsed = auth::Rule::parse(making.route->auth.require);
    WEIR_ASSERT(parsed.rule.has_value());
    std::vector<WayPtr> ways;
    for (const std::string& name : making.route->auth.any_of)
        ways.push_back(make_choice(making, name).way);
    const auto failures = making.registry.counter(
        telemetry::Family::auth_failures, {telemetry::kNone, auth::word(auth::Failure::claims)},
        telemetry::Show::once_used);
    into.push_back(std::make_shared<Require>(std::move(*parsed.rule), std::move(ways), failures));
}

}  // namespace weir::filter

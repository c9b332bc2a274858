#include "weir/auth/check.hpp"
#include "weir/crypto/base64.hpp"
#include "weir/http/headers.hpp"

#include "auth_way.hpp"

#include <algorithm>
#include <array>

// Those about whom somebody else is asked: an HTTP service, or the issuer of tokens (RFC 7662).
namespace weir::filter {
namespace {

constexpr std::size_t kMostAnswer = std::size_t{64} * 1024;
constexpr std::size_t kEntryBytes = 512;

Verdict unavailable() {
    return Verdict::refuse(auth::Failure::unavailable, Reason::auth_unavailable,
                           "who is to be asked does not answer");
}

// Asks once; what the answer says is the way's matter.
class AskingWay : public Way {
  public:
    AskingWay(const WayMaking& making)
        : Way(making.section, making.registry),
          cluster_(making.cluster),
          route_(*making.cluster, "auth:" + making.section.name) {}

    std::unique_ptr<Kept> ask(Pass& pass,
                              const LocalClusterPtr& cluster,
                              Asker& asker,
                              std::optional<Verdict>& verdict) const final {
        auto question = std::make_unique<Question>(*this, pass, asker);
        if (auto early = question->start(cluster)) {
            verdict = std::move(early);
            return nullptr;
        }
        return question;
    }

  protected:
    [[nodiscard]] virtual upstream::CallRequest request(const Pass& pass) const = 0;
    [[nodiscard]] virtual Verdict judge(Pass& pass, const upstream::CallAnswer& answer) const = 0;

  private:
    class Question final : public Kept {
      public:
        Question(const AskingWay& way, Pass& pass, Asker& asker)
            : way_(way), pass_(pass), asker_(asker), call_(pass.context(), way.route_) {}

        std::optional<Verdict> start(const LocalClusterPtr& cluster) {
            is_starting_ = true;
            call_.start(cluster, way_.request(pass_), [this](const upstream::CallAnswer& answer) {
                Verdict verdict = way_.judge(pass_, answer);
                if (is_starting_) {
                    early_ = std::move(verdict);
                } else {
                    asker_.on_verdict(std::move(verdict));  // it may destroy this
                }
            });
            is_starting_ = false;
            return std::move(early_);
        }

      private:
        const AskingWay& way_;
        Pass& pass_;
        Asker& asker_;
        upstream::Call call_;
        bool is_starting_ = false;
        std::optional<Verdict> early_;
    };

    const std::shared_ptr<upstream::Cluster> cluster_;
    const upstream::CallRoute route_;
};

void put(std::string& head, std::string_view name, std::string_view value) {
    head.append(name).append(": ").append(value).append("\r\n");
}

// ---- an HTTP service

class External final : public AskingWay {
  public:
    explicit External(const WayMaking& making) : AskingWay(making) {}

    Verdict check(Pass& /*pass*/, const LocalClusterPtr& /*cluster*/) const override {
        return {.kind = Verdict::Kind::asking};
    }
    std::string challenge(const Verdict& /*verdict*/) const override { return {}; }

  protected:
    upstream::CallRequest request(const Pass& pass) const override {
        const http::RequestHead& head = pass.head();
        std::string out = "GET " + section().path + " HTTP/1.1\r\n";
        put(out, "host", head.authority);
        put(out, "x-forwarded-method", head.method_text);
        put(out, "x-forwarded-proto", pass.caller().is_tls ? "https" : "http");
        put(out, "x-forwarded-host", head.authority);
        std::string target(head.path);
        if (head.has_query) target.append("?").append(head.query);
        put(out, "x-forwarded-uri", target);
        put(out, "x-forwarded-for", pass.caller().ip);
        // Credentials, all of each kind: who is asked sees what the upstream would.
        for (const http::HeaderField& field : head.headers) {
            constexpr std::array<std::string_view, 5> kCredentials{
                "authorization", "cookie", "x-api-key", "accept", "user-agent"};
            const bool is_sent =
                std::any_of(kCredentials.begin(), kCredentials.end(), [&](std::string_view name) {
                    return http::equals_ignoring_case(field.name, name);
                });
            if (is_sent) put(out, field.name, field.value);
        }
        return {
            .head = out + "\r\n", .body = {}, .timeout = section().timeout, .most = kMostAnswer};
    }

    Verdict judge(Pass& pass, const upstream::CallAnswer& answer) const override {
        const bool is_broken = answer.error.reason != Reason::none || answer.status >= 500;
        if (is_broken && section().fail_open) {
            count(pass.context().shard, auth::Failure::unavailable);
            return Verdict::accept(std::make_shared<auth::Bearer>());
        }
        if (is_broken) return unavailable();
        if (answer.status >= 200 && answer.status < 300) return accept(answer);
        const bool is_login = answer.status >= 300 && answer.status < 400;
        Verdict verdict = Verdict::refuse(
            auth::Failure::rejected,
            answer.status == 401 || is_login ? Reason::unauthorized : Reason::forbidden,
            "the external service refused");
        auto said = std::make_shared<Refusal>();
        said->reason = is_login ? Reason::none : verdict.reason;
        said->status = answer.status;
        said->detail = verdict.detail;
        for (const auto* const name :
             {"www-authenticate", "location", "set-cookie", "retry-after", "cache-control"}) {
            for (const std::string_view value : values_of(answer.fields, name))
                put(said->lines, name, value);
        }
        verdict.answer = std::move(said);
        return verdict;
    }

  private:
    static std::vector<std::string_view> values_of(std::string_view fields, std::string_view name) {
        std::vector<std::string_view> values;
        while (!fields.empty()) {
            const auto line = fields.substr(0, fields.find("\r\n"));
            fields.remove_prefix(std::min(fields.size(), line.size() + 2));
            const auto colon = line.find(": ");
            if (colon == std::string_view::npos) continue;
            if (http::equals_ignoring_case(line.substr(0, colon), name))
                values.push_back(line.substr(colon + 2));
        }
        return values;
    }

    [[nodiscard]] Verdict accept(const upstream::CallAnswer& answer) const {
        auto bearer = std::make_shared<auth::Bearer>();
        for (const std::string& name : section().forward_headers) {
            for (const std::string_view value : values_of(answer.fields, name))
                put(bearer->request_lines, name, value);
        }
        return Verdict::accept(std::move(bearer));
    }
};

// ---- the issuer of tokens

std::string form_encoded(std::string_view text) {
    constexpr std::string_view kDigits = "0123456789ABCDEF";
    std::string out;
    for (const char c : text) {
        const bool is_plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                              (c >= '0' && c <= '9') || c == '-' || c == '.' || c == '_';
        if (is_plain) {
            out += c;
            continue;
        }
        const auto byte = static_cast<unsigned char>(c);
        out += '%';
        out += kDigits[byte >> 4U];
        out += kDigits[byte & 15U];
    }
    return out;
}

class Introspection final : public AskingWay {
  public:
    explicit Introspection(const WayMaking& making)
        : AskingWay(making), policy_(auth::policy_of(section())) {
        if (section().client_id.empty()) return;
        const std::string pair =
            form_encoded(section().client_id) + ":" +
            form_encoded(section().secret ? section().secret->reveal() : std::string_view());
        put(authorization_, "authorization", "Basic " + crypto::encode_base64(pair));
    }

    Verdict check(Pass& pass, const LocalClusterPtr& /*cluster*/) const override {
        const Credentials found = find(pass);
        if (found.state == Credentials::State::absent) return {};
        if (found.state == Credentials::State::twice) return refuse_twice();
        if (found.text().empty() || found.text().size() > auth::kMostTokenBytes)
            return Verdict::refuse(auth::Failure::malformed, Reason::unauthorized,
                                   "the token is empty, or longer than 8 KiB");
        const auto* const known =
            caches_.of(pass.context().worker).find(crypto::sha256(found.text()), 0, Clock::now());
        return known != nullptr ? *known : Verdict{.kind = Verdict::Kind::asking};
    }

    std::string challenge(const Verdict& verdict) const override {
        return bearer_challenge(verdict);
    }

  protected:
    upstream::CallRequest request(const Pass& pass) const override {
        const std::string body =
            "token=" + form_encoded(find(pass).text()) + "&token_type_hint=access_token";
        std::string out = "POST " + section().path + " HTTP/1.1\r\n";
        put(out, "host", section().to);
        put(out, "accept", "application/json");
        put(out, "content-type", "application/x-www-form-urlencoded");
        put(out, "content-length", std::to_string(body.size()));
        return {.method = http::Method::post,
                .head = out + authorization_ + "\r\n",
                .body = body,
                .timeout = section().timeout,
                .most = kMostAnswer};
    }

    Verdict judge(Pass& pass, const upstream::CallAnswer& answer) const override {
        if (answer.error.reason != Reason::none || answer.status != 200) return unavailable();
        const auto json = JsonValue::parse_unique(answer.body);
        if (!json || !json->is_object()) return unavailable();
        const Credentials found = find(pass);
        const std::string_view token = found.text();
        WallTime expires = WallTime::max();
        const Verdict verdict = judge_claims(*json, expires);
        const Duration left =
            expires == WallTime::max() ? section().cache : Duration(expires - Clock::wall());
        const Duration kept = std::min(left, section().cache);
        if (kept > Duration::zero()) {
            caches_.of(pass.context().worker)
                .add(crypto::sha256(token), 0, Clock::now() + kept,
                     kEntryBytes + token.size() + 4 * answer.body.size(), verdict);
        }
        return verdict;
    }

  private:
    [[nodiscard]] Credentials find(const Pass& pass) const {
        return find_credentials(pass.head(), section().from, "bearer");
    }

    [[nodiscard]] Verdict judge_claims(const JsonValue& json, WallTime& expires) const {
        if (json["active"].boolean() != true)
            return Verdict::refuse(auth::Failure::rejected, Reason::unauthorized,
                                   "the token is not active");
        const auto fault = auth::check_claims(json, policy_, Clock::wall(), expires);
        if (fault != auth::JwtFault::none) {
            return Verdict::refuse(
                auth::info(fault).failure,
                fault == auth::JwtFault::claim ? Reason::forbidden : Reason::unauthorized,
                auth::info(fault).detail);
        }
        auto bearer = std::make_shared<auth::Bearer>();
        bearer->claims = json;
        for (const auto* const name : {"sub", "username", "client_id"}) {
            if (bearer->principal.empty() && json[name].is_string())
                bearer->principal = json[name].text();
        }
        bearer->request_lines = claim_lines(section(), json);
        return Verdict::accept(std::move(bearer));
    }

    const auth::JwtPolicy policy_;
    std::string authorization_;
    PerWorker<auth::DigestCache<Verdict>> caches_;
};

}  // namespace

WayPtr make_external(const WayMaking& making) {
    return std::make_shared<External>(making);
}

WayPtr make_introspection(const WayMaking& making) {
    return std::make_shared<Introspection>(making);
}

}  // namespace weir::filter

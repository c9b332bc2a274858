#include "weir/upstream/health_checks.hpp"

#include "weir/core/log.hpp"
#include "weir/resilience/health_verdict.hpp"

#include "health_check.hpp"

#include <algorithm>
#include <unordered_map>
#include <utility>

namespace weir::upstream {
namespace {

using Kind = CheckAnswer::Kind;

constexpr double kJitter = 0.1;
// A machine waits that long for a request before it is probed from here.
constexpr Duration kWaitForRequest = std::chrono::seconds{1};

resilience::HealthVerdict::Options verdict_options(const config::Health& health) {
    return {.healthy_after = health.healthy_after, .unhealthy_after = health.unhealthy_after};
}

std::string_view result_word(Kind kind) {
    return kind == Kind::passed ? "success" : kind == Kind::late ? "timeout" : "failure";
}

resilience::Verdict verdict_of(Kind kind) {
    using resilience::FailureKind;
    using resilience::Outcome;
    switch (kind) {
        case Kind::failed:
            return {.outcome = Outcome::failure, .kind = FailureKind::status_other};
        case Kind::late:
            return {.outcome = Outcome::failure, .kind = FailureKind::timeout};
        case Kind::unreachable:
            return {.outcome = Outcome::local_failure, .kind = FailureKind::connect_refused};
        case Kind::passed:
        case Kind::not_asked:
            break;
    }
    return {};
}

Address with_port(const Address& address, std::uint16_t port) {
    if (port == 0 || address.is_unix()) return address;
    return Address::from_ip(address.ip(), port).value_or(address);
}

bool was_lost_by_connect(const Endpoint& endpoint) {
    using resilience::FailureKind;
    const auto last = endpoint.totals().last_failure;
    return last == FailureKind::connect_refused || last == FailureKind::connect_timeout;
}

// In the eyes of those who asked it; nothing while nobody does.
std::optional<bool> passive_evidence(const Endpoint& endpoint, TimePoint now) {
    const auto& machine = endpoint.detector().machine();
    const auto seen = machine.counts(now);
    if (machine.state() != resilience::State::closed || machine.is_penalized()) return false;
    if (seen.total() == 0) return std::nullopt;
    const double rate = machine.options().failure_rate > 0 ? machine.options().failure_rate : 0.5;
    return seen.ok > 0 && seen.failure_rate() < rate;
}

}  // namespace

// An endpoint under checks. Co-owned by its cluster's list, the queue and the job under way.
struct HealthChecks::Subject {
    Subject(std::string of, std::shared_ptr<Endpoint> checked, const config::Health& health)
        : cluster(std::move(of)), endpoint(std::move(checked)), verdict(verdict_options(health)) {}

    const std::string cluster;
    std::shared_ptr<Endpoint> endpoint;
    resilience::HealthVerdict verdict;
    bool is_known = false;           // checked at least once
    bool is_gone = false;            // nobody wants to hear of it any more
    bool has_answered_well = false;  // when requests asked it last
};

struct HealthChecks::Watched {
    // Of a machine that wants a probe.
    struct Wanting {
        TimePoint since{};
        std::uint64_t epoch = 0;
        std::uint32_t checked = 0;  // probes by checks in this epoch
    };

    std::shared_ptr<Cluster> cluster;
    std::shared_ptr<const EndpointSet> set;
    std::vector<std::shared_ptr<Subject>> subjects;
    std::map<std::uint64_t, Wanting> wanting;  // by endpoint
    bool is_ignoring = false;

    [[nodiscard]] const config::Health* health() const {
        const auto& health = cluster->config().health;
        return health ? &*health : nullptr;
    }
};

struct HealthChecks::Job {
    std::shared_ptr<Endpoint> endpoint;  // outlives the permit
    std::shared_ptr<Subject> subject;    // none: a probe by a connection
    resilience::PermitGuard permit;
    std::string cluster;
    CheckQuestion question;
    CheckAnswer answer;
    TimePoint began{};
    bool is_done = false;
    transport::TaskHandle task;
};

HealthChecks::HealthChecks(boost::asio::any_io_executor executor, telemetry::Registry& registry)
    : executor_(std::move(executor)),
      registry_(registry),
      random_(Random::from_system()),
      timer_(executor_),
      self_(std::make_shared<HealthChecks*>(this)) {}

HealthChecks::~HealthChecks() = default;

std::size_t HealthChecks::running() const {
    return static_cast<std::size_t>(std::count_if(jobs_.begin(), jobs_.end(), [](const auto& job) {
        return !job->is_done && job->task.is_running();
    }));
}

void HealthChecks::follow(const std::vector<std::shared_ptr<Cluster>>& clusters, TimePoint now) {
    auto before = std::exchange(watched_, {});
    for (const auto& cluster : clusters) {
        Watched watched;
        if (const auto known = before.find(cluster->name()); known != before.end()) {
            watched = std::move(known->second);
            before.erase(known);
        }
        const bool is_same =
            watched.cluster && watched.cluster->config().health == cluster->config().health;
        if (watched.cluster != cluster) watched.set.reset();
        watched.cluster = cluster;
        if (!is_same && watched.health() != nullptr) {
            for (auto& subject : watched.subjects) {
                // What was found counts on, but not for how long it was so.
                auto next = std::make_shared<Subject>(cluster->name(), subject->endpoint,
                                                      *watched.health());
                next->verdict =
                    resilience::HealthVerdict(verdict_options(*watched.health()), subject->verdict);
                next->has_answered_well = subject->has_answered_well;
                subject->is_gone = true;
                subject = next;
                due_.emplace(now, subject);
            }
        }
        if (watched.health() == nullptr) forget_health(watched);
        watch_endpoints(watched, now);
        watched_.emplace(cluster->name(), std::move(watched));
    }
    for (auto& [name, gone] : before) {
        for (auto& subject : gone.subjects)
            subject->is_gone = true;
    }
    std::erase_if(due_, [](const auto& entry) { return entry.second->is_gone; });
    run_due(now);
}

// No longer checked: nothing is held against them.
void HealthChecks::forget_health(Watched& watched) {
    for (auto& subject : watched.subjects) {
        subject->is_gone = true;
    }
    watched.subjects.clear();
    watched.set.reset();
}

// Those of a new object of the cluster may be others at the same addresses.
void HealthChecks::watch_endpoints(Watched& watched, TimePoint now) {
    const auto set = watched.cluster->endpoints();
    if (set == watched.set) return;
    watched.set = set;
    const auto* health = watched.health();
    if (health == nullptr) {
        for (const auto& endpoint : set->endpoints) {
            if (endpoint->health().is_failing) endpoint->set_health(false, false, now);
        }
        return;
    }
    auto before = std::exchange(watched.subjects, {});
    std::unordered_map<std::string, std::size_t> places;  // by address
    for (std::size_t i = 0; i < before.size(); ++i)
        places.emplace(before[i]->endpoint->name(), i);
    for (const auto& endpoint : set->endpoints) {
        const auto known = places.find(endpoint->name());
        if (known != places.end() && before[known->second]) {
            auto subject = std::move(before[known->second]);
            subject->endpoint = endpoint;
            watched.subjects.push_back(std::move(subject));
        } else {
            watched.subjects.push_back(
                std::make_shared<Subject>(watched.cluster->name(), endpoint, *health));
            due_.emplace(now, watched.subjects.back());
        }
    }
    for (const auto& gone : before) {
        if (gone) gone->is_gone = true;
    }
    judge(watched, now);
}

void HealthChecks::tick(TimePoint now) {
    for (auto& [name, watched] : watched_) {
        watch_endpoints(watched, now);
        const bool has_failing =
            std::any_of(watched.subjects.begin(), watched.subjects.end(),
                        [](const auto& subject) { return subject->verdict.is_unhealthy(); });
        if (has_failing) judge(watched, now);
        look_for_probes(watched, now);
    }
    run_due(now);
}

// ---- probes

void HealthChecks::look_for_probes(Watched& watched, TimePoint now) {
    if (watched.cluster->roster()->is_plain()) {
        watched.wanting.clear();
        return;
    }
    for (const auto& endpoint : watched.set->endpoints) {
        const auto& detector = endpoint->detector();
        if (!endpoint->is_available() || !detector.wants_probe(now)) {
            // A probe is under way, or it is not time yet.
            const auto found = watched.wanting.find(endpoint->id());
            if (found != watched.wanting.end()) found->second.since = {};
            continue;
        }
        auto& wanting = watched.wanting[endpoint->id()];
        const auto epoch = detector.machine().current_epoch();
        if (wanting.epoch != epoch) wanting = {.since = {}, .epoch = epoch, .checked = 0};
        if (wanting.since == TimePoint{}) wanting.since = now;
        if (now - wanting.since < kWaitForRequest) continue;
        wanting.since = {};
        probe(watched, endpoint, now);
    }
}

void HealthChecks::probe(Watched& watched,
                         const std::shared_ptr<Endpoint>& endpoint,
                         TimePoint now) {
    const auto* health = watched.health();
    const bool is_handshake = was_lost_by_connect(*endpoint);
    auto& wanting = watched.wanting[endpoint->id()];
    const auto& machine = endpoint->detector().machine();
    if (running() >= kMostAtOnce || (!is_handshake && health == nullptr)) return;
    // The last good probe is a request's: more checks than that say nothing new.
    if (!is_handshake && wanting.checked + 1 >= machine.options().successes_to_close) return;
    const auto admission =
        endpoint->detector().acquire(now, {.is_replay_safe = true, .is_check = !is_handshake});
    if (!admission || !admission.permit.is_probe) return;
    auto job = std::make_unique<Job>();
    job->endpoint = endpoint;
    job->permit = resilience::PermitGuard(endpoint->detector().machine(), admission.permit);
    job->cluster = watched.cluster->name();
    job->question = {.address = endpoint->address(),
                     .authority = endpoint->authority(),
                     .health = std::nullopt,
                     .timeout = watched.cluster->config().timeout.connect,
                     .tls = {.context = watched.cluster->tls(), .server_name = endpoint->host()}};
    if (!is_handshake) {
        ++wanting.checked;
        job->question.health = *health;
        job->question.timeout = health->timeout;
        job->question.address = with_port(endpoint->address(), health->port);
    }
    start(std::move(job));
}

// ---- checks

void HealthChecks::run_due(TimePoint now) {
    std::erase_if(jobs_, [this](const auto& job) {
        if (job->task.is_running()) return false;
        // Ended by an exception, which was logged: nobody has heard of it, but it goes on.
        if (!job->is_done && job->subject && !job->subject->is_gone) reschedule(*job, job->began);
        return true;
    });
    std::size_t free = kMostAtOnce - std::min(kMostAtOnce, running());
    while (free > 0 && !due_.empty() && due_.begin()->first <= now) {
        auto subject = std::move(due_.begin()->second);
        due_.erase(due_.begin());
        if (subject->is_gone) continue;
        const auto found = watched_.find(subject->cluster);
        if (found == watched_.end() || found->second.health() == nullptr) continue;
        const config::Health& health = *found->second.health();
        auto job = std::make_unique<Job>();
        job->endpoint = subject->endpoint;
        job->cluster = found->first;
        job->question = {.address = with_port(subject->endpoint->address(), health.port),
                         .authority = subject->endpoint->authority(),
                         .health = health,
                         .timeout = health.timeout,
                         .protocol = found->second.cluster->config().protocol,
                         .tls = {.context = found->second.cluster->tls(),
                                 .server_name = subject->endpoint->host()}};
        job->subject = std::move(subject);
        start(std::move(job));
        --free;
    }
    arm();
}

void HealthChecks::arm() {
    if (due_.empty() || running() >= kMostAtOnce) return;
    timer_.expires_at(due_.begin()->first);
    timer_.async_wait([weak = std::weak_ptr(self_)](const boost::system::error_code& ec) {
        const auto self = weak.lock();
        if (!ec && self) (*self)->run_due(Clock::refresh());
    });
}

void HealthChecks::start(std::unique_ptr<Job> job) {
    job->began = Clock::refresh();
    auto& running = *jobs_.emplace_back(std::move(job));
    running.task = transport::spawn(
        executor_, "check of " + running.endpoint->name(),
        [this, &running](transport::TaskScope& scope) { return run(scope, running); });
}

transport::Task<> HealthChecks::run(transport::TaskScope& scope, Job& job) {
    job.answer = co_await check(scope, job.question);
    job.is_done = true;
    finish(job, Clock::refresh());
}

void HealthChecks::finish(Job& job, TimePoint now) {
    if (job.answer.kind == Kind::not_asked) {
        job.permit.release();
    } else {
        job.permit.complete(verdict_of(job.answer.kind), now, 0);
    }
    if (job.question.health && job.answer.kind != Kind::not_asked) note(job, now);
    if (job.subject && !job.subject->is_gone) reschedule(job, now);
    run_due(now);
}

void HealthChecks::note(const Job& job, TimePoint now) {
    const auto word = result_word(job.answer.kind);
    registry_.count(telemetry::Family::health_checks, {job.cluster, word});
    job.endpoint->note_check({now, word, job.answer.detail, now - job.began});
    if (!job.subject || job.subject->is_gone) return;
    const auto found = watched_.find(job.cluster);
    if (found == watched_.end()) return;
    Subject& subject = *job.subject;
    if (const auto evidence = passive_evidence(*subject.endpoint, now))
        subject.has_answered_well = *evidence;
    if (subject.verdict.add(job.answer.kind == Kind::passed)) judge(found->second, now);
}

// From its beginning on, so that slow answers do not make checks fewer.
void HealthChecks::reschedule(const Job& job, TimePoint now) {
    const Duration interval = job.question.health->interval;
    const bool is_first = !std::exchange(job.subject->is_known, true);
    const double share =
        is_first ? random_.uniform() : 1 - kJitter + 2 * kJitter * random_.uniform();
    const auto wait =
        Duration{static_cast<Duration::rep>(share * static_cast<double>(interval.count()))};
    due_.emplace(std::max(job.began + wait, now), job.subject);
}

// Who is out, and whether that is too many to be believed.
void HealthChecks::judge(Watched& watched, TimePoint now) {
    std::size_t all = 0;
    std::size_t passing = 0;
    for (const auto& subject : watched.subjects) {
        if (const auto evidence = passive_evidence(*subject->endpoint, now))
            subject->has_answered_well = *evidence;
        if (subject->endpoint->is_drained()) continue;
        ++all;
        passing += subject->verdict.is_unhealthy() ? 0U : 1U;
    }
    const bool are_too_few = passing * 2 < all;
    std::uint32_t used = 0;
    for (const auto& subject : watched.subjects) {
        const bool is_failing = subject->verdict.is_unhealthy();
        const bool is_ignored = is_failing && are_too_few && subject->has_answered_well;
        used += is_ignored ? 1U : 0U;
        const auto known = subject->endpoint->health();
        if (known.is_failing != is_failing || known.is_ignored != is_ignored)
            subject->endpoint->set_health(is_failing, is_ignored, now);
    }
    watched.cluster->set_health_ignored(used);
    if (std::exchange(watched.is_ignoring, used > 0) == (used > 0)) return;
    const auto name = std::string_view(watched.cluster->name());
    if (used == 0) {
        log::info("health checks are acted on again", {{"cluster", name}});
        return;
    }
    log::warn("health checks are ignored: too few endpoints would be left",
              {{"cluster", name},
               {"endpoints", std::to_string(all)},
               {"passing", std::to_string(passing)},
               {"used_all_the_same", std::to_string(used)}});
}

}  // namespace weir::upstream

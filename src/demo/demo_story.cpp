#include "weir/demo/demo_story.hpp"

#include <charconv>
#include <chrono>

namespace weir::demo {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using transport::Task;
using transport::TaskScope;

constexpr Duration kPatience = seconds{5};  // of a question
constexpr Duration kWithin = seconds{8};    // what must follow follows within this
constexpr Duration kPoll = milliseconds{100};
constexpr std::uint64_t kMostPairErrors = 2;

}  // namespace

double sum_of(std::string_view metrics,
              std::string_view family,
              std::initializer_list<std::string_view> labels) {
    double sum = 0;
    while (!metrics.empty()) {
        const std::string_view line = metrics.substr(0, metrics.find('\n'));
        metrics.remove_prefix(std::min(metrics.size(), line.size() + 1));
        const std::string_view name = line.substr(0, line.find_first_of("{ "));
        bool is_wanted = name == family;
        for (const std::string_view label : labels)
            is_wanted = is_wanted && line.find(label) != std::string_view::npos;
        const std::size_t blank = line.rfind(' ');
        if (!is_wanted || blank == std::string_view::npos) continue;
        double value = 0;
        std::from_chars(line.data() + blank + 1, line.data() + line.size(), value);
        sum += value;
    }
    return sum;
}

std::string_view text_after(std::string_view json, std::string_view anchor, std::string_view key) {
    const std::size_t at = json.find(anchor);
    if (at == std::string_view::npos) return {};
    const std::string wanted = "\"" + std::string(key) + "\":\"";
    const std::size_t found = json.find(wanted, at);
    if (found == std::string_view::npos) return {};
    json.remove_prefix(found + wanted.size());
    return json.substr(0, json.find('"'));
}

DemoStory::DemoStory(const boost::asio::any_io_executor& executor,
                     const Address& admin,
                     const Cast& cast,
                     Say say)
    : admin_(executor, admin, kPatience), cast_(cast), say_(std::move(say)) {}

Task<> DemoStory::play_forever(TaskScope& scope) {
    for (;;) {
        co_await scope.sleep_for(seconds{10});
        say_("-- legacy turns bad: it answers 500 to everything");
        cast_.legacy.set_mood(ToyService::Mood::failing);
        co_await scope.sleep_for(seconds{10});
        say_("-- legacy is well again");
        cast_.legacy.set_mood(ToyService::Mood::well);
        co_await scope.sleep_for(seconds{10});
        say_("-- one of the pair goes away: it refuses connections");
        cast_.pair_b.set_mood(ToyService::Mood::gone);
        co_await scope.sleep_for(seconds{10});
        say_("-- it is there again");
        cast_.pair_b.set_mood(ToyService::Mood::well);
    }
}

Task<bool> DemoStory::play_once(TaskScope& scope) {
    co_await assert_calm(scope);
    co_await assert_breaker_opens(scope);
    co_await assert_breaker_closes(scope);
    co_await assert_ejection(scope);
    co_await assert_return(scope);
    co_await assert_metrics(scope);
    co_return !has_failed_;
}

Task<> DemoStory::expect(TaskScope& scope, std::string what, Condition condition) {
    const TimePoint until = Clock::refresh() + kWithin;
    bool is_true = co_await condition(scope);
    while (!is_true && Clock::refresh() < until) {
        co_await scope.sleep_for(kPoll);
        is_true = co_await condition(scope);
    }
    note(is_true, what);
}

void DemoStory::note(bool is_true, std::string_view what) {
    has_failed_ = has_failed_ || !is_true;
    say_(std::string(is_true ? "ok      " : "FAILED  ").append(what));
}

Task<> DemoStory::assert_calm(TaskScope& scope) {
    co_await expect(scope, "both services answer through Weir", [this](TaskScope&) -> Task<bool> {
        co_return cast_.legacy_load.counts().ok >= 10 && cast_.pair_load.counts().ok >= 10;
    });
    note(cast_.legacy_load.counts().errors() + cast_.pair_load.counts().errors() == 0,
         "and nothing fails");
}

Task<> DemoStory::assert_breaker_opens(TaskScope& scope) {
    say_("-- legacy turns bad: it answers 500 to everything");
    cast_.legacy.set_mood(ToyService::Mood::failing);
    co_await expect(scope, "the breaker of legacy opens by itself (GET /api/v1/breakers)",
                    [this](TaskScope& inner) { return is_breaker(inner, "legacy", "open"); });
    co_await expect(scope, "its clients get 503 with weir-error: breaker_open",
                    [this](TaskScope&) -> Task<bool> {
                        co_return cast_.legacy_load.counts().failed.contains("breaker_open");
                    });
    const std::uint64_t reached = cast_.legacy.requests();
    const std::uint64_t sent = cast_.legacy_load.counts().total();
    co_await scope.sleep_for(seconds{2});
    const std::uint64_t asked = cast_.legacy_load.counts().total() - sent;
    const std::uint64_t probes = cast_.legacy.requests() - reached;
    note(probes > 0 && probes * 4 < asked,
         "legacy is left alone but for probes: " + std::to_string(probes) + " of " +
             std::to_string(asked) + " requests in two seconds");
}

Task<> DemoStory::assert_breaker_closes(TaskScope& scope) {
    say_("-- legacy is well again");
    cast_.legacy.set_mood(ToyService::Mood::well);
    co_await expect(scope, "the breaker closes by itself",
                    [this](TaskScope& inner) { return is_breaker(inner, "legacy", "closed"); });
    const std::uint64_t before = cast_.legacy_load.counts().ok;
    co_await expect(scope, "legacy answers again", [this, before](TaskScope&) -> Task<bool> {
        co_return cast_.legacy_load.counts().ok >= before + 10;
    });
}

Task<> DemoStory::assert_ejection(TaskScope& scope) {
    say_("-- one of the pair goes away: it refuses connections");
    cast_.pair_b.set_mood(ToyService::Mood::gone);
    co_await expect(scope, "it is ejected (GET /api/v1/clusters/pair/endpoints)",
                    [this](TaskScope& inner) { return is_pair_b(inner, "ejected"); });
    co_await scope.sleep_for(seconds{1});
    const std::uint64_t errors = cast_.pair_load.counts().errors();
    note(errors <= kMostPairErrors, "the clients of the pair see " + std::to_string(errors) +
                                        " errors (at most " + std::to_string(kMostPairErrors) +
                                        ")");
    const bool is_closed = co_await is_breaker(scope, "pair", "closed");
    note(is_closed, "the breaker of the pair stays closed");
}

Task<> DemoStory::assert_return(TaskScope& scope) {
    say_("-- it is there again");
    cast_.pair_b.set_mood(ToyService::Mood::well);
    co_await expect(scope, "it is taken back",
                    [this](TaskScope& inner) { return is_pair_b(inner, "healthy"); });
    const std::uint64_t before = cast_.pair_b.requests();
    co_await expect(scope, "and has requests again", [this, before](TaskScope&) -> Task<bool> {
        co_return cast_.pair_b.requests() >= before + 5;
    });
}

Task<> DemoStory::assert_metrics(TaskScope& scope) {
    const std::string metrics = co_await ask(scope, "/metrics");
    const auto transitions = [&](std::string_view to) {
        return sum_of(metrics, "weir_breaker_transitions_total", {R"(cluster="legacy")", to});
    };
    note(transitions(R"(to="open")") >= 1 && transitions(R"(to="closed")") >= 1,
         "weir_breaker_transitions_total counted the opening and the closing");
    note(sum_of(metrics, "weir_breaker_state", {R"(cluster="legacy")", R"(state="closed")"}) == 1,
         "weir_breaker_state says closed");
    note(sum_of(metrics, "weir_outlier_ejections_total", {R"(cluster="pair")"}) >= 1,
         "weir_outlier_ejections_total counted the ejection");
    note(sum_of(metrics, "weir_requests_total",
                {R"(cluster="legacy")", R"(code="503")", R"(reason="breaker_open")"}) >= 1,
         "weir_requests_total has the refused requests by their reason");
}

Task<std::string> DemoStory::ask(TaskScope& scope, std::string path) {
    auto answer = co_await admin_.get(scope, std::move(path));
    co_return answer && answer->status == 200 ? std::move(answer->body) : std::string{};
}

Task<bool> DemoStory::is_breaker(TaskScope& scope,
                                 std::string_view cluster,
                                 std::string_view state) {
    const std::string json = co_await ask(scope, "/api/v1/breakers");
    const std::string anchor = "\"cluster\":\"" + std::string(cluster) + "\"";
    co_return text_after(json, anchor, "state") == state;
}

Task<bool> DemoStory::is_pair_b(TaskScope& scope, std::string_view state) {
    const std::string json = co_await ask(scope, "/api/v1/clusters/pair/endpoints");
    const std::string anchor = "\"address\":\"" + cast_.pair_b.address().to_string() + "\"";
    co_return text_after(json, anchor, "state") == state;
}

}  // namespace weir::demo

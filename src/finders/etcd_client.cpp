#include "finders/etcd_client.hpp"

#include "weir/control/text_file.hpp"

#include "finders/options.hpp"

#include <utility>

namespace weir::finders::etcd {

using transport::Task;
using transport::TaskScope;

namespace {

constexpr std::uint16_t kPort = 2379;
constexpr std::uint64_t kPage = 2000;
constexpr std::size_t kMostPairs = 100'000;
constexpr std::size_t kMostBytes = std::size_t{16} * 1024 * 1024;  // of an answer, or of a line
constexpr Duration kPatience = std::chrono::seconds{5};
constexpr Duration kWhole = std::chrono::seconds{30};
// etcd tells of its progress each ten minutes only. A list asks for little, and whoever does not
// answer it is dead.
constexpr Duration kQuiet = std::chrono::seconds{60};
constexpr Duration kLongestWatch = std::chrono::hours{24};
constexpr std::uint16_t kOk = 200;
constexpr std::uint16_t kUnauthorized = 401;

}  // namespace

Client::Client(const boost::asio::any_io_executor& executor,
               telemetry::Registry& registry,
               const config::Discovery& discovery)
    : discovery_(discovery),
      servers_(sources_of(discovery, kPort), false),
      http_(executor,
            registry,
            {.connect_timeout = kPatience,
             .head_timeout = kPatience,
             .silence = kPatience,
             .whole = kWhole,
             .tls = tls_of(discovery)}) {}

bool Client::fail(std::string why) {
    error_ = std::move(why);
    servers_.advance();
    http_.close();
    return false;
}

Task<bool> Client::send(TaskScope& scope, const std::string& path, const std::string& body) {
    std::string why;
    const auto server = co_await servers_.current(scope, why);
    if (!server) {
        error_ = std::move(why);  // its turn is over already
        co_return false;
    }
    control::HttpRequest request;
    request.method = "POST";
    request.target = path;
    request.headers.emplace_back("Content-Type", "application/json");
    if (!token_.empty()) request.headers.emplace_back("Authorization", token_);
    request.body = body;
    const bool has_head = co_await http_.begin(scope, *server, request);
    if (!has_head) co_return fail(http_.error());
    co_return true;
}

// The token of a user; etcd forgets it when it restarts, and after five minutes.
Task<bool> Client::log_in(TaskScope& scope) {
    token_.clear();
    const control::TextFile password = control::read_word_file(option(discovery_, "password_file"));
    if (!password.error.empty()) co_return fail(password.error);
    std::string body;
    JsonWriter(body)
        .begin_object()
        .field("name", option(discovery_, "user"))
        .field("password", password.text)
        .end_object();
    const bool has_head = co_await send(scope, "/v3/auth/authenticate", body);
    if (!has_head) co_return false;
    std::string answer;
    const bool is_whole = co_await http_.read_all(scope, answer, kMostBytes);
    if (!is_whole) co_return fail(http_.error());
    const auto json = JsonValue::parse(answer);
    if (http_.head().status != kOk || !json || (*json)["token"].text().empty())
        co_return fail("etcd does not log in " + option(discovery_, "user") + ": " +
                       read_error(answer));
    token_ = (*json)["token"].text();
    co_return true;
}

// The head of a good answer.
Task<bool> Client::begin(TaskScope& scope, const std::string& path, const std::string& body) {
    const bool logs_in = !option(discovery_, "user").empty();
    for (bool is_again = false;; is_again = true) {
        if (logs_in && token_.empty()) {
            const bool is_in = co_await log_in(scope);
            if (!is_in) co_return false;
        }
        const bool has_head = co_await send(scope, path, body);
        if (!has_head) co_return false;
        const std::uint16_t status = http_.head().status;
        if (status == kOk) co_return true;
        std::string answer;
        const bool is_whole = co_await http_.read_all(scope, answer, kMostBytes);
        if (!is_whole) co_return fail(http_.error());
        const std::string why = read_error(answer);
        const bool is_stale = status == kUnauthorized || why.find("token") != std::string::npos;
        if (!logs_in || !is_stale || is_again) {
            co_return fail("etcd answers " + std::to_string(status) + " to " + path +
                           (why.empty() ? "" : ": " + why));
        }
        token_.clear();
    }
}

Task<bool> Client::ask(TaskScope& scope, std::string path, std::string body, std::string& answer) {
    error_.clear();
    http_.set_times(kPatience, kPatience, kWhole);
    const bool has_begun = co_await begin(scope, path, body);
    if (!has_begun) co_return false;
    answer.clear();
    const bool is_whole = co_await http_.read_all(scope, answer, kMostBytes);
    if (!is_whole) co_return fail(http_.error());
    co_return true;
}

Task<std::optional<Client::Listed>> Client::list(TaskScope& scope, std::string prefix) {
    Listed listed;
    std::string from = prefix;
    std::string body;
    for (bool has_more = true; has_more;) {
        std::string question = range_request(from, end_of_prefix(prefix), kPage, listed.revision);
        const bool is_answered = co_await ask(scope, "/v3/kv/range", std::move(question), body);
        if (!is_answered) co_return std::nullopt;
        auto page = read_range(body);
        if (!page) {
            fail("what etcd answers to a range is none of its messages");
            co_return std::nullopt;
        }
        if (listed.revision == 0) listed.revision = page->revision;
        has_more = page->has_more && !page->pairs.empty();
        for (KeyValue& pair : page->pairs) {
            from = pair.key + '\0';
            if (!pair.key.starts_with(prefix)) continue;
            std::string rest = pair.key.substr(prefix.size());
            listed.pairs[std::move(rest)] = std::move(pair);
        }
        if (listed.pairs.size() > kMostPairs) {
            fail("more than 100000 keys below " + prefix);
            co_return std::nullopt;
        }
    }
    co_return listed;
}

Task<bool> Client::watch(TaskScope& scope, std::string prefix, std::uint64_t after) {
    error_.clear();
    lines_.clear();
    is_quiet_ = false;
    http_.set_times(kPatience, kQuiet, kLongestWatch);
    const std::string body = watch_request(prefix, end_of_prefix(prefix), after + 1);
    const bool has_begun = co_await begin(scope, "/v3/watch", body);
    co_return has_begun;
}

Task<std::optional<WatchAnswer>> Client::next_change(TaskScope& scope) {
    std::size_t looked_at = 0;
    for (;;) {
        const std::size_t end = lines_.find('\n', looked_at);
        if (end != std::string::npos) {
            auto answer = read_watch(std::string_view(lines_).substr(0, end));
            lines_.erase(0, end + 1);
            if (!answer) fail("what etcd says in a watch is none of its messages");
            co_return answer;
        }
        looked_at = lines_.size();
        if (lines_.size() > kMostBytes) {
            fail("a message of etcd is larger than 16 MiB");
            co_return std::nullopt;
        }
        const bool has_more = co_await http_.read(scope, lines_);
        if (has_more) continue;
        is_quiet_ = http_.is_late();
        if (!is_quiet_) fail(http_.error().empty() ? "etcd has ended the watch" : http_.error());
        co_return std::nullopt;
    }
}

}  // namespace weir::finders::etcd

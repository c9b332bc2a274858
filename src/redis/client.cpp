#include "weir/redis/client.hpp"

#include "weir/core/log.hpp"

#include "scripts.hpp"

#include <algorithm>
#include <charconv>
#include <cstring>
#include <utility>

namespace weir::redis {
namespace {

constexpr quota::ReplyLimits kLimits{};
// Nobody waits for it.
constexpr Duration kLookFor = std::chrono::seconds{1};
constexpr Script kAll[] = {Script::gcra, Script::sliding_window};

struct Dead final : transport::Retired {
    explicit Dead(std::unique_ptr<transport::Stream> dead) : stream(std::move(dead)) {}
    std::unique_ptr<transport::Stream> stream;
};

std::string_view number(double value, char (&buffer)[32]) {
    const auto end = std::to_chars(buffer, buffer + sizeof(buffer), value);
    return {buffer, static_cast<std::size_t>(end.ptr - buffer)};
}

void append_word(std::string& out, std::string_view word) {
    out += '$';
    out += std::to_string(word.size());
    out += "\r\n";
    out += word;
    out += "\r\n";
}

// The number of keys, the key, and four arguments.
std::string rest_of(const Question& question) {
    std::string out;
    char buffer[32];
    append_word(out, "1");
    append_word(out, question.key);
    append_word(out, number(question.first, buffer));
    append_word(out, number(question.second, buffer));
    append_word(out, std::to_string(question.want));
    append_word(out, std::to_string(question.least));
    return out;
}

}  // namespace

Asker::~Asker() {
    if (client_ != nullptr) client_->forget(*this);
}

Client::Client(upstream::LocalContext& context, const std::shared_ptr<Server>& server)
    : LocalSide(context), server_(server), timeout_(server->section().timeout) {}

Client::~Client() {
    if (const auto server = server_.lock()) server->clients().of(context()) = nullptr;
    for (auto* const list : {&waiting_, &failed_}) {
        for (const Waiting& waiting : *list) {
            if (waiting.asker != nullptr) waiting.asker->client_ = nullptr;
        }
    }
    if (stream_) stream_->close();
}

Client& Client::of(upstream::LocalContext& context, const std::shared_ptr<Server>& server) {
    return side_of(context, server->clients(),
                   [&] { return std::make_unique<Client>(context, server); });
}

bool Client::ask(const Question& question, Asker& asker) {
    const auto server = server_.lock();
    if (!server || waiting_.size() >= kMostWaiting) return false;
    if (!server->health().is_up()) return look(*server);
    if (state_ == State::closed && !connect(*server)) return false;
    waiting_.push_back(
        {&asker, Clock::now() + timeout_, question.script, false, rest_of(question)});
    asker.client_ = this;
    if (state_ == State::ready) write(waiting_.back());
    arm();
    return true;
}

// Whether it is back, for those who ask later: no request waits for that.
bool Client::look(Server& server) {
    const TimePoint now = Clock::now();
    resilience::CircuitBreaker& breaker = server.health().breaker();
    if (state_ != State::closed || !breaker.wants_probe(now)) return false;
    const auto admission = breaker.acquire(now);
    if (!admission) return false;
    probe_ = resilience::PermitGuard(breaker, admission.permit);
    (void)connect(server);
    return false;
}

bool Client::connect(Server& server) {
    const std::vector<Address> addresses = server.addresses();
    if (addresses.empty()) {
        fail("its name is not resolved");
        return false;
    }
    auto socket = transport::Socket::connect(addresses[next_address_++ % addresses.size()]);
    if (!socket) {
        fail("it cannot be reached");
        return false;
    }
    const auto& section = server.section();
    transport::TlsStart tls{.context = server.tls(), .shard = &context().shard, .is_opaque = true};
    tls.server_name = section.tls && !section.tls->server_name.empty()
                          ? std::string_view(section.tls->server_name)
                          : std::string_view(section.endpoint.host);
    state_ = State::connecting;
    connect_deadline_ = Clock::now() + std::max(kLookFor, timeout_);
    auto& handler = static_cast<transport::StreamHandler&>(*this);
    stream_ =
        std::make_unique<transport::Stream>(context().loop, std::move(*socket), handler, true, tls);
    arm();
    return true;
}

void Client::on_connected() {
    const auto server = server_.lock();
    if (!server) return close();
    const auto& section = server->section();
    state_ = State::greeting;
    greetings_ = 0;
    std::string hello;
    if (section.password) {
        ++greetings_;
        if (section.user.empty()) {
            quota::append_command(hello, {"AUTH", section.password->reveal()});
        } else {
            quota::append_command(hello, {"AUTH", section.user, section.password->reveal()});
        }
    }
    for (const Script script : kAll) {
        ++greetings_;
        quota::append_command(hello, {"SCRIPT", "LOAD", text_of(script)});
    }
    stream_->write({hello});
}

void Client::on_bytes(std::string_view bytes) {
    // An answer in pieces is kept until it is whole.
    std::string whole;
    if (!partial_.empty()) {
        whole = std::exchange(partial_, {});
        whole += bytes;
        bytes = whole;
    }
    while (!bytes.empty()) {
        const auto parsed = quota::parse_reply(bytes, kLimits, reply_);
        if (parsed.state == quota::ReplyParse::State::failed)
            return fail("its answer is not Redis's");
        if (parsed.state == quota::ReplyParse::State::need_more) {
            partial_.assign(bytes);
            return;
        }
        bytes.remove_prefix(parsed.consumed);
        if (reply_.kind == quota::Reply::Kind::push) continue;
        const quota::Reply reply = std::exchange(reply_, {});
        if (!take(reply)) return;
    }
}

// False: the connection is gone.
bool Client::take(const quota::Reply& reply) {
    return state_ == State::greeting ? take_greeting(reply) : take_answer(reply);
}

bool Client::take_greeting(const quota::Reply& reply) {
    if (reply.is_error()) {
        fail(reply.text);
        return false;
    }
    if (greetings_ <= kScripts) hashes_[kScripts - greetings_] = reply.text;
    if (--greetings_ == 0) become_ready();
    return true;
}

void Client::become_ready() {
    state_ = State::ready;
    const auto server = server_.lock();
    if (server) server->health().note_answer(Clock::now());
    if (probe_.is_held()) {
        probe_.complete({}, Clock::now(), 0);
        if (server) log::info("redis answers again", {{"redis", server->section().name}});
    }
    for (const Waiting& waiting : waiting_)
        write(waiting);
    arm();
}

bool Client::take_answer(const quota::Reply& reply) {
    if (waiting_.empty()) {
        fail("it answers what nobody asked");
        return false;
    }
    Waiting first = std::move(waiting_.front());
    waiting_.pop_front();
    const bool is_missing = reply.is_error() && reply.text.starts_with("NOSCRIPT");
    if (is_missing && !first.has_text) {  // somebody has flushed its scripts
        first.has_text = true;
        ++asked_twice_;
        waiting_.push_back(std::move(first));
        write(waiting_.back());
        arm();
        return true;
    }
    if (reply.is_error()) {
        waiting_.push_front(std::move(first));
        fail(reply.text);
        return false;
    }
    if (first.has_text) --asked_twice_;
    arm();
    if (const auto server = server_.lock()) server->health().note_answer(Clock::now());
    if (first.asker == nullptr) return true;
    first.asker->client_ = nullptr;
    first.asker->on_reply(reply);
    return state_ != State::closed;
}

void Client::write(const Waiting& waiting) {
    if (out_.empty()) context().loop.schedule(*this);
    out_ += "*8\r\n";
    append_word(out_, waiting.has_text ? "EVAL" : "EVALSHA");
    append_word(out_, waiting.has_text ? text_of(waiting.script)
                                       : hashes_[static_cast<std::size_t>(waiting.script)]);
    out_ += waiting.rest;
}

void Client::on_ready(transport::Readiness /*readiness*/) {
    if (state_ == State::ready && !out_.empty()) stream_->write({out_});
    out_.clear();
}

void Client::arm() {
    if (!waiting_.empty()) {
        TimePoint deadline = waiting_.front().deadline;
        // Nobody's time begins again: what was asked twice is behind those that came later.
        if (asked_twice_ > 0) {
            for (const Waiting& waiting : waiting_)
                deadline = std::min(deadline, waiting.deadline);
        }
        context().loop.timers().arm(timer_, deadline);
    } else if (state_ == State::connecting || state_ == State::greeting) {
        context().loop.timers().arm(timer_, connect_deadline_);
    } else {
        timer_.cancel();
    }
}

void Client::on_late() {
    fail("it does not answer in time");
}

void Client::on_broken(int error) {
    lost(error == ECONNREFUSED ? "it refused the connection" : std::strerror(error));
}

// An idle connection may go at any time.
void Client::lost(std::string_view why) {
    if (state_ == State::ready && waiting_.empty()) return close();
    fail(why);
}

void Client::fail(std::string_view why) {
    const TimePoint now = Clock::now();
    const resilience::Verdict failure{.outcome = resilience::Outcome::failure,
                                      .kind = resilience::FailureKind::timeout};
    if (const auto server = server_.lock()) {
        quota::StoreHealth& health = server->health();
        health.note_failure(why, now);
        if (probe_.is_held()) {
            probe_.complete(failure, now, 0);
        } else if (health.is_up()) {
            log::warn("redis fails, rate limits go on as on_store_failure says",
                      {{"redis", server->section().name}, {"why", why}});
            const auto admission = health.breaker().acquire(now);
            if (admission) health.breaker().complete(admission.permit, failure, now, 0);
        }
    }
    probe_.release();
    close();
    // Whoever is told may leave, take others with it, or ask again at once and be told no.
    for (Waiting& waiting : std::exchange(waiting_, {}))
        failed_.push_back(std::move(waiting));
    while (!failed_.empty()) {
        Asker* const asker = failed_.front().asker;
        failed_.pop_front();
        if (asker == nullptr) continue;
        asker->client_ = nullptr;
        asker->on_failed();
    }
}

void Client::close() {
    state_ = State::closed;
    timer_.cancel();
    out_.clear();
    partial_.clear();
    asked_twice_ = 0;
    if (!stream_) return;
    stream_->close();
    context().loop.retire(std::make_unique<Dead>(std::move(stream_)));
}

void Client::forget(const Asker& asker) {
    for (auto* const list : {&waiting_, &failed_}) {
        for (Waiting& waiting : *list) {
            if (waiting.asker == &asker) waiting.asker = nullptr;
        }
    }
}

}  // namespace weir::redis

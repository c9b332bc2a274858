#pragma once

#include "weir/quota/resp.hpp"
#include "weir/redis/server.hpp"
#include "weir/resilience/circuit_breaker.hpp"
#include "weir/transport/stream.hpp"
#include "weir/upstream/local_context.hpp"

#include <array>
#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <string_view>

namespace weir::redis {

class Client;

// What a rate limit asks a Redis: how many of `want` tokens there are, at least `least` of them or
// none. The answer is an array of four integers: how many, in how many microseconds there are
// `least` more, how many remain, and in how many microseconds all of them are back.
enum class Script : std::uint8_t {
    gcra,           // first: microseconds of a token; second: of the whole burst
    sliding_window  // first: the limit; second: microseconds of the window
};
struct Question {
    Script script = Script::gcra;
    std::string_view key;
    double first = 0;
    double second = 0;
    std::uint64_t want = 1;
    std::uint64_t least = 1;
};

// Who waits for an answer. Exactly one of the two comes, on the event loop; destroyed before, it is
// not told any more.
class Asker {
  public:
    Asker() = default;
    Asker(const Asker&) = delete;
    Asker& operator=(const Asker&) = delete;
    virtual ~Asker();

    virtual void on_reply(const quota::Reply& reply) = 0;
    virtual void on_failed() = 0;

  private:
    friend class Client;
    Client* client_ = nullptr;
};

// A worker's connection to a Redis: questions go out together at the end of a turn, answers come in
// their order. When one is late by the server's timeout, or anything is wrong, all that wait fail
// at once, the connection goes, and nobody is asked until it is known to be back.
//
//   closed --asked, or looked whether it is back--> connecting --> greeting --> ready --> closed
//
// Thread: worker.
class Client final : public LocalSide,
                     private transport::StreamHandler,
                     private transport::IoHandler {
  public:
    Client(upstream::LocalContext& context, const std::shared_ptr<Server>& server);
    ~Client() override;

    [[nodiscard]] static Client& of(upstream::LocalContext& context,
                                    const std::shared_ptr<Server>& server);

    // False: it is not to be asked now, and nothing follows.
    [[nodiscard]] bool ask(const Question& question, Asker& asker);

  private:
    friend class Asker;
    static constexpr std::size_t kMostWaiting = 4096;
    static constexpr std::size_t kScripts = 2;

    enum class State : std::uint8_t { closed, connecting, greeting, ready };
    struct Waiting {
        Asker* asker;  // none: it left
        TimePoint deadline;
        Script script;
        bool has_text = false;  // sent with the script's text: it cannot be missing
        std::string rest;       // of the command, behind the script
    };

    [[nodiscard]] bool is_over() const override {
        return server_.expired() && waiting_.empty() && failed_.empty();
    }
    void on_connected() override;
    void on_bytes(std::string_view bytes) override;
    void on_eof() override { lost("it closed the connection"); }
    void on_broken(int error) override;
    void on_write_failed() override { fail("the connection broke"); }
    void on_ready(transport::Readiness readiness) override;

    [[nodiscard]] bool look(Server& server);
    [[nodiscard]] bool connect(Server& server);
    [[nodiscard]] bool take(const quota::Reply& reply);
    [[nodiscard]] bool take_greeting(const quota::Reply& reply);
    [[nodiscard]] bool take_answer(const quota::Reply& reply);
    void become_ready();
    void write(const Waiting& waiting);
    void flush();
    void arm();
    void on_late();
    void lost(std::string_view why);
    void fail(std::string_view why);
    void close();
    void forget(const Asker& asker);

    const std::weak_ptr<Server> server_;
    const Duration timeout_;
    State state_ = State::closed;
    std::unique_ptr<transport::Stream> stream_;
    resilience::PermitGuard probe_;  // held while we look whether it is back
    TimePoint connect_deadline_{};
    std::uint32_t next_address_ = 0;
    unsigned greetings_ = 0;  // answers to come before it is ready
    std::array<std::string, kScripts> hashes_;
    std::deque<Waiting> waiting_;  // sent ones first
    unsigned asked_twice_ = 0;     // of them: with its text, as the script was gone
    std::deque<Waiting> failed_;   // being told
    std::string out_;
    std::string partial_;
    quota::Reply reply_;
    TimerOf<Client, &Client::on_late> timer_{*this};
};

}  // namespace weir::redis

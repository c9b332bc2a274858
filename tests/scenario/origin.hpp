#pragma once

#include "weir/transport/listener.hpp"

#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace weir::test {

// What an origin does with one request: waits, sends these bytes, then keeps or ends the
// connection.
struct Act {
    enum class Then : std::uint8_t { keep, close, reset };

    Duration delay{};
    std::string bytes;
    Then then = Then::keep;

    [[nodiscard]] Act after(Duration wait) const;
    // The first `size` bytes only, then `end`.
    [[nodiscard]] Act cut(std::size_t size, Then end) const;
};

// A whole answer; `fields` are header lines, each with its line end.
[[nodiscard]] Act answer(int status, std::string_view body = "ok", std::string_view fields = {});
// The same, in chunks of `chunk` bytes.
[[nodiscard]] Act answer_chunked(std::string_view body, std::size_t chunk);
[[nodiscard]] Act hang();
[[nodiscard]] Act close_unanswered();
[[nodiscard]] Act reset_unanswered();

// A scripted HTTP/1.1 service on loopback, on the loop of its world: so nothing happens but when
// the world turns.
class Origin {
  public:
    struct Request {
        std::string head;
        std::string body;  // decoded
        std::size_t connection = 0;

        [[nodiscard]] bool is(std::string_view method) const;
    };

    explicit Origin(transport::EventLoop& loop);
    Origin(const Origin&) = delete;
    Origin& operator=(const Origin&) = delete;
    ~Origin();

    [[nodiscard]] std::string address() const;

    // What the next requests get, in order; then, and always if nothing is queued, `usual`.
    Origin& next(Act act);
    Origin& usually(Act act);
    // Instead of both.
    void decide(std::function<Act(const Request&)> decision) { decision_ = std::move(decision); }

    // The port stays ours, but connections are refused, until accept_again(). Those that are there
    // stay.
    void refuse();
    void accept_again();
    // Ends the connections that are there, answers under way too.
    void close_connections();
    void reset_connections();
    // Reads no more, so that its window fills.
    void stop_reading();
    void read_again();

    [[nodiscard]] const std::vector<Request>& requests() const { return requests_; }
    [[nodiscard]] std::size_t count(std::string_view method) const;
    [[nodiscard]] std::size_t accepted() const { return connections_.size(); }
    [[nodiscard]] std::size_t open_connections() const;
    [[nodiscard]] std::size_t bytes_read() const { return bytes_read_; }

  private:
    class Connection;

    void listen(const Address& address);
    [[nodiscard]] Act take(const Request& request);

    transport::EventLoop& loop_;
    Address address_;
    std::unique_ptr<transport::Listener> listener_;
    transport::Socket reserved_;  // holds the port while it refuses
    std::vector<std::unique_ptr<Connection>> connections_;
    std::vector<Request> requests_;
    std::deque<Act> queue_;
    Act usual_ = answer(200);
    std::function<Act(const Request&)> decision_;
    std::size_t bytes_read_ = 0;
    bool reads_ = true;
};

}  // namespace weir::test

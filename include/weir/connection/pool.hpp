#pragma once

#include "weir/core/clock.hpp"
#include "weir/http/h1.hpp"
#include "weir/http/h2.hpp"
#include "weir/transport/event_loop.hpp"

#include <cstdint>
#include <string>
#include <string_view>

namespace weir::connection {

class H1Connection;
class H2Connection;
class User;

// What the connections to upstreams of one worker share. Thread: worker.
struct Context {
    transport::EventLoop& loop;
    http::H1Limits limits{};  // of response heads
    // Being handed over; its capacity is kept from answer to answer.
    http::ResponseHead response_head{};
    http::H2Scratch h2{};  // likewise, of HTTP/2
    std::string output{};  // being framed; its capacity goes from connection to connection
};

// Who owns the connections to one endpoint, and knows what is configured and known of it.
// Thread: worker.
class Pool {
  public:
    virtual void on_connected(Duration took) = 0;
    // What ALPN said is not what was expected: another object goes on with the stream, for that
    // user, if there is one.
    virtual void speak_h2(H1Connection& connection, User* user) = 0;
    virtual void speak_h1(H2Connection& connection, User* user) = 0;
    // It is over; it may still be on the stack.
    virtual void forget(H1Connection& connection) = 0;
    virtual void forget(H2Connection& connection) = 0;

    // As the endpoint is named where a request names no host.
    [[nodiscard]] virtual std::string_view authority() const = 0;
    [[nodiscard]] virtual Duration connect_timeout() const = 0;
    [[nodiscard]] virtual Duration idle_timeout() const = 0;

    // ---- of HTTP/1
    // False: it is to close.
    [[nodiscard]] virtual bool put_idle(H1Connection& connection) = 0;
    virtual void take_out_of_idle(H1Connection& connection) = 0;
    // The upstream ended one that had been idle for so long.
    virtual void on_idle_closed(Duration age, TimePoint now) = 0;
    // For how long, when it has been idle for `age`; that is how the upstream is watched, too.
    [[nodiscard]] virtual Duration may_stay_idle(const H1Connection& connection, Duration age) = 0;

    // ---- of HTTP/2
    // HTTP/2 or nothing: the configuration says so.
    [[nodiscard]] virtual bool is_h2_only() const = 0;
    // How many streams at once a connection is expected to carry, and that it was found out.
    [[nodiscard]] virtual std::uint32_t expected_streams() const = 0;
    virtual void expect_streams(std::uint32_t most) = 0;
    // A stream has ended: there is room.
    virtual void room_made(H2Connection& connection) = 0;
    // It has no stream now: may it stay?
    [[nodiscard]] virtual bool keeps(const H2Connection& connection) const = 0;

  protected:
    Pool() = default;
    Pool(const Pool&) = delete;
    Pool& operator=(const Pool&) = delete;
    ~Pool() = default;
};

}  // namespace weir::connection

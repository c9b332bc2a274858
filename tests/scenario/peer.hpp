#pragma once

#include "weir/core/address.hpp"
#include "weir/transport/event_loop.hpp"

#include <string>
#include <string_view>

namespace weir::test {

// The other end of one of Weir's connections, on the loop of its world. Plain system calls, not
// transport::Socket: what fails there by a fail point is Weir's alone.
class Peer : public transport::IoHandler {
  public:
    enum class End : std::uint8_t { none, eof, reset };

    Peer(transport::EventLoop& loop, int fd);  // owns fd
    Peer(transport::EventLoop& loop, const Address& address);
    ~Peer() override;

    void send(std::string_view bytes);
    void shutdown_send();  // once all is out
    void close();
    void reset();
    void set_reading(bool reads);

    [[nodiscard]] bool is_open() const { return fd_ >= 0; }
    [[nodiscard]] End end() const { return end_; }
    [[nodiscard]] bool has_ended() const { return end_ != End::none; }
    [[nodiscard]] std::size_t unsent() const { return output_.size(); }

  protected:
    virtual void on_input() {}
    virtual void on_end() {}

    std::string input_;  // what came and was not taken yet

  private:
    void on_ready(transport::Readiness readiness) override;
    void read();
    void flush();
    void ended(End how);

    transport::EventLoop& loop_;
    int fd_;
    bool reads_ = true;
    bool shuts_down_ = false;
    End end_ = End::none;
    std::string output_;
};

}  // namespace weir::test

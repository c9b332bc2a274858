#pragma once

#include "weir/transport/stream.hpp"

#include <cstdint>
#include <functional>
#include <memory>

namespace weir::transport {

// How a tunnel ended, and what went through.
struct TunnelEnd {
    enum class How : std::uint8_t {
        closed,             // both sides have ended
        idle,               // nothing moved for too long
        downstream_broken,  // the client's side was reset, or could not be written
        upstream_broken,    // the other one
        abandoned,          // by close()
    };
    How how = How::closed;
    std::uint64_t up = 0;    // bytes from the client
    std::uint64_t down = 0;  // and to it
};

// Two streams tied together: bytes of either go to the other, with back-pressure; an end of one is
// passed on as an end (half-close), and when both have ended, or one broke, or nothing moved for
// `idle`, it is over. Where both are in clear, long runs of bytes move inside the kernel. Thread:
// worker. Its owner must not destroy it inside the callback.
class Tunnel {
  public:
    using Ended = std::function<void(const TunnelEnd& end)>;

    Tunnel(EventLoop& loop,
           std::unique_ptr<Stream> downstream,
           std::unique_ptr<Stream> upstream,
           Duration idle,
           Ended ended);

    // Begins, with the bytes of the client that were read before. May end it.
    void start(std::string_view waiting);
    // Once, with the first byte of either side: true where the upstream spoke first. It must not
    // end the tunnel.
    void on_begin(std::function<void(bool)> told) { told_ = std::move(told); }
    // Bytes of the upstream that were read before.
    void write_down(std::string_view bytes) { upstream_.pass_on(bytes); }
    void close();

  private:
    // One direction: reads its stream, writes the other's.
    class Side final : public StreamHandler {
      public:
        Side(Tunnel& tunnel, std::unique_ptr<Stream> stream)
            : tunnel_(tunnel), stream_(std::move(stream)) {}

        void pass_on(std::string_view bytes);
        void count(std::size_t bytes);
        void on_bytes(std::string_view bytes) override;
        void on_spliced(std::size_t bytes) override;
        void on_eof() override;
        void on_broken(int error) override;
        void on_write_failed() override;
        void on_drained() override;

        Tunnel& tunnel_;
        std::unique_ptr<Stream> stream_;
        Side* other_ = nullptr;
        std::uint64_t bytes_ = 0;
        bool has_ended_ = false;  // no more comes from it, or can go where it would
    };

    void on_idle();
    void end(TunnelEnd::How how);
    [[nodiscard]] TunnelEnd::How how_broken(const Side& side) const {
        return &side == &downstream_ ? TunnelEnd::How::downstream_broken
                                     : TunnelEnd::How::upstream_broken;
    }

    EventLoop& loop_;
    Duration idle_;
    TimePoint last_moved_;
    Ended ended_;
    std::function<void(bool)> told_;
    Side downstream_;
    Side upstream_;
    bool may_splice_ = false;
    const Side* lost_ = nullptr;    // it took no more before the other had said all
    const Side* broken_ = nullptr;  // it is, and what came of it before is on its way
    TimerOf<Tunnel, &Tunnel::on_idle> timer_{*this};
};

}  // namespace weir::transport

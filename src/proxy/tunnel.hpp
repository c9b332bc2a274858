#pragma once

#include "weir/transport/stream.hpp"

#include <cstdint>
#include <functional>
#include <memory>

namespace weir::proxy {

// Two streams tied together: bytes of either go to the other, with back-pressure; an end of one is
// passed on as an end (half-close), and when both have ended, or one broke, or nothing moved for
// `idle`, it is over. Thread: worker. Its owner must not destroy it inside the callback.
class Tunnel {
  public:
    using Ended = std::function<void(std::uint64_t up, std::uint64_t down)>;

    Tunnel(transport::EventLoop& loop,
           std::unique_ptr<transport::Stream> downstream,
           std::unique_ptr<transport::Stream> upstream,
           Duration idle,
           Ended ended);

    // Bytes that were read before the streams were tied.
    void write_up(std::string_view bytes) { downstream_.pass_on(bytes); }
    void write_down(std::string_view bytes) { upstream_.pass_on(bytes); }
    void close();

  private:
    // One direction: reads its stream, writes the other's.
    class Side final : public transport::StreamHandler {
      public:
        Side(Tunnel& tunnel, std::unique_ptr<transport::Stream> stream)
            : tunnel_(tunnel), stream_(std::move(stream)) {}

        void pass_on(std::string_view bytes);
        void on_bytes(std::string_view bytes) override { pass_on(bytes); }
        void on_eof() override;
        void on_broken(int error) override;
        void on_write_failed() override;
        void on_drained() override;

        Tunnel& tunnel_;
        std::unique_ptr<transport::Stream> stream_;
        Side* other_ = nullptr;
        std::uint64_t bytes_ = 0;
        bool has_ended_ = false;
    };

    void on_idle();
    void end(bool is_broken);

    transport::EventLoop& loop_;
    Duration idle_;
    TimePoint last_moved_;
    Ended ended_;
    Side downstream_;
    Side upstream_;
    TimerOf<Tunnel, &Tunnel::on_idle> timer_{*this};
};

}  // namespace weir::proxy

#pragma once

#include "weir/http/websocket.hpp"
#include "weir/transport/listener.hpp"

#include "peer.hpp"

#include <memory>
#include <string>
#include <string_view>
#include <unistd.h>
#include <vector>

namespace weir::test {

// A service of HTTP/1.1 that switches to WebSocket, or answers something else: then bytes go both
// ways, as its test says.
class SwitchingOrigin {
  public:
    class Connection final : public Peer {
      public:
        Connection(SwitchingOrigin& origin, transport::EventLoop& loop, int fd)
            : Peer(loop, fd), origin_(origin) {}

        std::string head;   // of the request
        std::string heard;  // behind it

      private:
        void on_input() override {
            if (is_switched_) {
                heard += std::exchange(input_, {});
                return;
            }
            const std::size_t end = input_.find("\r\n\r\n");
            if (end == std::string::npos) return;
            head = input_.substr(0, end + 4);
            heard = input_.substr(end + 4);
            input_.clear();
            is_switched_ = true;
            send(origin_.answer.empty() ? switching() : origin_.answer);
        }
        [[nodiscard]] std::string switching() const {
            const auto key = http::find_websocket_key(head);
            return "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: "
                   "websocket\r\n"
                   "Sec-WebSocket-Accept: " +
                   http::websocket_accept(key) + "\r\nSec-WebSocket-Protocol: chat\r\n\r\n" +
                   origin_.first_words;
        }

        SwitchingOrigin& origin_;
        bool is_switched_ = false;
    };

    explicit SwitchingOrigin(transport::EventLoop& loop) {
        auto socket = transport::Socket::listen(*Address::parse("127.0.0.1:0"), false);
        WEIR_ASSERT(socket);
        listener_ = std::make_unique<transport::Listener>(
            loop, std::move(*socket), [this, &loop](transport::Socket accepted, const Address&) {
                connections.push_back(
                    std::make_unique<Connection>(*this, loop, dup(accepted.fd())));
            });
    }
    [[nodiscard]] std::string address() const { return listener_->local_address().to_string(); }

    std::string answer;       // empty: it switches
    std::string first_words;  // right behind its head
    std::vector<std::unique_ptr<Connection>> connections;

  private:
    std::unique_ptr<transport::Listener> listener_;
};

}  // namespace weir::test

#pragma once

#include "peer.hpp"
#include "support/h2_peer.hpp"
#include "world.hpp"
#include <gtest/gtest.h>

#include <list>
#include <string>
#include <string_view>
#include <utility>

namespace weir::test {

// A client that speaks HTTP/2, on the loop of its world.
class H2Client final : public Peer {
  public:
    H2Client(World& world, const Address& address, const http::H2Limits& limits = {})
        : Peer(world.loop(), address), peer(http::H2Codec::Side::client, limits), world_(world) {
        say();
    }

    H2Peer::Stream& request(std::string_view head, bool ends = true) {
        H2Peer::Stream& stream = mine_.emplace_back();
        EXPECT_TRUE(peer.codec.open(stream, head, "http", ends));
        say();
        return stream;
    }
    H2Peer::Stream& websocket(std::string_view path = "/", std::string_view fields = {}) {
        H2Peer::Stream& stream = mine_.emplace_back();
        EXPECT_TRUE(peer.codec.open_websocket(
            stream,
            "GET " + std::string(path) + " HTTP/1.1\r\nHost: example.com\r\n" +
                std::string(fields) + "Connection: upgrade\r\nUpgrade: websocket\r\n\r\n",
            "http"));
        say();
        return stream;
    }
    H2Peer::Stream& get(std::string_view path = "/") {
        return request("GET " + std::string(path) + " HTTP/1.1\r\nHost: example.com\r\n\r\n");
    }
    void say() {
        const std::string bytes = peer.speak();
        if (!bytes.empty() && is_open()) send(bytes);
    }
    [[nodiscard]] bool await(std::string_view told) {
        return world_.until([&] { return peer.told.find(told) != std::string::npos; });
    }

    H2Peer peer;

  private:
    void on_input() override {
        peer.hear(std::exchange(input_, {}));
        say();
    }

    World& world_;
    std::list<H2Peer::Stream> mine_;
};

}  // namespace weir::test

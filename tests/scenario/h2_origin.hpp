#pragma once

#include "weir/http/h2.hpp"
#include "weir/transport/listener.hpp"

#include "peer.hpp"

#include <algorithm>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unistd.h>
#include <vector>

namespace weir::test {

// A scripted HTTP/2 service on loopback, in clear, on the loop of its world.
class H2Origin {
  public:
    class Connection;

    // A request, and the way to answer it.
    struct Stream final : http::H2Stream {
        explicit Stream(Connection& of) : connection(of) {}

        void answer(int status, std::string_view body = "ok", std::string_view trailers = {});
        void reset(http::H2Code code);
        [[nodiscard]] bool is(std::string_view which) const { return path == which; }

        Connection& connection;
        std::string method;
        std::string path;
        std::string fields;  // "name: value\n" each
        std::string body;
        std::string trailers;
        bool is_whole = false;
        bool is_over = false;
        std::uint32_t code = 0;  // of its end
        bool reads = true;       // its body is taken at once
    };

    class Connection final : public Peer, public http::H2Events {
      public:
        Connection(H2Origin& origin, int fd)
            : Peer(origin.loop_, fd),
              codec(http::H2Codec::Side::server, origin.limits_, scratch_, *this),
              origin_(origin) {
            hears = !origin.is_deaf;
            if (hears) say();
        }
        void say() {
            codec.pump();
            std::string bytes = codec.take_output();
            if (bytes.empty() || !is_open()) return;
            said = bytes.size();
            if (cut) bytes.resize(std::min(*cut, bytes.size()));
            send(bytes);
            if (!cut) return;
            hears = false;
            shutdown_send();
        }
        // What came and was not heard.
        [[nodiscard]] const std::string& unheard() const { return input_; }
        void hear_again() {
            hears = true;
            on_input();
        }
        // Takes no stream that has not begun.
        void go_away() {
            codec.end();
            say();
        }

        std::vector<std::unique_ptr<Stream>> streams;
        bool hears = true;
        std::optional<std::size_t> cut;  // it says no more than this, and ends
        std::size_t said = 0;            // at last

      private:
        http::H2Scratch scratch_;

      public:
        http::H2Codec codec;

      private:
        void on_input() override {
            if (!hears) return;
            for (std::string bytes = std::exchange(input_, {});
                 !bytes.empty() || codec.is_paused();)
                bytes.erase(0, codec.receive(bytes, Clock::now()));
            if (is_open()) say();
            if (codec.is_over() && is_open()) close();
        }
        void on_end() override { close(); }

        http::H2Stream& on_open() override {
            streams.push_back(std::make_unique<Stream>(*this));
            ++origin_.requests_;
            return *streams.back();
        }
        void on_request(http::H2Stream& stream,
                        const http::RequestHead& head,
                        bool is_whole) override {
            auto& asked = static_cast<Stream&>(stream);
            asked.method = head.method_text;
            asked.path = head.path;
            asked.fields = ":authority: " + std::string(head.authority) + "\n";
            for (const auto& each : head.headers)
                asked.fields += std::string(each.name) + ": " + std::string(each.value) + "\n";
            asked.is_whole = is_whole;
            if (origin_.on_head) origin_.on_head(asked);
            if (is_whole && !asked.is_over) origin_.on_whole(asked);
        }
        void on_refused(http::H2Stream&, const http::H2Refusal&) override {}
        void on_response(http::H2Stream&, const http::ResponseHead&, bool) override {}
        void on_body(http::H2Stream& stream, std::string_view data) override {
            auto& asked = static_cast<Stream&>(stream);
            asked.body += data;
            if (asked.reads) codec.consume(stream, data.size());
        }
        void on_end(http::H2Stream& stream, std::string_view trailers) override {
            auto& asked = static_cast<Stream&>(stream);
            asked.is_whole = true;
            asked.trailers = trailers;
            if (!asked.is_over) origin_.on_whole(asked);
        }
        void on_drained(http::H2Stream&) override {}
        void on_closed(http::H2Stream& stream, http::H2Code code) override {
            auto& asked = static_cast<Stream&>(stream);
            asked.is_over = true;
            asked.code = static_cast<std::uint32_t>(code);
        }
        void on_goaway() override {}
        void on_settings() override {}
        void on_pong() override {}
        void on_fault(http::H2Fault, bool) override {}
        void on_output() override {}

        H2Origin& origin_;
    };

    explicit H2Origin(transport::EventLoop& loop, const http::H2Limits& limits = {})
        : loop_(loop), limits_(limits) {
        auto socket = transport::Socket::listen(*Address::parse("127.0.0.1:0"), false);
        WEIR_ASSERT(socket);
        listener_ = std::make_unique<transport::Listener>(
            loop_, std::move(*socket), [this](transport::Socket accepted, const Address&) {
                connections.push_back(std::make_unique<Connection>(*this, dup(accepted.fd())));
            });
    }

    [[nodiscard]] std::string address() const { return listener_->local_address().to_string(); }
    [[nodiscard]] std::size_t requests() const { return requests_; }
    [[nodiscard]] std::size_t open_connections() const {
        std::size_t open = 0;
        for (const auto& each : connections)
            open += each->is_open() ? 1U : 0U;
        return open;
    }
    [[nodiscard]] Stream& stream(std::size_t which, std::size_t connection = 0) {
        return *connections.at(connection)->streams.at(which);
    }
    void reset_connections() {
        for (const auto& each : connections)
            each->reset();
    }
    void close_connections() {
        for (const auto& each : connections)
            each->close();
    }

    std::function<void(Stream&)> on_head;  // or nothing
    std::function<void(Stream&)> on_whole = [](Stream& asked) { asked.answer(200); };
    std::vector<std::unique_ptr<Connection>> connections;
    bool is_deaf = false;  // connections hear and say nothing at first

  private:
    transport::EventLoop& loop_;
    const http::H2Limits limits_;
    std::unique_ptr<transport::Listener> listener_;
    std::size_t requests_ = 0;
};

inline void H2Origin::Stream::answer(int status, std::string_view with, std::string_view lines) {
    const bool ends = with.empty() && lines.empty();
    connection.codec.send_head(*this, "HTTP/1.1 " + std::to_string(status) + " Said\r\n\r\n", ends);
    if (!ends) connection.codec.send_body(*this, with, true, lines);
    connection.say();
}

inline void H2Origin::Stream::reset(http::H2Code with) {
    connection.codec.reset(*this, with);
    connection.say();
}

}  // namespace weir::test

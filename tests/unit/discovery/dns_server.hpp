#pragma once

#include <boost/asio/buffer.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/address.hpp>
#include <boost/asio/ip/udp.hpp>

#include <array>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

namespace weir::test {

// A name server on loopback that answers what the test says, over UDP.
class DnsServer {
  public:
    enum Rcode : std::uint8_t { ok = 0, server_failure = 2, no_such_name = 3 };
    enum Type : std::uint16_t { a = 1, cname = 5, aaaa = 28 };

    struct Reply {
        Rcode rcode = ok;
        std::vector<std::string> addresses;
        std::uint32_t ttl = 60;
        std::string alias;  // a CNAME in front, with alias_ttl
        std::uint32_t alias_ttl = 60;
    };
    using Answer = std::function<Reply(const std::string& name, Type type)>;

    explicit DnsServer(boost::asio::io_context& context)
        : socket_(context, {boost::asio::ip::address_v4::loopback(), 0}) {
        receive();
    }

    Answer answer = [](const std::string&, Type) { return Reply{no_such_name, {}, 60, "", 60}; };
    std::vector<std::string> asked;  // "A orders." in order

    [[nodiscard]] std::uint16_t port() const { return socket_.local_endpoint().port(); }
    [[nodiscard]] std::string address() const { return "127.0.0.1:" + std::to_string(port()); }

  private:
    void receive() {
        socket_.async_receive_from(boost::asio::buffer(query_), from_,
                                   [this](const boost::system::error_code& ec, std::size_t size) {
                                       if (ec) return;
                                       respond(size);
                                       receive();
                                   });
    }

    void respond(std::size_t size) {
        std::string name;
        std::size_t at = 12;
        while (at < size && query_[at] != 0) {
            const std::size_t length = query_[at];
            name.append(reinterpret_cast<const char*>(&query_[at + 1]), length);
            name += '.';
            at += length + 1;
        }
        const auto type = static_cast<Type>(query_[at + 1] * 256 + query_[at + 2]);
        asked.push_back((type == a ? "A " : "AAAA ") + name);
        const Reply reply = answer(name, type);

        std::string out(reinterpret_cast<const char*>(query_.data()), at + 5);
        out[2] = '\x81';
        out[3] = static_cast<char>(0x80 | reply.rcode);
        const std::size_t records = reply.addresses.size() + (reply.alias.empty() ? 0 : 1);
        for (std::size_t i = 6; i < 12; ++i)
            out[i] = 0;
        out[7] = static_cast<char>(records);
        std::string owner = "\xc0\x0c";  // the name of the question
        if (!reply.alias.empty()) {
            std::string target(1, static_cast<char>(reply.alias.size()));
            target += reply.alias;
            target += '\0';
            append_record(out, owner, cname, reply.alias_ttl, target);
            owner = target;
        }
        for (const std::string& text : reply.addresses) {
            const auto address = boost::asio::ip::make_address(text);
            const std::string bytes =
                address.is_v4() ? raw(address.to_v4().to_bytes()) : raw(address.to_v6().to_bytes());
            append_record(out, owner, type, reply.ttl, bytes);
        }
        socket_.send_to(boost::asio::buffer(out), from_);
    }

    template <typename Bytes>
    static std::string raw(const Bytes& bytes) {
        return {bytes.begin(), bytes.end()};
    }

    static void append_number(std::string& out, std::uint32_t value, int bytes) {
        while (bytes-- > 0)
            out += static_cast<char>((value >> (8 * bytes)) & 0xff);
    }

    static void append_record(std::string& out,
                              const std::string& owner,
                              Type type,
                              std::uint32_t ttl,
                              const std::string& data) {
        out += owner;
        append_number(out, type, 2);
        append_number(out, 1, 2);
        append_number(out, ttl, 4);
        append_number(out, static_cast<std::uint32_t>(data.size()), 2);
        out += data;
    }

    boost::asio::ip::udp::socket socket_;
    boost::asio::ip::udp::endpoint from_;
    std::array<std::uint8_t, 512> query_{};
};

}  // namespace weir::test

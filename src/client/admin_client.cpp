#include "weir/client/admin_client.hpp"

#include "weir/http/h1.hpp"

#include "client/wire.hpp"

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstring>

namespace weir::client {
namespace {

using Kind = Failure::Kind;

std::optional<std::uint16_t> parse_port(std::string_view text) {
    std::uint16_t port = 0;
    const char* const end = text.data() + text.size();
    const auto [stop, ec] = std::from_chars(text.data(), end, port);
    if (ec != std::errc{} || stop != end || port == 0) return std::nullopt;
    return port;
}

bool is_name(std::string_view text) {
    return !text.empty() && text.size() < 256 &&
           std::all_of(text.begin(), text.end(), [](unsigned char c) {
               return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                      c == '.' || c == '-' || c == '_';
           });
}

std::optional<Door> unix_door(std::string_view text, std::string& why) {
    const auto address = Address::parse(text);
    if (!address) {
        why = "the path of the socket is empty or too long: " + std::string(text);
        return std::nullopt;
    }
    return Door{.text = std::string(text),
                .host = {},
                .port = 0,
                .address = *address,
                .authority = "localhost"};
}

Door address_door(Address address) {
    const std::string ip = address.ip();
    if (ip == "::" || ip == "0.0.0.0") address = *Address::from_ip("127.0.0.1", address.port());
    const std::string text = address.to_string();
    return {
        .text = text, .host = {}, .port = address.port(), .address = address, .authority = text};
}

Failure connect_failure(const Door& door, int error) {
    Failure failure{.kind = Kind::unreachable, .door = door.text, .detail = std::strerror(error)};
    switch (error) {
        case ENOENT:
        case ENOTDIR:
            failure.kind = Kind::no_socket;
            failure.detail = "no such socket";
            break;
        case ECONNREFUSED:
            failure.kind = Kind::refused;
            failure.detail =
                door.address.is_unix() ? "nobody listens on that socket" : "connection refused";
            break;
        case EACCES:
        case EPERM:
            failure.kind = Kind::denied;
            failure.detail = "permission denied";
            break;
        case ETIMEDOUT:
            failure.kind = Kind::timed_out;
            failure.detail = "no connection in time";
            break;
        case ECANCELED:
            failure.kind = Kind::interrupted;
            failure.detail = "interrupted";
            break;
        default:
            break;
    }
    return failure;
}

std::string serialise(const Question& question, const Door& door, const std::string& token) {
    std::string out = question.method + " " + question.target + " HTTP/1.1\r\nHost: ";
    out += door.authority + "\r\nUser-Agent: weir\r\nConnection: close\r\n";
    if (!token.empty()) out += "Authorization: Bearer " + token + "\r\n";
    for (const auto& [name, value] : question.headers)
        out += name + ": " + value + "\r\n";
    if (!question.content_type.empty()) {
        out += "Content-Type: " + question.content_type + "\r\n";
    }
    if (!question.body.empty() || question.method != "GET") {
        out += "Content-Length: " + std::to_string(question.body.size()) + "\r\n";
    }
    return out + "\r\n" + question.body;
}

// One question on one connection.
class Exchange {
  public:
    Exchange(const Door& door,
             const AdminClient::Options& options,
             const AdminClient::OnData& on_data)
        : door_(door), options_(options), on_data_(on_data), wire_(options.interrupt_fd) {}

    std::variant<Answer, Failure> run(const Question& question) {
        wire_.set_deadline(options_.timeout);
        if (auto failure = connect()) return *failure;
        // A refusal may come before all is sent, and is what one wants to know then.
        static_cast<void>(wire_.write(serialise(question, door_, options_.token)));
        answer_.door = door_.text;
        if (auto failure = read_head()) return *failure;
        if (auto failure = read_body()) return *failure;
        return std::move(answer_);
    }

  private:
    std::optional<Failure> connect() {
        const std::vector<Address> addresses = addresses_of(door_);
        if (addresses.empty()) return fail(Kind::no_name, "no such host");
        int error = 0;
        for (const Address& address : addresses) {
            error = wire_.connect(address);
            if (error == 0) return std::nullopt;
        }
        return connect_failure(door_, error);
    }

    [[nodiscard]] Failure fail(Kind kind, std::string_view detail) const {
        return {kind, door_.text, std::string(detail)};
    }

    std::optional<Failure> read_more() {
        switch (wire_.read_more(in_)) {
            case Wire::State::done:
                return std::nullopt;
            case Wire::State::timed_out:
                return fail(Kind::timed_out,
                            in_.empty() && answer_.status == 0
                                ? "it took the connection and did not answer in time"
                                : "the answer did not end in time");
            case Wire::State::interrupted:
                return fail(Kind::interrupted, "interrupted");
            case Wire::State::ended:
            case Wire::State::failed:
                break;
        }
        return fail(Kind::cut_short, in_.empty() && answer_.status == 0
                                         ? "it closed the connection without an answer"
                                         : "the connection ended in the middle of the answer");
    }

    std::optional<Failure> read_head() {
        for (;;) {
            const auto parse = http::parse_response_head(in_, http::Method::get, {}, head_);
            if (parse.state == http::HeadParse::State::failed) {
                return fail(Kind::not_http, "it answers, but not with HTTP");
            }
            if (parse.state == http::HeadParse::State::need_more) {
                if (auto failure = read_more()) return failure;
                continue;
            }
            const bool is_interim = head_.status < 200;
            if (!is_interim) keep_head();
            in_.erase(0, parse.consumed);
            if (!is_interim) return std::nullopt;
        }
    }

    void keep_head() {
        answer_.status = head_.status;
        const auto* type = head_.headers.find(http::HeaderId::content_type);
        if (type != nullptr) answer_.content_type = type->value;
        const auto* etag = head_.headers.find("etag");
        if (etag != nullptr) answer_.etag = etag->value;
        body_.start(head_.framing, head_.content_length, {});
    }

    // False: enough.
    bool take(std::string_view data) {
        if (on_data_ && answer_.is_success()) return on_data_(data);
        answer_.body += data;
        return true;
    }

    std::optional<Failure> read_body() {
        const bool is_stream = on_data_ && answer_.is_success();
        if (is_stream) wire_.set_deadline(options_.silence);
        while (!body_.is_done()) {
            const auto step = body_.next(in_);
            if (step.has_failed) return fail(Kind::not_http, "the answer's body is framed wrongly");
            if (!step.data.empty() && !take(step.data)) return std::nullopt;
            in_.erase(0, step.consumed);
            if (answer_.body.size() > options_.most_bytes) {
                return fail(Kind::too_large, "the answer is larger than " +
                                                 std::to_string(options_.most_bytes) + " bytes");
            }
            if (body_.is_done() || step.consumed > 0) continue;
            if (auto failure = read_more()) {
                if (failure->kind == Kind::cut_short && body_.on_eof()) return std::nullopt;
                return failure;
            }
            if (is_stream) wire_.set_deadline(options_.silence);
        }
        return std::nullopt;
    }

    const Door& door_;
    const AdminClient::Options& options_;
    const AdminClient::OnData& on_data_;
    Wire wire_;
    std::string in_;
    http::ResponseHead head_;
    http::BodyDecoder body_;
    Answer answer_;
};

}  // namespace

std::optional<Door> parse_door(std::string_view text, std::string& why) {
    if (text.starts_with("https://")) {
        why = "the admin port speaks http://, not https://";
        return std::nullopt;
    }
    if (text.starts_with("unix:")) return unix_door(text, why);
    if (text.starts_with('/') || text.starts_with("./")) {
        return unix_door("unix:" + std::string(text), why);
    }
    if (text.starts_with("http://")) text.remove_prefix(std::strlen("http://"));
    while (text.ends_with('/'))
        text.remove_suffix(1);
    if (const auto port = parse_port(text)) {
        return address_door(*Address::from_ip("127.0.0.1", *port));
    }
    std::string with_port(text);
    const bool has_port = text.rfind(':') != std::string_view::npos && !text.ends_with(']');
    if (!has_port) with_port += ":" + std::to_string(kAdminPort);
    const auto address = Address::parse(with_port);
    if (!text.empty() && address && address->port() != 0) {
        return address_door(*address);
    }
    const std::size_t colon = with_port.rfind(':');
    const auto port = parse_port(std::string_view(with_port).substr(colon + 1));
    if (!port || !is_name(std::string_view(with_port).substr(0, colon))) {
        why = "no address of an admin port: '" + std::string(text) +
              "'; write 127.0.0.1:9347, or unix:/run/weir/admin.sock";
        return std::nullopt;
    }
    return Door{.text = with_port,
                .host = with_port.substr(0, colon),
                .port = *port,
                .address = {},
                .authority = with_port};
}

bool is_absence(Failure::Kind kind) {
    return kind == Kind::no_name || kind == Kind::no_socket || kind == Kind::refused;
}

AdminClient::Result AdminClient::ask(const Question& question, const OnData& on_data) const {
    std::vector<Failure> failures;
    for (const Door& door : options_.doors) {
        auto result = Exchange(door, options_, on_data).run(question);
        if (auto* answer = std::get_if<Answer>(&result)) return std::move(*answer);
        failures.push_back(std::move(std::get<Failure>(result)));
        if (!is_absence(failures.back().kind)) break;
    }
    return failures;
}

}  // namespace weir::client

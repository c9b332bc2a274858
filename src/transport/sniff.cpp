#include "weir/transport/sniff.hpp"

#include <algorithm>
#include <array>
#include <optional>
#include <utility>

namespace weir::transport {
namespace {

constexpr std::string_view kH2Preface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
constexpr char kMajorVersion = 3;
constexpr std::size_t kRecordHead = 5;
constexpr std::size_t kMessageHead = 4;
constexpr std::size_t kMostRecord = 16 * 1024 + 256;
constexpr std::uint8_t kClientHello = 1;
constexpr std::size_t kLongestMethod = 32;

// ---- HTTP/1

bool is_token(char c) {
    constexpr std::string_view kMarks = "!#$%&'*+-.^_`|~";
    const bool is_letter = (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
    return is_letter || (c >= '0' && c <= '9') || kMarks.find(c) != std::string_view::npos;
}

bool is_usual(std::string_view method) {
    constexpr std::array<std::string_view, 9> kUsual{
        "GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH"};
    return std::find(kUsual.begin(), kUsual.end(), method) != kUsual.end();
}

// Of a method that any protocol might begin with the whole line must be seen: "... HTTP/1.1".
FirstBytes sniff_line(std::string_view line) {
    const bool is_whole = line.find('\n') != std::string_view::npos;
    if (!is_whole && line.size() < kMostSniffed) return FirstBytes::undecided;
    line = line.substr(0, line.find('\n'));
    if (line.ends_with('\r')) line.remove_suffix(1);
    const std::size_t version = line.rfind(' ');
    const bool is_http = version != std::string_view::npos && is_whole &&
                         line.substr(version + 1).starts_with("HTTP/1.");
    return is_http ? FirstBytes::http1 : FirstBytes::opaque;
}

FirstBytes sniff_http1(std::string_view bytes) {
    // An empty line before a request is borne (RFC 9112, 2.2).
    if (bytes.starts_with('\r')) bytes.remove_prefix(1);
    if (bytes.starts_with('\n')) bytes.remove_prefix(1);
    const auto end = std::find_if_not(bytes.begin(), bytes.end(), is_token);
    const auto size = static_cast<std::size_t>(end - bytes.begin());
    if (size > kLongestMethod) return FirstBytes::opaque;
    if (size == bytes.size()) return FirstBytes::undecided;
    if (size == 0 || bytes[size] != ' ') return FirstBytes::opaque;
    if (size + 1 == bytes.size()) return FirstBytes::undecided;
    const char first = bytes[size + 1];
    if (is_usual(bytes.substr(0, size)) && first == '/') return FirstBytes::http1;
    return sniff_line(bytes);
}

// ---- TLS

// Takes fields off the front; once one is missing, everything is.
class Reader {
  public:
    explicit Reader(std::string_view bytes) : bytes_(bytes) {}

    [[nodiscard]] bool has_failed() const { return has_failed_; }
    [[nodiscard]] bool is_empty() const { return bytes_.empty(); }

    std::size_t number(std::size_t size) {
        std::size_t value = 0;
        for (const char c : take(size))
            value = value << 8U | static_cast<unsigned char>(c);
        return value;
    }
    std::string_view take(std::size_t size) {
        if (size > bytes_.size()) {
            has_failed_ = true;
            bytes_ = {};
            return {};
        }
        const std::string_view taken = bytes_.substr(0, size);
        bytes_.remove_prefix(size);
        return taken;
    }
    // A length of so many bytes, and what it announces.
    std::string_view vector(std::size_t length_size) { return take(number(length_size)); }

  private:
    std::string_view bytes_;
    bool has_failed_ = false;
};

// A host as DNS has it: nothing else is compared with the hosts of routes.
bool is_host(std::string_view name) {
    const auto is_part = [](char c) {
        const bool is_letter = (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
        return is_letter || (c >= '0' && c <= '9') || c == '-' || c == '_' || c == '.';
    };
    return !name.empty() && name.size() <= 255 && name.front() != '.' &&
           std::all_of(name.begin(), name.end(), is_part);
}

std::string lower(std::string_view text) {
    std::string out(text);
    for (char& c : out)
        c = c >= 'A' && c <= 'Z' ? static_cast<char>(c + ('a' - 'A')) : c;
    return out;
}

// server_name (RFC 6066, 3): a list, in which only the one kind that there is may be.
std::optional<std::string> read_server_name(std::string_view extension) {
    Reader reader(extension);
    Reader list(reader.vector(2));
    const std::size_t kind = list.number(1);
    const std::string_view name = list.vector(2);
    const bool is_sound = !reader.has_failed() && reader.is_empty() && !list.has_failed() &&
                          list.is_empty() && kind == 0;
    if (!is_sound || !is_host(name)) return std::nullopt;
    return lower(name.ends_with('.') ? name.substr(0, name.size() - 1) : name);
}

ClientHello parse_message(std::string_view message) {
    ClientHello hello;
    Reader reader(message);
    reader.take(2 + 32);  // version and random
    reader.vector(1);     // session
    reader.vector(2);     // ciphers
    reader.vector(1);     // compressions
    Reader extensions(reader.is_empty() ? std::string_view() : reader.vector(2));
    if (reader.has_failed() || !reader.is_empty()) return hello;
    bool has_name = false;
    while (!extensions.is_empty()) {
        const std::size_t kind = extensions.number(2);
        const std::string_view body = extensions.vector(2);
        if (extensions.has_failed()) return hello;
        if (kind != 0) continue;
        const auto name = read_server_name(body);
        if (!name || std::exchange(has_name, true)) return hello;
        hello.server_name = *name;
    }
    hello.state = ClientHello::State::done;
    return hello;
}

}  // namespace

FirstBytes sniff(std::string_view bytes) {
    if (bytes.empty()) return FirstBytes::undecided;
    if (bytes.front() == kTlsFirstByte) {
        if (bytes.size() < 2) return FirstBytes::undecided;
        return bytes[1] == kMajorVersion ? FirstBytes::tls : FirstBytes::opaque;
    }
    const std::size_t size = std::min(bytes.size(), kH2Preface.size());
    if (bytes.substr(0, size) == kH2Preface.substr(0, size) && size >= 3)
        return size == kH2Preface.size() ? FirstBytes::h2 : FirstBytes::undecided;
    return sniff_http1(bytes);
}

ClientHello parse_client_hello(std::string_view bytes) {
    using State = ClientHello::State;
    std::string message;
    while (true) {
        Reader record(bytes);
        const std::string_view head = record.take(kRecordHead);
        if (!bytes.empty() && bytes[0] != kTlsFirstByte) return {};
        if (bytes.size() > 1 && bytes[1] != kMajorVersion) return {};
        if (record.has_failed()) return {.state = State::need_more, .server_name = {}};
        const std::size_t length = Reader(head.substr(3)).number(2);
        if (length == 0 || length > kMostRecord) return {};
        const std::size_t there = std::min(length, bytes.size() - kRecordHead);
        message.append(bytes.substr(kRecordHead, there));
        if (message.size() > kMostClientHello) return {};
        if (!message.empty() && static_cast<std::uint8_t>(message[0]) != kClientHello) return {};
        if (message.size() >= kMessageHead) {
            const std::size_t size = Reader(std::string_view(message).substr(1)).number(3);
            if (size > kMostClientHello - kMessageHead) return {};
            if (message.size() >= size + kMessageHead)
                return parse_message(std::string_view(message).substr(kMessageHead, size));
        }
        if (there < length) return {.state = State::need_more, .server_name = {}};
        bytes.remove_prefix(kRecordHead + length);
    }
}

}  // namespace weir::transport

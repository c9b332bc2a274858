#include "weir/quota/key.hpp"

#include <algorithm>
#include <arpa/inet.h>
#include <array>
#include <charconv>
#include <cstring>

namespace weir::quota {
namespace {

using Kind = KeyPart::Kind;

struct Word {
    std::string_view text;
    Kind kind;
};
constexpr Word kPlain[] = {
    {"client_ip", Kind::client_ip}, {"api_key", Kind::api_key}, {"spiffe", Kind::spiffe},
    {"method", Kind::method},       {"route", Kind::route},     {"global", Kind::global},
};
constexpr Word kNamed[] = {
    {"header:", Kind::header}, {"cookie:", Kind::cookie}, {"jwt:", Kind::jwt}};

constexpr std::string_view kTokenMarks = "!#$%&'*+-.^_`|~";

bool is_token(std::string_view text) {
    return !text.empty() && std::all_of(text.begin(), text.end(), [](char c) {
        return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
               kTokenMarks.find(c) != std::string_view::npos;
    });
}

std::optional<KeyPart> parse_block(std::string_view text, std::string_view bits) {
    unsigned number = 0;
    const auto read = std::from_chars(bits.data(), bits.data() + bits.size(), number);
    if (read.ec != std::errc{} || read.ptr != bits.data() + bits.size() || bits.starts_with('0') ||
        number > 128)
        return std::nullopt;
    KeyPart part{.kind = Kind::client_ip, .text = std::string(text)};
    part.v4_bits = static_cast<std::uint8_t>(std::min(number, 32U));
    part.v6_bits = static_cast<std::uint8_t>(number <= 32 ? number * 2 : number);
    return part;
}

void keep_bits(std::array<unsigned char, 16>& bytes, unsigned from, unsigned bits) {
    for (unsigned i = from; i < bytes.size(); ++i) {
        const unsigned done = (i - from) * 8;
        const unsigned kept = bits <= done ? 0 : std::min(bits - done, 8U);
        bytes[i] = static_cast<unsigned char>(bytes[i] & (0xFF00U >> kept));
    }
}

void append_v4(std::string& out, const unsigned char* bytes) {
    char text[16];
    char* end = text;
    for (int i = 0; i < 4; ++i) {
        if (i > 0) *end++ = '.';
        end = std::to_chars(end, std::end(text), bytes[i]).ptr;
    }
    out.append(text, end);
}

void append_client(std::string& out, const KeyPart& part, const Address& client) {
    sockaddr_storage storage;
    client.to_socket(storage);
    std::array<unsigned char, 16> bytes;
    if (client.family() == AF_INET) {
        std::memcpy(&bytes[12], &reinterpret_cast<const sockaddr_in&>(storage).sin_addr, 4);
        keep_bits(bytes, 12, part.v4_bits);
        append_v4(out, &bytes[12]);
    } else if (client.family() == AF_INET6) {
        const auto& ip = reinterpret_cast<const sockaddr_in6&>(storage).sin6_addr;
        std::memcpy(bytes.data(), &ip, 16);
        if (IN6_IS_ADDR_V4MAPPED(&ip)) {
            keep_bits(bytes, 12, part.v4_bits);
            append_v4(out, &bytes[12]);
            return;
        }
        keep_bits(bytes, 0, part.v6_bits);
        char text[INET6_ADDRSTRLEN];
        if (inet_ntop(AF_INET6, bytes.data(), text, sizeof(text)) != nullptr) out.append(text);
    }
}

void append_header(std::string& out, std::string_view name, const http::HeaderList& headers) {
    bool is_first = true;
    for (const auto& field : headers) {
        if (!http::equals_ignoring_case(field.name, name)) continue;
        if (!is_first) out += ',';
        is_first = false;
        out += field.value;
    }
}

std::string_view trimmed(std::string_view text) {
    while (text.starts_with(' ') || text.starts_with('\t'))
        text.remove_prefix(1);
    while (text.ends_with(' ') || text.ends_with('\t'))
        text.remove_suffix(1);
    return text;
}

void append_cookie(std::string& out, std::string_view name, const http::HeaderList& headers) {
    for (const auto& field : headers) {
        if (!http::equals_ignoring_case(field.name, "cookie")) continue;
        for (std::string_view rest = field.value; !rest.empty();) {
            const auto end = std::min(rest.find(';'), rest.size());
            const std::string_view pair = trimmed(rest.substr(0, end));
            rest.remove_prefix(std::min(end + 1, rest.size()));
            if (pair.size() <= name.size() || pair[name.size()] != '=' || !pair.starts_with(name))
                continue;
            out += pair.substr(name.size() + 1);
            return;
        }
    }
}

}  // namespace

std::optional<KeyPart> parse_key_part(std::string_view text) {
    for (const auto& word : kPlain) {
        if (text == word.text) return KeyPart{.kind = word.kind, .text = std::string(text)};
    }
    constexpr std::string_view kBlock = "client_ip/";
    if (text.starts_with(kBlock)) return parse_block(text, text.substr(kBlock.size()));
    for (const auto& word : kNamed) {
        if (!text.starts_with(word.text)) continue;
        const std::string_view name = text.substr(word.text.size());
        if (name.empty() || (word.kind != Kind::jwt && !is_token(name))) return std::nullopt;
        return KeyPart{.kind = word.kind, .name = std::string(name), .text = std::string(text)};
    }
    return std::nullopt;
}

void append_value(std::string& out, const KeyPart& part, const KeyInput& input) {
    switch (part.kind) {
        case Kind::client_ip:
            append_client(out, part, input.client);
            break;
        case Kind::header:
            append_header(out, part.name, input.head.headers);
            break;
        case Kind::cookie:
            append_cookie(out, part.name, input.head.headers);
            break;
        case Kind::jwt:
            if (input.claims != nullptr) out += (*input.claims)[part.name].text();
            break;
        case Kind::api_key:
            out += input.principal;
            break;
        case Kind::spiffe:
            out += input.spiffe;
            break;
        case Kind::method:
            out += input.head.method_text;
            break;
        case Kind::route:
            out += input.listener;
            out += '/';
            out += input.route;
            break;
        case Kind::global:
            break;
    }
}

// Each value is followed by its size: read from the end, a text has one meaning.
void append_key(std::string& out, const std::vector<KeyPart>& parts, const KeyInput& input) {
    for (const auto& part : parts) {
        const std::size_t from = out.size();
        append_value(out, part, input);
        char size[24] = {'|'};
        const auto end = std::to_chars(size + 1, size + sizeof(size), out.size() - from);
        out.append(size, end.ptr);
    }
}

}  // namespace weir::quota

#include "weir/quota/key.hpp"

#include <algorithm>
#include <arpa/inet.h>
#include <array>
#include <charconv>

namespace weir::quota {
namespace {

using Kind = KeyPart::Kind;

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

void append_client(std::string& out, const KeyPart& part, std::string_view client) {
    char text[INET6_ADDRSTRLEN] = {};
    std::array<unsigned char, 16> bytes;
    const bool fits = client.size() < sizeof(text);
    if (fits) client.copy(text, client.size());
    if (fits && inet_pton(AF_INET, text, &bytes[12]) == 1) {
        keep_bits(bytes, 12, part.v4_bits);
        return append_v4(out, &bytes[12]);
    }
    if (!fits || inet_pton(AF_INET6, text, bytes.data()) != 1) {
        out += client;
        return;
    }
    constexpr std::array<unsigned char, 12> kMapped{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF};
    if (std::equal(kMapped.begin(), kMapped.end(), bytes.begin())) {
        keep_bits(bytes, 12, part.v4_bits);
        return append_v4(out, &bytes[12]);
    }
    keep_bits(bytes, 0, part.v6_bits);
    if (inet_ntop(AF_INET6, bytes.data(), text, sizeof(text)) != nullptr) out += text;
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

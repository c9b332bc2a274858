#include "weir/http/headers.hpp"

#include "weir/http/cookies.hpp"
#include "weir/http/query.hpp"

#include "http/known.hpp"
#include "http/words.hpp"

namespace weir::http {
namespace {

char lower(char letter) {
    return letter >= 'A' && letter <= 'Z' ? static_cast<char>(letter | 0x20) : letter;
}

int hex_digit(char c) {
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    if (c >= 'A' && c <= 'F') return c - 'A' + 10;
    return -1;
}

HeaderId by_prefix(std::string_view name) {
    const char* at = name.data();
    const char first = static_cast<char>(at[0] | 0x20);
    if (first != 'w' && first != 'x') return HeaderId::other;
    if (name.size() >= 5 && same(at, "weir-")) return HeaderId::weir_internal;
    if (name.size() >= 7 && same(at, "x-weir-")) return HeaderId::weir_internal;
    if (name.size() >= 12 && same(at, "x-forwarded-")) return HeaderId::x_forwarded_other;
    return HeaderId::other;
}

}  // namespace

HeaderId id_if_known(std::string_view name, std::uint8_t slot) {
    if (slot == kPrefixOnly) return by_prefix(name);
    const KnownName& known = kKnownNames[slot];
    return same(name.data(), known.name.data(), name.size()) ? known.id : by_prefix(name);
}

HeaderId header_id(std::string_view name) {
    return name.empty() ? HeaderId::other : find_header_id(name);
}

const HeaderField* HeaderList::find_present(HeaderId id) const {
    for (const HeaderField& field : fields_) {
        if (field.id == id) return &field;
    }
    return nullptr;
}

const HeaderField* HeaderList::find(std::string_view name) const {
    for (const HeaderField& field : fields_) {
        if (equals_ignoring_case(field.name, name)) return &field;
    }
    return nullptr;
}

bool is_same_variable(std::string_view a, std::string_view b) {
    const auto plain = [](char c) { return c == '_' ? '-' : lower(c); };
    if (a.size() != b.size()) return false;
    for (std::size_t at = 0; at < a.size(); ++at) {
        if (plain(a[at]) != plain(b[at])) return false;
    }
    return true;
}

bool equals_ignoring_case(std::string_view a, std::string_view b) {
    if (a.size() != b.size()) return false;
    for (std::size_t at = 0; at < a.size(); ++at) {
        if (lower(a[at]) != lower(b[at])) return false;
    }
    return true;
}

std::string_view find_cookie(const HeaderList& headers, std::string_view name) {
    for (const HeaderField& field : headers) {
        if (field.id != HeaderId::other || !equals_ignoring_case(field.name, "cookie")) continue;
        std::string_view rest = field.value;
        while (!rest.empty()) {
            const std::size_t end = rest.find(';');
            std::string_view pair = rest.substr(0, end);
            rest = end == std::string_view::npos ? std::string_view() : rest.substr(end + 1);
            pair.remove_prefix(std::min(pair.find_first_not_of(" \t"), pair.size()));
            if (pair.size() <= name.size() || pair[name.size()] != '=') continue;
            if (pair.starts_with(name)) return pair.substr(name.size() + 1);
        }
    }
    return {};
}

// ---- queries

char take_decoded(std::string_view& text) {
    const char c = text.front();
    if (c == '%' && text.size() > 2 && hex_digit(text[1]) >= 0 && hex_digit(text[2]) >= 0) {
        const int byte = hex_digit(text[1]) * 16 + hex_digit(text[2]);
        text.remove_prefix(3);
        return static_cast<char>(byte);
    }
    text.remove_prefix(1);
    return c == '+' ? ' ' : c;
}

bool equals_decoded(std::string_view encoded, std::string_view plain) {
    while (!encoded.empty() && !plain.empty()) {
        if (take_decoded(encoded) != plain.front()) return false;
        plain.remove_prefix(1);
    }
    return encoded.empty() && plain.empty();
}

std::string encoded(std::string_view text, std::string_view plain) {
    constexpr std::string_view kHex = "0123456789ABCDEF";
    std::string out;
    for (const char c : text) {
        const auto byte = static_cast<unsigned char>(c);
        const bool is_word =
            (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
        if (is_word || plain.find(c) != std::string_view::npos) {
            out += c;
        } else {
            out += '%';
            out += kHex[byte >> 4U];
            out += kHex[byte & 15U];
        }
    }
    return out;
}

std::string decoded(std::string_view encoded) {
    std::string plain;
    while (!encoded.empty())
        plain += take_decoded(encoded);
    return plain;
}

std::string_view take_parameter(std::string_view& query) {
    const std::size_t end = query.find('&');
    const std::string_view parameter = query.substr(0, end);
    query = end == std::string_view::npos ? std::string_view() : query.substr(end + 1);
    return parameter;
}

bool is_named(std::string_view parameter, std::string_view name) {
    return equals_decoded(parameter.substr(0, parameter.find('=')), name);
}

}  // namespace weir::http

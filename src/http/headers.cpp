#include "weir/http/headers.hpp"

#include "http/words.hpp"

namespace weir::http {
namespace {

char lower(char letter) {
    return letter >= 'A' && letter <= 'Z' ? static_cast<char>(letter | 0x20) : letter;
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

HeaderId header_id(std::string_view name) {
    const char* at = name.data();
    switch (name.size()) {
        case 0:
            return HeaderId::other;
        case 2:
            return same(at, "te") ? HeaderId::te : HeaderId::other;
        case 3:
            return same(at, "via") ? HeaderId::via : HeaderId::other;
        case 4:
            if (same(at, "host")) return HeaderId::host;
            if (same(at, "date")) return HeaderId::date;
            return HeaderId::other;
        case 6:
            if (same(at, "accept")) return HeaderId::accept;
            if (same(at, "expect")) return HeaderId::expect;
            break;
        case 7:
            if (same(at, "upgrade")) return HeaderId::upgrade;
            if (same(at, "trailer")) return HeaderId::trailer;
            break;
        case 9:
            if (same(at, "forwarded")) return HeaderId::forwarded;
            break;
        case 10:
            if (same(at, "connection")) return HeaderId::connection;
            if (same(at, "keep-alive")) return HeaderId::keep_alive;
            if (same(at, "weir-error")) return HeaderId::weir_error;
            break;
        case 11:
            if (same(at, "retry-after")) return HeaderId::retry_after;
            break;
        case 12:
            if (same(at, "content-type")) return HeaderId::content_type;
            if (same(at, "x-request-id")) return HeaderId::x_request_id;
            break;
        case 14:
            if (same(at, "content-length")) return HeaderId::content_length;
            break;
        case 15:
            if (same(at, "x-forwarded-for")) return HeaderId::x_forwarded_for;
            break;
        case 16:
            if (same(at, "proxy-connection")) return HeaderId::proxy_connection;
            if (same(at, "x-forwarded-host")) return HeaderId::x_forwarded_host;
            break;
        case 17:
            if (same(at, "transfer-encoding")) return HeaderId::transfer_encoding;
            if (same(at, "x-forwarded-proto")) return HeaderId::x_forwarded_proto;
            break;
        case 18:
            if (same(at, "proxy-authenticate")) return HeaderId::proxy_authenticate;
            break;
        case 19:
            if (same(at, "proxy-authorization")) return HeaderId::proxy_authorization;
            break;
        default:
            break;
    }
    return by_prefix(name);
}

const HeaderField* HeaderList::find(HeaderId id) const {
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

bool equals_ignoring_case(std::string_view a, std::string_view b) {
    if (a.size() != b.size()) return false;
    for (std::size_t at = 0; at < a.size(); ++at) {
        if (lower(a[at]) != lower(b[at])) return false;
    }
    return true;
}

}  // namespace weir::http

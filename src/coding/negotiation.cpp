#include "weir/coding/negotiation.hpp"

#include <algorithm>

namespace weir::coding {
namespace {

// Below it an answer fits a packet or two as it is.
constexpr std::uint64_t kLeast = 1024;

std::string_view trimmed(std::string_view text) {
    constexpr std::string_view kBlanks = " \t";
    text.remove_prefix(std::min(text.find_first_not_of(kBlanks), text.size()));
    text.remove_suffix(text.size() - std::min(text.find_last_not_of(kBlanks) + 1, text.size()));
    return text;
}

// Takes a member off a list of them.
std::string_view next(std::string_view& list, char separator) {
    const std::size_t end = list.find(separator);
    const std::string_view member = trimmed(list.substr(0, end));
    list = end == std::string_view::npos ? std::string_view() : list.substr(end + 1);
    return member;
}

// In 1/1000; what is no number is none.
int quality(std::string_view parameters) {
    while (!parameters.empty()) {
        const std::string_view parameter = next(parameters, ';');
        if (parameter.size() < 3 || (parameter[0] | 0x20) != 'q' || parameter[1] != '=') continue;
        const std::string_view number = parameter.substr(2);
        if (number[0] == '1') return 1000;
        if (number[0] != '0' || number.size() > 5) return 0;
        int value = 0;
        int unit = 100;
        for (const char digit : number.substr(std::min<std::size_t>(2, number.size()))) {
            if (digit < '0' || digit > '9') return 0;
            value += unit * (digit - '0');
            unit /= 10;
        }
        return value;
    }
    return 1000;
}

// What a client says of each coding, in 1/1000; -1: nothing.
struct Wishes {
    int of[3] = {-1, -1, -1};
    int identity = -1;
    int others = -1;

    void take(std::string_view list) {
        while (!list.empty()) {
            std::string_view member = next(list, ',');
            const std::string_view name = next(member, ';');
            const int wish = quality(member);
            const auto is = [&](std::string_view known) {
                return http::equals_ignoring_case(name, known);
            };
            if (is("*")) others = wish;
            if (is("identity")) identity = wish;
            if (is("zstd")) of[static_cast<int>(Coding::zstd)] = wish;
            if (is("br")) of[static_cast<int>(Coding::br)] = wish;
            if (is("gzip") || is("x-gzip")) of[static_cast<int>(Coding::gzip)] = wish;
        }
    }
    [[nodiscard]] int wish_for(Coding coding) const {
        const int own = of[static_cast<int>(coding)];
        return own >= 0 ? own : std::max(others, 0);
    }
};

bool has_member(const http::HeaderList& headers, std::string_view name, std::string_view member) {
    for (const http::HeaderField& field : headers) {
        if (!http::equals_ignoring_case(field.name, name)) continue;
        std::string_view list = field.value;
        while (!list.empty()) {
            if (http::equals_ignoring_case(next(list, ','), member)) return true;
        }
    }
    return false;
}

bool has(const http::HeaderList& headers, std::string_view name) {
    return headers.find(name) != nullptr;
}

bool is_text(std::string_view type) {
    constexpr std::string_view kTexts[] = {
        "application/javascript",
        "application/json",
        "application/manifest+json",
        "application/rtf",
        "application/wasm",
        "application/x-javascript",
        "application/x-ndjson",
        "application/xml",
        "application/yaml",
        "application/graphql",
        "font/otf",
        "font/ttf",
        "image/bmp",
        "image/svg+xml",
        "image/vnd.microsoft.icon",
        "image/x-icon",
        "application/msword",
        "application/x-yaml",
    };
    type = next(type, ';');
    const auto starts = [&](std::string_view with) {
        return type.size() >= with.size() &&
               http::equals_ignoring_case(type.substr(0, with.size()), with);
    };
    const auto ends = [&](std::string_view with) {
        return type.size() >= with.size() &&
               http::equals_ignoring_case(type.substr(type.size() - with.size()), with);
    };
    if (http::equals_ignoring_case(type, "text/event-stream") || starts("application/grpc"))
        return false;
    if (starts("text/") || ends("+json") || ends("+xml")) return true;
    return std::any_of(std::begin(kTexts), std::end(kTexts), [&](std::string_view known) {
        return http::equals_ignoring_case(type, known);
    });
}

bool says_vary(const http::HeaderList& headers) {
    return has_member(headers, "vary", "*") || has_member(headers, "vary", "accept-encoding");
}

}  // namespace

std::optional<Coding> negotiate(std::span<const Coding> offered, const http::RequestHead& head) {
    Wishes wishes;
    for (const http::HeaderField& field : head.headers) {
        if (http::equals_ignoring_case(field.name, "accept-encoding")) wishes.take(field.value);
    }
    if (has_member(head.headers, "cache-control", "no-transform")) return std::nullopt;
    std::optional<Coding> best;
    int most = std::max(wishes.identity - 1, 0);
    for (const Coding coding : offered) {
        if (wishes.wish_for(coding) <= most) continue;
        most = wishes.wish_for(coding);
        best = coding;
    }
    return best;
}

bool is_worth_coding(const http::ResponseHead& head) {
    const bool has_whole_body =
        head.status >= 200 && head.status != 204 && head.status != 206 && head.status != 304;
    if (!has_whole_body) return false;
    if (head.framing == http::Framing::length && head.content_length < kLeast) return false;
    const http::HeaderField* const type = head.headers.find(http::HeaderId::content_type);
    if (type == nullptr || !is_text(type->value)) return false;
    for (const std::string_view name : {"content-encoding", "content-range", "content-md5",
                                        "digest", "content-digest", "repr-digest", "signature"}) {
        if (has(head.headers, name)) return false;
    }
    return !has_member(head.headers, "cache-control", "no-transform");
}

void describe(const http::ResponseHead& head,
              std::optional<Coding> coding,
              http::ResponseHead& into,
              std::string& lines) {
    into = head;
    if (!says_vary(head.headers)) lines += "Vary: Accept-Encoding\r\n";
    if (!coding) return;
    lines.append("Content-Encoding: ").append(word(*coding)).append("\r\n");
    into.headers.clear();
    for (const http::HeaderField& field : head.headers) {
        const bool is_length = field.id == http::HeaderId::content_length;
        if (is_length || http::equals_ignoring_case(field.name, "accept-ranges")) continue;
        const bool is_strong =
            http::equals_ignoring_case(field.name, "etag") && !field.value.starts_with("W/");
        if (is_strong) {
            lines.append("ETag: W/").append(field.value).append("\r\n");
        } else {
            into.headers.add(field.name, field.value, field.id);
        }
    }
    into.content_length = 0;
    into.framing = http::Framing::chunked;
}

}  // namespace weir::coding

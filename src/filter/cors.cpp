#include "kinds.hpp"

#include <algorithm>
#include <array>

namespace weir::filter {
namespace {

// What an upstream says of it is ours to say.
constexpr std::array<std::string_view, 7> kSaidByUs{"access-control-allow-credentials",
                                                    "access-control-allow-headers",
                                                    "access-control-allow-methods",
                                                    "access-control-allow-origin",
                                                    "access-control-allow-private-network",
                                                    "access-control-expose-headers",
                                                    "access-control-max-age"};

constexpr std::string_view kRequestedMethod = "access-control-request-method";
constexpr std::string_view kRequestedHeaders = "access-control-request-headers";

char lower(char c) {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c | 0x20) : c;
}

bool is_host_byte(char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '.';
}

// "https://*.shop.example" is any name below it, at the same port.
bool takes(std::string_view pattern, std::string_view origin) {
    const std::size_t star = pattern.find("://*.");
    if (star == std::string_view::npos) return pattern == origin;
    const std::string_view before = pattern.substr(0, star + 3);
    const std::string_view behind = pattern.substr(star + 4);
    if (origin.size() <= before.size() + behind.size()) return false;
    if (!origin.starts_with(before) || !origin.ends_with(behind)) return false;
    const std::string_view names =
        origin.substr(before.size(), origin.size() - before.size() - behind.size());
    return std::all_of(names.begin(), names.end(), is_host_byte);
}

std::string joined(const std::vector<std::string>& words) {
    std::string text;
    for (const auto& word : words)
        text.append(text.empty() ? "" : ", ").append(word);
    return text;
}

bool has(const std::vector<std::string>& words, std::string_view word) {
    return std::find(words.begin(), words.end(), word) != words.end();
}

// The one field of that name; none if there is none, or several.
const http::HeaderField* only(const http::HeaderList& headers, std::string_view name) {
    const http::HeaderField* found = nullptr;
    for (const http::HeaderField& field : headers) {
        if (!http::equals_ignoring_case(field.name, name)) continue;
        if (found != nullptr) return nullptr;
        found = &field;
    }
    return found;
}

void add(std::string& lines, std::string_view name, std::string_view value) {
    if (!value.empty()) lines.append(name).append(": ").append(value).append("\r\n");
}

class CrossOrigin final : public Filter {
  public:
    explicit CrossOrigin(const config::Cors& cors)
        : cors_(cors),
          takes_any_(has(cors.origins, "*")),
          takes_any_header_(has(cors.headers, "*")) {
        if (cors.credentials) add(always_, "access-control-allow-credentials", "true");
        add(always_, "access-control-expose-headers", joined(cors.expose));
        add(preflight_, "access-control-allow-methods", joined(cors.methods));
        if (!takes_any_header_)
            add(preflight_, "access-control-allow-headers", joined(cors.headers));
        const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(cors.max_age);
        add(preflight_, "access-control-max-age", std::to_string(seconds.count()));
    }

    Step begin(Pass& pass) const override {
        const http::RequestHead& head = pass.head();
        Edits& edits = pass.edits();
        edits.removed_of_answer.insert(edits.removed_of_answer.end(), kSaidByUs.begin(),
                                       kSaidByUs.end());
        if (!takes_any_) edits.answer_lines += "vary: origin\r\n";
        const http::HeaderField* const origin = only(head.headers, "origin");
        const bool is_allowed = origin != nullptr && allows(origin->value);
        if (is_allowed) {
            add(edits.answer_lines, "access-control-allow-origin",
                takes_any_ ? "*" : origin->value);
            edits.answer_lines += always_;
        }
        const bool is_preflight = head.method == http::Method::options && origin != nullptr &&
                                  head.headers.find(kRequestedMethod) != nullptr;
        if (!is_preflight) return Step::proceed;
        if (!is_allowed) {
            return pass.refuse(
                {.reason = Reason::forbidden, .detail = "cors.origins has not this origin"});
        }
        return pass.refuse({.status = 204, .lines = preflight_lines(head)});
    }

  private:
    [[nodiscard]] bool allows(std::string_view origin) const {
        if (takes_any_) return true;
        std::string text(origin);
        std::transform(text.begin(), text.end(), text.begin(), lower);
        return std::any_of(cors_.origins.begin(), cors_.origins.end(),
                           [&](const std::string& pattern) { return takes(pattern, text); });
    }

    // With credentials "*" would be the name of a header: those that are asked for are named.
    [[nodiscard]] std::string preflight_lines(const http::RequestHead& head) const {
        std::string lines = preflight_;
        const http::HeaderField* const wanted = only(head.headers, kRequestedHeaders);
        if (takes_any_header_ && wanted != nullptr)
            add(lines, "access-control-allow-headers", wanted->value);
        lines += "vary: access-control-request-method, access-control-request-headers\r\n";
        return lines;
    }

    const config::Cors& cors_;
    const bool takes_any_;
    const bool takes_any_header_;
    std::string always_;     // to an origin that is allowed
    std::string preflight_;  // and to its preflight
};

}  // namespace

FilterPtr make_cors(const std::optional<config::Cors>& cors) {
    if (!cors) return nullptr;
    return std::make_shared<CrossOrigin>(*cors);
}

}  // namespace weir::filter

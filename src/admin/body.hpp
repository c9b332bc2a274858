#pragma once

#include "weir/config/values.hpp"
#include "weir/core/json.hpp"

#include "admin/describe.hpp"
#include "admin/message.hpp"

#include <algorithm>
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

namespace weir::admin {

// The body of a mutation, a JSON object; its members are checked against those it may have. The
// first complaint counts.
class Body {
  public:
    Body(const Request& request, std::initializer_list<std::string_view> known) {
        if (request.body.find_first_not_of(" \t\r\n") == std::string::npos) return;
        const auto parsed = JsonValue::parse(request.body);
        if (!parsed || !parsed->is_object()) {
            fail("the body is no JSON object");
            return;
        }
        value_ = *parsed;
        for (const auto& [name, ignored] : value_.members()) {
            if (std::find(known.begin(), known.end(), name) == known.end()) {
                fail("unknown key " + name);
            }
        }
    }

    // g++ 12 takes text + " ..." made here for a write out of bounds.
    void complain(std::string_view key, std::string_view what) {
        std::string sentence(key);
        sentence.append(what);
        fail(sentence);
    }

    std::string text(std::string_view key) {
        const JsonValue& found = value_[key];
        if (found.is_null()) return {};
        if (!found.is_string()) complain(key, " is a text");
        return found.text();
    }

    bool flag(std::string_view key) {
        const JsonValue& found = value_[key];
        if (found.is_null()) return false;
        if (!found.boolean()) complain(key, " is true or false");
        return found.boolean().value_or(false);
    }

    // A time from a second to `longest`; nothing if it is not said.
    std::optional<Duration> time(Duration longest, std::string_view key = "for") {
        constexpr Duration kShortest = std::chrono::seconds{1};
        const std::string written = text(key);
        if (value_[key].is_null() || has_failed()) return std::nullopt;
        const auto duration = duration_from(written);
        if (!duration) {
            complain(key, " is a duration like 5m or 1h30m, not '" + written + "'");
        } else if (*duration < kShortest || *duration > longest) {
            complain(key, " is from " + config::to_text(kShortest) + " to " +
                              config::to_text(longest) + ", not " + written);
        }
        return duration;
    }

    std::string reason() {
        constexpr std::size_t kLongestReason = 200;
        std::string found = text("reason");
        if (found.size() > kLongestReason) fail("reason is at most 200 bytes");
        return found;
    }

    const JsonValue& member(std::string_view key) const { return value_[key]; }

    void fail(std::string sentence) {
        if (failure_.empty()) failure_ = std::move(sentence);
    }
    [[nodiscard]] bool has_failed() const { return !failure_.empty(); }
    [[nodiscard]] Response refusal() const { return error_response(400, "bad_request", failure_); }

  private:
    JsonValue value_;
    std::string failure_;
};

}  // namespace weir::admin

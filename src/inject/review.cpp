#include "weir/inject/review.hpp"

#include "weir/crypto/base64.hpp"

#include "inject/manifest.hpp"
#include "inject/settings.hpp"

#include <algorithm>

namespace weir::inject {
namespace {

constexpr std::string_view kVersion = "admission.k8s.io/v1";

// A step of a JSON pointer (RFC 6901).
std::string pointer(const std::string& to, std::string_view step) {
    std::string out = to + '/';
    for (const char c : step) {
        if (c == '~') {
            out += "~0";
        } else if (c == '/') {
            out += "~1";
        } else {
            out += c;
        }
    }
    return out;
}

class Patch {
  public:
    [[nodiscard]] Value take() && { return std::move(operations_); }

    void difference(const std::string& at, const Value& before, const Value& after) {
        if (same(before, after)) return;
        if (before.is_object() && after.is_object()) {
            members(at, before, after);
        } else if (before.is_array() && after.is_array()) {
            items(at, before, after);
        } else {
            add("replace", at, &after);
        }
    }

  private:
    void members(const std::string& at, const Value& before, const Value& after) {
        for (const auto& [key, value] : before.members)
            if (after.find(key) == nullptr) add("remove", pointer(at, key), nullptr);
        for (const auto& [key, value] : after.members) {
            const Value* old = before.find(key);
            if (old == nullptr) {
                add("add", pointer(at, key), &value);
            } else {
                difference(pointer(at, key), *old, value);
            }
        }
    }

    // What was there is at the beginning or at the end of what is there now; else the list is new.
    void items(const std::string& at, const Value& before, const Value& after) {
        const std::size_t olds = before.items.size();
        const std::size_t news = after.items.size();
        const std::size_t more = news - std::min(olds, news);
        if (olds > news || olds == 0) return add("replace", at, &after);
        const bool is_behind = more > 0 && same(before.items.back(), after.items.back());
        const std::size_t shift = is_behind ? more : 0;
        for (std::size_t i = 0; i < more; ++i) {
            const std::size_t index = is_behind ? i : olds + i;
            add("add", at + '/' + std::to_string(index), &after.items[index]);
        }
        for (std::size_t i = 0; i < olds; ++i)
            difference(at + '/' + std::to_string(i + shift), before.items[i],
                       after.items[i + shift]);
    }

    void add(std::string_view what, const std::string& at, const Value* value) {
        Value& made = operations_.items.emplace_back(
            Value::object({{"op", Value::string(std::string(what))}, {"path", Value::string(at)}}));
        if (value != nullptr) made.set("value", *value);
    }

    Value operations_ = Value::array();
};

std::string answer_of(const std::string& uid, const Note& note, const Value& patch) {
    Value response =
        Value::object({{"uid", Value::string(uid)}, {"allowed", Value::boolean(true)}});
    if (!patch.items.empty()) {
        response.set("patchType", Value::string("JSONPatch"));
        response.set("patch", Value::string(crypto::encode_base64(to_json(patch))));
    }
    if (note.kind == Note::Kind::refused) {
        response.set("warnings", Value::array({Value::string("weir: " + note.object +
                                                             " gets no sidecar: " + note.reason)}));
    }
    return to_json(Value::object({{"apiVersion", Value::string(std::string(kVersion))},
                                  {"kind", Value::string("AdmissionReview")},
                                  {"response", std::move(response)}}));
}

// The object of a review has no namespace yet, nor a name where one is generated.
std::string name_of(const JsonValue& request) {
    const std::string& space = request["namespace"].text();
    const std::string& name = request["name"].text();
    const JsonValue& metadata = request["object"]["metadata"];
    std::string out = "Pod " + space + (space.empty() ? "" : "/");
    if (!name.empty()) return out + name;
    const std::string& own = metadata["name"].text();
    return out + (own.empty() ? metadata["generateName"].text() : own);
}

}  // namespace

Review review(std::string_view text, const Options& options) {
    const auto fail = [](std::string problem) {
        return Review{.answer = {}, .note = {}, .problem = std::move(problem)};
    };
    const auto json = JsonValue::parse_unique(text);
    if (!json) return fail("the body is no JSON");
    const JsonValue& request = (*json)["request"];
    if ((*json)["kind"].text() != "AdmissionReview" || !request.is_object())
        return fail("the body is no AdmissionReview");
    if ((*json)["apiVersion"].text() != kVersion)
        return fail("the review is not of " + std::string(kVersion));
    const std::string& uid = request["uid"].text();
    if (uid.empty()) return fail("the review has no uid");
    Review out;
    out.note.object = name_of(request);
    const Value before = from_json(request["object"]);
    Value after = before;
    const bool is_pod = request["kind"]["kind"].text() == "Pod" && after.is_object() &&
                        request["operation"].text() == "CREATE" &&
                        request["subResource"].text().empty();
    const Value* annotations = after.at({"metadata", "annotations"});
    // Of a template that was injected by hand: as its author wanted it.
    const bool is_there = annotations != nullptr && annotations->find(kInjected) != nullptr;
    if (is_pod && !is_there) {
        const std::string name = std::move(out.note.object);
        out.note = inject_pod(after, after, options);
        out.note.object = name;
    }
    Patch patch;
    patch.difference("", before, after);
    out.answer = answer_of(uid, out.note, std::move(patch).take());
    return out;
}

}  // namespace weir::inject

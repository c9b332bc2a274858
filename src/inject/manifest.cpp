#include "inject/manifest.hpp"

#include "inject/pod.hpp"

#include <algorithm>
#include <array>

namespace weir::inject {
namespace {

constexpr std::array<std::string_view, 7> kWithTemplate{
    "Deployment",       "StatefulSet", "DaemonSet", "ReplicaSet", "ReplicationController",
    "DeploymentConfig", "Job"};

std::string name_of(const Value& object) {
    std::string name(object.text_of("kind"));
    const Value* metadata = object.find("metadata");
    if (metadata == nullptr) return name;
    std::string_view own = metadata->text_of("name");
    if (own.empty()) own = metadata->text_of("generateName");
    const std::string_view space = metadata->text_of("namespace");
    name += ' ';
    if (!space.empty()) name.append(space).append("/");
    return name.append(own);
}

// The pod of an object, or the template of its pods; null for what has none.
Value* pod_of(Value& object) {
    const std::string_view kind = object.text_of("kind");
    if (kind == "Pod") return &object;
    Value* spec = object.find("spec");
    if (spec != nullptr && kind == "CronJob") {
        Value* job = spec->find("jobTemplate");
        spec = job == nullptr ? nullptr : job->find("spec");
    } else if (std::find(kWithTemplate.begin(), kWithTemplate.end(), kind) == kWithTemplate.end()) {
        return nullptr;
    }
    return spec == nullptr ? nullptr : spec->find("template");
}

const Value* annotations_of(const Value& object) {
    return object.at({"metadata", "annotations"});
}

// A line that begins a document, or ends one.
bool is_border(std::string_view line) {
    if (!line.starts_with("---") && !line.starts_with("...")) return false;
    return line.size() == 3 || line[3] == ' ' || line[3] == '\t' || line[3] == '\r' ||
           line[3] == '\n';
}

// Documents and the lines between them: what is joined is the text.
struct Piece {
    std::string text;
    bool is_border = false;
};
std::vector<Piece> pieces_of(std::string_view text) {
    std::vector<Piece> pieces;
    while (!text.empty()) {
        const std::size_t end = std::min(text.find('\n'), text.size() - 1) + 1;
        const std::string_view line = text.substr(0, end);
        text.remove_prefix(end);
        if (is_border(line)) {
            pieces.push_back({std::string(line), true});
        } else if (pieces.empty() || pieces.back().is_border) {
            pieces.push_back({std::string(line)});
        } else {
            pieces.back().text += line;
        }
    }
    return pieces;
}

bool is_blank(std::string_view text) {
    while (!text.empty()) {
        const std::size_t end = std::min(text.find('\n'), text.size() - 1) + 1;
        const std::size_t first = text.find_first_not_of(" \t\r\n");
        if (first < end && text[first] != '#' && text[first] != '%') return false;
        text.remove_prefix(end);
    }
    return true;
}

// Whether a text that cannot be read may be about an object of ours.
bool may_have_pods(std::string_view text) {
    const auto is_named = [text](std::string_view kind) {
        return text.find(kind) != std::string_view::npos;
    };
    return is_named("Pod") || is_named("CronJob") || is_named("List") ||
           std::any_of(kWithTemplate.begin(), kWithTemplate.end(), is_named);
}

std::string inject_document(const std::string& text,
                            const Options& options,
                            std::vector<Note>& notes) {
    if (is_blank(text)) return text;
    const std::size_t first = text.find_first_not_of(" \t\r\n");
    const auto json = text[first] == '{' ? JsonValue::parse(text) : std::nullopt;
    Read read = json ? Read{from_json(*json)} : from_yaml(text);
    if (!read.value) {
        if (!may_have_pods(text)) return text;
        notes.push_back({Note::Kind::refused, "a document", "it cannot be read: " + read.problem});
        return text;
    }
    if (!inject_object(*read.value, options, notes)) return text;
    return json ? to_pretty_json(*read.value) : to_yaml(*read.value);
}

}  // namespace

std::string_view word(Note::Kind kind) {
    constexpr std::array<std::string_view, 5> kKinds{"injected", "removed", "unchanged", "disabled",
                                                     "refused"};
    return kKinds[static_cast<std::size_t>(kind)];
}

bool Injected::has_refusals() const {
    return std::any_of(notes.begin(), notes.end(),
                       [](const Note& note) { return note.kind == Note::Kind::refused; });
}

Note inject_pod(Value& pod, const Value& owner, const Options& options) {
    using Kind = Note::Kind;
    Note note{.kind = Kind::unchanged, .object = name_of(owner)};
    const auto refuse = [&note](std::string reason) {
        note.kind = Kind::refused;
        note.reason = std::move(reason);
        return note;
    };
    Value next = pod;
    const bool was_there = remove_sidecar(next);
    if (options.removes) {
        if (!was_there) return note;
        pod = std::move(next);
        note.kind = Kind::removed;
        return note;
    }
    const bool is_own = &pod == &owner;
    const Settings settings =
        read_settings(is_own ? nullptr : annotations_of(owner), annotations_of(next));
    if (settings.is_disabled) {
        if (was_there) pod = std::move(next);
        note.kind = was_there ? Kind::removed : Kind::disabled;
        return note;
    }
    if (!settings.problem.empty()) return refuse(settings.problem);
    const Value* spec = next.find("spec");
    if (spec == nullptr) return refuse("it has no spec");
    if (std::string reason = refusal(*spec); !reason.empty()) return refuse(std::move(reason));
    add_sidecar(next, settings, options);
    const std::string config(annotations_of(next)->text_of(kConfig));
    if (const std::string problem = check_config(config); !problem.empty())
        return refuse("its configuration would be refused: " + problem);
    if (same(next, pod)) return note;
    pod = std::move(next);
    note.kind = Kind::injected;
    return note;
}

bool inject_object(Value& object, const Options& options, std::vector<Note>& notes) {
    if (!object.is_object()) return false;
    Value* items = object.find("items");
    if (object.text_of("kind").ends_with("List") && items != nullptr && items->is_array()) {
        bool has_changed = false;
        for (Value& item : items->items)
            has_changed = inject_object(item, options, notes) || has_changed;
        return has_changed;
    }
    Value* pod = pod_of(object);
    if (pod == nullptr || !pod->is_object()) return false;
    const Value owner = pod == &object ? Value() : object;
    notes.push_back(inject_pod(*pod, pod == &object ? *pod : owner, options));
    const Note::Kind kind = notes.back().kind;
    return kind == Note::Kind::injected || kind == Note::Kind::removed;
}

Injected inject(std::string_view text, const Options& options) {
    Injected out;
    for (const Piece& piece : pieces_of(text))
        out.text += piece.is_border ? piece.text : inject_document(piece.text, options, out.notes);
    return out;
}

}  // namespace weir::inject

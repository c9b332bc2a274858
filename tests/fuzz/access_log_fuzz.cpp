#include "weir/core/json.hpp"
#include "weir/telemetry/access_log.hpp"

#include "telemetry/access_record.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

// Any bytes in any place of a record and of a policy: the JSON line parses, keeps ASCII as it was
// and hides what is to be hidden, the text line is one line of visible bytes, and neither is longer
// than was promised.
namespace {

using namespace weir::telemetry;  // NOLINT(google-build-using-namespace)

void require(bool holds) {
    if (!holds) __builtin_trap();
}

// Pieces of the input, each up to the next 0xfe (which is in no UTF-8).
class Pieces {
  public:
    explicit Pieces(std::string_view input) : rest_(input) {}

    std::string_view next() {
        const std::size_t end = std::min(rest_.find('\xfe'), rest_.size());
        const std::string_view piece = rest_.substr(0, end);
        rest_.remove_prefix(std::min(end + 1, rest_.size()));
        return piece;
    }
    std::uint64_t number() {
        std::uint64_t number = 0;
        for (const char c : next())
            number = number * 256 + static_cast<unsigned char>(c);
        return number;
    }

  private:
    std::string_view rest_;
};

bool is_ascii(std::string_view text) {
    return std::all_of(text.begin(), text.end(), [](char c) { return c >= 0; });
}

void check_json(const AccessRecord& record, std::string_view path) {
    // Exactly as long as promised: ASan sees a byte beyond.
    std::vector<char> room(most_bytes(record, path));
    AccessTime time;
    std::string scratch;
    const char* const end = write_json(room.data(), record, path, time, scratch);
    std::string_view line(room.data(), static_cast<std::size_t>(end - room.data()));
    require(line.ends_with("}\n") && std::count(line.begin(), line.end(), '\n') == 1);
    line.remove_suffix(1);
    const auto parsed = weir::JsonValue::parse(line);
    require(parsed.has_value());
    const auto same = [&](const char* key, std::string_view value, std::size_t longest) {
        value = value.substr(0, longest);
        if (is_ascii(value)) require((*parsed)[key].text() == value);
    };
    same("path", path, kLongestPath);
    same("host", record.host, kLongestText);
    same("method", record.method, kLongestText);
    same("request_id", record.request_id, kLongestText);
}

void check_text(const AccessRecord& record, std::string_view path) {
    std::vector<char> room(most_bytes(record, path));
    AccessTime time;
    const char* const end = write_text(room.data(), record, path, time);
    std::string line(room.data(), static_cast<std::size_t>(end - room.data()));
    require(line.ends_with('\n'));
    line.pop_back();
    for (const std::string_view ours : {"→", "✗"}) {
        const std::size_t at = line.find(ours);
        if (at != std::string::npos) line.erase(at, ours.size());
    }
    require(std::all_of(line.begin(), line.end(), [](char c) { return c >= 0x20 && c < 0x7f; }));
}

// No parameter of a redacted name keeps a value; what is not hidden is as it was.
void check_redaction(const AccessPolicy& policy, std::string_view path) {
    std::string scratch;
    const std::string shown(policy.redact(path, scratch));
    std::string again;
    require(policy.redact(shown, again) == shown);
    if (shown == path) return;
    const std::size_t query = shown.find('?');
    require(query != std::string::npos && path.substr(0, query) == shown.substr(0, query));
    require(std::count(path.begin(), path.end(), '&') ==
            std::count(shown.begin(), shown.end(), '&'));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    Pieces pieces({reinterpret_cast<const char*>(data), size});
    using Source = weir::config::LogField::Source;
    weir::config::AccessLog config;
    config.redact = {"token", std::string(pieces.next())};
    config.fields = {{std::string(pieces.next()), Source::text, std::string(pieces.next())},
                     {"field", Source::header, "x-field"}};
    // Names of a configuration are unique, and none is a built-in field's.
    config.fields[0].name.insert(0, "x-");
    const std::string_view cluster = pieces.next();
    const AccessPolicy policy(config, pieces.next(), pieces.next(), cluster);
    AccessFields fields;
    fields.set(1, pieces.next());
    AccessRecord record;
    record.policy = &policy;
    record.fields = &fields;
    for (auto* text :
         {&record.path, &record.host, &record.method, &record.endpoint, &record.protocol,
          &record.request_id, &record.trace_id, &record.client, &record.peer})
        *text = pieces.next();
    record.status = static_cast<std::uint16_t>(pieces.number());
    record.flags = static_cast<std::uint8_t>(pieces.number());
    record.reason = static_cast<weir::Reason>(pieces.number() % weir::kReasonCount);
    record.duration = weir::Duration{static_cast<std::int64_t>(pieces.number())};
    record.upstream = weir::Duration{static_cast<std::int64_t>(pieces.number())};
    record.time = weir::WallTime{weir::Duration{static_cast<std::int64_t>(pieces.number() >> 2U)}};
    record.request_bytes = pieces.number();
    record.response_bytes = pieces.number();

    std::string scratch;
    const std::string path(policy.redact(record.path, scratch));
    check_redaction(policy, record.path);
    check_json(record, path);
    check_text(record, path);
    return 0;
}

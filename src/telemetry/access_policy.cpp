#include "weir/telemetry/access_policy.hpp"

#include "weir/core/json.hpp"
#include "weir/http/headers.hpp"
#include "weir/http/query.hpp"
#include "weir/telemetry/access_log.hpp"

#include "telemetry/access_record.hpp"

#include <algorithm>

namespace weir::telemetry {
namespace {

constexpr std::string_view kHidden = "***";
constexpr std::uint16_t kServerError = 500;

std::string escaped(std::string_view text) {
    std::string out;
    append_json_escaped(out, text.substr(0, kLongestText));
    return out;
}

// The value of `name` in "a=1; b=2", or of a query with '&'.
std::string_view find_pair(std::string_view pairs, std::string_view name, char separator) {
    while (!pairs.empty()) {
        const std::size_t end = std::min(pairs.find(separator), pairs.size());
        std::string_view pair = pairs.substr(0, end);
        pairs.remove_prefix(std::min(end + 1, pairs.size()));
        while (!pair.empty() && pair.front() == ' ')
            pair.remove_prefix(1);
        if (pair.starts_with(name) && pair.size() > name.size() && pair[name.size()] == '=') {
            return pair.substr(name.size() + 1);
        }
    }
    return {};
}

}  // namespace

// ---- fields of a request

void AccessFields::clear() {
    bytes_.clear();
    pieces_.clear();
}

void AccessFields::set(std::size_t field, std::string_view value) {
    if (pieces_.size() <= field) pieces_.resize(field + 1);
    value = value.substr(0, kLongest);
    pieces_[field] = {static_cast<std::uint32_t>(bytes_.size()),
                      static_cast<std::uint32_t>(value.size())};
    bytes_.append(value);
}

void AccessFields::append(std::size_t field, std::string_view value) {
    const std::string before(this->value(field));
    set(field, before + ", " + std::string(value.substr(0, kLongest)));
}

std::string_view AccessFields::value(std::size_t field) const {
    if (field >= pieces_.size()) return {};
    return std::string_view(bytes_).substr(pieces_[field].begin, pieces_[field].size);
}

// ---- the policy

AccessPolicy::AccessPolicy(const config::AccessLog& config,
                           std::string_view listener,
                           std::string_view route,
                           std::string_view cluster)
    : is_off_(config.is_off()),
      keeps_all_(config.only.is_all() && config.sample >= 1),
      only_(config.only),
      sample_(config.sample),
      redacted_(config.redact) {
    json_names_ = "\",\"listener\":\"" + escaped(listener) + "\",\"route\":\"" + escaped(route) +
                  "\",\"cluster\":\"" + escaped(cluster) + "\",\"endpoint\":\"";
    append_visible(text_cluster_, cluster.substr(0, kLongestText));
    for (const std::string& name : redacted_) {
        if (name.empty()) continue;
        const char first = name.front();
        may_begin_[static_cast<unsigned char>(first)] = true;
        if (first >= 'a' && first <= 'z')
            may_begin_[static_cast<unsigned char>(first - 'a' + 'A')] = true;
        may_begin_['%'] = true;
    }
    fixed_bytes_ = json_names_.size() + text_cluster_.size();
    using Source = config::LogField::Source;
    for (const config::LogField& field : config.fields) {
        Field& made = fields_.emplace_back();
        made.source = field.source;
        made.of = field.of;
        made.is_redacted = field.source != Source::text && is_redacted(field.of);
        made.json_key = ",\"" + escaped(field.name) + "\":\"";
        append_visible(made.text, "  " + field.name + "=");
        if (field.source == Source::text) {
            made.json_text = escaped(field.of);
            append_visible(made.text, field.of);
        } else {
            has_collected_ = true;
        }
        fixed_bytes_ += made.json_key.size() + made.json_text.size() + made.text.size() + 2;
    }
}

bool AccessPolicy::is_redacted(std::string_view name) const {
    return std::any_of(redacted_.begin(), redacted_.end(), [&](const std::string& redacted) {
        return http::equals_ignoring_case(name, redacted);
    });
}

void AccessPolicy::collect(AccessFields& into, const http::RequestHead& head) const {
    using Source = config::LogField::Source;
    const auto add = [&](std::size_t i, std::string_view value) {
        if (value.empty()) return;
        into.set(i, fields_[i].is_redacted ? kHidden : value);
    };
    for (std::size_t i = 0; i < fields_.size(); ++i) {
        const Field& field = fields_[i];
        switch (field.source) {
            case Source::header:
                collect_lines(into, i, head.headers);
                break;
            case Source::query:
                add(i, find_pair(head.query, field.of, '&'));
                break;
            case Source::cookie:
                for (const http::HeaderField& line : head.headers) {
                    if (!http::equals_ignoring_case(line.name, "cookie")) continue;
                    const std::string_view value = find_pair(line.value, field.of, ';');
                    if (!value.empty()) add(i, value);
                }
                break;
            case Source::text:
            case Source::response_header:
                break;
        }
    }
}

void AccessPolicy::collect(AccessFields& into, const http::ResponseHead& head) const {
    for (std::size_t i = 0; i < fields_.size(); ++i) {
        if (fields_[i].source != config::LogField::Source::response_header) continue;
        into.set(i, {});  // an attempt before may have had one
        collect_lines(into, i, head.headers);
    }
}

void AccessPolicy::collect_lines(AccessFields& into,
                                 std::size_t i,
                                 const http::HeaderList& headers) const {
    bool is_first = true;
    for (const http::HeaderField& line : headers) {
        if (!http::equals_ignoring_case(line.name, fields_[i].of)) continue;
        if (fields_[i].is_redacted) return into.set(i, kHidden);
        if (is_first) {
            into.set(i, line.value);
        } else {
            into.append(i, line.value);
        }
        is_first = false;
    }
}

bool AccessPolicy::decide(const AccessRecord& record, Random& random) const {
    const bool is_error = record.reason != Reason::none || record.status >= kServerError;
    const auto is_sampled = [&] { return sample_ >= 1 || random.uniform() < sample_; };
    if (only_.is_all()) return is_error || is_sampled();
    return (only_.errors && is_error) ||
           (only_.slower_than && record.duration > *only_.slower_than) ||
           (only_.sampled && is_sampled());
}

std::string_view AccessPolicy::redact_query(std::string_view path,
                                            std::size_t query,
                                            std::string& scratch) const {
    std::size_t copied = 0;  // of the path, into scratch
    std::size_t begin = query;
    while (begin < path.size()) {
        const std::size_t end = std::min(path.find('&', begin), path.size());
        const std::string_view pair = path.substr(begin, end - begin);
        begin = end + 1;
        // Most names are ruled out by their first letter; an encoded one may be any.
        if (pair.empty() || !may_begin_[static_cast<unsigned char>(pair.front())]) continue;
        const std::size_t size = pair.find('=');
        if (size == std::string_view::npos || size + 1 == pair.size()) continue;
        if (!is_redacted(http::decoded(pair.substr(0, size)))) continue;
        const std::size_t equals = end - pair.size() + size;
        if (copied == 0) scratch.clear();
        scratch.append(path.substr(copied, equals + 1 - copied)).append(kHidden);
        copied = end;
    }
    if (copied == 0) return path;
    scratch.append(path.substr(copied));
    return scratch;
}

}  // namespace weir::telemetry

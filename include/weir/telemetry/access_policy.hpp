#pragma once

#include "weir/config/config.hpp"
#include "weir/core/random.hpp"
#include "weir/http/message.hpp"

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace weir::telemetry {

struct AccessRecord;

// The values of access_log.fields of one request, by the place of the field. Keeps its capacity
// from request to request. Thread: worker.
class AccessFields {
  public:
    // Cut off there: a field is for people to look at.
    static constexpr std::size_t kLongest = 1024;

    void clear();
    [[nodiscard]] bool empty() const { return pieces_.empty(); }
    void set(std::size_t field, std::string_view value);
    // Adds to a value that is there, after ", " as HTTP joins lines of one name.
    void append(std::size_t field, std::string_view value);
    // Empty if it was not set.
    [[nodiscard]] std::string_view value(std::size_t field) const;
    [[nodiscard]] std::size_t bytes() const { return bytes_.size(); }

  private:
    struct Piece {
        std::uint32_t begin = 0;
        std::uint32_t size = 0;
    };
    std::string bytes_;
    std::vector<Piece> pieces_;
};

// What is the same in all records of one listener, route and cluster, prepared when the snapshot is
// built: their names as they are written, which requests are logged, with what beside the usual
// fields, and what is hidden. Thread: any (immutable).
class AccessPolicy {
  public:
    // Empty names of what a request did not reach.
    AccessPolicy(const config::AccessLog& config,
                 std::string_view listener,
                 std::string_view route,
                 std::string_view cluster);

    [[nodiscard]] bool is_off() const { return is_off_; }

    // Whether there is anything to collect from the heads while they are there.
    [[nodiscard]] bool has_fields() const { return has_collected_; }
    void collect(AccessFields& into, const http::RequestHead& head) const;
    void collect(AccessFields& into, const http::ResponseHead& head) const;

    // An error (an answer of ours, or a status of 500 and above) is kept whatever the sample,
    // unless `only` names other conditions.
    [[nodiscard]] bool keeps(const AccessRecord& record, Random& random) const {
        return keeps_all_ || decide(record, random);
    }

    // The path with the values of named query parameters as ***; the same text if there are none.
    // Percent-encoding hides no name.
    [[nodiscard]] std::string_view redact(std::string_view path, std::string& scratch) const {
        const std::size_t mark = path.find('?');
        if (mark == std::string_view::npos) return path;
        return redact_query(path, mark + 1, scratch);
    }

    // ---- for the writer

    // `","listener":"in","route":"orders","cluster":"shop","endpoint":"`
    [[nodiscard]] std::string_view json_names() const { return json_names_; }
    // The cluster's name, without what could steer a terminal.
    [[nodiscard]] std::string_view text_cluster() const { return text_cluster_; }
    struct Field {
        config::LogField::Source source;
        std::string of;         // what to look up, in lower case for headers
        bool is_redacted;       // *** if it is there
        std::string json_key;   // `,"name":"`
        std::string json_text;  // of a text: its value, escaped
        std::string text;       // "  name=", and the value of a text
    };
    [[nodiscard]] const std::vector<Field>& fields() const { return fields_; }
    // The room their names and texts need in a line.
    [[nodiscard]] std::size_t fixed_bytes() const { return fixed_bytes_; }

  private:
    [[nodiscard]] bool decide(const AccessRecord& record, Random& random) const;
    [[nodiscard]] bool is_redacted(std::string_view name) const;
    void collect_lines(AccessFields& into, std::size_t i, const http::HeaderList& headers) const;
    [[nodiscard]] std::string_view redact_query(std::string_view path,
                                                std::size_t query,
                                                std::string& scratch) const;

    bool is_off_;
    bool keeps_all_;
    bool has_collected_ = false;
    config::AccessLog::Only only_;
    double sample_;
    std::string json_names_;
    std::string text_cluster_;
    std::vector<Field> fields_;
    std::size_t fixed_bytes_ = 0;
    std::vector<std::string> redacted_;  // lower case
    std::array<bool, 256> may_begin_{};  // a name to hide, as it is sent
};

}  // namespace weir::telemetry

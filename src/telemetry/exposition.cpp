#include "telemetry/model.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>

namespace weir::telemetry {
namespace {

constexpr std::string_view kTotal = "_total";
constexpr std::string_view kInfo = "_info";
constexpr double kExactIntegers = 9007199254740992.0;  // 2^53

void append(std::string& out, std::uint64_t number) {
    std::array<char, 24> text;
    out.append(text.data(), std::to_chars(text.data(), text.data() + text.size(), number).ptr);
}

void append(std::string& out, double number) {
    if (std::isnan(number)) {
        out += "NaN";
        return;
    }
    if (std::isinf(number)) {
        out += number > 0 ? "+Inf" : "-Inf";
        return;
    }
    std::array<char, 32> text;
    char* const end = text.data() + text.size();
    if (std::abs(number) < kExactIntegers && std::trunc(number) == number) {
        out.append(text.data(),
                   std::to_chars(text.data(), end, static_cast<std::int64_t>(number)).ptr);
    } else {
        out.append(text.data(), std::to_chars(text.data(), end, number).ptr);
    }
}

// A bucket's bound as a float in both formats, "1.0": a scraper that changes the format sees the
// same series.
std::string to_le(double bound) {
    if (std::isinf(bound)) return "+Inf";
    std::array<char, 64> text;
    const auto end =
        std::to_chars(text.data(), text.data() + text.size(), bound, std::chars_format::fixed).ptr;
    std::string le(text.data(), end);
    if (le.find('.') == std::string::npos) le += ".0";
    return le;
}

void append_escaped(std::string& out, std::string_view text) {
    for (const char c : text) {
        switch (c) {
            case '\\':
                out += "\\\\";
                break;
            case '"':
                out += "\\\"";
                break;
            case '\n':
                out += "\\n";
                break;
            default:
                out += c;
        }
    }
}

std::string_view type_word(prometheus::MetricType type) {
    switch (type) {
        case prometheus::MetricType::Counter:
            return "counter";
        case prometheus::MetricType::Histogram:
            return "histogram";
        default:
            return "gauge";
    }
}

class Writer {
  public:
    Writer(std::string& out, Exposition format) : out_(out), format_(format) {}

    void family(const prometheus::MetricFamily& family) {
        name_ = family.name;
        write_head(family);
        for (const auto& metric : family.metric) {
            labels_.clear();
            for (const auto& label : metric.label) {
                if (!labels_.empty()) labels_ += ',';
                labels_ += label.name;
                labels_ += "=\"";
                append_escaped(labels_, label.value);
                labels_ += '"';
            }
            if (family.type == prometheus::MetricType::Histogram) {
                histogram(metric.histogram);
            } else {
                sample({}, family.type == prometheus::MetricType::Counter ? metric.counter.value
                                                                          : metric.gauge.value);
            }
        }
    }

  private:
    void write_head(const prometheus::MetricFamily& family) {
        std::string_view name = family.name;
        std::string_view type = type_word(family.type);
        // OpenMetrics names the family without the suffix, its sample with it.
        if (format_ == Exposition::openmetrics) {
            if (family.type == prometheus::MetricType::Counter) name.remove_suffix(kTotal.size());
            if (family.name == info(Family::target_info).name) {
                name.remove_suffix(kInfo.size());
                type = "info";
            }
        }
        out_.append("# HELP ").append(name).append(" ").append(family.help).append("\n");
        out_.append("# TYPE ").append(name).append(" ").append(type).append("\n");
    }

    template <typename Number>
    void sample(std::string_view suffix, Number value) {
        out_.append(name_).append(suffix);
        if (!labels_.empty()) out_.append("{").append(labels_).append("}");
        out_ += ' ';
        append(out_, value);
        out_ += '\n';
    }

    void histogram(const prometheus::ClientMetric::Histogram& histogram) {
        remember_bounds(histogram.bucket);
        start_.assign(name_).append("_bucket{").append(labels_);
        if (!labels_.empty()) start_ += ',';
        start_ += "le=\"";
        for (std::size_t i = 0; i < histogram.bucket.size(); ++i) {
            out_.append(start_).append(les_[i]).append("\"} ", 3);
            append(out_, histogram.bucket[i].cumulative_count);
            out_ += '\n';
        }
        sample("_sum", histogram.sample_sum);
        sample("_count", histogram.sample_count);
    }

    // The bounds of one histogram are mostly those of the one before.
    void remember_bounds(const std::vector<prometheus::ClientMetric::Bucket>& buckets) {
        const bool is_same = std::equal(
            buckets.begin(), buckets.end(), bounds_.begin(), bounds_.end(),
            [](const auto& bucket, double bound) { return bucket.upper_bound == bound; });
        if (is_same) return;
        bounds_.clear();
        les_.clear();
        for (const auto& bucket : buckets) {
            bounds_.push_back(bucket.upper_bound);
            les_.push_back(to_le(bucket.upper_bound));
        }
    }

    std::string& out_;
    const Exposition format_;
    std::string_view name_;
    std::string labels_;
    std::string start_;
    std::vector<double> bounds_;
    std::vector<std::string> les_;
};

// Enough for most pages, so that a large one is not copied while it grows.
std::size_t likely_size(const Page& page) {
    std::size_t size = 4096;
    for (const auto& family : page) {
        if (family.metric.empty()) continue;
        const auto& first = family.metric.front();
        std::size_t line = family.name.size() + 32;
        for (const auto& label : first.label)
            line += label.name.size() + label.value.size() + 4;
        const std::size_t lines = family.type == prometheus::MetricType::Histogram
                                      ? first.histogram.bucket.size() + 2
                                      : 1;
        size += family.metric.size() * lines * line;
    }
    return size;
}

// The length of the valid sequence at the front, 0 if there is none.
std::size_t utf8_length(std::string_view text) {
    const auto byte = [&](std::size_t i) {
        return i < text.size() ? static_cast<unsigned char>(text[i]) : 0U;
    };
    const auto follows = [&](std::size_t i, unsigned low = 0x80, unsigned high = 0xbf) {
        return byte(i) >= low && byte(i) <= high;
    };
    const unsigned first = byte(0);
    if (first < 0x80) return 1;
    if (first >= 0xc2 && first <= 0xdf) return follows(1) ? 2 : 0;
    if (first >= 0xe0 && first <= 0xef) {
        const bool is_second_good = follows(1, first == 0xe0 ? 0xa0 : 0x80,
                                            first == 0xed ? 0x9f : 0xbf);  // overlong, surrogate
        return is_second_good && follows(2) ? 3 : 0;
    }
    if (first >= 0xf0 && first <= 0xf4) {
        const bool is_second_good =
            follows(1, first == 0xf0 ? 0x90 : 0x80, first == 0xf4 ? 0x8f : 0xbf);
        return is_second_good && follows(2) && follows(3) ? 4 : 0;
    }
    return 0;
}

}  // namespace

std::string write_exposition(const Page& page, Exposition format) {
    std::string out;
    out.reserve(likely_size(page));
    Writer writer(out, format);
    for (const auto& family : page)
        writer.family(family);
    if (format == Exposition::openmetrics) out += "# EOF\n";
    return out;
}

prometheus::MetricFamily empty_family(const FamilyInfo& family) {
    prometheus::MetricFamily empty;
    empty.name = family.name;
    empty.help = family.help;
    empty.type = family.type == Type::counter ? prometheus::MetricType::Counter
                 : family.type == Type::gauge ? prometheus::MetricType::Gauge
                                              : prometheus::MetricType::Histogram;
    return empty;
}

std::vector<prometheus::ClientMetric::Label> to_labels(const FamilyInfo& family,
                                                       std::span<const std::string> values) {
    std::vector<prometheus::ClientMetric::Label> labels;
    labels.reserve(values.size());
    for (std::size_t i = 0; i < values.size(); ++i)
        labels.push_back({std::string(family.labels[i]), values[i]});
    return labels;
}

std::string valid_utf8(std::string_view text) {
    std::string out;
    out.reserve(text.size());
    while (!text.empty()) {
        const std::size_t length = utf8_length(text);
        out.append(length == 0 ? std::string_view("\xef\xbf\xbd") : text.substr(0, length));
        text.remove_prefix(length == 0 ? 1 : length);
    }
    return out;
}

}  // namespace weir::telemetry

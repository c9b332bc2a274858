#include "weir/config/report.hpp"

#include "weir/core/json.hpp"

#include "config/tree.hpp"

#include <algorithm>
#include <tuple>
#include <utility>

namespace weir::config {
namespace {

constexpr std::size_t kWidest = 160;  // of a source line as shown

auto rank(const Problem& problem) {
    return std::tuple(problem.place.file, problem.place.line, problem.place.column + problem.shift);
}

struct Colours {
    std::string_view severity, mark, end;
};
constexpr Colours kError{"\033[1;31m", "\033[1;32m", "\033[0m"};
constexpr Colours kWarning{"\033[1;33m", "\033[1;32m", "\033[0m"};
constexpr Colours kNone{"", "", ""};

bool continues_character(char c) {
    return (static_cast<unsigned char>(c) & 0xC0U) == 0x80U;
}

// The lines of the texts, with what is secret in them covered.
class Pages {
  public:
    Pages(const std::vector<SourceText>& sources, const std::vector<Problem>& problems) {
        for (const auto& source : sources)
            pages_.push_back({source.name, source.text});
        for (const auto& problem : problems) {
            if (problem.is_secret && problem.place.file < pages_.size())
                cover(pages_[problem.place.file].text, problem);
        }
    }
    [[nodiscard]] const std::vector<SourceText>& all() const { return pages_; }

  private:
    static void cover(std::string& text, const Problem& problem) {
        const auto line = Lines(text).at(problem.place);
        const auto begin = static_cast<std::size_t>(line.data() - text.data());
        std::fill_n(text.begin() + static_cast<std::ptrdiff_t>(begin),
                    std::min<std::size_t>(problem.width, line.size()), '*');
    }

    std::vector<SourceText> pages_;
};

// What a terminal may be shown of a file we do not trust: tabs visible, no control characters.
std::string shown(std::string_view text) {
    std::string out;
    for (const char c : text) {
        const auto byte = static_cast<unsigned char>(c);
        if (c == '\t') {
            out += "→";
        } else if (byte < 0x20 || byte == 0x7F) {
            out += '?';
        } else {
            out += c;
        }
    }
    return out;
}

std::size_t characters(std::string_view text) {
    return static_cast<std::size_t>(
        std::count_if(text.begin(), text.end(), [](char c) { return !continues_character(c); }));
}

// The word at the start of a text, for problems that do not say how wide they are.
std::size_t word_width(std::string_view text) {
    return std::min(text.find_first_of(" \t,:]}"), text.size());
}

std::string number_column(std::size_t number) {
    auto digits = std::to_string(number);
    return std::string(digits.size() < 5 ? 5 - digits.size() : 0, ' ') + digits + " | ";
}

void render_source(std::string& out,
                   const Problem& problem,
                   const Lines& lines,
                   const Colours& colours) {
    auto line = lines.line(problem.place.line);
    auto begin =
        std::min<std::size_t>(problem.place.column + std::size_t{problem.shift} - 1, line.size());
    std::size_t width = problem.width != 0 ? problem.width : word_width(line.substr(begin));
    bool is_cut = false;
    if (line.size() > kWidest) {
        auto from = begin > kWidest / 2 ? begin - kWidest / 2 : 0;
        while (from > 0 && continues_character(line[from]))
            --from;
        auto to = std::min(line.size(), from + kWidest);
        while (to < line.size() && continues_character(line[to]))
            ++to;
        is_cut = from > 0;
        line = line.substr(from, to - from);
        begin -= from;
    }
    width = std::min(width, line.size() - begin);
    out += number_column(problem.place.line) + (is_cut ? "…" : "") + shown(line) + "\n      | ";
    out.append(characters(line.substr(0, begin)) + (is_cut ? 1U : 0U), ' ');
    out += colours.mark;
    out.append(std::max<std::size_t>(characters(line.substr(begin, width)), 1), '^');
    out += colours.end;
    if (!problem.note.empty()) out += " " + shown(problem.note);
    out += '\n';
}

void render_problem(std::string& out,
                    const Problem& problem,
                    const std::vector<SourceText>& sources,
                    bool has_colour) {
    const bool is_error = problem.severity == Problem::Severity::error;
    const Colours& colours = !has_colour ? kNone : is_error ? kError : kWarning;
    const bool is_known = problem.place.file < sources.size();
    out += is_known ? sources[problem.place.file].name : std::string("configuration");
    if (!problem.place.is_built_in()) {
        out +=
            ":" + std::to_string(problem.place.line) + ":" + std::to_string(problem.place.column);
    }
    out += ": ";
    out += colours.severity;
    out += is_error ? "error" : "warning";
    out += "[W" + std::to_string(problem.code) + "]";
    out += colours.end;
    out += ": " + shown(problem.what) + "\n";
    if (is_known && !problem.place.is_built_in()) {
        render_source(out, problem, Lines(sources[problem.place.file].text), colours);
    } else if (!problem.note.empty()) {
        out += "      = " + shown(problem.note) + "\n";
    }
    if (!problem.help.empty()) out += "      = help: " + shown(problem.help) + "\n";
    out += '\n';
}

std::string counted(std::size_t count, std::string_view word) {
    return std::to_string(count) + " " + std::string(word) + (count == 1 ? "" : "s");
}

std::string_view file_of(const Problem& problem, const std::vector<SourceText>& sources) {
    return problem.place.file < sources.size() ? std::string_view(sources[problem.place.file].name)
                                               : std::string_view("configuration");
}

void write_json(JsonWriter& json,
                const std::vector<Problem>& problems,
                Problem::Severity severity,
                const std::vector<SourceText>& sources) {
    json.begin_array();
    for (const auto& problem : problems) {
        if (problem.severity != severity) continue;
        json.begin_object().field("code", "W" + std::to_string(problem.code));
        json.field("file", file_of(problem, sources));
        if (problem.place.is_built_in()) {
            json.key("line").null().key("column").null();
        } else {
            json.field("line", problem.place.line);
            json.field("column", std::uint32_t{problem.place.column});
        }
        json.field("message", problem.what).field("note", problem.note).field("help", problem.help);
        json.end_object();
    }
    json.end_array();
}

// Of a workflow command; a property's text must not end it either.
std::string github_text(std::string_view text, bool is_property) {
    std::string out;
    for (const char c : text) {
        const bool is_special =
            c == '%' || c == '\r' || c == '\n' || (is_property && (c == ':' || c == ','));
        if (!is_special) {
            out += c;
            continue;
        }
        constexpr std::string_view kDigits = "0123456789ABCDEF";
        const auto byte = static_cast<unsigned char>(c);
        out += '%';
        out += kDigits[byte >> 4U];
        out += kDigits[byte & 0xFU];
    }
    return out;
}

}  // namespace

void Report::add(Problem problem) {
    const bool is_error = problem.severity == Problem::Severity::error;
    if (is_error ? is_full() : warnings() >= kMostKept) return;
    const auto is_same = [&](const Problem& other) {
        return rank(other) == rank(problem) && other.code == problem.code &&
               other.what == problem.what;
    };
    if (std::any_of(problems_.begin(), problems_.end(), is_same)) return;
    if (is_error) ++errors_;
    problems_.push_back(std::move(problem));
}

std::vector<Problem> Report::sorted() const {
    auto sorted = problems_;
    std::stable_sort(sorted.begin(), sorted.end(),
                     [](const Problem& a, const Problem& b) { return rank(a) < rank(b); });
    return sorted;
}

std::string render(const Report& report,
                   const std::vector<SourceText>& sources,
                   std::string_view outcome,
                   bool has_colour) {
    const auto problems = report.sorted();
    std::string out;
    if (problems.empty()) return out;
    const auto count = std::min(problems.size(), kMostShown);
    const Pages pages(sources, problems);
    for (std::size_t i = 0; i < count; ++i)
        render_problem(out, problems[i], pages.all(), has_colour);
    if (problems.size() > count) {
        out += "... and " + std::to_string(problems.size() - count) + " more\n\n";
    }
    out += sources.empty() ? std::string("configuration") : sources.front().name;
    out += ": ";
    if (report.errors() != 0) out += counted(report.errors(), "error");
    if (report.errors() != 0 && report.warnings() != 0) out += ", ";
    if (report.warnings() != 0) out += counted(report.warnings(), "warning");
    if (!outcome.empty()) out += "; " + std::string(outcome);
    return out + "\n";
}

std::string render_json(const Report& report, const std::vector<SourceText>& sources) {
    std::string out;
    const auto problems = report.sorted();
    JsonWriter json(out);
    json.begin_object().field("valid", !report.has_errors());
    write_json(json.key("errors"), problems, Problem::Severity::error, sources);
    write_json(json.key("warnings"), problems, Problem::Severity::warning, sources);
    json.end_object();
    return out + "\n";
}

std::string render_github(const Report& report, const std::vector<SourceText>& sources) {
    std::string out;
    for (const auto& problem : report.sorted()) {
        const bool is_error = problem.severity == Problem::Severity::error;
        out += is_error ? "::error file=" : "::warning file=";
        out += github_text(file_of(problem, sources), true);
        if (!problem.place.is_built_in()) {
            out += ",line=" + std::to_string(problem.place.line) +
                   ",col=" + std::to_string(problem.place.column);
        }
        std::string message = problem.what;
        if (!problem.note.empty()) message += "\n" + problem.note;
        if (!problem.help.empty()) message += "\nhelp: " + problem.help;
        out +=
            ",title=W" + std::to_string(problem.code) + "::" + github_text(message, false) + "\n";
    }
    return out;
}

}  // namespace weir::config

#include "weir/core/version.hpp"
#include "weir/describe/vocabulary.hpp"
#include "weir/manual/pages.hpp"

#include "manual/text.hpp"

namespace weir::manual {
namespace {

constexpr std::string_view kDate = "2026-11-23";

constexpr std::string_view kDescription = R"(.SH DESCRIPTION
Weir is a sidecar proxy that keeps failures from spreading: it forwards HTTP with circuit breakers,
ejection of failing endpoints, safe retries and time limits, and tells what it does.
.PP
Start with
.B weir demo
or with
.BR "weir run \-\-from :8080 \-\-to 127.0.0.1:9000" ;
.B weir init
writes a first configuration.
)";

constexpr std::string_view kTail = R"(.SH SIGNALS
.TP
.B SIGHUP
Read the configuration again. If it is not valid the old one stays.
.TP
.BR SIGTERM ", " SIGINT
Drain: requests in flight end within
.BR drain ;
the second signal ends at once.
.SH EXIT STATUS
.TP
.B 0
Success.
.TP
.B 1
An invalid configuration, or a failure.
.TP
.B 2
Wrong usage.
.TP
.B 3
No running Weir answers.
.SH ENVIRONMENT
.TP
.B NO_COLOR
No colour in messages.
.TP
.BR WEIR_STATE_DIR ", " STATE_DIRECTORY
Where the last good endpoints of watched sources are kept, so that the next process begins with them
while their source is away: a folder; the first one that is set. Without it nothing is kept.
.SH EXAMPLES
.EX
weir init \-\-from :8080 \-\-to 127.0.0.1:9000
weir check weir.yaml
weir config explain clusters.app.timeout.request \-f weir.yaml
weir explain breaker_open
.EE
)";

std::string names_of(const Option& option) {
    std::string value;
    if (option.takes_value) {
        for (const auto& word : option.words)
            value += (value.empty() ? "" : "|") + word;
        if (value.empty() && !option.is_positional) value = "VALUE";
    }
    if (option.is_positional) return option.names + (value.empty() ? "" : ": " + value);
    std::string names;
    for (const char c : option.names)
        names += c == ',' ? std::string(", ") : std::string(1, c);
    return names + (value.empty() ? "" : " " + value);
}

void add_verb(std::string& out, const Verb& verb) {
    out += ".SS weir " + roff(verb.name);
    for (const auto& option : verb.options) {
        if (!option.is_positional) continue;
        out += option.is_required ? " " + roff(option.names) : " [" + roff(option.names) + "]";
    }
    out += "\n" + roff(verb.description) + ".\n";
    for (const auto& option : verb.options) {
        if (option.names == "-h,--help") continue;
        out += ".TP\n.B " + roff(names_of(option)) + "\n" + roff(option.description) + "\n";
    }
}

}  // namespace

std::string man_page(const std::vector<Verb>& verbs) {
    std::string out = ".\\\" Made by `weir man` from the program's tables.\n.TH WEIR 1 " +
                      std::string(kDate) + " \"weir " + std::string(kVersion) +
                      "\" \"User Commands\"\n.SH NAME\nweir \\- sidecar proxy that keeps failures "
                      "from spreading\n.SH SYNOPSIS\n.B weir\n.I verb\n.RI [ arguments ]\n";
    out += kDescription;
    out += ".SH VERBS\n";
    for (const auto& verb : verbs)
        add_verb(out, verb);
    out +=
        ".SH CONFIGURATION\nOne YAML file. Units are always written; what is not written is "
        "inherited: built\\-in, then\n.BR defaults ,\nthe cluster, the route.\n";
    const describe::Vocabulary vocabulary;
    for (const auto& block : vocabulary.blocks()) {
        for (const auto& row : vocabulary.rows(block)) {
            const auto& info = *row.info;
            out += ".TP\n.BR " + roff(info.path) + " \" (" + roff(info.type) + ")\"\n";
            std::string text(info.doc);
            if (!info.fallback.empty() && info.fallback != "-") {
                text += text.empty() ? "" : "; ";
                text += info.fallback == "required" ? "required"
                                                    : "default " + std::string(info.fallback);
            }
            out += (text.empty() ? "An object." : roff(text)) + "\n";
        }
    }
    out += kTail;
    return out;
}

}  // namespace weir::manual

#include "weir/manual/explain.hpp"

#include "weir/core/reason.hpp"
#include "weir/decode/suggest.hpp"
#include "weir/http/grpc.hpp"
#include "weir/http/headers.hpp"

#include "manual/words.hpp"

#include <algorithm>

namespace weir::manual {
namespace {

constexpr std::size_t kWidth = 78;
constexpr std::string_view kIndent = "    ";

std::string status_of(const Explanation& page) {
    if (page.kind != WordKind::reason) return {};
    const auto reason = reason_from(page.word);
    if (!reason || info(*reason).status == 0) return {};
    const auto code = static_cast<unsigned>(http::grpc_code(*reason));
    return " (status " + std::to_string(info(*reason).status) + ", gRPC " + std::to_string(code) +
           ")";
}

// Words in lines of at most kWidth.
void wrap(std::string& out, std::string_view text) {
    std::size_t column = 0;
    while (!text.empty()) {
        const auto end = std::min(text.find(' '), text.size());
        const auto word = text.substr(0, end);
        text.remove_prefix(std::min(end + 1, text.size()));
        if (column != 0 && column + 1 + word.size() > kWidth) {
            out += '\n';
            column = 0;
        }
        out += column == 0 ? kIndent : " ";
        out += word;
        column += (column == 0 ? kIndent.size() : 1) + word.size();
    }
    out += '\n';
}

void as_is(std::string& out, std::string_view lines) {
    while (!lines.empty()) {
        const auto end = std::min(lines.find('\n'), lines.size());
        out.append(kIndent).append(lines.substr(0, end)).append("\n");
        lines.remove_prefix(std::min(end + 1, lines.size()));
    }
}

}  // namespace

const std::vector<Explanation>& explanations() {
    static const std::vector<Explanation> kAll = [] {
        std::vector<Explanation> all;
        for (const auto pages :
             {reason_pages(), transition_pages(), refusal_pages(), problem_pages()})
            all.insert(all.end(), pages.begin(), pages.end());
        return all;
    }();
    return kAll;
}

std::optional<std::string> explain_word(std::string_view word) {
    for (const Explanation& page : explanations()) {
        if (!http::equals_ignoring_case(page.word, word)) continue;
        std::string text(page.word);
        text += status_of(page) + ": " + std::string(page.summary) + "\n\n";
        text += "  Cause\n";
        wrap(text, page.cause);
        text += page.kind == WordKind::problem ? "  Example\n" : "  Look at\n";
        as_is(text, page.example);
        text += page.kind == WordKind::problem ? "  Fix\n" : "  What to do\n";
        wrap(text, page.fix);
        return text;
    }
    return std::nullopt;
}

std::string_view nearest_word(std::string_view word) {
    std::string lower(word);
    for (char& c : lower)
        c = c >= 'A' && c <= 'Z' ? static_cast<char>(c + ('a' - 'A')) : c;
    std::vector<std::string_view> words;
    for (const auto& page : explanations())
        words.push_back(page.word);
    return config::nearest(lower, words);
}

}  // namespace weir::manual

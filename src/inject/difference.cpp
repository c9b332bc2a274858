#include "weir/inject/inject.hpp"

#include <algorithm>

namespace weir::inject {
namespace {

constexpr std::size_t kContext = 3;
constexpr int kMostChanges = 4000;  // more are shown as one: the memory grows by their square

std::vector<std::string_view> lines_of(std::string_view text) {
    std::vector<std::string_view> lines;
    while (!text.empty()) {
        const std::size_t end = std::min(text.find('\n'), text.size());
        lines.push_back(text.substr(0, end));
        text.remove_prefix(std::min(end + 1, text.size()));
    }
    return lines;
}

// A line of the difference: ' ', '-' or '+', and how many of either text are before it.
struct Line {
    char sign = ' ';
    std::string_view text;
    std::size_t old_before = 0;
    std::size_t new_before = 0;
};

// E. Myers, "An O(ND) Difference Algorithm": the furthest point of each diagonal, a round a change;
// then the way back.
class Script {
  public:
    Script(const std::vector<std::string_view>& before, const std::vector<std::string_view>& after)
        : a_(before), b_(after), offset_(static_cast<int>(a_.size() + b_.size())) {
        const int most = std::min(offset_, kMostChanges);
        std::vector<int> ends(static_cast<std::size_t>(2 * offset_) + 2, 0);
        for (int round = 0; round <= most; ++round) {
            rounds_.push_back(slice(ends, round));
            is_found_ = advance(ends, round);
            if (is_found_) break;
        }
    }

    [[nodiscard]] std::vector<Line> lines() const {
        std::vector<Line> out;
        int x = static_cast<int>(a_.size());
        int y = static_cast<int>(b_.size());
        if (!is_found_) return whole();
        for (int round = static_cast<int>(rounds_.size()) - 1; round > 0; --round) {
            const auto& ends = rounds_[static_cast<std::size_t>(round)];
            const auto at = [&](int k) { return ends[static_cast<std::size_t>(k + round + 1)]; };
            const int k = x - y;
            const bool is_down = k == -round || (k != round && at(k - 1) < at(k + 1));
            const int from = is_down ? k + 1 : k - 1;
            const int from_x = at(from);
            const int from_y = from_x - from;
            step_back(out, x, y, is_down ? from_x : from_x + 1);
            x = from_x;
            y = from_y;
            out.push_back(is_down ? made('+', x, y) : made('-', x, y));
        }
        step_back(out, x, y, 0);
        std::reverse(out.begin(), out.end());
        return out;
    }

  private:
    // Diagonals -round - 1 to round + 1: what this round may look at.
    [[nodiscard]] std::vector<int> slice(const std::vector<int>& ends, int round) const {
        const int first = std::max(offset_ - round - 1, 0);
        std::vector<int> out;
        for (int i = offset_ - round - 1; i <= offset_ + round + 1; ++i) {
            const bool is_there = i >= first && i < static_cast<int>(ends.size());
            out.push_back(is_there ? ends[static_cast<std::size_t>(i)] : 0);
        }
        return out;
    }

    bool advance(std::vector<int>& ends, int round) const {
        const auto at = [&](int k) -> int& { return ends[static_cast<std::size_t>(k + offset_)]; };
        for (int k = -round; k <= round; k += 2) {
            int x = 0;
            if (round > 0) {
                const bool is_down = k == -round || (k != round && at(k - 1) < at(k + 1));
                x = is_down ? at(k + 1) : at(k - 1) + 1;
            }
            int y = x - k;
            while (x < static_cast<int>(a_.size()) && y < static_cast<int>(b_.size()) &&
                   a_[static_cast<std::size_t>(x)] == b_[static_cast<std::size_t>(y)]) {
                ++x;
                ++y;
            }
            at(k) = x;
            if (x >= static_cast<int>(a_.size()) && y >= static_cast<int>(b_.size())) return true;
        }
        return false;
    }

    [[nodiscard]] std::vector<Line> whole() const {
        std::vector<Line> out;
        const int olds = static_cast<int>(a_.size());
        for (int x = 0; x < olds; ++x)
            out.push_back(made('-', x, 0));
        for (int y = 0; y < static_cast<int>(b_.size()); ++y)
            out.push_back(made('+', olds, y));
        return out;
    }

    [[nodiscard]] Line made(char sign, int x, int y) const {
        const auto old_at = static_cast<std::size_t>(x);
        const auto new_at = static_cast<std::size_t>(y);
        return {sign, sign == '+' ? b_[new_at] : a_[old_at], old_at, new_at};
    }

    void step_back(std::vector<Line>& out, int& x, int& y, int until) const {
        while (x > until) {
            --x;
            --y;
            out.push_back(made(' ', x, y));
        }
    }

    const std::vector<std::string_view>& a_;
    const std::vector<std::string_view>& b_;
    const int offset_;
    std::vector<std::vector<int>> rounds_;
    bool is_found_ = false;
};

std::string range(std::size_t before, std::size_t count) {
    return std::to_string(count == 0 ? before : before + 1) + "," + std::to_string(count);
}

void append_hunk(std::string& out,
                 const std::vector<Line>& lines,
                 std::size_t from,
                 std::size_t to) {
    std::size_t olds = 0;
    std::size_t news = 0;
    for (std::size_t i = from; i < to; ++i) {
        olds += lines[i].sign != '+' ? 1U : 0U;
        news += lines[i].sign != '-' ? 1U : 0U;
    }
    out += "@@ -" + range(lines[from].old_before, olds) + " +" +
           range(lines[from].new_before, news) + " @@\n";
    for (std::size_t i = from; i < to; ++i)
        out.append(1, lines[i].sign).append(lines[i].text).append("\n");
}

}  // namespace

std::string difference(std::string_view before, std::string_view after, std::string_view name) {
    if (before == after) return {};
    const auto old_lines = lines_of(before);
    const auto new_lines = lines_of(after);
    const std::vector<Line> lines = Script(old_lines, new_lines).lines();
    std::string out = "--- " + std::string(name) + "\n+++ " + std::string(name) + "\n";
    std::size_t at = 0;
    while (true) {
        while (at < lines.size() && lines[at].sign == ' ')
            ++at;
        if (at == lines.size()) return out;
        const std::size_t from = at - std::min(at, kContext);
        std::size_t last = at;  // the last change of this hunk
        while (at < lines.size() && at - last <= 2 * kContext) {
            if (lines[at].sign != ' ') last = at;
            ++at;
        }
        const std::size_t to = std::min(last + kContext + 1, lines.size());
        append_hunk(out, lines, from, to);
        at = to;
    }
}

}  // namespace weir::inject

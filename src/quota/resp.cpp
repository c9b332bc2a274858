#include "weir/quota/resp.hpp"

#include <charconv>
#include <optional>

namespace weir::quota {
namespace {

using State = ReplyParse::State;

// Takes one reply apart; recursion is bounded by limits.depth.
class Reader {
  public:
    Reader(std::string_view bytes, const ReplyLimits& limits)
        : bytes_(bytes.substr(0, limits.bytes)), limits_(limits) {}

    State read(Reply& into, unsigned depth);
    [[nodiscard]] std::size_t position() const { return at_; }

  private:
    // What is missing may come, unless the bound is reached without it.
    [[nodiscard]] State missing() const {
        return bytes_.size() >= limits_.bytes ? State::failed : State::need_more;
    }
    State line(std::string_view& into);
    State counted(std::string_view line, std::string& into);
    State items(std::string_view line, std::size_t each, Reply& into, unsigned depth);
    State attributed(std::string_view line, Reply& into, unsigned depth);
    State scalar(char type, std::string_view line, Reply& into);

    std::string_view bytes_;
    ReplyLimits limits_;
    std::size_t at_ = 0;
    std::size_t items_ = 0;
};

std::optional<std::int64_t> integer(std::string_view text) {
    if (text.starts_with('+')) text.remove_prefix(1);
    std::int64_t value = 0;
    const auto read = std::from_chars(text.data(), text.data() + text.size(), value);
    if (text.empty() || read.ec != std::errc{} || read.ptr != text.data() + text.size())
        return std::nullopt;
    return value;
}

State Reader::line(std::string_view& into) {
    const auto end = bytes_.find('\n', at_);
    if (end == std::string_view::npos) return missing();
    if (end == at_ || bytes_[end - 1] != '\r') return State::failed;
    into = bytes_.substr(at_, end - 1 - at_);
    at_ = end + 1;
    return into.find('\r') == std::string_view::npos ? State::done : State::failed;
}

State Reader::counted(std::string_view line, std::string& into) {
    const auto size = integer(line);
    if (!size || *size < 0 || static_cast<std::size_t>(*size) > limits_.bytes) return State::failed;
    const auto length = static_cast<std::size_t>(*size);
    if (bytes_.size() - at_ < length + 2) return missing();
    if (bytes_.substr(at_ + length, 2) != "\r\n") return State::failed;
    into.assign(bytes_.substr(at_, length));
    at_ += length + 2;
    return State::done;
}

State Reader::items(std::string_view line, std::size_t each, Reply& into, unsigned depth) {
    const auto size = integer(line);
    if (!size || *size < 0 || depth >= limits_.depth) return State::failed;
    const auto count = static_cast<std::size_t>(*size);
    if (count > limits_.items || items_ + count * each > limits_.items) return State::failed;
    items_ += count * each;
    for (std::size_t i = 0; i < count * each; ++i) {
        into.items.emplace_back();
        const State state = read(into.items.back(), depth + 1);
        if (state != State::done) return state;
    }
    return State::done;
}

// An attribute stands before the reply that it is about.
State Reader::attributed(std::string_view line, Reply& into, unsigned depth) {
    Reply ignored;
    const State state = items(line, 2, ignored, depth);
    if (state != State::done) return state;
    return depth >= limits_.depth ? State::failed : read(into, depth + 1);
}

State Reader::scalar(char type, std::string_view line, Reply& into) {
    switch (type) {
        case ':': {
            const auto value = integer(line);
            into.kind = Reply::Kind::integer;
            into.integer = value.value_or(0);
            return value ? State::done : State::failed;
        }
        case '#':
            into.kind = Reply::Kind::boolean;
            into.integer = line == "t" ? 1 : 0;
            return line == "t" || line == "f" ? State::done : State::failed;
        case '_':
            return line.empty() ? State::done : State::failed;
        case ',':
        case '(':
            into.kind = Reply::Kind::number;
            into.text.assign(line);
            return line.empty() ? State::failed : State::done;
        case '+':
        case '-':
            into.kind = type == '+' ? Reply::Kind::text : Reply::Kind::error;
            into.text.assign(line);
            return State::done;
        default:
            return State::failed;
    }
}

State Reader::read(Reply& into, unsigned depth) {
    if (at_ >= bytes_.size()) return missing();
    const char type = bytes_[at_++];
    if (std::string_view("+-:$*_#,(!=~>%|").find(type) == std::string_view::npos)
        return State::failed;
    std::string_view head;
    if (const State state = line(head); state != State::done) return state;
    switch (type) {
        case '$':
        case '=':
        case '!':
            if (type == '$' && head == "-1") return State::done;
            into.kind = type == '!' ? Reply::Kind::error : Reply::Kind::text;
            return counted(head, into.text);
        case '*':
        case '~':
        case '>':
            if (type == '*' && head == "-1") return State::done;
            into.kind = type == '>' ? Reply::Kind::push : Reply::Kind::array;
            return items(head, 1, into, depth);
        case '%':
            into.kind = Reply::Kind::array;
            return items(head, 2, into, depth);
        case '|':
            return attributed(head, into, depth);
        default:
            return scalar(type, head, into);
    }
}

void append_size(std::string& out, char type, std::size_t size) {
    char digits[20];
    const auto end = std::to_chars(digits, digits + sizeof(digits), size);
    out += type;
    out.append(digits, end.ptr);
    out += "\r\n";
}

}  // namespace

ReplyParse parse_reply(std::string_view bytes, const ReplyLimits& limits, Reply& into) {
    into = Reply{};
    Reader reader(bytes, limits);
    const State state = reader.read(into, 0);
    return {state, state == State::done ? reader.position() : 0};
}

void append_command(std::string& out, std::initializer_list<std::string_view> words) {
    append_size(out, '*', words.size());
    for (const auto word : words) {
        append_size(out, '$', word.size());
        out += word;
        out += "\r\n";
    }
}

}  // namespace weir::quota

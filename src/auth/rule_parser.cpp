#include "weir/auth/rule.hpp"

#include <array>
#include <charconv>
#include <utility>

// A rule's text to its nodes: a token at a time, by recursive descent.
namespace weir::auth {
namespace {

enum class Token : std::uint8_t { end, word, text, number, sign, wrong };

bool is_word_start(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}
bool is_digit(char c) {
    return c >= '0' && c <= '9';
}
bool is_word_part(char c) {
    return is_word_start(c) || is_digit(c) || c == '-' || c == '.' || c == ':' || c == '/';
}

constexpr std::string_view kWhat = "auth, principal, spiffe, san, cn and claims.NAME can be asked";

}  // namespace

class RuleParser {
  public:
    explicit RuleParser(std::string_view text) : text_(text) { advance(); }

    Rule::Parsed run() {
        parse_any(0);
        if (!problem_ && token_ != Token::end)
            fail("a rule ends before " + shown(), "join with and, or");
        if (problem_) return {std::nullopt, std::move(*problem_)};
        return {std::move(rule_), {}};
    }

  private:
    using Kind = Rule::Kind;
    using What = Rule::What;

    // ---- tokens

    void advance() {
        while (at_ < text_.size() &&
               (text_[at_] == ' ' || text_[at_] == '\n' || text_[at_] == '\t'))
            ++at_;
        start_ = at_;
        word_ = {};
        if (at_ == text_.size()) {
            token_ = Token::end;
            return;
        }
        const char c = text_[at_];
        if (is_word_start(c)) {
            take_while(Token::word, is_word_part);
        } else if (is_digit(c) || c == '-') {
            ++at_;
            take_while(Token::number, [](char each) { return is_digit(each) || each == '.'; });
        } else if (c == '"' || c == '\'') {
            take_text(c);
        } else {
            const auto two = text_.substr(at_, 2);
            const bool is_pair = two == "==" || two == "!=";
            token_ = is_pair || std::string_view("()[],").find(c) != std::string_view::npos
                         ? Token::sign
                         : Token::wrong;
            at_ += is_pair ? 2 : 1;
            word_ = text_.substr(start_, at_ - start_);
        }
    }

    template <typename Belongs>
    void take_while(Token token, Belongs belongs) {
        while (at_ < text_.size() && belongs(text_[at_]))
            ++at_;
        token_ = token;
        word_ = text_.substr(start_, at_ - start_);
    }

    void take_text(char quote) {
        const auto end = text_.find(quote, at_ + 1);
        token_ = end == std::string_view::npos ? Token::wrong : Token::text;
        const auto stop = std::min(end, text_.size());
        word_ = text_.substr(at_ + 1, stop - at_ - 1);
        at_ = std::min(stop + 1, text_.size());
    }

    [[nodiscard]] bool is(std::string_view word) const {
        return (token_ == Token::word || token_ == Token::sign) && word_ == word;
    }
    bool accept(std::string_view word) {
        if (!is(word)) return false;
        advance();
        return true;
    }

    // ---- complaints: the first one counts

    [[nodiscard]] std::string shown() const {
        if (token_ == Token::end) return "its end";
        return "'" + std::string(text_.substr(start_, at_ - start_)) + "'";
    }
    void fail(std::string what, std::string help) {
        if (problem_) return;
        problem_ = Rule::Problem{std::move(what), std::move(help), start_, at_ - start_};
        token_ = Token::end;
    }
    void expected(std::string_view what, std::string_view help) {
        fail("a rule has " + std::string(what) + " where this has " + shown(), std::string(help));
    }
    void expect_sign(std::string_view sign) {
        if (!accept(sign)) expected("'" + std::string(sign) + "'", "");
    }

    // ---- the grammar

    std::size_t add(Rule::Node node) {
        rule_.nodes_.push_back(std::move(node));
        if (rule_.nodes_.size() > 2 * Rule::kMostTests) fail("the rule is too long", "");
        return rule_.nodes_.size() - 1;
    }

    std::size_t parse_any(unsigned depth) { return parse_joined(Kind::any_of, "or", depth); }

    std::size_t parse_joined(Kind kind, std::string_view word, unsigned depth) {
        const auto part = [&] {
            return kind == Kind::any_of ? parse_joined(Kind::all_of, "and", depth)
                                        : parse_term(depth);
        };
        Rule::Node node;
        node.kind = kind;
        node.parts.push_back(part());
        while (!problem_ && accept(word))
            node.parts.push_back(part());
        return node.parts.size() == 1 ? node.parts.front() : add(std::move(node));
    }

    std::size_t parse_term(unsigned depth) {
        if (depth >= Rule::kMostDepth) {
            fail("the rule is nested too deeply", "");
            return 0;
        }
        if (accept("not")) return negated(parse_term(depth + 1));
        if (accept("(")) {
            const std::size_t inner = parse_any(depth + 1);
            expect_sign(")");
            return inner;
        }
        return parse_test();
    }

    std::size_t negated(std::size_t part) {
        Rule::Node node;
        node.kind = Kind::negation;
        node.parts.push_back(part);
        return add(std::move(node));
    }

    std::size_t parse_test() {
        Rule::Node node;
        if (accept("has")) {
            node.kind = Kind::has;
            parse_what(node);
            return add(std::move(node));
        }
        if (token_ == Token::text || token_ == Token::number || is("true") || is("false")) {
            node.kind = Kind::contains;
            node.values.push_back(parse_value());
            if (!accept("in")) expected("'in'", "write claims.x == value with the claim in front");
            parse_what(node);
            if (node.what == What::san) node.kind = Kind::equals;
            return add(std::move(node));
        }
        parse_what(node);
        return parse_comparison(std::move(node));
    }

    std::size_t parse_comparison(Rule::Node node) {
        node.kind = Kind::equals;
        if (accept("==")) {
            node.values.push_back(parse_value());
            return add(std::move(node));
        }
        if (accept("!=")) {
            node.values.push_back(parse_value());
            return negated(add(std::move(node)));
        }
        if (accept("like")) {
            node.kind = Kind::like;
            if (token_ != Token::text)
                expected("a pattern in quotes", "* is any run without a slash");
            node.values.push_back(parse_value());
            return add(std::move(node));
        }
        if (!accept("in")) {
            expected("==, !=, in or like", "has NAME asks whether it is there");
            return 0;
        }
        expect_sign("[");
        do {
            node.values.push_back(parse_value());
        } while (!problem_ && accept(","));
        expect_sign("]");
        return add(std::move(node));
    }

    void parse_what(Rule::Node& node) {
        static constexpr std::array<std::pair<std::string_view, What>, 5> kNames{
            {{"auth", What::auth},
             {"principal", What::principal},
             {"spiffe", What::spiffe},
             {"san", What::san},
             {"cn", What::cn}}};
        for (const auto& [name, what] : kNames) {
            if (!is(name)) continue;
            node.what = what;
            advance();
            return;
        }
        node.what = What::claim;
        if (token_ == Token::word && word_.starts_with("claims.") && word_.size() > 7) {
            node.path = word_.substr(7);
            advance();
        } else if (accept("claims")) {
            expect_sign("[");
            if (token_ != Token::text || word_.empty()) expected("a name in quotes", "");
            node.path = word_;
            advance();
            expect_sign("]");
        } else {
            fail(shown() + " is nothing a rule can ask", std::string(kWhat));
        }
    }

    Rule::Value parse_value() {
        Rule::Value value;
        value.text = word_;
        if (token_ == Token::number) {
            value.kind = JsonValue::Kind::number;
            const char* const end = word_.data() + word_.size();
            const auto read = std::from_chars(word_.data(), end, value.number);
            if (read.ec != std::errc{} || read.ptr != end) expected("a number", "");
        } else if (is("true") || is("false")) {
            value.kind = JsonValue::Kind::boolean;
        } else if (token_ != Token::text) {
            expected("a value", "\"text\", 'text', a number, true or false");
        }
        advance();
        return value;
    }

    std::string_view text_;
    std::size_t at_ = 0;
    std::size_t start_ = 0;  // of the token
    Token token_ = Token::end;
    std::string_view word_;  // its text, without quotes
    Rule rule_;
    std::optional<Rule::Problem> problem_;
};

Rule::Parsed Rule::parse(std::string_view text) {
    if (text.size() > kMostBytes)
        return {std::nullopt, {"the rule is longer than 4 KiB", "", 0, 0}};
    return RuleParser(text).run();
}

}  // namespace weir::auth

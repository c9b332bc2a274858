#include "weir/auth/key_file.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstring>
#include <map>
#include <set>

namespace weir::auth {
namespace {

constexpr std::size_t kMostProblems = 20;
constexpr std::size_t kMostNameBytes = 64;

std::string_view trimmed(std::string_view text) {
    const auto is_blank = [](char c) { return c == ' ' || c == '\t' || c == '\r'; };
    while (!text.empty() && is_blank(text.front()))
        text.remove_prefix(1);
    while (!text.empty() && is_blank(text.back()))
        text.remove_suffix(1);
    return text;
}

// Calls `take` with each line that says something, until there are too many problems.
template <typename Take>
void each_line(std::string_view text, const std::vector<FileProblem>& problems, Take take) {
    std::size_t number = 0;
    while (!text.empty() && problems.size() < kMostProblems) {
        const auto end = std::min(text.find('\n'), text.size());
        const std::string_view line = trimmed(text.substr(0, end));
        text.remove_prefix(std::min(end + 1, text.size()));
        ++number;
        if (!line.empty() && line.front() != '#') take(number, line);
    }
}

// The name in front of the colon, or a complaint.
std::optional<std::string> name_of(std::string_view line,
                                   std::size_t number,
                                   std::vector<FileProblem>& problems) {
    const auto colon = line.find(':');
    if (colon == std::string_view::npos) {
        problems.push_back(
            {number, "it has no colon between a name and what is stored of its key"});
        return std::nullopt;
    }
    const std::string_view name = line.substr(0, colon);
    const bool is_good = !name.empty() && name.size() <= kMostNameBytes &&
                         std::all_of(name.begin(), name.end(),
                                     [](char c) { return c > ' ' && c < 0x7f && c != '"'; });
    if (!is_good) {
        problems.push_back(
            {number, "the name in front of the colon has 1 to 64 visible characters"});
        return std::nullopt;
    }
    return std::string(name);
}

std::optional<int> number_at(std::string_view text, std::size_t at, std::size_t size) {
    if (text.size() < at + size) return std::nullopt;
    int value = 0;
    const char* const begin = text.data() + at;
    const auto read = std::from_chars(begin, begin + size, value);
    return read.ec == std::errc{} && read.ptr == begin + size && *begin != '-'
               ? std::optional(value)
               : std::nullopt;
}

// 2027-01-31, which lasts until its end, or 2027-01-31T12:00:00Z.
std::optional<WallTime> date_from(std::string_view text) {
    using std::chrono::year_month_day;
    const auto year = number_at(text, 0, 4);
    const auto month = number_at(text, 5, 2);
    const auto day = number_at(text, 8, 2);
    if (!year || !month || !day || text[4] != '-' || text[7] != '-') return std::nullopt;
    const year_month_day date{std::chrono::year(*year),
                              std::chrono::month(static_cast<unsigned>(*month)),
                              std::chrono::day(static_cast<unsigned>(*day))};
    if (!date.ok() || *year < 1970 || *year > 2200) return std::nullopt;
    const WallTime midnight = std::chrono::sys_days(date);
    if (text.size() == 10) return midnight + std::chrono::hours{24};
    const auto hour = number_at(text, 11, 2);
    const auto minute = number_at(text, 14, 2);
    const auto second = number_at(text, 17, 2);
    if (text.size() != 20 || text[10] != 'T' || text[13] != ':' || text[16] != ':' ||
        text[19] != 'Z' || !hour || !minute || !second || *hour > 23 || *minute > 59 ||
        *second > 59) {
        return std::nullopt;
    }
    return midnight + std::chrono::hours{*hour} + std::chrono::minutes{*minute} +
           std::chrono::seconds{*second};
}

}  // namespace

// ---- API keys

std::uint64_t ApiKeys::prefix(const crypto::Digest& digest) {
    std::uint64_t begin = 0;
    std::memcpy(&begin, digest.data(), sizeof begin);
    return begin;
}

ApiKeys::Parsed ApiKeys::parse(std::string_view text, WallTime now) {
    Parsed parsed;
    auto keys = std::make_shared<ApiKeys>();
    std::map<std::string, std::size_t> active;
    std::set<crypto::Digest> seen;
    each_line(text, parsed.problems, [&](std::size_t number, std::string_view line) {
        const auto complain = [&](std::string_view what) {
            parsed.problems.push_back({number, std::string(what)});
        };
        const auto name = name_of(line, number, parsed.problems);
        if (!name) return;
        std::string_view rest = trimmed(line.substr(name->size() + 1));
        const auto blank = std::min(rest.find_first_of(" \t"), rest.size());
        const auto digest = crypto::digest_from_hex(rest.substr(0, blank));
        if (!digest) {
            return complain(
                "behind the colon stand the 64 hexadecimal digits of the key's SHA-256");
        }
        Entry entry{*digest, *name, std::nullopt};
        rest = trimmed(rest.substr(blank));
        if (!rest.empty()) {
            entry.expires = rest.starts_with("expires=") ? date_from(rest.substr(8)) : std::nullopt;
            if (!entry.expires)
                return complain("behind the digits stands nothing, or expires=2027-01-31");
        }
        if (!seen.insert(*digest).second) return complain("this key is in the file already");
        const bool is_active = !entry.expires || now < *entry.expires;
        if (is_active && ++active[*name] > kMostActive)
            return complain("'" + *name + "' has more than two keys that are not expired");
        keys->index_.emplace(prefix(*digest), keys->entries_.size());
        keys->entries_.push_back(std::move(entry));
    });
    if (parsed.problems.empty()) parsed.keys = std::move(keys);
    return parsed;
}

std::vector<std::string> ApiKeys::names() const {
    std::vector<std::string> names;
    for (const Entry& entry : entries_)
        names.push_back(entry.name);
    return names;
}

ApiKeys::Found ApiKeys::find(std::string_view key, WallTime now) const {
    if (key.empty() || key.size() > kMostKeyBytes) return {};
    const crypto::Digest digest = crypto::sha256(key);
    const auto [begin, end] = index_.equal_range(prefix(digest));
    for (auto at = begin; at != end; ++at) {
        const Entry& entry = entries_[at->second];
        if (!crypto::equal_in_constant_time(crypto::bytes_of(entry.digest),
                                            crypto::bytes_of(digest)))
            continue;
        return {&entry.name, entry.expires && now >= *entry.expires};
    }
    return {};
}

// ---- passwords

namespace {

// How the text of a hash begins, and how long the digest behind its last $ is.
struct Scheme {
    std::string_view prefix;
    std::size_t digest;
};
constexpr std::array<Scheme, 5> kSchemes{
    {{"$2b$", 53}, {"$2y$", 53}, {"$2a$", 53}, {"$6$", 86}, {"$y$", 43}}};

// What anybody who sends a user's name can make us compute is bounded, to 2 s of bcrypt.
std::optional<std::string> cost_problem(std::string_view hash) {
    if (hash.starts_with("$2")) {
        const auto cost = number_at(hash, 4, 2);
        if (!cost || *cost < 5 || *cost > 15) return "the cost of bcrypt is 5 to 15";
    }
    if (hash.starts_with("$6$rounds=")) {
        const auto digits = hash.substr(10, hash.find('$', 10) - 10);
        const auto rounds = number_at(digits, 0, digits.size());
        if (!rounds || *rounds < 1000 || *rounds > 1'000'000)
            return "SHA-512-crypt has 1000 to 1000000 rounds";
    }
    // The letter says how many blocks: 7 to C are the costs 3 to 8 of crypt(5).
    const bool is_yescrypt = hash.starts_with("$y$");
    const char letter = hash.size() > 4 ? hash[4] : '\0';
    const bool is_known = (letter >= '7' && letter <= '9') || (letter >= 'A' && letter <= 'C');
    if (is_yescrypt && (hash[3] != 'j' || !is_known)) return "the cost of yescrypt is 3 to 8";
    return std::nullopt;
}

bool is_hash(std::string_view hash) {
    const auto* const scheme =
        std::find_if(kSchemes.begin(), kSchemes.end(),
                     [&](const Scheme& each) { return hash.starts_with(each.prefix); });
    if (scheme == kSchemes.end() || hash.find_first_of(" \t:") != std::string_view::npos)
        return false;
    return hash.size() - hash.rfind('$') - 1 == scheme->digest;
}

}  // namespace

Passwords::Parsed Passwords::parse(std::string_view text) {
    Parsed parsed;
    auto passwords = std::make_shared<Passwords>();
    std::map<std::string, std::pair<std::size_t, std::string>> kinds;  // how many, and one of them
    each_line(text, parsed.problems, [&](std::size_t number, std::string_view line) {
        const auto complain = [&](std::string_view what) {
            parsed.problems.push_back({number, std::string(what)});
        };
        const auto user = name_of(line, number, parsed.problems);
        if (!user) return;
        const std::string_view hash = trimmed(line.substr(user->size() + 1));
        if (!is_hash(hash)) {
            return complain(
                "behind the colon stands a hash of bcrypt ($2b$), SHA-512-crypt ($6$) or yescrypt "
                "($y$)");
        }
        if (auto problem = cost_problem(hash)) return complain(*problem);
        if (!passwords->hashes_.emplace(*user, hash).second)
            return complain("'" + *user + "' is in the file already");
        auto& [count, first] = kinds[std::string(hash.substr(0, 7))];
        if (count++ == 0) first = hash;
    });
    if (!parsed.problems.empty()) return parsed;
    std::size_t most = 0;
    for (const auto& [kind, of_kind] : kinds) {
        if (of_kind.first <= most) continue;
        most = of_kind.first;
        passwords->dummy_ = of_kind.second;
    }
    parsed.passwords = std::move(passwords);
    return parsed;
}

Passwords::Hash Passwords::hash_of(std::string_view user) const {
    const auto at = hashes_.find(std::string(user));
    return at == hashes_.end() ? Hash{dummy_, false} : Hash{at->second, true};
}

}  // namespace weir::auth

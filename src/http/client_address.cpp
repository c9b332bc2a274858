#include "weir/http/client_address.hpp"

#include "weir/core/address.hpp"

#include <algorithm>
#include <iterator>

namespace weir::http {
namespace {

std::string_view trim(std::string_view text) {
    while (!text.empty() && (text.front() == ' ' || text.front() == '\t'))
        text.remove_prefix(1);
    while (!text.empty() && (text.back() == ' ' || text.back() == '\t'))
        text.remove_suffix(1);
    return text;
}

// Walks the list from its end, as only what trusted proxies wrote there is worth anything.
class Walk {
  public:
    Walk(std::string_view peer, const std::vector<config::Cidr>& trusted, std::uint32_t hops)
        : trusted_(trusted), hops_(hops), client_(peer) {}

    // False when the walk is over.
    bool take_field(std::string_view entries) {
        while (true) {
            const std::size_t comma = entries.rfind(',');
            const bool is_first = comma == std::string_view::npos;
            if (!take(trim(is_first ? entries : entries.substr(comma + 1)))) return false;
            if (is_first) return true;
            entries = entries.substr(0, comma);
        }
    }
    [[nodiscard]] std::string_view client() const { return client_; }

  private:
    bool take(std::string_view entry) {
        const auto address = Address::from_ip(entry, 0);
        if (!address) return false;
        client_ = entry;
        ++hop_;
        if (hops_ > 0) return hop_ < hops_;
        return std::any_of(trusted_.begin(), trusted_.end(),
                           [&](const config::Cidr& range) { return range.contains(*address); });
    }

    const std::vector<config::Cidr>& trusted_;
    const std::uint32_t hops_;
    std::uint32_t hop_ = 0;
    std::string_view client_;
};

}  // namespace

std::string_view real_client(const HeaderList& headers,
                             std::string_view peer,
                             const std::vector<config::Cidr>& trusted,
                             std::uint32_t hops) {
    Walk walk(peer, trusted, hops);
    for (auto field = std::make_reverse_iterator(headers.end());
         field != std::make_reverse_iterator(headers.begin()); ++field) {
        if (field->id == HeaderId::x_forwarded_for && !walk.take_field(field->value)) break;
    }
    return walk.client();
}

}  // namespace weir::http

#include "weir/auth/allowed.hpp"

#include <algorithm>

namespace weir::auth {

bool is_allowed(std::string_view entry, std::string_view name) {
    if (entry == name) return true;
    if (entry.ends_with("/*")) {
        entry.remove_suffix(1);
        return name.size() > entry.size() && name.starts_with(entry);
    }
    if (!entry.starts_with("*.")) return false;
    const auto dot = name.find('.');
    return dot != std::string_view::npos && dot > 0 && name.substr(dot) == entry.substr(1);
}

bool has_allowed(const std::vector<std::string>& entries, const std::vector<std::string>& names) {
    return std::any_of(names.begin(), names.end(), [&](const std::string& name) {
        return std::any_of(entries.begin(), entries.end(),
                           [&](const std::string& entry) { return is_allowed(entry, name); });
    });
}

}  // namespace weir::auth

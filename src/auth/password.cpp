#include "weir/auth/key_file.hpp"

#include <crypt.h>
#include <memory>

namespace weir::auth {
namespace {

constexpr std::size_t kMostPasswordBytes = 256;

}  // namespace

// crypt takes what stands before a NUL for all of it.
bool matches_hash(std::string_view password, std::string_view hash) {
    if (password.size() > kMostPasswordBytes || hash.empty() ||
        password.find('\0') != std::string_view::npos) {
        return false;
    }
    const auto memory = std::make_unique<crypt_data>();
    const char* const found =
        crypt_r(std::string(password).c_str(), std::string(hash).c_str(), memory.get());
    const bool is_right =
        found != nullptr && *found != '*' && crypto::equal_in_constant_time(found, hash);
    explicit_bzero(memory.get(), sizeof *memory);
    return is_right;
}

}  // namespace weir::auth

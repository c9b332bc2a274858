#pragma once

#include <string>
#include <string_view>
#include <utility>

namespace weir::config {

// A value that is read from a file or a variable when the configuration is loaded, and is in no
// dump, message or log: whoever needs it asks for it by name. Equal if the values are, so that a
// reload sees a rotated key. A value.
class Secret {
  public:
    Secret() = default;
    explicit Secret(std::string value) : value_(std::move(value)) {}

    [[nodiscard]] std::string_view reveal() const { return value_; }

    bool operator==(const Secret&) const = default;

  private:
    std::string value_;
};

}  // namespace weir::config

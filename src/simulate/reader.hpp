#pragma once

#include "weir/config/document.hpp"
#include "weir/config/report.hpp"
#include "weir/config/values.hpp"

#include <functional>
#include <string>
#include <string_view>
#include <vector>

namespace weir::simulate {

// Reads a map of a scenario key by key; what is wrong goes to the report, with its place, and the
// field keeps what it had. Thread: its owner's.
class Reader {
  public:
    explicit Reader(config::Report& report) : report_(report) {}

    struct Key {
        std::string_view name;
        std::function<void(const config::Node&)> take;
    };
    // Each key once; unknown ones are refused.
    void map(const config::Node& node, std::string_view path, const std::vector<Key>& keys);
    // The items of a list, or the one value that stands for it.
    void list(const config::Node& node, const std::function<void(const config::Node&)>& take);

    void duration(const config::Node& node, Duration& into, bool may_be_zero = true);
    void rate(const config::Node& node, double& into);
    void percent(const config::Node& node, double& into);
    void number(const config::Node& node,
                std::uint32_t& into,
                std::uint64_t least,
                std::uint64_t most);
    void number(const config::Node& node, std::uint64_t& into);
    void text(const config::Node& node, std::string& into);
    // The index among `words`, or their number if it is none of them.
    std::size_t word(const config::Node& node, const std::vector<std::string_view>& words);

    void complain(const config::Node& node, config::Complaint complaint);
    [[nodiscard]] bool is_scalar(const config::Node& node, std::string_view type);

  private:
    template <typename T>
    bool take(const config::Node& node,
              std::string_view type,
              config::Read<T> (*read)(std::string_view),
              T& into);

    config::Report& report_;
};

}  // namespace weir::simulate

#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>

namespace weir::config {

// What a configuration may ask of its surroundings.
struct Environment {
    std::function<std::optional<std::string>(std::string_view name)> variable;  // for ${NAME}
    std::string host_name;                                                      // for node.name
    bool reads_files = true;  // that it names: include, {file: path}

    // getenv() and gethostname(). Main thread only.
    [[nodiscard]] static Environment system();
};

}  // namespace weir::config

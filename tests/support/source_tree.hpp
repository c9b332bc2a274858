#pragma once

#include <filesystem>

namespace weir::test {

// The folder of the sources these tests were built from, for those that read files of it. A
// function, so that no other object names the folder and a compiler cache serves every clone.
[[nodiscard]] std::filesystem::path source_tree();

}  // namespace weir::test

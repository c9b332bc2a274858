#include "support/source_tree.hpp"

namespace weir::test {

std::filesystem::path source_tree() {
    return WEIR_SOURCE_DIR;
}

}  // namespace weir::test

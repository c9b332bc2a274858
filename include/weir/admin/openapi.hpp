#pragma once

#include <string>

namespace weir::admin {

// The admin API as an OpenAPI 3.1 document, made from the table of routes and that of shapes. The
// same text each time. Thread: any.
[[nodiscard]] std::string openapi();

}  // namespace weir::admin

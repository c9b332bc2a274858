#include "weir/core/error.hpp"

#include <cstdio>
#include <cstdlib>
#include <stdexcept>
#include <string>

namespace weir {

void throw_exception_from_error(const Error& error, const boost::source_location& at) {
    throw std::logic_error(std::string(at.file_name()) + ": value() of an error: " +
                           std::string(word(error.reason)) + " " + error.detail);
}

void assertion_failed(const char* condition, const char* file, int line) {
    std::fprintf(stderr, "weir: %s:%d: assertion failed: %s\n", file, line, condition);
    std::abort();
}

}  // namespace weir

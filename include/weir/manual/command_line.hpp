#pragma once

#include <string>
#include <vector>

// The command line as plain values, for the man page and shell completion.
namespace weir::manual {

struct Option {
    std::string names;  // "-o,--format"; of an argument without dashes: "FILE"
    std::string description;
    std::vector<std::string> words;  // what it takes, if that is one of a few words
    bool takes_value = false;
    bool is_positional = false;
    bool is_required = false;
};

struct Verb {
    std::string name;  // "run", "config dump"
    std::string description;
    std::string group;  // under which --help lists it
    std::vector<Option> options;
};

}  // namespace weir::manual

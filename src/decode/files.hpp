#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace weir::config {

// Reads the files that a configuration names, and remembers which they were. Thread: main.
class Files {
  public:
    // May read at all: a configuration from an untrusted place (a fuzzer) names no files.
    explicit Files(bool may_read) : may_read_(may_read) {}

    struct Content {
        std::string text;
        std::string problem;  // why there is no text: "No such file or directory"
    };
    // At most `most` bytes; a longer file is a problem.
    // Of a pipe only if it may wait for who writes there.
    [[nodiscard]] Content read(const std::string& path, std::size_t most, bool may_wait = false);

    // A change of this file, or in its folder, may change the configuration. Where the file is a
    // link, the folder it leads to counts, too.
    void watch_file(const std::string& path);
    void watch_folder(const std::string& path);

    [[nodiscard]] bool may_read() const { return may_read_; }
    [[nodiscard]] const std::vector<std::string>& all() const { return files_; }
    [[nodiscard]] const std::vector<std::string>& watched() const { return watched_; }

  private:
    bool may_read_;
    std::vector<std::string> files_;
    std::vector<std::string> watched_;
};

// "conf/weir.yaml" is in "conf"; empty for the working directory.
[[nodiscard]] std::string folder_of(const std::string& path);
// A path that a file in this folder names.
[[nodiscard]] std::string resolved(const std::string& folder, const std::string& path);

}  // namespace weir::config

#include "configurator.hpp"

#include <cerrno>
#include <climits>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fcntl.h>
#include <filesystem>
#include <memory>
#include <stdexcept>
#include <sys/stat.h>
#include <unistd.h>

namespace weir::runtime {
namespace {

[[noreturn]] void fail(const std::string& path) {
    throw std::runtime_error("cannot write " + path + ": " + std::strerror(errno));
}

bool write_all(int fd, std::string_view text) {
    while (!text.empty()) {
        const ssize_t written = ::write(fd, text.data(), text.size());
        if (written < 0 && errno == EINTR) continue;
        if (written < 0) return false;
        text.remove_prefix(static_cast<std::size_t>(written));
    }
    return true;
}

// So that the name lasts, too.
void sync_folder(const std::string& path) {
    const std::string folder = std::filesystem::path(path).parent_path();
    const int fd = ::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) return;
    ::fsync(fd);
    ::close(fd);
}

}  // namespace

FileReplacement::FileReplacement(const std::string& path, std::string_view text) {
    std::error_code ec;
    path_ = std::filesystem::canonical(path, ec);
    if (ec) throw std::runtime_error("cannot write " + path + ": " + ec.message());
    struct stat status {};
    if (::stat(path_.c_str(), &status) != 0) fail(path);
    fresh_ = path_ + ".XXXXXX";
    const int fd = ::mkostemp(fresh_.data(), O_CLOEXEC);
    if (fd < 0) {
        fresh_.clear();
        fail(path);
    }
    // The owner may be another: then the file becomes ours, with its mode.
    static_cast<void>(!::fchown(fd, status.st_uid, status.st_gid));
    const bool is_written =
        ::fchmod(fd, status.st_mode & 07777) == 0 && write_all(fd, text) && ::fsync(fd) == 0;
    const int error = errno;
    ::close(fd);
    if (is_written) return;
    ::unlink(fresh_.c_str());
    errno = error;
    fail(path);
}

FileReplacement::~FileReplacement() {
    if (!is_replaced_) ::unlink(fresh_.c_str());
}

void FileReplacement::replace() {
    if (::rename(fresh_.c_str(), path_.c_str()) != 0) fail(path_);
    is_replaced_ = true;
    sync_folder(path_);
}

}  // namespace weir::runtime

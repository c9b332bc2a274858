#include "telemetry/log_writer.hpp"

#include "weir/core/log.hpp"

#include <algorithm>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/stat.h>
#include <system_error>
#include <unistd.h>

namespace weir::telemetry {
namespace {

constexpr std::size_t kHandOver = std::size_t{64} * 1024;
constexpr std::size_t kLeastHandOver = std::size_t{4} * 1024;
constexpr std::size_t kSpares = 4;
constexpr std::size_t kPipePiece = 4096;  // PIPE_BUF: poll() promises room for it
constexpr int kPollMilliseconds = 100;
constexpr int kPollsBeforeGivingUp = 20;

// Not blocking: to open a pipe that nobody reads is an error, not a wait.
int open_file(const std::string& path) {
    return ::open(path.c_str(), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NONBLOCK, 0640);
}

}  // namespace

LogWriter::LogWriter(const AccessLog::Options& options, Registry& metrics)
    : registry_(metrics),
      buffer_full_(metrics.counter(Family::access_log_dropped, {"buffer_full"})),
      write_error_(metrics.counter(Family::access_log_dropped, {"write_error"})),
      path_(options.to == "stdout" || options.to == "stderr" ? "" : options.to),
      limit_(options.buffer),
      hand_over_(std::clamp(options.buffer / 4, kLeastHandOver, kHandOver)) {
    if (path_.empty()) {
        fd_ = options.to == "stdout" ? STDOUT_FILENO : STDERR_FILENO;
    } else {
        fd_ = open_file(path_);
        if (fd_ < 0) throw std::system_error(errno, std::generic_category(), "access log " + path_);
    }
    struct stat status {};
    is_file_ = ::fstat(fd_, &status) == 0 &&
               (S_ISREG(status.st_mode) || (S_ISCHR(status.st_mode) && ::isatty(fd_) == 0));

    // The thread takes no signal of the process; SIGPIPE stays pending there and does no harm.
    sigset_t all;
    sigset_t before;
    ::sigfillset(&all);
    ::pthread_sigmask(SIG_SETMASK, &all, &before);
    thread_ = std::thread([this] { run(); });
    ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
}

LogWriter::~LogWriter() {
    thread_.join();
}

void LogWriter::leave() {
    if (users_.fetch_sub(1, std::memory_order_acq_rel) > 1) return;
    {
        const std::lock_guard lock(mutex_);
        is_stopping_ = true;
    }
    has_work_.notify_all();
}

bool LogWriter::is_terminal() const {
    return ::isatty(fd_) == 1;
}

bool LogWriter::push(LogPiece& piece) {
    {
        const std::lock_guard lock(mutex_);
        const std::size_t waiting = queued_.load(std::memory_order_relaxed);
        // A piece larger than the whole buffer passes when it is alone.
        if (waiting != 0 && waiting + piece.size > limit_) return false;
        queued_.store(waiting + piece.size, std::memory_order_relaxed);
        pieces_.push_back(std::move(piece));
    }
    has_work_.notify_one();
    return true;
}

void LogWriter::push_reopen() {
    {
        const std::lock_guard lock(mutex_);
        pieces_.emplace_back();
    }
    has_work_.notify_one();
}

std::unique_ptr<char[]> LogWriter::take_spare() {
    const std::lock_guard lock(mutex_);
    if (spares_.empty()) return nullptr;
    auto spare = std::move(spares_.back());
    spares_.pop_back();
    return spare;
}

void LogWriter::run() {
    std::unique_lock lock(mutex_);
    for (;;) {
        has_work_.wait(lock, [&] { return !pieces_.empty() || is_stopping_; });
        if (pieces_.empty()) break;
        LogPiece piece = std::move(pieces_.front());
        pieces_.pop_front();
        is_writing_ = true;
        lock.unlock();
        if (piece.bytes == nullptr) {
            reopen_file();
        } else {
            write_piece(piece);
        }
        lock.lock();
        is_writing_ = false;
        queued_.store(queued_.load(std::memory_order_relaxed) - piece.size,
                      std::memory_order_relaxed);
        if (piece.capacity == hand_over_ && spares_.size() < kSpares) {
            spares_.push_back(std::move(piece.bytes));
        }
        if (pieces_.empty()) is_idle_.notify_all();
    }
    if (!path_.empty()) ::close(fd_);
    is_over_.store(true, std::memory_order_release);
}

void LogWriter::write_piece(LogPiece& piece) {
    const bool is_written = write_all(piece.bytes.get(), piece.size);
    if (!is_written) {
        registry_.add(write_error_, piece.records);
        if (!has_failed_) {
            log::warn("access log cannot be written",
                      {{"to", path_}, {"error", std::generic_category().message(errno)}});
        }
    }
    has_failed_ = !is_written;
}

// Only a regular file is written to in one go: a pipe nobody reads would hold the thread, and with
// it the end of the process.
bool LogWriter::write_all(const char* bytes, std::size_t size) {
    while (size > 0) {
        if (!is_file_ && !wait_writable()) return false;
        const ssize_t written = ::write(fd_, bytes, is_file_ ? size : std::min(size, kPipePiece));
        if (written < 0) {
            if (errno == EINTR || (errno == EAGAIN && !is_file_)) continue;
            return false;
        }
        bytes += written;
        size -= static_cast<std::size_t>(written);
    }
    return true;
}

// While nothing ends, for as long as it takes: meanwhile records are dropped and counted.
bool LogWriter::wait_writable() {
    for (int polls = has_given_up_ ? kPollsBeforeGivingUp : 0; polls < kPollsBeforeGivingUp;) {
        pollfd wanted{fd_, POLLOUT, 0};
        if (::poll(&wanted, 1, kPollMilliseconds) > 0) return true;
        if (is_stopping_) ++polls;
    }
    has_given_up_ = true;
    errno = ETIMEDOUT;
    return false;
}

void LogWriter::reopen_file() {
    if (path_.empty()) return;
    const int opened = open_file(path_);
    if (opened < 0) {
        log::warn("access log cannot be opened again, the old file is kept",
                  {{"to", path_}, {"error", std::generic_category().message(errno)}});
        return;
    }
    ::close(fd_);
    fd_ = opened;
}

void LogWriter::drain() {
    std::unique_lock lock(mutex_);
    is_idle_.wait(lock, [&] { return pieces_.empty() && !is_writing_; });
}

}  // namespace weir::telemetry

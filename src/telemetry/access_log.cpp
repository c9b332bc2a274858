#include "weir/telemetry/access_log.hpp"

#include "weir/core/log.hpp"
#include "weir/telemetry/metrics.hpp"

#include "telemetry/access_record.hpp"

#include <algorithm>
#include <condition_variable>
#include <deque>
#include <fcntl.h>
#include <mutex>
#include <poll.h>
#include <signal.h>
#include <sys/stat.h>
#include <system_error>
#include <thread>
#include <unistd.h>

namespace weir::telemetry {
namespace {

constexpr std::size_t kHandOver = std::size_t{64} * 1024;
constexpr std::size_t kLeastHandOver = std::size_t{4} * 1024;
constexpr std::size_t kSpares = 4;
constexpr std::size_t kPipePiece = 4096;  // PIPE_BUF: poll() promises room for it
constexpr int kPollMilliseconds = 100;
constexpr int kPollsBeforeGivingUp = 20;

struct Piece {
    std::unique_ptr<char[]> bytes;  // none: open the file again
    std::size_t size = 0;
    std::size_t capacity = 0;
    std::uint32_t records = 0;
};

int open_file(const std::string& path) {
    return ::open(path.c_str(), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0640);
}

}  // namespace

// The thread that writes, and what is between it and the workers.
struct AccessLog::Writer {
    Writer(const Options& options, Registry& metrics);
    ~Writer();

    bool push(Piece& piece);
    void push_reopen();
    std::unique_ptr<char[]> take_spare();
    void run();
    void write_piece(Piece& piece);
    bool write_all(const char* bytes, std::size_t size);
    bool wait_writable();
    void reopen_file();
    void lose(std::uint32_t records, CellId reason);

    Registry& registry;
    CellId buffer_full;
    CellId write_error;
    const std::string path;  // empty for standard streams
    const std::size_t limit;
    const std::size_t hand_over;  // a piece's size
    int fd = -1;
    bool is_file = false;     // a regular one, or /dev/null: never blocks for long
    bool has_failed = false;  // the last write; one warning for each row of failures

    std::atomic<std::size_t> queued{0};  // bytes; a hint to the workers, exact under the mutex
    std::atomic<bool> is_stopping{false};
    std::mutex mutex;
    std::condition_variable has_work;
    std::condition_variable is_idle;
    std::deque<Piece> pieces;
    std::vector<std::unique_ptr<char[]>> spares;
    bool is_writing = false;
    std::thread thread;
};

AccessLog::Writer::Writer(const Options& options, Registry& metrics)
    : registry(metrics),
      buffer_full(metrics.counter(Family::access_log_dropped, {"buffer_full"})),
      write_error(metrics.counter(Family::access_log_dropped, {"write_error"})),
      path(options.to == "stdout" || options.to == "stderr" ? "" : options.to),
      limit(options.buffer),
      hand_over(std::clamp(options.buffer / 4, kLeastHandOver, kHandOver)) {
    if (path.empty()) {
        fd = options.to == "stdout" ? STDOUT_FILENO : STDERR_FILENO;
    } else {
        fd = open_file(path);
        if (fd < 0) throw std::system_error(errno, std::generic_category(), "access log " + path);
    }
    struct stat status {};
    is_file = ::fstat(fd, &status) == 0 &&
              (S_ISREG(status.st_mode) || (S_ISCHR(status.st_mode) && ::isatty(fd) == 0));

    // The thread takes no signal of the process; SIGPIPE stays pending there and does no harm.
    sigset_t all;
    sigset_t before;
    ::sigfillset(&all);
    ::pthread_sigmask(SIG_SETMASK, &all, &before);
    thread = std::thread([this] { run(); });
    ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
}

AccessLog::Writer::~Writer() {
    is_stopping = true;
    { const std::lock_guard lock(mutex); }
    has_work.notify_all();
    thread.join();
    if (!path.empty()) ::close(fd);
}

bool AccessLog::Writer::push(Piece& piece) {
    {
        const std::lock_guard lock(mutex);
        const std::size_t waiting = queued.load(std::memory_order_relaxed);
        // A piece larger than the whole buffer passes when it is alone.
        if (waiting != 0 && waiting + piece.size > limit) return false;
        queued.store(waiting + piece.size, std::memory_order_relaxed);
        pieces.push_back(std::move(piece));
    }
    has_work.notify_one();
    return true;
}

void AccessLog::Writer::push_reopen() {
    {
        const std::lock_guard lock(mutex);
        pieces.emplace_back();
    }
    has_work.notify_one();
}

std::unique_ptr<char[]> AccessLog::Writer::take_spare() {
    const std::lock_guard lock(mutex);
    if (spares.empty()) return nullptr;
    auto spare = std::move(spares.back());
    spares.pop_back();
    return spare;
}

void AccessLog::Writer::run() {
    std::unique_lock lock(mutex);
    for (;;) {
        has_work.wait(lock, [&] { return !pieces.empty() || is_stopping; });
        if (pieces.empty()) return;
        Piece piece = std::move(pieces.front());
        pieces.pop_front();
        is_writing = true;
        lock.unlock();
        if (piece.bytes == nullptr) {
            reopen_file();
        } else {
            write_piece(piece);
        }
        lock.lock();
        is_writing = false;
        queued.store(queued.load(std::memory_order_relaxed) - piece.size,
                     std::memory_order_relaxed);
        if (piece.capacity == hand_over && spares.size() < kSpares) {
            spares.push_back(std::move(piece.bytes));
        }
        if (pieces.empty()) is_idle.notify_all();
    }
}

void AccessLog::Writer::write_piece(Piece& piece) {
    const bool is_written = write_all(piece.bytes.get(), piece.size);
    if (!is_written) {
        lose(piece.records, write_error);
        if (!has_failed) {
            log::warn("access log cannot be written",
                      {{"to", path}, {"error", std::generic_category().message(errno)}});
        }
    }
    has_failed = !is_written;
}

// Only a regular file is written to in one go: a pipe nobody reads would hold the thread, and with
// it the end of the process.
bool AccessLog::Writer::write_all(const char* bytes, std::size_t size) {
    while (size > 0) {
        if (!is_file && !wait_writable()) return false;
        const ssize_t written = ::write(fd, bytes, is_file ? size : std::min(size, kPipePiece));
        if (written < 0) {
            if (errno == EINTR || (errno == EAGAIN && !is_file)) continue;
            return false;
        }
        bytes += written;
        size -= static_cast<std::size_t>(written);
    }
    return true;
}

bool AccessLog::Writer::wait_writable() {
    for (int polls = 0; polls < kPollsBeforeGivingUp;) {
        pollfd wanted{fd, POLLOUT, 0};
        if (::poll(&wanted, 1, kPollMilliseconds) > 0) return true;
        if (is_stopping) ++polls;
    }
    errno = ETIMEDOUT;
    return false;
}

void AccessLog::Writer::reopen_file() {
    if (path.empty()) return;
    const int opened = open_file(path);
    if (opened < 0) {
        log::warn("access log cannot be opened again, the old file is kept",
                  {{"to", path}, {"error", std::generic_category().message(errno)}});
        return;
    }
    ::close(fd);
    fd = opened;
}

void AccessLog::Writer::lose(std::uint32_t records, CellId reason) {
    registry.add(reason, records);
}

AccessLog::AccessLog(const Options& options, Registry& registry)
    : is_on_(options.to != "off"), is_text_(options.format == Format::text) {
    if (!is_on_) return;
    writer_ = std::make_unique<Writer>(options, registry);
    if (options.format == Format::auto_detect) is_text_ = ::isatty(writer_->fd) == 1;
}

AccessLog::~AccessLog() = default;

void AccessLog::reopen() {
    if (is_on_) writer_->push_reopen();
}

void AccessLog::write_line(std::string_view line, WallTime at) {
    if (!is_on_ || !is_text_) return;
    constexpr std::size_t kTimeSize = 12;
    Piece piece;
    piece.capacity = line.size() + kTimeSize + 3;
    piece.bytes = std::make_unique_for_overwrite<char[]>(piece.capacity);
    AccessTime time;
    char* out = write_local_time(piece.bytes.get(), at, time);
    *out++ = ' ';
    *out++ = ' ';
    out = std::copy(line.begin(), line.end(), out);
    *out++ = '\n';
    piece.size = static_cast<std::size_t>(out - piece.bytes.get());
    piece.records = 1;
    if (!writer_->push(piece)) writer_->lose(1, writer_->buffer_full);
}

void AccessLog::drain() {
    if (!is_on_) return;
    std::unique_lock lock(writer_->mutex);
    writer_->is_idle.wait(lock, [&] { return writer_->pieces.empty() && !writer_->is_writing; });
}

AccessLogShard::AccessLogShard(AccessLog& log) : log_(log) {}

AccessLogShard::~AccessLogShard() {
    if (records_ != 0 && !hand_over()) log_.writer_->lose(records_, log_.writer_->buffer_full);
}

void AccessLogShard::append(const AccessRecord& record) {
    if (!log_.is_on_) return;
    if (!make_room(most_bytes(record))) {
        log_.writer_->lose(1, log_.writer_->buffer_full);
        return;
    }
    char* const start = buffer_.get() + size_;
    char* const end = log_.is_text_ ? write_text(start, record, time_)
                                    : write_json(start, record, time_, scratch_);
    size_ += static_cast<std::size_t>(end - start);
    ++records_;
}

void AccessLogShard::flush() {
    if (records_ != 0) hand_over();
}

bool AccessLogShard::make_room(std::size_t size) {
    if (size_ + size <= capacity_) return true;
    // The hint spares a full log the lock at each record.
    if (records_ != 0) {
        const std::size_t queued = log_.writer_->queued.load(std::memory_order_relaxed);
        if (queued != 0 && queued + size_ > log_.writer_->limit) return false;
        if (!hand_over()) return false;
    }
    const std::size_t usual = log_.writer_->hand_over;
    if (size <= usual) buffer_ = log_.writer_->take_spare();
    capacity_ = std::max(size, usual);
    if (buffer_ == nullptr) buffer_ = std::make_unique_for_overwrite<char[]>(capacity_);
    return true;
}

bool AccessLogShard::hand_over() {
    Piece piece{std::move(buffer_), size_, capacity_, records_};
    if (!log_.writer_->push(piece)) {
        buffer_ = std::move(piece.bytes);
        return false;
    }
    size_ = 0;
    capacity_ = 0;
    records_ = 0;
    return true;
}

}  // namespace weir::telemetry

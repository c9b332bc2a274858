#pragma once

#include "weir/telemetry/access_log.hpp"
#include "weir/telemetry/metrics.hpp"

#include <atomic>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

namespace weir::telemetry {

// Lines on their way from a worker.
struct LogPiece {
    std::unique_ptr<char[]> bytes;  // none: open the file again
    std::size_t size = 0;
    std::size_t capacity = 0;
    std::uint32_t records = 0;
};

// A sink of the access log, the thread that writes to it, and the buffer between it and the
// workers. Made with one user; when the last one leaves, it writes what is there, closes its file
// and ends. Thread: any.
class LogWriter {
  public:
    // Throws std::system_error if the file cannot be opened.
    LogWriter(const AccessLog::Options& options, Registry& metrics);
    // Waits for the thread: only after is_over(), or when the process ends.
    ~LogWriter();
    LogWriter(const LogWriter&) = delete;
    LogWriter& operator=(const LogWriter&) = delete;

    void enter() { users_.fetch_add(1, std::memory_order_relaxed); }
    void leave();
    [[nodiscard]] bool is_over() const { return is_over_.load(std::memory_order_acquire); }
    [[nodiscard]] bool is_terminal() const;

    // Takes the piece, or leaves it where it is if the buffer is full. Never waits.
    bool push(LogPiece& piece);
    void push_reopen();
    // A buffer of hand_over() bytes that was used before, or none.
    std::unique_ptr<char[]> take_spare();
    // A hint, without the lock, whether so many bytes have room.
    [[nodiscard]] bool may_have_room(std::size_t size) const {
        const std::size_t waiting = queued_.load(std::memory_order_relaxed);
        return waiting == 0 || waiting + size <= limit_;
    }
    // The size of a piece.
    [[nodiscard]] std::size_t hand_over() const { return hand_over_; }
    void lose(std::uint32_t records) { registry_.add(buffer_full_, records); }
    void drain();

  private:
    void run();
    void write_piece(LogPiece& piece);
    bool write_all(const char* bytes, std::size_t size);
    bool wait_writable();
    void reopen_file();

    Registry& registry_;
    CellId buffer_full_;
    CellId write_error_;
    const std::string path_;  // empty for standard streams
    const std::size_t limit_;
    const std::size_t hand_over_;
    int fd_ = -1;
    bool is_file_ = false;       // a regular one, or /dev/null: never blocks for long
    bool has_failed_ = false;    // the last write; one warning for each row of failures
    bool has_given_up_ = false;  // on a sink that takes nothing, at the end

    std::atomic<std::size_t> queued_{0};  // bytes; a hint to the workers, exact under the mutex
    std::atomic<unsigned> users_{1};
    std::atomic<bool> is_stopping_{false};
    std::atomic<bool> is_over_{false};
    std::mutex mutex_;
    std::condition_variable has_work_;
    std::condition_variable is_idle_;
    std::deque<LogPiece> pieces_;
    std::vector<std::unique_ptr<char[]>> spares_;
    bool is_writing_ = false;
    std::thread thread_;
};

}  // namespace weir::telemetry

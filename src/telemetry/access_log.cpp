#include "weir/telemetry/access_log.hpp"

#include "telemetry/access_record.hpp"
#include "telemetry/log_writer.hpp"

#include <algorithm>

namespace weir::telemetry {

AccessLog::Options AccessLog::options(const config::AccessLog& config) {
    const Format format = config.format == config::LogFormat::text   ? Format::text
                          : config.format == config::LogFormat::json ? Format::json
                                                                     : Format::auto_detect;
    return {.to = config.to, .format = format, .buffer = config.buffer};
}

AccessLog::AccessLog(const Options& options, Registry& registry) : registry_(registry) {
    configure(options);
}

AccessLog::~AccessLog() {
    if (current_ != nullptr) current_->leave();
}

void AccessLog::configure(const Options& options) {
    if (version_ != 0 && options == options_) return;
    std::unique_ptr<LogWriter> made;
    if (options.to != "off") made = std::make_unique<LogWriter>(options, registry_);
    LogWriter* const next = made.get();
    const std::lock_guard lock(mutex_);
    std::erase_if(writers_, [](const auto& writer) { return writer->is_over(); });
    if (made) writers_.push_back(std::move(made));
    options_ = options;
    is_on_ = next != nullptr;
    is_text_ = options.format == Format::text ||
               (options.format == Format::auto_detect && next != nullptr && next->is_terminal());
    if (current_ != nullptr) current_->leave();
    current_ = next;
    version_.fetch_add(1, std::memory_order_release);
}

AccessLog::Attachment AccessLog::attach() {
    const std::lock_guard lock(mutex_);
    if (current_ != nullptr) current_->enter();
    return {.writer = current_, .is_text = is_text_, .version = version_};
}

void AccessLog::reopen() {
    const std::lock_guard lock(mutex_);
    if (current_ != nullptr) current_->push_reopen();
}

void AccessLog::write_line(std::string_view line, WallTime at) {
    if (!is_text()) return;
    constexpr std::size_t kTimeSize = 12;
    LogPiece piece;
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
    const std::lock_guard lock(mutex_);
    if (current_ != nullptr && !current_->push(piece)) current_->lose(1);
}

void AccessLog::drain() {
    const Attachment now = attach();
    if (now.writer == nullptr) return;
    now.writer->drain();
    now.writer->leave();
}

// ---- a worker's part

AccessLogShard::AccessLogShard(AccessLog& log, std::uint64_t seed)
    : log_(log), to_(log.attach()), random_(seed) {}

AccessLogShard::~AccessLogShard() {
    leave();
}

void AccessLogShard::append(const AccessRecord& record) {
    if (log_.version_.load(std::memory_order_acquire) != to_.version) follow();
    if (to_.writer == nullptr || !record.policy->keeps(record, random_)) return;
    const std::string_view path = record.policy->redact(record.path, redacted_);
    if (!make_room(most_bytes(record, path))) return to_.writer->lose(1);
    char* const start = buffer_.get() + size_;
    char* const end = to_.is_text ? write_text(start, record, path, time_)
                                  : write_json(start, record, path, time_, scratch_);
    size_ += static_cast<std::size_t>(end - start);
    ++records_;
}

// The configuration has another sink.
void AccessLogShard::follow() {
    leave();
    to_ = log_.attach();
}

void AccessLogShard::leave() {
    if (to_.writer == nullptr) return;
    if (records_ != 0 && !hand_over()) to_.writer->lose(records_);
    buffer_.reset();
    size_ = capacity_ = 0;
    records_ = 0;
    time_ = {};
    to_.writer->leave();
    to_.writer = nullptr;
}

void AccessLogShard::flush() {
    if (records_ != 0) hand_over();
    if (log_.version_.load(std::memory_order_acquire) != to_.version) follow();
}

bool AccessLogShard::make_room(std::size_t size) {
    if (size_ + size <= capacity_) return true;
    if (records_ != 0) {
        // The hint spares a full log the lock at each record.
        if (!to_.writer->may_have_room(size_) || !hand_over()) return false;
    }
    const std::size_t usual = to_.writer->hand_over();
    if (size <= usual) buffer_ = to_.writer->take_spare();
    capacity_ = std::max(size, usual);
    if (buffer_ == nullptr) buffer_ = std::make_unique_for_overwrite<char[]>(capacity_);
    return true;
}

bool AccessLogShard::hand_over() {
    LogPiece piece{std::move(buffer_), size_, capacity_, records_};
    if (!to_.writer->push(piece)) {
        buffer_ = std::move(piece.bytes);
        return false;
    }
    size_ = 0;
    capacity_ = 0;
    records_ = 0;
    return true;
}

}  // namespace weir::telemetry

#pragma once

#include "weir/coding/encoder.hpp"

#include <memory>
#include <string>

namespace weir::coding {

std::unique_ptr<Encoder> make_gzip();
std::unique_ptr<Encoder> make_brotli();
std::unique_ptr<Encoder> make_zstd();

// Room at the end of a string for a library to write to.
class Room {
  public:
    explicit Room(std::string& out) : out_(out), size_(out.size()) { out_.resize(size_ + kStep); }
    Room(const Room&) = delete;
    Room& operator=(const Room&) = delete;
    ~Room() { out_.resize(size_); }

    [[nodiscard]] char* data() { return out_.data() + size_; }
    [[nodiscard]] std::size_t size() const { return out_.size() - size_; }
    // So much was written; there is room again.
    void take(std::size_t size) {
        size_ += size;
        if (this->size() < kStep / 2) out_.resize(size_ + kStep);
    }

  private:
    static constexpr std::size_t kStep = 4096;
    std::string& out_;
    std::size_t size_;
};

}  // namespace weir::coding

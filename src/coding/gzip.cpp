#include "kinds.hpp"

#include <zlib.h>

namespace weir::coding {
namespace {

constexpr int kLevel = 5;             // near the ratio of 6 at two thirds of its time
constexpr int kGzipWindow = 15 + 16;  // with gzip's head and checksum
constexpr int kMemory = 8;

class Gzip final : public Encoder {
  public:
    Gzip() {
        is_open_ = deflateInit2(&stream_, kLevel, Z_DEFLATED, kGzipWindow, kMemory,
                                Z_DEFAULT_STRATEGY) == Z_OK;
    }
    ~Gzip() override {
        if (is_open_) deflateEnd(&stream_);
    }

    [[nodiscard]] bool is_open() const { return is_open_; }

    bool encode(std::string_view data, Until until, std::string& out) override {
        constexpr std::size_t kMost = 1U << 30U;  // zlib counts in 32 bits
        while (data.size() > kMost) {
            if (!step(data.substr(0, kMost), Until::more, out)) return false;
            data.remove_prefix(kMost);
        }
        return step(data, until, out);
    }

  private:
    bool step(std::string_view data, Until until, std::string& out) {
        const int flush = until == Until::end     ? Z_FINISH
                          : until == Until::flush ? Z_SYNC_FLUSH
                                                  : Z_NO_FLUSH;
        if (data.empty() && until == Until::more) return true;
        // zlib does not write to it.
        stream_.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(data.data()));
        stream_.avail_in = static_cast<uInt>(data.size());
        Room room(out);
        for (;;) {
            const auto before = static_cast<uInt>(room.size());
            stream_.next_out = reinterpret_cast<Bytef*>(room.data());
            stream_.avail_out = before;
            const int result = deflate(&stream_, flush);
            if (result == Z_STREAM_ERROR) return false;
            const bool is_full = stream_.avail_out == 0;
            room.take(before - stream_.avail_out);
            // It has more to say only if it ran out of room.
            if (until == Until::end ? result == Z_STREAM_END : !is_full) return true;
        }
    }

    z_stream stream_{};
    bool is_open_ = false;
};

}  // namespace

std::unique_ptr<Encoder> make_gzip() {
    auto made = std::make_unique<Gzip>();
    return made->is_open() ? std::move(made) : nullptr;
}

}  // namespace weir::coding

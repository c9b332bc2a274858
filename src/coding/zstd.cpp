#include "kinds.hpp"

#include <zstd.h>

namespace weir::coding {
namespace {

constexpr int kLevel = 3;
constexpr int kWindow = 18;  // 256 KiB; browsers take at most 8 MiB (RFC 9659)

class Zstd final : public Encoder {
  public:
    Zstd() : context_(ZSTD_createCCtx()) {
        if (context_ == nullptr) return;
        ZSTD_CCtx_setParameter(context_, ZSTD_c_compressionLevel, kLevel);
        ZSTD_CCtx_setParameter(context_, ZSTD_c_windowLog, kWindow);
    }
    ~Zstd() override { ZSTD_freeCCtx(context_); }

    [[nodiscard]] bool is_open() const { return context_ != nullptr; }

    bool encode(std::string_view data, Until until, std::string& out) override {
        const ZSTD_EndDirective directive = until == Until::end     ? ZSTD_e_end
                                            : until == Until::flush ? ZSTD_e_flush
                                                                    : ZSTD_e_continue;
        ZSTD_inBuffer from{data.data(), data.size(), 0};
        Room room(out);
        for (;;) {
            ZSTD_outBuffer to{room.data(), room.size(), 0};
            const std::size_t left = ZSTD_compressStream2(context_, &to, &from, directive);
            if (ZSTD_isError(left) != 0) return false;
            room.take(to.pos);
            const bool is_done = until == Until::more ? from.pos == from.size : left == 0;
            if (is_done) return true;
        }
    }

  private:
    ZSTD_CCtx* context_;
};

}  // namespace

std::unique_ptr<Encoder> make_zstd() {
    auto made = std::make_unique<Zstd>();
    return made->is_open() ? std::move(made) : nullptr;
}

}  // namespace weir::coding

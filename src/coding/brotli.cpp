#include "kinds.hpp"

#include <brotli/encode.h>

namespace weir::coding {
namespace {

constexpr std::uint32_t kQuality = 4;  // above it takes several times as long
constexpr std::uint32_t kWindow = 18;  // 256 KiB: memory grows with it

class Brotli final : public Encoder {
  public:
    Brotli() : state_(BrotliEncoderCreateInstance(nullptr, nullptr, nullptr)) {
        if (state_ == nullptr) return;
        BrotliEncoderSetParameter(state_, BROTLI_PARAM_QUALITY, kQuality);
        BrotliEncoderSetParameter(state_, BROTLI_PARAM_LGWIN, kWindow);
    }
    ~Brotli() override {
        if (state_ != nullptr) BrotliEncoderDestroyInstance(state_);
    }

    [[nodiscard]] bool is_open() const { return state_ != nullptr; }

    bool encode(std::string_view data, Until until, std::string& out) override {
        const BrotliEncoderOperation operation = until == Until::end     ? BROTLI_OPERATION_FINISH
                                                 : until == Until::flush ? BROTLI_OPERATION_FLUSH
                                                                         : BROTLI_OPERATION_PROCESS;
        std::size_t left = data.size();
        const auto* from = reinterpret_cast<const std::uint8_t*>(data.data());
        Room room(out);
        do {
            std::size_t free = room.size();
            auto* to = reinterpret_cast<std::uint8_t*>(room.data());
            if (BrotliEncoderCompressStream(state_, operation, &left, &from, &free, &to, nullptr) ==
                BROTLI_FALSE)
                return false;
            room.take(room.size() - free);
        } while (left > 0 || BrotliEncoderHasMoreOutput(state_) != BROTLI_FALSE ||
                 (until == Until::end && BrotliEncoderIsFinished(state_) == BROTLI_FALSE));
        return true;
    }

  private:
    BrotliEncoderState* state_;
};

}  // namespace

std::unique_ptr<Encoder> make_brotli() {
    auto made = std::make_unique<Brotli>();
    return made->is_open() ? std::move(made) : nullptr;
}

}  // namespace weir::coding

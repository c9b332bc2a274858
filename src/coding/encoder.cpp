#include "weir/coding/encoder.hpp"

#include "kinds.hpp"

namespace weir::coding {

std::string_view word(Coding coding) {
    switch (coding) {
        case Coding::zstd:
            return "zstd";
        case Coding::br:
            return "br";
        case Coding::gzip:
            break;
    }
    return "gzip";
}

std::unique_ptr<Encoder> make_encoder(Coding coding) {
    switch (coding) {
        case Coding::zstd:
            return make_zstd();
        case Coding::br:
            return make_brotli();
        case Coding::gzip:
            break;
    }
    return make_gzip();
}

}  // namespace weir::coding

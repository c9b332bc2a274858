#include "weir/core/error.hpp"

#include "tls_context.hpp"
#include "tls_session.hpp"
#include <openssl/core_names.h>
#include <openssl/rand.h>

#include <array>
#include <cstring>
#include <mutex>
#include <optional>

namespace weir::transport {
namespace {

constexpr std::size_t kNameSize = 16;
constexpr std::size_t kIvSize = 16;

struct TicketKey {
    std::array<unsigned char, kNameSize> name{};
    std::array<unsigned char, 32> cipher{};
    std::array<unsigned char, 32> mac{};
    TimePoint made;
};

// From OpenSSL's generator: these are secrets.
bool fill(TicketKey& key, TimePoint now) {
    key.made = now;
    const auto draw = [](auto& bytes) {
        return RAND_bytes(bytes.data(), static_cast<int>(bytes.size())) == 1;
    };
    return draw(key.name) && draw(key.cipher) && draw(key.mac);
}

}  // namespace

struct TlsTickets::Ring {
    // The key to encrypt with; a new one when it is due. None without chance.
    std::optional<TicketKey> current(TimePoint now) {
        const std::lock_guard lock(mutex);
        if (!now_used || now - now_used->made >= kTurn) {
            TicketKey fresh;
            if (!fill(fresh, now)) return std::nullopt;
            before = now_used;
            now_used = fresh;
        }
        return now_used;
    }

    std::optional<TicketKey> find(const unsigned char* name, TimePoint now) {
        const std::lock_guard lock(mutex);
        for (const auto& key : {now_used, before}) {
            if (!key || now - key->made >= 2 * kTurn) continue;
            if (std::memcmp(key->name.data(), name, kNameSize) == 0) return key;
        }
        return std::nullopt;
    }

    std::mutex mutex;
    std::optional<TicketKey> now_used;  // guarded by mutex
    std::optional<TicketKey> before;    // guarded by mutex
};

TlsTickets::TlsTickets() : ring_(std::make_unique<Ring>()) {}
TlsTickets::~TlsTickets() = default;

namespace {

bool start_mac(EVP_MAC_CTX* mac, const TicketKey& key) {
    std::string digest = "SHA256";
    const OSSL_PARAM parts[] = {
        OSSL_PARAM_construct_octet_string(
            OSSL_MAC_PARAM_KEY, const_cast<unsigned char*>(key.mac.data()), key.mac.size()),
        OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest.data(), 0),
        OSSL_PARAM_construct_end()};
    return EVP_MAC_CTX_set_params(mac, parts) == 1;
}

}  // namespace

// What OpenSSL expects: below 0 failure, 0 no such key, 1 done, 2 done and give a new ticket.
int use_ticket_key(SSL* ssl,
                   unsigned char* name,
                   unsigned char* iv,
                   EVP_CIPHER_CTX* cipher,
                   EVP_MAC_CTX* mac,
                   int encrypts) {
    TlsTickets::Ring& ring = session_of(ssl)->context().parts().tickets->ring();
    const TimePoint now = Clock::now();
    const auto key = encrypts == 1 ? ring.current(now) : ring.find(name, now);
    if (!key) return encrypts == 1 ? -1 : 0;
    if (!start_mac(mac, *key)) return -1;
    if (encrypts == 1) {
        std::memcpy(name, key->name.data(), kNameSize);
        if (RAND_bytes(iv, kIvSize) != 1) return -1;
        return EVP_EncryptInit_ex(cipher, EVP_aes_256_cbc(), nullptr, key->cipher.data(), iv) == 1
                   ? 1
                   : -1;
    }
    if (EVP_DecryptInit_ex(cipher, EVP_aes_256_cbc(), nullptr, key->cipher.data(), iv) != 1)
        return -1;
    return now - key->made < TlsTickets::kTurn ? 1 : 2;
}

}  // namespace weir::transport

#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

// Signatures of JOSE (RFC 7518, 8037), verified only.
namespace weir::crypto {

enum class Algorithm : std::uint8_t {
    rs256,
    rs384,
    rs512,
    ps256,
    ps384,
    ps512,
    es256,
    es384,
    es512,
    eddsa,
    hs256,
    hs384,
    hs512,
};
inline constexpr std::size_t kAlgorithmCount = 13;

// "RS256", as JOSE spells it, in that case only.
[[nodiscard]] std::optional<Algorithm> algorithm_from(std::string_view name);
[[nodiscard]] std::string_view name_of(Algorithm algorithm);

// A set of them.
class Algorithms {
  public:
    void add(Algorithm algorithm) { bits_ = static_cast<std::uint16_t>(bits_ | bit(algorithm)); }
    [[nodiscard]] bool has(Algorithm algorithm) const { return (bits_ & bit(algorithm)) != 0; }
    [[nodiscard]] bool is_empty() const { return bits_ == 0; }
    bool operator==(const Algorithms&) const = default;

  private:
    static std::uint16_t bit(Algorithm algorithm) {
        return static_cast<std::uint16_t>(1U << static_cast<unsigned>(algorithm));
    }
    std::uint16_t bits_ = 0;
};

// A key that verifies signatures, and only those of algorithms that are its kind's. A key that
// is too weak, or none, is not made. Thread: any (immutable).
class VerifyingKey {
  public:
    enum class Curve : std::uint8_t { p256, p384, p521 };

    // Numbers are big-endian. Nothing if they make no key, or a weak one: below 2048 bits, above
    // 8192, or of an exponent that is even, below 3 or above 64 bits.
    [[nodiscard]] static std::shared_ptr<const VerifyingKey> make_rsa(std::string_view modulus,
                                                                      std::string_view exponent);
    // Nothing if the point is not on the curve, or not as long as its numbers are.
    [[nodiscard]] static std::shared_ptr<const VerifyingKey> make_ec(Curve curve,
                                                                     std::string_view x,
                                                                     std::string_view y);
    [[nodiscard]] static std::shared_ptr<const VerifyingKey> make_ed25519(std::string_view x);
    // Of HMAC: at least as long as the digest of an algorithm to be good for it (RFC 7518, 3.2).
    [[nodiscard]] static std::shared_ptr<const VerifyingKey> make_secret(std::string_view secret);

    virtual ~VerifyingKey() = default;

    // What it can verify; never both a MAC and a signature.
    [[nodiscard]] const Algorithms& algorithms() const { return algorithms_; }

    // False, too, for an algorithm that is not one of the key's.
    [[nodiscard]] virtual bool verify(Algorithm algorithm,
                                      std::string_view message,
                                      std::string_view signature) const = 0;

  protected:
    explicit VerifyingKey(Algorithms algorithms) : algorithms_(algorithms) {}
    VerifyingKey(const VerifyingKey&) = delete;
    VerifyingKey& operator=(const VerifyingKey&) = delete;

  private:
    const Algorithms algorithms_;
};

}  // namespace weir::crypto

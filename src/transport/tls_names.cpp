#include "weir/auth/allowed.hpp"
#include "weir/core/address.hpp"
#include "weir/core/clock.hpp"

#include "tls_context.hpp"
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <ctime>
#include <netinet/in.h>
#include <span>
#include <string_view>
#include <sys/socket.h>

namespace weir::transport {
namespace ossl {
namespace {

std::string text_of(const ASN1_STRING* text) {
    const auto* const bytes = reinterpret_cast<const char*>(ASN1_STRING_get0_data(text));
    std::string copy(bytes, static_cast<std::size_t>(ASN1_STRING_length(text)));
    // A NUL inside is an attempt to look like another name.
    return copy.find('\0') == std::string::npos ? copy : std::string();
}

std::string lowered(std::string text) {
    std::transform(text.begin(), text.end(), text.begin(), [](unsigned char c) {
        return static_cast<char>(c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c);
    });
    return text;
}

std::string address_of(const ASN1_OCTET_STRING* bytes) {
    const unsigned char* const at = ASN1_STRING_get0_data(bytes);
    sockaddr_storage storage{};
    socklen_t size = 0;
    if (ASN1_STRING_length(bytes) == 4) {
        auto& v4 = reinterpret_cast<sockaddr_in&>(storage);
        v4.sin_family = AF_INET;
        std::memcpy(&v4.sin_addr, at, 4);
        size = sizeof v4;
    } else if (ASN1_STRING_length(bytes) == 16) {
        auto& v6 = reinterpret_cast<sockaddr_in6&>(storage);
        v6.sin6_family = AF_INET6;
        std::memcpy(&v6.sin6_addr, at, 16);
        size = sizeof v6;
    } else {
        return {};
    }
    return Address::from_socket(reinterpret_cast<const sockaddr*>(&storage), size).ip();
}

void add(std::vector<std::string>& into, std::string text) {
    if (!text.empty()) into.push_back(std::move(text));
}

}  // namespace

Names names_of(const X509* certificate) {
    Names names;
    std::array<char, 256> name{};
    const int size = X509_NAME_get_text_by_NID(X509_get_subject_name(certificate), NID_commonName,
                                               name.data(), static_cast<int>(name.size()));
    if (size > 0) names.common_name.assign(name.data(), static_cast<std::size_t>(size));
    const GeneralNames all(static_cast<GENERAL_NAMES*>(
        X509_get_ext_d2i(certificate, NID_subject_alt_name, nullptr, nullptr)));
    if (!all) return names;
    for (int i = 0; i < sk_GENERAL_NAME_num(all.get()); ++i) {
        const GENERAL_NAME* const each = sk_GENERAL_NAME_value(all.get(), i);
        if (each->type == GEN_URI) add(names.uris, text_of(each->d.uniformResourceIdentifier));
        if (each->type == GEN_DNS) add(names.dns, lowered(text_of(each->d.dNSName)));
        if (each->type == GEN_IPADD) add(names.ips, address_of(each->d.iPAddress));
    }
    return names;
}

std::string identity_of(const Names& names) {
    for (const std::string& uri : names.uris) {
        if (uri.starts_with("spiffe://")) return uri;
    }
    if (!names.uris.empty()) return names.uris.front();
    if (!names.dns.empty()) return names.dns.front();
    if (!names.ips.empty()) return names.ips.front();
    return names.common_name.empty() ? std::string() : "CN=" + names.common_name;
}

std::string day_of(const ASN1_TIME* time) {
    std::tm parts{};
    std::array<char, 32> text{};
    if (ASN1_TIME_to_tm(time, &parts) != 1) return "?";
    const auto size = std::strftime(text.data(), text.size(), "%Y-%m-%d", &parts);
    return {text.data(), size};
}

}  // namespace ossl

namespace {

WallTime to_wall(const ASN1_TIME* time) {
    std::tm parts{};
    if (ASN1_TIME_to_tm(time, &parts) != 1) return {};
    return std::chrono::system_clock::from_time_t(::timegm(&parts));
}

std::string name_text(const X509_NAME* name) {
    const ossl::Bio out(BIO_new(BIO_s_mem()));
    X509_NAME_print_ex(out.get(), name, 0, XN_FLAG_RFC2253);
    char* text = nullptr;
    const long size = BIO_get_mem_data(out.get(), &text);
    return {text, static_cast<std::size_t>(std::max(size, 0L))};
}

std::string hex_of(std::span<const unsigned char> bytes) {
    constexpr std::string_view kDigits = "0123456789abcdef";
    std::string hex;
    for (const unsigned char byte : bytes) {
        hex += kDigits[byte >> 4U];
        hex += kDigits[byte & 15U];
    }
    return hex;
}

std::string digest_of(X509* certificate) {
    std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
    unsigned size = 0;
    if (X509_digest(certificate, EVP_sha256(), digest.data(), &size) != 1) return {};
    return hex_of({digest.data(), size});
}

// Bare if it can be; what is not visible is percent-encoded.
void add_element(std::string& out, std::string_view name, std::string_view value, bool quotes) {
    constexpr std::string_view kSpecial = ",;=\"\\ ";
    const bool is_quoted = quotes || value.find_first_of(kSpecial) != std::string_view::npos;
    out.append(out.empty() ? "" : ";").append(name).append(is_quoted ? "=\"" : "=");
    for (const char c : value) {
        const auto byte = static_cast<unsigned char>(c);
        if (byte < 0x20 || byte > 0x7e) {
            out.append("%").append(hex_of({&byte, 1}));
            continue;
        }
        if (c == '"' || c == '\\') out.push_back('\\');
        out.push_back(c);
    }
    if (is_quoted) out.push_back('"');
}

}  // namespace

std::string client_cert(const X509* own, X509* client) {
    std::string out;
    const ossl::Names names = ossl::names_of(client);
    if (own != nullptr) {
        const ossl::Names mine = ossl::names_of(own);
        if (!mine.uris.empty()) add_element(out, "By", mine.uris.front(), false);
    }
    add_element(out, "Hash", digest_of(client), false);
    add_element(out, "Subject", name_text(X509_get_subject_name(client)), true);
    for (const std::string& uri : names.uris)
        add_element(out, "URI", uri, false);
    for (const std::string& name : names.dns)
        add_element(out, "DNS", name, false);
    return out;
}

bool is_allowed(const config::Tls& section, const ossl::Names& names) {
    if (section.allow.empty()) return true;
    return auth::has_allowed(section.allow, names.uris) ||
           auth::has_allowed(section.allow, names.dns) ||
           auth::has_allowed(section.allow, names.ips);
}

TlsCertificate describe(const config::CertificateFiles& files, X509* certificate) {
    TlsCertificate told;
    told.subject_name = files.subject;
    told.file = files.cert_path;
    told.subject = name_text(X509_get_subject_name(certificate));
    told.issuer = name_text(X509_get_issuer_name(certificate));
    const ossl::Names names = ossl::names_of(certificate);
    for (const auto* const some : {&names.uris, &names.dns, &names.ips})
        told.names.insert(told.names.end(), some->begin(), some->end());
    told.not_before = to_wall(X509_get0_notBefore(certificate));
    told.not_after = to_wall(X509_get0_notAfter(certificate));
    const ASN1_INTEGER* const serial = X509_get0_serialNumber(certificate);
    told.serial = hex_of(
        {ASN1_STRING_get0_data(serial), static_cast<std::size_t>(ASN1_STRING_length(serial))});
    told.fingerprint = digest_of(certificate);
    return told;
}

}  // namespace weir::transport

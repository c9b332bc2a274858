#include "weir/transport/certificates.hpp"

#include "weir/auth/check.hpp"
#include "weir/route/route_table.hpp"
#include "weir/transport/socket.hpp"

#include "tls_context.hpp"
#include <openssl/pem.h>

#include <array>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <ctime>
#include <memory>
#include <string>
#include <sys/socket.h>
#include <sys/stat.h>

namespace weir::transport {
namespace {

using config::Problem;

using ossl::Bio;
using ossl::Certificate;
using ossl::day_of;
using ossl::Key;
using Time = std::unique_ptr<ASN1_TIME, ossl::Freer<ASN1_TIME_free>>;

void add(config::Report& report,
         Problem::Severity severity,
         std::uint16_t code,
         const config::Span& at,
         std::string what,
         std::string note = {}) {
    report.add({.severity = severity,
                .code = code,
                .place = at.place,
                .what = std::move(what),
                .note = std::move(note),
                .width = at.width});
}

// The file, open; else the problem is in the report.
Bio open(config::Report& report,
         const std::string& path,
         const std::string& written,
         const config::Span& at) {
    struct stat status {};
    errno = 0;
    const bool is_file = ::stat(path.c_str(), &status) == 0 && S_ISREG(status.st_mode);
    Bio file(is_file ? BIO_new_file(path.c_str(), "r") : nullptr);
    if (!file) {
        const std::string why = errno != 0 ? std::strerror(errno) : "it is no file";
        add(report, Problem::Severity::error, 121, at, "cannot read '" + written + "': " + why);
    }
    return file;
}

Bio open_file(config::Report& report, const config::TrustFile& file) {
    return open(report, file.path, file.text, file.at);
}

int no_passphrase(char* /*buffer*/, int /*size*/, int /*writes*/, void* was_asked) {
    *static_cast<bool*>(was_asked) = true;
    return -1;
}

Certificate read_certificate(config::Report& report, const config::CertificateFiles& files) {
    const Bio file = open(report, files.cert_path, files.cert, files.cert_at);
    if (!file) return nullptr;
    Certificate certificate(PEM_read_bio_X509(file.get(), nullptr, nullptr, nullptr));
    if (!certificate) {
        add(report, Problem::Severity::error, 121, files.cert_at,
            "'" + files.cert + "' holds no certificate", "PEM: -----BEGIN CERTIFICATE-----");
    }
    return certificate;
}

Key read_key(config::Report& report, const config::CertificateFiles& files) {
    const Bio file = open(report, files.key_path, files.key, files.key_at);
    if (!file) return nullptr;
    bool was_asked = false;
    Key key(PEM_read_bio_PrivateKey(file.get(), nullptr, no_passphrase, &was_asked));
    if (!key) {
        add(report, Problem::Severity::error, 121, files.key_at,
            "'" + files.key +
                (was_asked ? "' is locked by a passphrase" : "' holds no private key"),
            was_asked ? "write the key without one, readable by Weir alone"
                      : "PEM: -----BEGIN PRIVATE KEY-----");
    }
    return key;
}

// "CN=shop", or as much of the subject as there is.
std::string name_of(X509* certificate) {
    std::array<char, 256> text{};
    X509_NAME* subject = X509_get_subject_name(certificate);
    const int size = X509_NAME_get_text_by_NID(subject, NID_commonName, text.data(),
                                               static_cast<int>(text.size()));
    return size > 0 ? "CN=" + std::string(text.data(), static_cast<std::size_t>(size))
                    : std::string("no common name");
}

std::chrono::seconds between(const ASN1_TIME* from, const ASN1_TIME* to) {
    int days = 0;
    int seconds = 0;
    ASN1_TIME_diff(&days, &seconds, from, to);
    return std::chrono::hours{24} * days + std::chrono::seconds{seconds};
}

// Of those that live for days only, what is left says more than how much.
bool ends_soon(const ASN1_TIME* begin, const ASN1_TIME* end, std::time_t now) {
    constexpr std::chrono::hours kSoon{24 * 7};
    const Time at(ASN1_TIME_set(nullptr, now));
    const auto left = between(at.get(), end);
    return left < kSoon && left < between(begin, end) / 3;
}

void check_dates(config::Report& report,
                 const config::CertificateFiles& files,
                 X509* certificate,
                 WallTime now) {
    std::time_t at = std::chrono::system_clock::to_time_t(now);
    const ASN1_TIME* begin = X509_get0_notBefore(certificate);
    const ASN1_TIME* end = X509_get0_notAfter(certificate);
    if (X509_cmp_time(end, &at) < 0) {
        add(report, Problem::Severity::warning, 220, files.cert_at,
            "this certificate (" + name_of(certificate) + ") expired on " + day_of(end));
    } else if (X509_cmp_time(begin, &at) > 0) {
        add(report, Problem::Severity::warning, 220, files.cert_at,
            "this certificate (" + name_of(certificate) + ") is valid from " + day_of(begin) +
                " on");
    } else if (ends_soon(begin, end, at)) {
        add(report, Problem::Severity::warning, 220, files.cert_at,
            "this certificate (" + name_of(certificate) + ") expires soon, on " + day_of(end),
            "a new one at the same path is taken without a restart");
    }
}

// OpenSSL takes no weaker one into use.
void check_strength(config::Report& report, const config::CertificateFiles& files, EVP_PKEY* key) {
    constexpr int kLeastBits = 112;  // RSA of 2048
    if (EVP_PKEY_get_security_bits(key) >= kLeastBits) return;
    const char* const kind = EVP_PKEY_get0_type_name(key);
    add(report, Problem::Severity::error, 123, files.key_at,
        "this key is too weak: " + std::string(kind != nullptr ? kind : "a key") + " of " +
            std::to_string(EVP_PKEY_get_bits(key)) + " bits",
        "RSA of at least 2048 bits, or an elliptic curve of 256");
}

void check_pair(config::Report& report, const config::CertificateFiles& files, WallTime now) {
    const Certificate certificate = read_certificate(report, files);
    const Key key = read_key(report, files);
    if (certificate) check_dates(report, files, certificate.get(), now);
    if (key) check_strength(report, files, key.get());
    if (!files.ocsp.path.empty()) static_cast<void>(open_file(report, files.ocsp));
    if (!certificate || !key || X509_check_private_key(certificate.get(), key.get()) == 1) return;
    add(report, Problem::Severity::error, 120, files.key_at,
        "certificate and key do not belong together",
        files.cert + " has another public key (" + name_of(certificate.get()) + ", expires " +
            day_of(X509_get0_notAfter(certificate.get())) + ")");
}

// Authorities: at least one.
void check_trust(config::Report& report, const config::TrustFile& file) {
    const Bio bio = open_file(report, file);
    if (!bio) return;
    const Certificate first(PEM_read_bio_X509(bio.get(), nullptr, nullptr, nullptr));
    if (first) return;
    add(report, Problem::Severity::error, 121, file.at, "'" + file.text + "' holds no certificate",
        "PEM: -----BEGIN CERTIFICATE-----");
}

void check_crl(config::Report& report, const config::TrustFile& file, WallTime now) {
    const Bio bio = open_file(report, file);
    if (!bio) return;
    const ossl::Crl list(PEM_read_bio_X509_CRL(bio.get(), nullptr, nullptr, nullptr));
    if (!list) {
        add(report, Problem::Severity::error, 121, file.at,
            "'" + file.text + "' holds no list of revoked certificates",
            "PEM: -----BEGIN X509 CRL-----");
        return;
    }
    std::time_t at = std::chrono::system_clock::to_time_t(now);
    const ASN1_TIME* const end = X509_CRL_get0_nextUpdate(list.get());
    if (end == nullptr || X509_cmp_time(end, &at) > 0) return;
    add(report, Problem::Severity::warning, 220, file.at,
        "this list of revoked certificates ended on " + day_of(end),
        "nobody whose issuer it is from will be let in");
}

// Why this address cannot be bound; 0 if it can.
int bind_error(const Address& address, bool shares_port) {
    const Socket socket(::socket(address.family(), SOCK_STREAM | SOCK_CLOEXEC, 0));
    if (!socket.is_open()) return errno;
    const int yes = 1;
    ::setsockopt(socket.fd(), SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
    if (shares_port) ::setsockopt(socket.fd(), SOL_SOCKET, SO_REUSEPORT, &yes, sizeof yes);
    sockaddr_storage storage{};
    const socklen_t size = address.to_socket(storage);
    return ::bind(socket.fd(), reinterpret_cast<const sockaddr*>(&storage), size) == 0 ? 0 : errno;
}

void check_port(const config::ListenAddress& listen, bool shares_port, config::Report& report) {
    if (listen.address.is_unix() || listen.address.port() == 0) return;
    const config::Span at{listen.place, static_cast<std::uint32_t>(listen.text.size())};
    const auto warn = [&](std::uint16_t code, const std::string& what, const std::string& note) {
        add(report, Problem::Severity::warning, code, at, "'" + listen.text + "' " + what, note);
    };
    switch (bind_error(listen.address, shares_port)) {
        case EADDRINUSE:
            warn(210, "is in use", "by another program, or a running Weir's admin port");
            break;
        case EACCES:
        case EPERM:
            warn(211, "needs a privilege: ports below 1024 are root's",
                 "CAP_NET_BIND_SERVICE, or a higher port");
            break;
        case EADDRNOTAVAIL:
            warn(212, "is on no interface of this machine", {});
            break;
        default:
            break;
    }
}

}  // namespace

void check_certificates(const config::Config& config, config::Report& report, WallTime now) {
    for (const auto& files : config.certificates)
        check_pair(report, files, now);
    for (const auto& file : config.trust_files)
        check_trust(report, file);
    for (const auto& file : config.crl_files)
        check_crl(report, file, now);
}

void check_all(config::LoadResult& loaded) {
    if (!loaded.draft) return;
    route::check(*loaded.draft, loaded.report);
    Clock::refresh();
    check_certificates(*loaded.draft, loaded.report, Clock::wall());
    auth::check(*loaded.draft, loaded.report, Clock::wall());
    if (loaded.report.has_errors()) loaded.config = nullptr;
}

void check_ports(const config::Config& config, config::Report& report) {
    for (const auto& listener : config.listeners) {
        for (const auto& listen : listener.listen)
            check_port(listen, true, report);
    }
    if (config.admin_listen) check_port(*config.admin_listen, false, report);
    if (config.telemetry_listen) check_port(*config.telemetry_listen, false, report);
}

}  // namespace weir::transport

#pragma once

#include "crypto/openssl.hpp"
#include <openssl/bio.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include <memory>
#include <string>
#include <vector>

// OpenSSL's objects as owned ones. For transport alone.
namespace weir::transport::ossl {

using crypto::ossl::Freer;
using crypto::ossl::Key;
using Bio = std::unique_ptr<BIO, Freer<BIO_free>>;
using BioMethod = std::unique_ptr<BIO_METHOD, Freer<BIO_meth_free>>;
using Certificate = std::unique_ptr<X509, Freer<X509_free>>;
using Crl = std::unique_ptr<X509_CRL, Freer<X509_CRL_free>>;
using Context = std::unique_ptr<SSL_CTX, Freer<SSL_CTX_free>>;
using Connection = std::unique_ptr<SSL, Freer<SSL_free>>;
using Session = std::unique_ptr<SSL_SESSION, Freer<SSL_SESSION_free>>;
using GeneralNames = std::unique_ptr<GENERAL_NAMES, Freer<GENERAL_NAMES_free>>;

// What a certificate says of its owner.
struct Names {
    std::vector<std::string> uris;  // SPIFFE ids among them
    std::vector<std::string> dns;   // in lower case
    std::vector<std::string> ips;
    std::string common_name;
};
[[nodiscard]] Names names_of(const X509* certificate);
// The one to call it by: a SPIFFE id, else the first name.
[[nodiscard]] std::string identity_of(const Names& names);

// "2027-02-01"
[[nodiscard]] std::string day_of(const ASN1_TIME* time);

}  // namespace weir::transport::ossl

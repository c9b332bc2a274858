#pragma once

#include "weir/transport/tls.hpp"

#include "openssl.hpp"

#include <string>
#include <vector>

namespace weir::transport {

// A certificate's names, and what presents it.
struct TlsChoice {
    std::vector<std::string> names;  // in lower case, "*.x" among them
    std::string ocsp;                // the response to staple, or empty
    ossl::Context context;
};

struct TlsContext::Parts {
    // [0] is where connections begin; the others take their place when the client asks for a name
    // of theirs.
    std::vector<TlsChoice> choices;
    std::string alpn;  // as on the wire
    std::shared_ptr<const TlsTickets> tickets;
};

[[nodiscard]] TlsCertificate describe(const config::CertificateFiles& files, X509* certificate);

// What X-Forwarded-Client-Cert says of a client, to whom `own` was shown: By, Hash, Subject, URI
// and DNS. No byte of a certificate gets into it that could end the field or an element of it.
[[nodiscard]] std::string client_cert(const X509* own, X509* client);

// Whether a certificate's names have one that the list allows; an empty list allows all.
[[nodiscard]] bool is_allowed(const config::Tls& section, const ossl::Names& names);

// What a client may resume: a session is good only under the very context that made it.
struct TlsMemory::State {
    std::shared_ptr<const TlsContext> made_by;
    ossl::Session session;
};

// The connection of ours that uses one of OpenSSL's.
class TlsSession;
[[nodiscard]] TlsSession* session_of(const SSL* ssl);

// The BIO that reads what a session was fed, and writes to its scratch.
[[nodiscard]] BIO* make_session_bio(TlsSession& session);

// Encrypts and decrypts tickets of the ring.
int use_ticket_key(SSL* ssl,
                   unsigned char* name,
                   unsigned char* iv,
                   EVP_CIPHER_CTX* cipher,
                   EVP_MAC_CTX* mac,
                   int encrypts);

}  // namespace weir::transport

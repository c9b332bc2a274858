#include "tls_context.hpp"

#include "weir/core/error.hpp"

#include "tls_session.hpp"
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include <algorithm>
#include <array>
#include <fstream>
#include <iterator>
#include <span>
#include <stdexcept>

namespace weir::transport {
namespace {

using config::Tls;

constexpr int kMostChain = 8;
constexpr long kMostChainBytes = 64 * 1024;
// Forward secrecy and authenticated encryption only.
constexpr const char* kCiphers12 = "ECDHE+AESGCM:ECDHE+CHACHA20";
constexpr const char* kCiphers13 =
    "TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256";

[[noreturn]] void fail(const std::string& sentence) {
    const unsigned long code = ERR_peek_error();
    std::string text = sentence;
    if (const char* const why = ERR_reason_error_string(code)) text += std::string(": ") + why;
    ERR_clear_error();
    throw std::runtime_error(text);
}

int no_passphrase(char* /*buffer*/, int /*size*/, int /*writes*/, void* /*nothing*/) {
    return -1;
}

// ---- callbacks

// The chain is good: is it anyone we want?
int on_verified(int is_good, X509_STORE_CTX* store) {
    if (is_good == 0 || X509_STORE_CTX_get_error_depth(store) != 0) return is_good;
    const auto* const ssl = static_cast<const SSL*>(
        X509_STORE_CTX_get_ex_data(store, SSL_get_ex_data_X509_STORE_CTX_idx()));
    TlsSession* const session = session_of(ssl);
    const ossl::Names names = ossl::names_of(X509_STORE_CTX_get_current_cert(store));
    if (is_allowed(session->context().section(), names)) return 1;
    session->note_failure(telemetry::Handshake::not_allowed);
    X509_STORE_CTX_set_error(store, X509_V_ERR_APPLICATION_VERIFICATION);
    return 0;
}

bool has_name(const TlsChoice& choice, std::string_view wanted) {
    return std::any_of(choice.names.begin(), choice.names.end(), [&](std::string_view name) {
        if (name == wanted) return true;
        if (!name.starts_with("*.")) return false;
        const auto dot = wanted.find('.');
        return dot != std::string_view::npos && wanted.substr(dot) == name.substr(1);
    });
}

int on_name(SSL* ssl, int* /*alert*/, void* /*nothing*/) {
    const char* const name = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);
    if (name == nullptr) return SSL_TLSEXT_ERR_NOACK;
    std::string wanted(name);
    std::transform(wanted.begin(), wanted.end(), wanted.begin(), [](unsigned char c) {
        return static_cast<char>(c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c);
    });
    const auto& choices = session_of(ssl)->context().parts().choices;
    const auto found = std::find_if(choices.begin(), choices.end(), [&](const TlsChoice& choice) {
        return has_name(choice, wanted);
    });
    if (found != choices.end() && found != choices.begin())
        SSL_set_SSL_CTX(ssl, found->context.get());
    return SSL_TLSEXT_ERR_OK;
}

int on_alpn(SSL* ssl,
            const unsigned char** chosen,
            unsigned char* size,
            const unsigned char* offered,
            unsigned offered_size,
            void* /*nothing*/) {
    const std::string& ours = session_of(ssl)->context().parts().alpn;
    if (ours.empty()) return SSL_TLSEXT_ERR_NOACK;  // bytes of any kind
    unsigned char* found = nullptr;
    const int result =
        SSL_select_next_proto(&found, size, reinterpret_cast<const unsigned char*>(ours.data()),
                              static_cast<unsigned>(ours.size()), offered, offered_size);
    *chosen = found;
    return result == OPENSSL_NPN_NEGOTIATED ? SSL_TLSEXT_ERR_OK : SSL_TLSEXT_ERR_ALERT_FATAL;
}

int on_status(SSL* ssl, void* /*nothing*/) {
    const SSL_CTX* const now = SSL_get_SSL_CTX(ssl);
    for (const TlsChoice& choice : session_of(ssl)->context().parts().choices) {
        if (choice.context.get() != now || choice.ocsp.empty()) continue;
        auto* const copy =
            static_cast<unsigned char*>(OPENSSL_memdup(choice.ocsp.data(), choice.ocsp.size()));
        if (copy == nullptr) break;
        SSL_set_tlsext_status_ocsp_resp(ssl, copy, static_cast<long>(choice.ocsp.size()));
        return SSL_TLSEXT_ERR_OK;
    }
    return SSL_TLSEXT_ERR_NOACK;
}

int on_new_session(SSL* ssl, SSL_SESSION* session) {
    TlsSession* const owner = session_of(ssl);
    if (owner == nullptr || SSL_SESSION_is_resumable(session) != 1) return 0;
    owner->keep(ossl::Session(session));
    return 1;
}

// ---- what a section says

std::string read_whole(const std::string& path) {
    std::ifstream file(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(file), {}};
}

ossl::Context make_base(const Tls& section, bool is_server) {
    ossl::Context context(SSL_CTX_new(is_server ? TLS_server_method() : TLS_client_method()));
    if (!context) fail("TLS cannot be used");
    SSL_CTX* const made = context.get();
    SSL_CTX_set_min_proto_version(
        made, section.min_version == Tls::Version::tls_1_3 ? TLS1_3_VERSION : TLS1_2_VERSION);
    SSL_CTX_set_options(made, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION);
    SSL_CTX_set_mode(made, SSL_MODE_RELEASE_BUFFERS);
    SSL_CTX_set_verify_depth(made, kMostChain);
    SSL_CTX_set_max_cert_list(made, kMostChainBytes);
    SSL_CTX_set_ciphersuites(made, kCiphers13);
    if (is_server) {
        SSL_CTX_set_cipher_list(made, kCiphers12);
        SSL_CTX_set_options(made, SSL_OP_CIPHER_SERVER_PREFERENCE | SSL_OP_PRIORITIZE_CHACHA);
    }
    return context;
}

void use_certificate(SSL_CTX* context, const config::CertificateFiles& files) {
    ERR_clear_error();
    if (SSL_CTX_use_certificate_chain_file(context, files.cert_path.c_str()) != 1)
        fail("cannot use the certificate '" + files.cert + "'");
    SSL_CTX_set_default_passwd_cb(context, no_passphrase);
    if (SSL_CTX_use_PrivateKey_file(context, files.key_path.c_str(), SSL_FILETYPE_PEM) != 1)
        fail("cannot use the key '" + files.key + "' with '" + files.cert + "'");
}

void use_crls(X509_STORE* store, const config::TrustFile& file) {
    const ossl::Bio bio(BIO_new_file(file.path.c_str(), "r"));
    int count = 0;
    while (bio) {
        const ossl::Crl crl(PEM_read_bio_X509_CRL(bio.get(), nullptr, nullptr, nullptr));
        if (!crl) break;
        X509_STORE_add_crl(store, crl.get());
        ++count;
    }
    if (count == 0) fail("'" + file.text + "' holds no list of revoked certificates");
    ERR_clear_error();
    X509_STORE_set_flags(store, X509_V_FLAG_CRL_CHECK);
}

// Who may vouch for the peer.
void use_trust(SSL_CTX* context, const Tls& section, bool is_server) {
    if (!section.ca.path.empty()) {
        if (SSL_CTX_load_verify_file(context, section.ca.path.c_str()) != 1)
            fail("cannot use the authorities of '" + section.ca.text + "'");
        // An intermediate one may be the anchor, as of a mesh with a part of a larger tree.
        X509_STORE_set_flags(SSL_CTX_get_cert_store(context), X509_V_FLAG_PARTIAL_CHAIN);
        if (is_server)
            SSL_CTX_set_client_CA_list(context, SSL_load_client_CA_file(section.ca.path.c_str()));
    } else if (!is_server) {
        SSL_CTX_set_default_verify_paths(context);
    }
    if (!section.crl.path.empty()) use_crls(SSL_CTX_get_cert_store(context), section.crl);
    int mode = SSL_VERIFY_NONE;
    if (!is_server && section.verify != Tls::Verify::none) mode = SSL_VERIFY_PEER;
    if (is_server && section.client_auth != Tls::ClientAuth::none) mode = SSL_VERIFY_PEER;
    if (is_server && section.client_auth == Tls::ClientAuth::require)
        mode |= SSL_VERIFY_FAIL_IF_NO_PEER_CERT;
    SSL_CTX_set_verify(context, mode, on_verified);
}

std::string alpn_of(const std::vector<std::string>& protocols) {
    std::string wire;
    for (const std::string& protocol : protocols) {
        wire += static_cast<char>(protocol.size());
        wire += protocol;
    }
    return wire;
}

// Tickets say who the client is: one given under other rules, or by another listener, is not taken.
void bind_tickets(SSL_CTX* context, const Tls& section, std::string_view name) {
    std::string rules(name);
    rules += '\0' + section.contents + '\0' + section.ca.path + '\0' + section.crl.path + '\0';
    rules += std::to_string(static_cast<int>(section.client_auth)) + '\0' +
             std::to_string(static_cast<int>(section.min_version));
    std::array<unsigned char, 32> digest{};
    static_assert(digest.size() <= SSL_MAX_SID_CTX_LENGTH);
    unsigned size = 0;
    EVP_Digest(rules.data(), rules.size(), digest.data(), &size, EVP_sha256(), nullptr);
    SSL_CTX_set_session_id_context(context, digest.data(), size);
}

void prepare_server(SSL_CTX* context, const Tls& section, std::string_view name) {
    SSL_CTX_callback_ctrl(context, SSL_CTRL_SET_TLSEXT_SERVERNAME_CB,
                          reinterpret_cast<void (*)()>(on_name));
    SSL_CTX_set_alpn_select_cb(context, on_alpn, nullptr);
    SSL_CTX_callback_ctrl(context, SSL_CTRL_SET_TLSEXT_STATUS_REQ_CB,
                          reinterpret_cast<void (*)()>(on_status));
    SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_tlsext_ticket_key_evp_cb(context, use_ticket_key);
    SSL_CTX_set_timeout(
        context, std::chrono::duration_cast<std::chrono::seconds>(TlsTickets::kTurn).count());
    bind_tickets(context, section, name);
}

std::vector<std::string> choice_names(X509* certificate) {
    ossl::Names names = ossl::names_of(certificate);
    if (names.dns.empty() && !names.common_name.empty()) names.dns.push_back(names.common_name);
    return std::move(names.dns);
}

}  // namespace

TlsContext::TlsContext(const Tls& section, bool is_server, telemetry::Registry& registry)
    : section_(section),
      is_server_(is_server),
      metrics_(registry, is_server),
      parts_(std::make_unique<Parts>()) {
    parts_->alpn = alpn_of(section.alpn);
}

TlsContext::~TlsContext() = default;

std::shared_ptr<const TlsContext> TlsContext::make_server(
    const Tls& section,
    std::string_view name,
    telemetry::Registry& registry,
    std::shared_ptr<const TlsTickets> tickets) {
    std::shared_ptr<TlsContext> made(new TlsContext(section, true, registry));
    made->parts_->tickets = tickets ? std::move(tickets) : std::make_shared<const TlsTickets>();
    for (const config::CertificateFiles& files : section.certs) {
        TlsChoice choice;
        choice.context = make_base(section, true);
        use_certificate(choice.context.get(), files);
        use_trust(choice.context.get(), section, true);
        prepare_server(choice.context.get(), section, name);
        X509* const certificate = SSL_CTX_get0_certificate(choice.context.get());
        choice.names = choice_names(certificate);
        if (!files.ocsp.path.empty()) choice.ocsp = read_whole(files.ocsp.path);
        made->certificates_.push_back(describe(files, certificate));
        made->parts_->choices.push_back(std::move(choice));
    }
    WEIR_ASSERT(!made->parts_->choices.empty());
    return made;
}

std::shared_ptr<const TlsContext> TlsContext::make_client(const Tls& section,
                                                          telemetry::Registry& registry) {
    std::shared_ptr<TlsContext> made(new TlsContext(section, false, registry));
    TlsChoice choice;
    choice.context = make_base(section, false);
    SSL_CTX* const context = choice.context.get();
    for (const config::CertificateFiles& files : section.certs) {
        use_certificate(context, files);
        made->certificates_.push_back(describe(files, SSL_CTX_get0_certificate(context)));
    }
    use_trust(context, section, false);
    const std::string& alpn = made->parts_->alpn;
    SSL_CTX_set_alpn_protos(context, reinterpret_cast<const unsigned char*>(alpn.data()),
                            static_cast<unsigned>(alpn.size()));
    SSL_CTX_set_session_cache_mode(context,
                                   SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL_STORE);
    SSL_CTX_sess_set_new_cb(context, on_new_session);
    made->parts_->choices.push_back(std::move(choice));
    return made;
}

}  // namespace weir::transport

#include "tls_session.hpp"

#include "weir/core/error.hpp"

#include "tls_context.hpp"
#include <boost/core/ignore_unused.hpp>
#include <openssl/err.h>
#include <openssl/x509v3.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstring>
#include <ctime>

namespace weir::transport {
namespace {

using telemetry::Handshake;

constexpr char kHandshakeRecord = 0x16;

int read_input(BIO* bio, char* into, int size) {
    BIO_clear_retry_flags(bio);
    std::string_view& input = static_cast<TlsSession*>(BIO_get_data(bio))->input();
    if (input.empty()) {
        BIO_set_retry_read(bio);
        return -1;
    }
    const std::size_t taken = std::min(input.size(), static_cast<std::size_t>(size));
    std::memcpy(into, input.data(), taken);
    input.remove_prefix(taken);
    return static_cast<int>(taken);
}

int write_output(BIO* bio, const char* bytes, int size) {
    BIO_clear_retry_flags(bio);
    static_cast<TlsSession*>(BIO_get_data(bio))
        ->output()
        .append(bytes, static_cast<std::size_t>(size));
    return size;
}

long control(BIO* /*bio*/, int command, long /*number*/, void* /*pointer*/) {
    return command == BIO_CTRL_FLUSH ? 1 : 0;
}

BIO_METHOD* session_method() {
    static const ossl::BioMethod method = [] {
        ossl::BioMethod made(BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "weir"));
        BIO_meth_set_read(made.get(), read_input);
        BIO_meth_set_write(made.get(), write_output);
        BIO_meth_set_ctrl(made.get(), control);
        return made;
    }();
    return method.get();
}

Handshake of_verification(long error) {
    switch (error) {
        case X509_V_ERR_CERT_HAS_EXPIRED:
        case X509_V_ERR_CERT_NOT_YET_VALID:
            return Handshake::expired;
        case X509_V_ERR_CERT_REVOKED:
            return Handshake::revoked;
        case X509_V_ERR_HOSTNAME_MISMATCH:
        case X509_V_ERR_IP_ADDRESS_MISMATCH:
            return Handshake::wrong_name;
        default:
            return Handshake::untrusted;
    }
}

// Alerts by which a server ends a handshake it does not accept.
bool is_about_certificates(int alert) {
    constexpr std::array kAlerts{SSL_AD_BAD_CERTIFICATE,     SSL_AD_UNSUPPORTED_CERTIFICATE,
                                 SSL_AD_CERTIFICATE_REVOKED, SSL_AD_CERTIFICATE_EXPIRED,
                                 SSL_AD_CERTIFICATE_UNKNOWN, SSL_AD_UNKNOWN_CA,
                                 SSL_AD_ACCESS_DENIED,       SSL_AD_CERTIFICATE_REQUIRED};
    return std::find(kAlerts.begin(), kAlerts.end(), alert) != kAlerts.end();
}

Handshake of_reason(int reason) {
    switch (reason) {
        case SSL_R_HTTP_REQUEST:
        case SSL_R_HTTPS_PROXY_REQUEST:
        case SSL_R_WRONG_VERSION_NUMBER:
            return Handshake::not_tls;
        case SSL_R_UNSUPPORTED_PROTOCOL:
        case SSL_R_VERSION_TOO_LOW:
        case SSL_R_WRONG_SSL_VERSION:
        case SSL_R_TLSV1_ALERT_PROTOCOL_VERSION:
            return Handshake::version;
        case SSL_R_NO_SHARED_CIPHER:
        case SSL_R_NO_SUITABLE_KEY_SHARE:
        case SSL_R_NO_SUITABLE_SIGNATURE_ALGORITHM:
            return Handshake::cipher;
        case SSL_R_PEER_DID_NOT_RETURN_A_CERTIFICATE:
            return Handshake::no_certificate;
        default:
            // OpenSSL numbers alerts of the peer by their own number, above 1000.
            return reason > SSL_AD_REASON_OFFSET ? Handshake::refused : Handshake::error;
    }
}

}  // namespace

TlsSession* session_of(const SSL* ssl) {
    return static_cast<TlsSession*>(SSL_get_app_data(ssl));
}

TlsMemory::TlsMemory() : state_(std::make_unique<State>()) {}
TlsMemory::~TlsMemory() = default;

BIO* make_session_bio(TlsSession& session) {
    BIO* const bio = BIO_new(session_method());
    BIO_set_data(bio, &session);
    BIO_set_init(bio, 1);
    return bio;
}

TlsSession::TlsSession(const TlsStart& start, TlsScratch& scratch)
    : context_(start.context),
      shard_(start.shard),
      scratch_(scratch),
      memory_(start.memory),
      ssl_(SSL_new(context_->parts().choices.front().context.get())) {
    WEIR_ASSERT(ssl_ != nullptr);
    SSL_set_app_data(ssl_.get(), this);
    BIO* const bio = make_session_bio(*this);
    SSL_set_bio(ssl_.get(), bio, bio);
    if (context_->is_server()) {
        SSL_set_accept_state(ssl_.get());
        if (context_->is_permissive()) state_ = State::sniffing;
    } else {
        SSL_set_connect_state(ssl_.get());
        prepare_client(start);
    }
}

// OpenSSL forgets the session of a connection that was freed without an end.
TlsSession::~TlsSession() {
    if (!has_finished_) finish(Handshake::closed);
    if (state_ == State::open || state_ == State::ended)
        SSL_set_shutdown(ssl_.get(), SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
}

void TlsSession::prepare_client(const TlsStart& start) {
    const config::Tls& section = context_->section();
    if (start.is_opaque) SSL_set_alpn_protos(ssl_.get(), nullptr, 0);
    std::string name(section.server_name.empty() ? start.server_name
                                                 : std::string_view(section.server_name));
    X509_VERIFY_PARAM* const rules = SSL_get0_param(ssl_.get());
    const bool is_address = X509_VERIFY_PARAM_set1_ip_asc(rules, name.c_str()) == 1;
    if (!is_address && !name.empty()) {
        // An address is no name (RFC 6066, 3).
        SSL_ctrl(ssl_.get(), SSL_CTRL_SET_TLSEXT_HOSTNAME, TLSEXT_NAMETYPE_host_name, name.data());
        X509_VERIFY_PARAM_set_hostflags(rules, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
        if (section.verify == config::Tls::Verify::full)
            X509_VERIFY_PARAM_set1_host(rules, name.data(), name.size());
    } else if (section.verify != config::Tls::Verify::full) {
        X509_VERIFY_PARAM_set1_ip(rules, nullptr, 0);
    }
    if (start.only_http1) {
        static constexpr unsigned char kHttp1[] = "\x08http/1.1";
        SSL_set_alpn_protos(ssl_.get(), kHttp1, sizeof kHttp1 - 1);
    }
    if (!memory_) return;
    const TlsMemory::State& known = memory_->state();
    if (known.session && known.made_by == context_)
        SSL_set_session(ssl_.get(), known.session.get());
}

void TlsSession::keep(ossl::Session session) {
    if (!memory_) return;
    memory_->state().made_by = context_;
    memory_->state().session = std::move(session);
}

void TlsSession::feed(std::string_view bytes) {
    input_ = bytes;
    if (state_ != State::sniffing || bytes.empty()) return;
    state_ = bytes.front() == kHandshakeRecord ? State::handshaking : State::clear;
    if (state_ == State::clear) has_finished_ = true;
}

void TlsSession::handshake() {
    ERR_clear_error();
    const int done = SSL_do_handshake(ssl_.get());
    if (done == 1) return finish_handshake();
    const int error = SSL_get_error(ssl_.get(), done);
    if (error != SSL_ERROR_WANT_READ) fail_handshake(error);
}

// Of a session that is resumed no certificate is shown: what it was may not be so any more.
void TlsSession::finish_handshake() {
    const bool is_resumed = SSL_session_reused(ssl_.get()) == 1;
    X509* const certificate = SSL_get0_peer_certificate(ssl_.get());
    const bool is_verified = certificate != nullptr &&
                             SSL_get_verify_result(ssl_.get()) == X509_V_OK &&
                             (SSL_get_verify_mode(ssl_.get()) & SSL_VERIFY_PEER) != 0;
    if (is_verified) {
        const ossl::Names names = ossl::names_of(certificate);
        std::time_t now = std::chrono::system_clock::to_time_t(Clock::wall());
        if (X509_cmp_time(X509_get0_notAfter(certificate), &now) < 0) {
            noted_ = Handshake::expired;
        } else if (!is_allowed(context_->section(), names)) {
            noted_ = Handshake::not_allowed;
        }
        peer_ = ossl::identity_of(names);
    }
    if (noted_ != Handshake::ok) return fail_handshake(SSL_ERROR_SSL);
    const unsigned char* protocol = nullptr;
    unsigned size = 0;
    SSL_get0_alpn_selected(ssl_.get(), &protocol, &size);
    alpn_ = {reinterpret_cast<const char*>(protocol), size};
    state_ = State::open;
    finish(is_resumed ? Handshake::resumed : Handshake::ok);
}

auth::PeerNames TlsSession::peer_names() const {
    auth::PeerNames all;
    if (peer_.empty()) return all;
    const ossl::Names names = ossl::names_of(SSL_get0_peer_certificate(ssl_.get()));
    if (peer_.starts_with("spiffe://")) all.spiffe = peer_;
    for (const auto* const some : {&names.uris, &names.dns, &names.ips})
        all.names.insert(all.names.end(), some->begin(), some->end());
    all.common_name = names.common_name;
    return all;
}

std::string TlsSession::describe_peer() const {
    if (peer_.empty()) return {};
    return client_cert(SSL_get_certificate(ssl_.get()), SSL_get0_peer_certificate(ssl_.get()));
}

Handshake TlsSession::judge_failure(int error) const {
    if (noted_ != Handshake::ok) return noted_;
    if (error != SSL_ERROR_SSL) return Handshake::error;
    const unsigned long code = ERR_peek_error();
    const int reason = ERR_GET_LIB(code) == ERR_LIB_SSL ? ERR_GET_REASON(code) : 0;
    if (reason == SSL_R_CERTIFICATE_VERIFY_FAILED)
        return of_verification(SSL_get_verify_result(ssl_.get()));
    return of_reason(reason);
}

void TlsSession::fail_handshake(int error) {
    const Handshake result = judge_failure(error);
    ERR_clear_error();
    state_ = State::failed;
    finish(result);
}

void TlsSession::give_up(Handshake result) {
    if (!is_handshaking()) return;
    state_ = State::failed;
    finish(result);
}

void TlsSession::finish(Handshake result) {
    has_finished_ = true;
    result_ = result;
    if (shard_ != nullptr) shard_->add(context_->metrics().of(result));
}

std::size_t TlsSession::read(std::span<char> into) {
    std::size_t have = 0;
    while (state_ == State::open && have < into.size()) {
        ERR_clear_error();
        std::size_t got = 0;
        const int done = SSL_read_ex(ssl_.get(), into.data() + have, into.size() - have, &got);
        have += got;
        if (done == 1) continue;
        const int error = SSL_get_error(ssl_.get(), done);
        if (error == SSL_ERROR_WANT_READ) break;
        if (error == SSL_ERROR_ZERO_RETURN) {
            state_ = State::ended;
        } else {
            fail_reading();
        }
    }
    // What comes behind the end is nobody's.
    input_ = {};
    return have;
}

void TlsSession::fail_reading() {
    const int reason = ERR_GET_REASON(ERR_peek_error());
    ERR_clear_error();
    state_ = State::failed;
    was_refused_ = is_about_certificates(reason - SSL_AD_REASON_OFFSET);
    result_ = was_refused_ ? Handshake::refused : Handshake::error;
}

bool TlsSession::seal(std::string_view plain) {
    std::size_t written = 0;
    ERR_clear_error();
    if (SSL_write_ex(ssl_.get(), plain.data(), plain.size(), &written) == 1) return true;
    ERR_clear_error();
    state_ = State::failed;
    return false;
}

// Small parts share a record: each costs 22 bytes, and more than its encryption.
bool TlsSession::write(std::initializer_list<std::string_view> parts) {
    auto& record = scratch_.record;
    std::size_t filled = 0;
    for (std::string_view part : parts) {
        while (!part.empty()) {
            const bool is_whole = filled == 0 && part.size() >= record.size();
            const std::size_t taken = std::min(record.size() - filled, part.size());
            if (is_whole) {
                if (!seal(part.substr(0, taken))) return false;
            } else {
                std::memcpy(record.data() + filled, part.data(), taken);
                filled += taken;
            }
            part.remove_prefix(taken);
            if (filled < record.size()) continue;
            if (!seal({record.data(), filled})) return false;
            filled = 0;
        }
    }
    return filled == 0 || seal({record.data(), filled});
}

void TlsSession::close_notify() {
    if (state_ != State::open && state_ != State::ended) return;
    ERR_clear_error();
    boost::ignore_unused(SSL_shutdown(ssl_.get()));
    ERR_clear_error();
}

const char* TlsSession::result_text() const {
    switch (result_) {
        case Handshake::closed:
            return "the peer left during the TLS handshake";
        case Handshake::timeout:
            return "the TLS handshake took too long";
        case Handshake::not_tls:
            return "the peer speaks no TLS";
        case Handshake::version:
            return "no common version of TLS";
        case Handshake::cipher:
            return "no common cipher";
        case Handshake::no_certificate:
            return "the peer has no certificate";
        case Handshake::untrusted:
            return "the peer's certificate is issued by nobody trusted";
        case Handshake::expired:
            return "the peer's certificate is out of date";
        case Handshake::revoked:
            return "the peer's certificate is revoked";
        case Handshake::wrong_name:
            return "the peer's certificate is for another name";
        case Handshake::not_allowed:
            return "the peer's identity is not in tls.allow";
        case Handshake::refused:
            return "the peer refused the TLS handshake";
        default:
            return "TLS failed";
    }
}

}  // namespace weir::transport

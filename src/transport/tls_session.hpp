#pragma once

#include "weir/auth/rule.hpp"
#include "weir/transport/event_loop.hpp"
#include "weir/transport/tls.hpp"

#include "openssl.hpp"

#include <array>
#include <cstdint>
#include <initializer_list>
#include <span>
#include <string>
#include <string_view>

namespace weir::transport {

// What all TLS connections of one thread share: an idle one owns no buffer but OpenSSL's state.
struct TlsScratch {
    // What one read brings. With what OpenSSL holds of a record that is not whole yet, it decrypts
    // to less than EventLoop::kScratchSize.
    static constexpr std::size_t kRead = std::size_t{46} * 1024;
    static constexpr std::size_t kRecord = std::size_t{16} * 1024;  // plaintext of one, at most

    std::array<char, kRead> read;
    std::array<char, kRecord> record;  // small parts of one write, for one record
    std::string out;                   // bytes for the peer that wait to be sent
};

// The TLS of one connection, without a socket: bytes of the peer go in by feed(), those for it come
// out in TlsScratch::out, which the owner sends and clears after each call.
//
//   sniffing     --the first byte is no handshake's--> clear      (a permissive server only)
//   sniffing     --it is----------------------------->  handshaking
//   handshaking  --whole, and the peer may be one----->  open
//   handshaking  --anything else---------------------->  failed
//   open         --close_notify----------------------->  ended     (we may still send)
//   open         --an alert, a broken record---------->  failed
//
// Thread: its owner's.
class TlsSession {
  public:
    enum class State : std::uint8_t { sniffing, handshaking, open, ended, clear, failed };

    TlsSession(const TlsStart& start, TlsScratch& scratch);
    TlsSession(const TlsSession&) = delete;
    TlsSession& operator=(const TlsSession&) = delete;
    ~TlsSession();

    [[nodiscard]] State state() const { return state_; }
    [[nodiscard]] bool is_handshaking() const {
        return state_ == State::handshaking || state_ == State::sniffing;
    }

    // The bytes stay where they are until handshake() and read() have had their turn.
    void feed(std::string_view bytes);
    // Goes on with it, as a client begins it.
    void handshake();
    // It ended before it was over: the peer left, or took too long.
    void give_up(telemetry::Handshake result);
    // All that can be decrypted of what was fed.
    [[nodiscard]] std::size_t read(std::span<char> into);
    // False if the connection cannot be written any more.
    bool write(std::initializer_list<std::string_view> parts);
    void close_notify();

    // How the handshake ended, once it has; and that in words, for an Error.
    [[nodiscard]] telemetry::Handshake result() const { return result_; }
    [[nodiscard]] const char* result_text() const;

    [[nodiscard]] bool was_refused_by_peer() const { return was_refused_; }
    [[nodiscard]] std::string_view alpn() const { return alpn_; }
    // Who the peer is, if its certificate was verified; else empty.
    [[nodiscard]] const std::string& peer() const { return peer_; }
    // In the words of X-Forwarded-Client-Cert.
    [[nodiscard]] std::string describe_peer() const;
    [[nodiscard]] auth::PeerNames peer_names() const;

    std::string held;  // written before the handshake was over

    // Of the callbacks of OpenSSL.
    [[nodiscard]] std::string_view& input() { return input_; }
    [[nodiscard]] std::string& output() { return scratch_.out; }
    [[nodiscard]] const TlsContext& context() const { return *context_; }
    void keep(ossl::Session session);
    void note_failure(telemetry::Handshake result) { noted_ = result; }

  private:
    void prepare_client(const TlsStart& start);
    void finish_handshake();
    void fail_handshake(int error);
    void fail_reading();
    void finish(telemetry::Handshake result);
    [[nodiscard]] telemetry::Handshake judge_failure(int error) const;
    [[nodiscard]] bool seal(std::string_view plain);

    const std::shared_ptr<const TlsContext> context_;
    telemetry::Shard* const shard_;
    TlsScratch& scratch_;
    std::shared_ptr<TlsMemory> memory_;
    ossl::Connection ssl_;
    std::string_view input_;
    std::string_view alpn_;
    std::string peer_;
    State state_ = State::handshaking;
    bool was_refused_ = false;   // after our side of the handshake was over
    bool has_finished_ = false;  // the handshake, one way or another
    telemetry::Handshake result_ = telemetry::Handshake::closed;
    telemetry::Handshake noted_ = telemetry::Handshake::ok;  // by a callback: why it must fail
};

}  // namespace weir::transport

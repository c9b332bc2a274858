#include "weir/decode/keys.hpp"

#include "decode/sections.hpp"

#include <algorithm>
#include <array>
#include <utility>

namespace weir::config {
namespace {

// ---- the table

void set_client_auth(TlsBlock& into, std::size_t index) {
    into.client_auth = static_cast<Tls::ClientAuth>(index);
}
constexpr auto kTlsCert = static_cast<const Node * TlsBlock::*>(&TlsCertBlock::cert);
constexpr auto kTlsKey = static_cast<const Node * TlsBlock::*>(&TlsCertBlock::key);
constexpr auto kTlsOcsp = static_cast<const Node * TlsBlock::*>(&TlsCertBlock::ocsp);
constexpr Key<TlsBlock> kTls[] = {
    {"cert", "path", "-", "PEM chain; watched, hot reloaded", kTlsCert},
    {"key", "path", "-", "", kTlsKey},
    {"ocsp", "path", "none", "response to staple (DER)", kTlsOcsp},
    {"certs", "list", "[]", "several, chosen by SNI: {cert, key, ocsp}", &TlsBlock::certs},
    {"client_ca", "path", "none", "", &TlsBlock::client_ca},
    {"client_auth", "enum:none,optional,require", "by client_ca",
     "require when client_ca is set, else none", &set_client_auth},
    {"ca", "path", "system", "(upstream)", &TlsBlock::ca},
    {"crl", "path", "none", "revoked certificates of the peer's issuer (PEM)", &TlsBlock::crl},
    {"server_name", "string", "host", "(upstream) SNI and verified name", &TlsBlock::server_name},
    {"verify", "enum:full,ca,none", "full", "(upstream) ca = whatever its name; none = anyone",
     word<&TlsBlock::verify, TlsBlock>()},
    {"mode", "enum:permissive,strict", "strict", "permissive also takes plaintext",
     word<&TlsBlock::mode, TlsBlock>()},
    {"min_version", "enum:1.2,1.3", "1.2", "", word<&TlsBlock::min_version, TlsBlock>()},
    {"alpn", "list", "[h2, http/1.1]", "", &TlsBlock::alpn},
    {"allow", "list", "[]", "SPIFFE ids and names the peer may have; [] = any verified one",
     &TlsBlock::allow},
};
constexpr Key<TlsCertBlock> kTlsCertKeys[] = {
    {"cert", "path", "required", "", &TlsCertBlock::cert},
    {"key", "path", "required", "", &TlsCertBlock::key},
    {"ocsp", "path", "none", "", &TlsCertBlock::ocsp},
};
constexpr Key<IdentityBlock> kIdentity[] = {
    {"cert", "path", "required", "used by tls: mesh, both ways", &IdentityBlock::cert},
    {"key", "path", "required", "", &IdentityBlock::key},
    {"ca", "path", "required", "who vouches for the others", &IdentityBlock::ca},
};

constexpr Block<TlsBlock> kTlsBlock{"tls", "", nullptr, kTls};
constexpr Block<TlsCertBlock> kTlsCertBlock{"tls.certs[]", "", nullptr, kTlsCertKeys};
constexpr Block<IdentityBlock> kIdentityBlock{"identity", "", nullptr, kIdentity};

// ---- files

constexpr std::size_t kMostBytes = std::size_t{4} * 1024 * 1024;

// What a file says now, so that a section differs when it says something else: FNV-1a, as for the
// hash of a configuration. One that cannot be read is for transport/certificates to refuse.
void add_contents(Context& ctx, const std::string& path, std::uint64_t& hash) {
    if (path.empty()) return;
    const auto content = ctx.files.read(path, kMostBytes);
    for (const std::string* const text : {&path, &content.text, &content.problem}) {
        for (const char c : *text)
            hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3U;
        hash = (hash ^ 0xffU) * 0x100000001b3U;
    }
}

std::string contents_of(Context& ctx, const Tls& tls) {
    std::uint64_t hash = 0xcbf29ce484222325U;
    for (const CertificateFiles& files : tls.certs) {
        add_contents(ctx, files.cert_path, hash);
        add_contents(ctx, files.key_path, hash);
        add_contents(ctx, files.ocsp.path, hash);
    }
    add_contents(ctx, tls.ca.path, hash);
    add_contents(ctx, tls.crl.path, hash);
    return std::to_string(hash);
}

TrustFile file_of(Context& ctx, const Node* node, std::string_view key) {
    if (node == nullptr || node->is_broken) return {};
    if (!expect(ctx, *node, Node::Kind::scalar, key, "a path")) return {};
    if (node->text.empty()) {
        complain(ctx, *node, {.code = 121, .what = "'" + std::string(key) + "' names no file"});
        return {};
    }
    return {node->text, resolved(ctx, node->place, node->text), {node->place, node->width}};
}

// A pair of a block; none, complained about, if one of the two is missing.
std::optional<CertificateFiles> pair_of(Context& ctx,
                                        const Node& block,
                                        const TlsCertBlock& from,
                                        const std::string& path) {
    if (from.cert == nullptr || from.key == nullptr) {
        if (is_in_doubt(block)) return std::nullopt;
        complain(ctx, block,
                 {.code = 114,
                  .what = path + " needs " + (from.cert == nullptr ? "a cert" : "a key"),
                  .note = "write cert: and key:, the PEM files of a certificate and of its key"});
        return std::nullopt;
    }
    const TrustFile cert = file_of(ctx, from.cert, "cert");
    const TrustFile key = file_of(ctx, from.key, "key");
    if (cert.path.empty() || key.path.empty()) return std::nullopt;
    return CertificateFiles{.subject = path,
                            .cert = cert.text,
                            .key = key.text,
                            .cert_path = cert.path,
                            .key_path = key.path,
                            .cert_at = cert.at,
                            .key_at = key.at,
                            .ocsp = file_of(ctx, from.ocsp, "ocsp")};
}

void decode_pairs(
    Context& ctx, const Node& node, const TlsBlock& from, const std::string& path, Tls& tls) {
    const auto add = [&](std::optional<CertificateFiles> files) {
        if (files) tls.certs.push_back(std::move(*files));
    };
    if (from.cert != nullptr || from.key != nullptr) add(pair_of(ctx, node, from, path));
    if (from.certs == nullptr) return;
    if (!expect(ctx, *from.certs, Node::Kind::list, "certs", "a list of {cert, key}")) return;
    for (std::size_t i = 0; i < from.certs->items.size(); ++i) {
        const std::string item = below(path + ".certs", i);
        TlsCertBlock pair;
        decode(ctx, from.certs->items[i], item, pair);
        if (from.certs->items[i].kind == Node::Kind::map)
            add(pair_of(ctx, from.certs->items[i], pair, item));
    }
}

// ---- lists

std::vector<std::string> decode_alpn(Context& ctx, const Node& node) {
    constexpr std::array<std::string_view, 2> kSpoken{"h2", "http/1.1"};
    const std::vector<std::string_view> words(kSpoken.begin(), kSpoken.end());
    std::vector<std::string> protocols;
    for (const Node* item : scalars(ctx, node, "alpn")) {
        if (std::find(words.begin(), words.end(), item->text) == words.end()) {
            complain_word(ctx, *item, "protocol", words, "tls.alpn");
        } else {
            protocols.push_back(item->text);
        }
    }
    return protocols;
}

// ---- sides

constexpr std::array<std::string_view, 5> kListenersOnly{"certs", "ocsp", "client_ca",
                                                         "client_auth", "mode"};
constexpr std::array<std::string_view, 3> kClustersOnly{"ca", "server_name", "verify"};

void refuse_other_side(Context& ctx, const Origins& origins, bool is_listener) {
    const auto refuse = [&](std::string_view key, std::string_view belongs) {
        const Origin* const origin = origins.find(key);
        if (origin == nullptr) return;
        complain_at(ctx, origin->place, 0,
                    {.code = 115,
                     .what = "'" + std::string(key) + "' means nothing to the tls of a " +
                             (is_listener ? "listener" : "cluster"),
                     .note = std::string(belongs)});
    };
    if (!is_listener) {
        for (const auto key : kListenersOnly)
            refuse(key, "it is about the clients of a listener");
        return;
    }
    for (const auto key : kClustersOnly)
        refuse(key,
               key == "ca" ? "did you mean client_ca?" : "it is about the endpoints of a cluster");
}

void check_listener(Context& ctx, const Node& node, const Origins& origins, const Tls& tls) {
    if (tls.certs.empty() && origins.find("cert") == nullptr && origins.find("certs") == nullptr &&
        origins.find("key") == nullptr && !is_in_doubt(node)) {
        complain(ctx, node,
                 {.code = 114,
                  .what = "the tls of a listener needs a certificate",
                  .note = "write {cert: tls.crt, key: tls.key}, or tls: mesh"});
    }
    const Origin* const ocsp = origins.find("ocsp");
    if (ocsp != nullptr && origins.find("cert") == nullptr) {
        complain_at(ctx, ocsp->place, 0,
                    {.code = 115,
                     .what = "'ocsp' means nothing without the cert it is about",
                     .note = "in certs, write it beside its cert"});
    }
    const bool asks = tls.client_auth != Tls::ClientAuth::none;
    if (asks && tls.ca.path.empty()) {
        complain(ctx, node,
                 {.code = 114,
                  .what = "tls.client_auth needs a client_ca",
                  .note = "the authority whose certificates clients show"});
    }
    for (const auto key : {"allow", "crl"}) {
        const Origin* const origin = origins.find(key);
        const bool is_empty = std::string_view(key) == "allow" && tls.allow.empty();
        if (origin == nullptr || asks || is_empty) continue;
        complain_at(ctx, origin->place, 0,
                    {.code = 115,
                     .what = "'" + std::string(key) + "' means nothing without client certificates",
                     .note = "set client_ca, and leave client_auth out"});
    }
}

void check_cluster(Context& ctx, const Origins& origins, const Tls& tls) {
    if (tls.verify != Tls::Verify::none) return;
    for (const auto key : {"allow", "crl", "ca"}) {
        const Origin* const origin = origins.find(key);
        const bool is_empty = std::string_view(key) == "allow" && tls.allow.empty();
        if (origin == nullptr || is_empty) continue;
        complain_at(
            ctx, origin->place, 0,
            {.code = 115, .what = "'" + std::string(key) + "' means nothing beside verify: none"});
    }
    const Origin* const origin = origins.find("verify");
    warn_at(ctx, origin->place, 0,
            {.code = 203,
             .what = "verify: none takes anyone for the upstream, an attacker included",
             .note = "name its authority: ca: FILE"});
}

std::optional<Tls> mesh_of(Context& ctx, const Node& node, bool is_listener) {
    if (!ctx.identity) {
        if (!ctx.has_identity) {
            complain(ctx, node,
                     {.code = 114,
                      .what = "tls: mesh needs an identity",
                      .note = "write identity: {cert: ..., key: ..., ca: ...} at the top"});
        }
        return std::nullopt;
    }
    Tls tls = *ctx.identity;
    tls.is_mesh = true;
    tls.place = node.place;
    tls.min_version = Tls::Version::tls_1_3;
    if (is_listener) {
        tls.client_auth = Tls::ClientAuth::require;
        tls.mode = Tls::Mode::permissive;
    } else {
        tls.verify = Tls::Verify::ca;
    }
    return tls;
}

}  // namespace

template <>
const Block<TlsBlock>& block() {
    return kTlsBlock;
}
template <>
const Block<TlsCertBlock>& block() {
    return kTlsCertBlock;
}
template <>
const Block<IdentityBlock>& block() {
    return kIdentityBlock;
}

// Names without case; identities as they are.
std::vector<std::string> decode_allow(Context& ctx, const Node& node) {
    std::vector<std::string> allowed;
    for (const Node* item : scalars(ctx, node, "allow")) {
        std::string text = item->text;
        const bool is_uri = text.find("://") != std::string::npos;
        const auto star = text.find('*');
        const bool is_wild = star != std::string::npos;
        const bool is_good_wild = is_uri ? text.ends_with("/*") && star + 1 == text.size()
                                         : text.starts_with("*.") && text.rfind('*') == 0;
        if (text.empty() || (is_wild && !is_good_wild)) {
            complain(ctx, *item,
                     {.code = 119,
                      .what = "'" + text + "' can be nobody's identity",
                      .note = "spiffe://domain/path, spiffe://domain/ns/*, a name, or *.name"});
            continue;
        }
        if (!is_uri) {
            std::transform(text.begin(), text.end(), text.begin(), [](unsigned char c) {
                return static_cast<char>(c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c);
            });
        }
        allowed.push_back(std::move(text));
    }
    return allowed;
}

void decode_identity(Context& ctx, const Node& node) {
    ctx.has_identity = true;
    IdentityBlock from;
    decode(ctx, node, "identity", from);
    if (node.kind != Node::Kind::map) return;
    const auto pair = pair_of(ctx, node, {from.cert, from.key, nullptr}, "identity");
    if (from.ca == nullptr && !is_in_doubt(node)) {
        complain(ctx, node,
                 {.code = 114,
                  .what = "identity needs a ca",
                  .note = "the authority of the mesh: its PEM file"});
    }
    const TrustFile ca = file_of(ctx, from.ca, "ca");
    if (!pair || ca.path.empty()) return;
    Tls tls;
    tls.certs.push_back(*pair);
    tls.ca = ca;
    tls.contents = contents_of(ctx, tls);
    ctx.identity = std::move(tls);
}

std::optional<Tls> decode_tls(Context& ctx,
                              const Node& node,
                              const std::string& path,
                              bool is_listener) {
    if (node.is_broken) return std::nullopt;
    if (node.kind == Node::Kind::scalar) {
        if (node.text == "off") return std::nullopt;
        if (node.text == "mesh") return mesh_of(ctx, node, is_listener);
        complain_word(ctx, node, "kind of TLS", {"mesh", "off"}, "tls");
        return std::nullopt;
    }
    TlsBlock from;
    Origins origins;
    const auto before = ctx.report.errors();
    decode(ctx, node, path, from, &origins);
    if (node.kind != Node::Kind::map) return std::nullopt;
    Tls tls;
    tls.place = node.place;
    decode_pairs(ctx, node, from, path, tls);
    tls.ca = is_listener ? file_of(ctx, from.client_ca, "client_ca") : file_of(ctx, from.ca, "ca");
    tls.crl = file_of(ctx, from.crl, "crl");
    tls.client_auth = from.client_auth.value_or(
        tls.ca.path.empty() || !is_listener ? Tls::ClientAuth::none : Tls::ClientAuth::require);
    tls.verify = from.verify;
    tls.mode = from.mode;
    tls.min_version = from.min_version;
    tls.server_name = from.server_name;
    if (from.alpn != nullptr) tls.alpn = decode_alpn(ctx, *from.alpn);
    if (from.allow != nullptr) tls.allow = decode_allow(ctx, *from.allow);
    refuse_other_side(ctx, origins, is_listener);
    if (ctx.report.errors() == before) {
        if (is_listener) {
            check_listener(ctx, node, origins, tls);
        } else {
            check_cluster(ctx, origins, tls);
        }
    }
    tls.contents = contents_of(ctx, tls);
    return tls;
}

}  // namespace weir::config

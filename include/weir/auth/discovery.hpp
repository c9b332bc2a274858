#pragma once

#include <string>
#include <string_view>

// OpenID Connect Discovery 1.0: an issuer's document says where its keys are. Pure. Thread: any.
namespace weir::auth {

// Whether a URL is that of such a document: its path ends in /.well-known/openid-configuration.
[[nodiscard]] bool is_discovery(std::string_view url);

struct KeysPlace {
    std::string url;      // empty: there is none
    std::string problem;  // then, a sentence
};

// `jwks_uri` of the document that came from `url`. It must name the issuer that is expected, and a
// place of the same scheme, host and port: for what the cluster of `url` does not serve nobody was
// configured. Members given twice are refused.
[[nodiscard]] KeysPlace find_keys(std::string_view document,
                                  std::string_view url,
                                  std::string_view issuer);

// What a request for a URL says: "issuer.example:8443" and "/keys?x=1".
struct UrlParts {
    std::string_view scheme;
    std::string_view authority;
    std::string_view target;  // "/" at least
};
[[nodiscard]] UrlParts split_url(std::string_view url);

}  // namespace weir::auth

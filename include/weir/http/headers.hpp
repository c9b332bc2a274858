#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

namespace weir::http {

// Names the proxy itself looks at, resolved once while parsing. `other` is every name not listed.
enum class HeaderId : std::uint8_t {
    other,
    accept,
    connection,
    content_length,
    content_type,
    date,
    expect,
    forwarded,
    grpc_timeout,
    host,
    keep_alive,
    proxy_authenticate,
    proxy_authorization,
    proxy_connection,
    retry_after,
    te,
    trailer,
    transfer_encoding,
    upgrade,
    via,
    x_forwarded_for,
    x_forwarded_host,
    x_forwarded_proto,
    x_request_id,
    weir_error,
    weir_internal,      // any other x-weir-* or weir-* name
    x_forwarded_other,  // any other x-forwarded-* name
};

// The id of a name (a token), any case. A switch on the length and a few words compared: no
// allocation.
[[nodiscard]] HeaderId header_id(std::string_view name);

// A field as received: views into the bytes of the message, the value without surrounding blanks.
struct HeaderField {
    std::string_view name;
    std::string_view value;
    HeaderId id = HeaderId::other;
};

// The fields of a message in their order. Views: it lives no longer than the message's bytes.
class HeaderList {
  public:
    void clear() {
        fields_.clear();
        present_ = 0;
    }
    void add(std::string_view name, std::string_view value, HeaderId id) {
        fields_.push_back({name, value, id});
        present_ |= bit(id);
    }
    [[nodiscard]] std::size_t size() const { return fields_.size(); }
    [[nodiscard]] auto begin() const { return fields_.begin(); }
    [[nodiscard]] auto end() const { return fields_.end(); }

    // The first field of that name, or nullptr. Linear.
    [[nodiscard]] const HeaderField* find(HeaderId id) const {
        return (present_ & bit(id)) == 0 ? nullptr : find_present(id);
    }
    [[nodiscard]] const HeaderField* find(std::string_view name) const;  // any case

  private:
    [[nodiscard]] const HeaderField* find_present(HeaderId id) const;
    [[nodiscard]] static std::uint32_t bit(HeaderId id) { return 1U << static_cast<unsigned>(id); }

    std::vector<HeaderField> fields_;  // capacity is kept from message to message
    std::uint32_t present_ = 0;        // the bits of their ids
};

// As equals_ignoring_case(), with _ as -: what programs behind CGI and its kin take for one header.
[[nodiscard]] bool is_same_variable(std::string_view a, std::string_view b);

// ASCII, any case.
[[nodiscard]] bool equals_ignoring_case(std::string_view a, std::string_view b);

}  // namespace weir::http
